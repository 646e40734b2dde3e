from pathlib import Path

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets

BEFORE = f"""
{EPOCHS}
from types import SimpleNamespace
from ecologits.tracers.utils import llm_impacts

def ask(question):
    return SimpleNamespace(impacts=llm_impacts("openai", "gpt-4o-mini", 200, 2.0, "WOR"))
"""


def test_what_calls_emitted_elsewhere_stands_beside_the_run_and_is_not_added(tmp_path: Path) -> None:
    (snippet,) = snippets("EcoLogits")
    code = (
        f"{snippet}\nfrom carbonwatch.integrations.ecologits import impacts\nknown = impacts([response, response, 3])"
    )
    answer = """{
        "calls": known.calls,
        "grams": [known.emissions_low_g, known.emissions_high_g],
        "theirs": [response.impacts.gwp.value.min, response.impacts.gwp.value.max],
        "text": beside(measurement.run, [response]),
    }"""

    found = run(tmp_path, BEFORE, code, answer)
    assert found["calls"] == 2
    assert found["grams"] == [2000 * end for end in found["theirs"]]
    assert "elsewhere: " in found["text"]
    assert "CO2e by 1 calls" in found["text"]
