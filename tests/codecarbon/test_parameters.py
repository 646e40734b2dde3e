import os
import traceback
from pathlib import Path
from typing import Any

import pytest

from carbonwatch.codecarbon import EmissionsTracker, OfflineEmissionsTracker, parameters
from carbonwatch.codecarbon.outputs import OutputMethod
from carbonwatch.errors import SettingsError
from tests.codecarbon.bench import Bench, rows, settings

# every parameter of CodeCarbon 3.3.2's two trackers
THEIRS = """
    project_name measure_power_secs api_call_interval api_endpoint api_key output_dir output_file output_methods
    save_to_file save_to_api save_to_logger logging_logger save_to_prometheus save_to_logfire prometheus_url
    output_handlers gpu_ids emissions_endpoint experiment_id experiment_name electricitymaps_api_token
    co2_signal_api_token tracking_mode log_level on_csv_write logger_preamble force_cpu_power force_ram_power pue wue
    force_carbon_intensity_g_co2e_kwh force_mode_cpu_load allow_multiple_runs rapl_include_dram rapl_prefer_psys
    metadata country_iso_code region cloud_provider cloud_region country_2letter_iso_code
"""


# parameters


def test_every_parameter_of_codecarbon_is_taken() -> None:
    assert list(parameters.parameters()) == THEIRS.split()


def test_every_parameter_stands_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs/how-to/switch-from-codecarbon.md").read_text(encoding="utf-8")
    _, table = guide.split("## Every parameter")
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]

    assert {name.strip(" `") for cell in cells for name in cell.split(",")} == set(THEIRS.split())


def test_parameters_become_settings() -> None:
    found = settings(
        project_name="p",
        measure_power_secs="15",
        output_file="mine.csv",
        on_csv_write="update",
        gpu_ids=[0, "GPU-1"],
        tracking_mode="process",
        force_cpu_power=65,
        force_ram_power=10,
        pue=1.2,
        wue="0.5",
        force_carbon_intensity_g_co2e_kwh=50,
        rapl_prefer_psys="True",
        region="california",
        country_2letter_iso_code="us",
        force_mode_cpu_load=True,
        save_to_file="false",
    )
    wanted = {
        "project": "p",
        "interval_s": 15.0,
        "output_file": "mine.csv",
        "csv_write": "update",
        "gpus": ("0", "GPU-1"),
        "scope": "process",
        "cpu_w": 65.0,
        "ram_w": 10.0,
        "pue": 1.2,
        "wue": 0.5,
        "g_per_kwh": 50.0,
        "prefer_psys": True,
        "region": "california",
        "country": "us",
        "sensors": ("nvml", "cpu_model", "ram_model"),
        "exporters": (),
    }

    assert {name: getattr(found, name) for name in wanted} == wanted


def test_without_parameters_it_is_as_codecarbon_is() -> None:
    found = settings()

    assert (found.project, found.scope, found.exporters, found.output_dir, found.output_file, found.csv_write) == (
        "codecarbon",
        "machine",
        ("emissions_csv",),
        os.getcwd(),
        "emissions.csv",
        "append",
    )


def test_an_interval_that_is_none_is_the_shortest_and_a_long_one_the_longest() -> None:
    assert [settings(measure_power_secs=given).interval_s for given in (0, 0.001, "2", 86_400)] == [
        0.01,
        0.01,
        2.0,
        3600,
    ]


def test_a_project_may_be_a_number() -> None:
    assert settings(project_name=3).project == "3"


def test_gpus_are_told_by_a_number_a_list_or_its_text() -> None:
    given: list[Any] = [0, "0, 1", "['0', '1']", [0, "GPU-1"], [], [None], "all"]

    assert [settings(gpu_ids=ids).gpus for ids in given] == [
        ("0",),
        ("0", "1"),
        ("0", "1"),
        ("0", "GPU-1"),
        (),
        (),
        (),
    ]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"output_file": "logs/runs/mine.csv"}, "logs/runs/mine.csv"),
        ({"output_dir": "there", "output_file": "below/mine.csv"}, "there/below/mine.csv"),
        ({"output_dir": Path("there"), "output_file": Path("mine.csv")}, "there/mine.csv"),
        ({"output_dir": "there"}, "there/emissions.csv"),
    ],
)
def test_the_file_s_name_may_lead_to_another_folder(given: dict[str, Any], path: str) -> None:
    Path("there").mkdir()
    bench = Bench(**given)
    bench.tracker.start_task("a")
    bench.work(1.0)
    bench.tracker.stop()

    assert len(rows(path)) == 1
    assert len(list(Path(given.get("output_dir", ".")).glob("emissions_base_*.csv"))) == 1
    absolute = EmissionsTracker(output_dir="there", output_file=os.path.abspath("absolute.csv"))._tracker.settings
    assert (absolute.output_dir, absolute.output_file) == (os.getcwd(), "absolute.csv")


