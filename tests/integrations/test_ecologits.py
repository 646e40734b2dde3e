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


# a provider and a collector in one: the client's question and OpenTelemetry's metrics arrive at the same server
PROVIDER = """
import json, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import carbonwatch
from openai import OpenAI

posts = []

class Provider(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        posts.append((self.path, body))
        message = {"role": "assistant", "content": "30 cents"}
        answer = json.dumps({
            "id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 200, "total_tokens": 209},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if b"gpt" in body else "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer) if b"messages" in body else 0))
        self.end_headers()
        self.wfile.write(answer if b"messages" in body else b"")

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
client = OpenAI(api_key="none", base_url=address, max_retries=0)
"""


def test_calls_are_heard_as_opentelemetry_hears_them_and_both_figures_reach_one_collector(tmp_path: Path) -> None:
    _, snippet = snippets("EcoLogits")
    code = snippet.replace('"http://localhost:4318/v1/metrics"', 'address + "/v1/metrics"')
    after = """
from carbonwatch.integrations.ecologits import impacts
from opentelemetry import metrics
metrics.get_meter_provider().force_flush()
metrics_sent = b"".join(body for path, body in posts if path == "/v1/metrics")
theirs = EcoLogits.config.opentelemetry
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Again"}])
"""
    answer = """{
        "calls": impacts(calls).calls,
        "text": beside(measurement.run, calls),
        "sent": [name in metrics_sent for name in (b"ecologits_gwp", b"carbonwatch.emissions")],
        "given back": type(theirs).__name__,
    }"""

    found = run(tmp_path, PROVIDER, code + after, answer)
    assert found["calls"] == 1
    assert "CO2e by 1 call of language models" in found["text"]
    assert found["sent"] == [True, True]
    assert found["given back"] == "OpenTelemetry"


def test_where_opentelemetry_is_not_told_the_block_does_not_begin(tmp_path: Path) -> None:
    code = """
from carbonwatch.integrations.ecologits import heard
try:
    with heard():
        said = "begun"
except carbonwatch.SettingsError as error:
    said = str(error)
"""

    assert "EcoLogits.init(opentelemetry_endpoint=…)" in run(tmp_path, "import carbonwatch", code, "said")


def test_what_calls_emitted_elsewhere_stands_beside_the_run_and_is_not_added(tmp_path: Path) -> None:
    snippet, _ = snippets("EcoLogits")
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
    assert "CO2e by 1 call" in found["text"]
