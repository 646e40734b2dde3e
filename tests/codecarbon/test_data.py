import dataclasses
import json
import math

import pytest

from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData, plain
from carbonwatch.exporters import emissions_csv
from tests.codecarbon.bench import Bench


def data(duration_s: float = 100.0) -> EmissionsData:
    bench = Bench()
    with bench.tracker:
        bench.work(duration_s)
    return bench.tracker.final_emissions_data


def test_its_attributes_are_the_file_s_columns_in_order() -> None:
    assert tuple(data().values) == emissions_csv.COLUMNS
    assert tuple(dataclasses.asdict(data())) == emissions_csv.COLUMNS


def test_json_holds_null_where_a_number_is_not_known() -> None:
    found = json.loads(data().toJSON())

    assert (found["duration"], found["gpu_energy"], found["longitude"]) == (100.0, None, None)


def test_a_delta_is_what_came_since_and_leaves_the_total_alone() -> None:
    before, total = data(100.0), data(300.0)
    delta = total.since(before)

    assert (delta.duration, round(delta.emissions, 9), total.duration) == (200.0, 0.002, 300.0)
    assert math.isclose(delta.emissions_rate, 0.00001)
    assert delta.cpu_power == total.cpu_power
    assert total.since(None) == total


def test_a_task_s_row_begins_with_its_name_and_has_what_theirs_has() -> None:
    row = TaskEmissionsData.of("fit", data())

    assert list(row.values)[:4] == ["task_name", "timestamp", "project_name", "run_id"]
    assert (row.task_name, row.duration) == ("fit", 100.0)
    assert not hasattr(row, "experiment_id")
    assert plain(row)["gpu_energy"] is None


def test_a_task_s_row_is_a_dataclass_to_whoever_asks() -> None:
    row = TaskEmissionsData.of("fit", data())
    made = TaskEmissionsData(**row.values)

    assert dataclasses.asdict(row) == row.values
    assert [field.name for field in dataclasses.fields(row)] == list(row.values)
    assert (made.task_name, made.duration, made.on_cloud) == ("fit", 100.0, "N")
    with pytest.raises(TypeError, match="a task's row has no country_iso_code"):
        TaskEmissionsData(**{name: value for name, value in row.values.items() if name != "country_iso_code"})
