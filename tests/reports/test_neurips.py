from dataclasses import replace

from carbonwatch import totals
from carbonwatch.model import Place
from carbonwatch.reports import neurips
from tests.reports import runs


def test_the_answer_is_yes_where_all_that_is_asked_for_is_known() -> None:
    run = replace(runs.on_a_server(), place=Place(country="FR", cloud="gcp/europe-west9", evidence="setting cloud"))
    text = neurips.render(run, more_compute="Tuning took 3 times as much.")

    assert r"\item[] Answer: \answerYes{}" in text
    assert "% Left to you" not in text
    assert text.endswith("Tuning took 3 times as much.\n")


def test_what_is_not_known_is_left_to_the_authors() -> None:
    text = neurips.render(runs.with_tasks())

    assert r"\item[] Answer: \answerTODO{}" in text
    assert [line for line in text.splitlines() if line.startswith("% Left to you")] == [
        "% Left to you: the memory.",
        "% Left to you: the cloud provider, or that it was a machine of your own.",
        "% Left to you: whether the project needed more compute than these runs, failed ones too "
        "(--with more_compute=...).",
    ]


def test_several_runs_say_how_long_single_ones_took() -> None:
    one = runs.on_a_server()
    text = neurips.render(totals.merge([one, replace(one, id="2", duration_s=60.0)]))

    assert "Single runs took 1 min 00 s to 4 min 05 s." in text


def test_planned_work_leaves_the_answer_to_the_authors() -> None:
    text = neurips.render(runs.planned(), more_compute="No more.")

    assert "% Left to you: what the experiments really took: these figures are of planned work." in text
    assert "They would use" in text
