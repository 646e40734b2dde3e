import json

import pytest

from carbonwatch.exporters.logger import export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN


def test_a_run_is_a_line_of_json_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "carbonwatch.runs")
    export(RUN, Settings())

    (record,) = caplog.records
    assert (record.name, record.levelname, json.loads(record.getMessage())["run_id"]) == (
        "carbonwatch.runs",
        "INFO",
        "run-1",
    )