def test_a_folder_that_can_t_be_made_stops_the_start() -> None:
    Path("taken").touch()

    with pytest.raises(SettingsError, match=r"output_file is 'taken/mine\.csv', whose folder can't be made"):
        EmissionsTracker(output_file="taken/mine.csv")


def test_a_cloud_region_is_taken_whole_or_refused() -> None:
    assert settings(cloud_provider="aws", cloud_region="eu-west-3").cloud == "aws/eu-west-3"
    with pytest.raises(SettingsError, match="cloud_region is not given"):
        EmissionsTracker(cloud_provider="aws")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"proyect_name": "p"}, "no parameter 'proyect_name', so it would have no effect. Did you mean 'project_name'"),
        ({"project": "p"}, "Did you mean 'project_name'"),
        ({"country": "FR"}, "Did you mean 'country_iso_code'"),
        ({"measure_power_secs": -1}, "measure_power_secs is -1"),
        ({"measure_power_secs": "often"}, "measure_power_secs is 'often'"),
        ({"pue": float("nan")}, "pue is nan"),
        ({"pue": -1.0}, "pue is -1.0"),
        ({"pue": 0.5}, "pue is 0.5"),
        ({"wue": -0.1}, "wue is -0.1"),
        ({"force_cpu_power": 0}, "force_cpu_power is 0"),
        ({"force_carbon_intensity_g_co2e_kwh": -5}, "force_carbon_intensity_g_co2e_kwh is -5"),
        ({"country_iso_code": "FRX"}, "country_iso_code is 'FRX'"),
        ({"country_2letter_iso_code": "XX"}, "country_2letter_iso_code is 'XX'"),
        ({"region": "atlantis", "country_iso_code": "USA"}, "region is 'atlantis'"),
        ({"tracking_mode": "all"}, "tracking_mode is 'all'"),
        ({"on_csv_write": "replace"}, "on_csv_write is 'replace'"),
        ({"save_to_file": "maybe"}, "save_to_file is 'maybe'; it must be true or false"),
        ({"log_level": "loud"}, "log_level is 'loud'"),
        ({"output_methods": ["xml"]}, "output_methods has 'xml'"),
        ({"output_dir": "nowhere"}, "output_dir is 'nowhere'"),
        ({"output_file": ".."}, "output_file is '..'"),
        ({"metadata": {"a": object()}}, "which JSON can't hold"),
    ],
)
@pytest.mark.parametrize("tracker", [EmissionsTracker, OfflineEmissionsTracker])
def test_a_parameter_that_makes_no_sense_stops_the_start_and_is_named_as_it_was_given(
    tracker: type[EmissionsTracker], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        tracker(**parameters)

    assert message in str(caught.value)


@pytest.mark.parametrize(("country", "region"), [("FRA", "korsica"), ("DEU", "california"), ("CHN", "nowhere")])
def test_a_region_where_codecarbon_looks_at_none_is_said_once_and_the_country_s_mean_is_taken(
    caplog: pytest.LogCaptureFixture, country: str, region: str
) -> None:
    runs = []
    mean: dict[str, Any] = {"country_iso_code": country, "force_carbon_intensity_g_co2e_kwh": None}
    for given in ({**mean, "region": region}, {**mean, "region": region}, mean):
        bench = Bench(OfflineEmissionsTracker, **given)
        with bench.tracker:
            bench.work(10.0)
        runs.append(bench.tracker.run)

    assert runs[0].place == runs[1].place == runs[2].place
    assert runs[0].intensities == runs[2].intensities
    assert [record.getMessage() for record in caplog.records if "region" in record.getMessage()] == [
        f"region is {region!r}, and the tables have no figure for a part of {country} that is called so: "
        "the whole country's mean is taken, as CodeCarbon does there"
    ]


def test_a_region_that_the_tables_know_counts_in_any_country() -> None:
    with Bench(OfflineEmissionsTracker, country_iso_code="ITA", region="IT-SIC").tracker as tracker:
        pass

    assert tracker.run.place.subdivision == "IT-SIC"


@pytest.mark.parametrize("country", ["FRA", "FR", "fra"])
def test_a_country_goes_by_any_of_its_codes(country: str) -> None:
    with Bench(OfflineEmissionsTracker, country_iso_code=country).tracker as tracker:
        pass

    assert tracker.final_emissions_data.country_iso_code == "FRA"


def test_what_has_no_effect_is_said_once_where_it_was_turned_on(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        EmissionsTracker(rapl_include_dram=True, logger_preamble="")

    assert [r.getMessage() for r in caplog.records] == [
        "rapl_include_dram has no effect: memory is always counted, as a component of its own"
    ]


def test_output_methods_are_theirs_or_our_exporters() -> None:
    assert settings(output_methods=["csv"]).exporters == ("emissions_csv",)
    assert settings(output_methods="csv, json").exporters == ("emissions_csv", "json")
    assert settings(output_methods=[OutputMethod.CSV], save_to_file=False).exporters == ("emissions_csv",)


def test_our_own_exporters_stay_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONWATCH_EXPORTERS", "json")

    assert settings().exporters == ("json",)
    assert settings(save_to_logger=True).exporters == ("json",)


def test_parameters_may_stand_in_their_order() -> None:
    found = EmissionsTracker("p", 2, None, None, None, None, "mine.csv")._tracker.settings

    assert (found.project, found.interval_s, found.output_file) == ("p", 2.0, "mine.csv")
    with pytest.raises(TypeError, match="got 'output_file' twice"):
        EmissionsTracker("p", 2, None, None, None, None, "mine.csv", output_file="other.csv")
    with pytest.raises(TypeError, match="takes 36 parameters by position, and got 40"):
        EmissionsTracker(*[None] * 40)


def test_outputs_are_told_every_eighth_of_their_measurements_unless_said_otherwise() -> None:
    assert parameters.live_interval_s({}) == 120.0
    assert parameters.live_interval_s({"measure_power_secs": "5", "api_call_interval": 2}) == 10.0
    assert parameters.live_interval_s({"api_call_interval": -1}) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"save_to_api": True}, "api_key is not given"),
        ({"emissions_endpoint": "example.org"}, "emissions_endpoint is 'example.org', so nothing could be sent"),
        ({"api_call_interval": "often"}, "api_call_interval is 'often'; it must be a number"),
        ({"metadata": "none.json"}, "metadata is 'none.json', which can't be read"),
    ],
)
def test_an_output_that_could_not_work_stops_the_start(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        EmissionsTracker(**given)


def test_metadata_may_be_a_file_of_json() -> None:
    Path("meta.json").write_text('{"boamps": {"quality": "high"}}')

    assert EmissionsTracker(metadata="meta.json").run.facts["metadata"] == {"boamps": {"quality": "high"}}


def test_metadata_goes_with_the_run() -> None:
    with Bench(metadata={"lr": 0.1}, experiment_id="e-1", experiment_name="first").tracker as tracker:
        pass

    facts = tracker.run.facts
    assert EmissionsTracker(metadata='{"lr": 0.1}').run.facts["metadata"] == {"lr": 0.1}
    assert EmissionsTracker(metadata="a note").run.facts["metadata"] == "a note"
    assert (facts["metadata"], facts["experiment_id"], facts["experiment_name"]) == ({"lr": 0.1}, "e-1", "first")
    assert rows()[0]["experiment_id"] == "e-1"


# where parameters come from


def config(path: Path, **values: str) -> None:
    path.write_text("[codecarbon]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))


def test_the_call_goes_before_the_environment_the_folder_s_file_the_user_s_and_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def layer(*names: str, value: str) -> dict[str, str]:
        return dict.fromkeys(names, value)

    config(tmp_path / "home/.codecarbon.config", **layer("project_name", "wue", "pue", "force_cpu_power", value="4"))
    config(Path(".codecarbon.config"), **layer("project_name", "wue", "pue", value="3"))
    monkeypatch.setenv("CODECARBON_PROJECT_NAME", "2")
    monkeypatch.setenv("CODECARBON_WUE", "2")
    for name in ("PROJECT", "WUE", "PUE", "CPU_W", "RAM_W"):
        monkeypatch.setenv(f"CARBONWATCH_{name}", "5")
    found = settings(project_name="1")

    assert (found.project, found.wue, found.pue, found.cpu_w, found.ram_w) == ("1", 2.0, 3.0, 4.0, 5.0)


def test_variables_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("codecarbon_project_name", "small")

    assert settings().project == "small"


def test_text_from_files_and_environment_becomes_what_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    config(Path(".codecarbon.config"), measure_power_secs="15", save_to_file="False", rapl_prefer_psys="True")
    monkeypatch.setenv("CODECARBON_GPU_IDS", "0, 1")
    monkeypatch.setenv("CODECARBON_REGION", "")
    found = settings()

    assert (found.interval_s, found.exporters, found.prefer_psys, found.gpus, found.region) == (
        15.0,
        (),
        True,
        ("0", "1"),
        None,
    )


def test_what_codecarbon_s_command_line_keeps_in_its_file_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    config(Path(".codecarbon.config"), organization_id="o", project_id="p", experiment_id="e", projekt_name="typo")
    EmissionsTracker()

    assert [r.getMessage() for r in caplog.records] == [
        "there is no parameter 'projekt_name' (from ./.codecarbon.config), so it has no effect. Did you mean "
        "'project_name'?"
    ]


@pytest.mark.parametrize("content", [b"[codecarbon\n", b"[codecarbon]\nx\n", b"\xff"])
def test_a_config_file_that_is_broken_stops_the_start(content: bytes) -> None:
    Path(".codecarbon.config").write_bytes(content)

    with pytest.raises(SettingsError, match=r"\.codecarbon\.config can't be read"):
        EmissionsTracker()


def test_a_broken_config_file_is_not_shown_for_a_token_may_stand_in_it() -> None:
    Path(".codecarbon.config").write_text("[codecarbon]\nelectricitymaps_api_token s3cr3t-7f9a\n")

    with pytest.raises(SettingsError, match="ParsingError in line 2") as caught:
        EmissionsTracker()
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["electricitymaps_api_token", "co2_signal_api_token"])
def test_electricity_maps_token_turns_it_on_by_either_name(name: str) -> None:
    found = settings(**{name: "s3cr3t"})

    assert (found.grid, found.electricity_maps_token) == (("electricity_maps",), "s3cr3t")


def test_the_present_name_of_the_token_wins_and_an_empty_one_is_none() -> None:
    both = settings(electricitymaps_api_token="new", co2_signal_api_token="old")

    assert both.electricity_maps_token == "new"
    assert settings(electricitymaps_api_token="").grid == ()


def test_our_own_setting_may_choose_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONWATCH_GRID", "energy_charts")

    assert settings(electricitymaps_api_token="s3cr3t").grid == ("energy_charts",)


# what the command lines read


def test_values_outside_of_a_call_come_with_where_they_are_set() -> None:
    Path("~/.codecarbon.config").expanduser().write_text(
        "[codecarbon]\nproject_id = 1\nproject_name = home\npue = 1.1\n"
    )
    Path(".codecarbon.config").write_text("[codecarbon]\nproject_name = here\n")
    home = str(Path("~/.codecarbon.config").expanduser())

    assert parameters.configured({"CODECARBON_PUE": "1.2", "CODECARBON_WUE": ""}) == {
        "project_id": ("1", home),
        "project_name": ("here", "./.codecarbon.config"),
        "pue": ("1.2", "CODECARBON_PUE"),
    }


def test_our_command_line_reads_them_as_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[codecarbon]\nproject_name = p\ncountry_2letter_iso_code = FR\ntracking_mode = machine\nsave_to_api = yes\n"
    Path(".codecarbon.config").write_text(text)
    monkeypatch.setenv("CODECARBON_CLOUD_PROVIDER", "aws")
    monkeypatch.setenv("CODECARBON_CLOUD_REGION", "eu-west-3")

    assert parameters.layers() == [
        ("project_name in ./.codecarbon.config", {"project": "p"}),
        ("country_2letter_iso_code in ./.codecarbon.config", {"country": "FR"}),
        ("CODECARBON_CLOUD_PROVIDER", {"cloud": "aws/eu-west-3"}),
    ]
