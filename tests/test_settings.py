import ast
import inspect
import math
import os
import runpy
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import settings
from carbonwatch.errors import SettingsError
from carbonwatch.settings import Settings, resolve
from tests import missing

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without any settings above it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    monkeypatch.chdir(folder)
    return folder


def user(tmp_path: Path, text: str = "") -> dict[str, str]:
    """An environment whose user has a config file."""
    (tmp_path / "config" / "carbonwatch").mkdir(parents=True, exist_ok=True)
    (tmp_path / "config" / "carbonwatch" / "config.toml").write_text(text)
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def refusal(given: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(given, environ=environ or {"XDG_CONFIG_HOME": "/nowhere"})
    return str(caught.value)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere: for a while, this process is another user's."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


# where a value comes from


def test_nothing_given_is_the_defaults(project: Path, tmp_path: Path) -> None:
    found = resolve(environ=user(tmp_path))

    assert found == Settings()
    assert found.origin == {}


def test_the_nearest_source_wins_and_the_origin_says_which(project: Path, tmp_path: Path) -> None:
    names = ["country", "region", "cloud", "project", "output_file"]
    pyproject, config = project / "pyproject.toml", tmp_path / "config" / "carbonwatch" / "config.toml"
    pyproject.write_text("[tool.carbonwatch]\n" + "".join(f'{name} = "pyproject"\n' for name in names[:3]))
    environ = user(tmp_path, "".join(f'{name} = "user"\n' for name in names[:4]))
    environ |= {"CARBONWATCH_COUNTRY": "environment", "CARBONWATCH_REGION": "environment"}
    found = resolve({"country": "call"}, environ=environ, defaults=dict.fromkeys(names, "default"))

    assert [getattr(found, name) for name in names] == ["call", "environment", "pyproject", "user", "default"]
    assert found.origin == {
        "country": "call",
        "region": "environment",
        "cloud": str(pyproject),
        "project": str(config),
        "output_file": "default",
    }


def test_none_and_empty_variables_give_way_to_the_next_source(project: Path, tmp_path: Path) -> None:
    found = resolve(
        {"country": None}, environ=user(tmp_path, 'country = "FR"\nregion = "BRE"') | {"CARBONWATCH_REGION": ""}
    )

    assert (found.country, found.region) == ("FR", "BRE")


def test_pyproject_is_looked_for_upwards_and_the_nearest_alone_counts(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.carbonwatch]\nproject = "outer"\ncountry = "DE"\n')
    (project / "pyproject.toml").write_text('[tool.carbonwatch]\nproject = "inner"\n')
    (project / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(project / "src" / "deep")
    found = resolve(environ=user(tmp_path))

    assert (found.project, found.country) == ("inner", None)


def test_dashes_in_a_file_are_underscores(project: Path, tmp_path: Path) -> None:
    assert resolve(environ=user(tmp_path, "interval-s = 2")).interval_s == 2.0


def test_a_working_directory_that_is_gone_has_no_pyproject(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert resolve(environ=user(tmp_path, 'country = "FR"')).country == "FR"


# files that are wrong


def test_other_people_s_broken_pyproject_is_no_concern_of_ours(project: Path, tmp_path: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.other\n")

    assert resolve(environ=user(tmp_path)) == Settings()


def test_malformed_toml_with_our_name_in_it_is_an_error_that_says_where(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.carbonwatch\n")

    assert refusal({}).startswith(f"{project / 'pyproject.toml'} is not valid TOML (")


def test_a_file_that_is_no_text_is_an_error(project: Path, tmp_path: Path) -> None:
    environ = user(tmp_path)
    (tmp_path / "config" / "carbonwatch" / "config.toml").write_bytes(b'project = "\xff"')

    assert "config.toml is not valid TOML" in refusal({}, environ)


@pytest.mark.parametrize("text", ["tool = 3 # carbonwatch", "[tool]\ncarbonwatch = 3", "[[tool.carbonwatch]]\na = 1"])
def test_a_table_that_is_none_is_an_error(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)

    assert refusal({}) == (
        f"tool.carbonwatch in {project / 'pyproject.toml'} is no table, so no setting can be read from it. "
        "Write [tool.carbonwatch]."
    )


def test_a_tool_table_without_ours_says_nothing(project: Path, tmp_path: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\ndependencies = ["carbonwatch"]\n[tool.other]\na = 1\n')

    assert resolve(environ=user(tmp_path)) == Settings()


def test_a_file_that_can_t_be_read_is_an_error(project: Path, tmp_path: Path) -> None:
    missing.unless(os.path.exists("/proc/self/mem"), "a file that opens and can't be read: /proc/self/mem")
    environ = user(tmp_path)
    (tmp_path / "config" / "carbonwatch" / "config.toml").unlink()
    (tmp_path / "config" / "carbonwatch" / "config.toml").symlink_to("/proc/self/mem")

    assert "config.toml can't be read (" in refusal({}, environ)


def test_an_unknown_name_in_a_file_is_an_error_that_names_the_file(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.carbonwatch]\ncountri = 'FR'\n")

    assert refusal({}) == (
        f"There is no setting 'countri' (from {project / 'pyproject.toml'}), so it would have no effect. "
        "Did you mean 'country'?"
    )


# names that are wrong


@pytest.mark.parametrize("value", ["FR", None])
def test_a_typo_is_an_error_with_a_suggestion(project: Path, value: str | None) -> None:
    assert refusal({"countri": value}) == (
        "There is no setting 'countri' (from the call), so it would have no effect. Did you mean 'country'?"
    )


def test_a_typo_in_a_variable_is_an_error_too(project: Path) -> None:
    assert "no setting 'g_per_kw' (from the environment)" in refusal({}, {"CARBONWATCH_G_PER_KW": "50"})


def test_a_name_like_none_is_answered_with_all_names(project: Path) -> None:
    assert f"There are: {', '.join(settings.names())}." in refusal({"zzzzzz": 1})


def test_where_values_came_from_is_no_setting(project: Path) -> None:
    assert "origin" not in settings.names()
    assert "There is no setting 'origin'" in refusal({"origin": {}})


# values


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("interval_s", "0.5", 0.5),
        ("g_per_kwh", "0", 0.0),
        ("gpus", "0, 1,,GPU-3f2a", ("0", "1", "GPU-3f2a")),
        ("sensors", "", ()),
        ("quiet", "yes", True),
        ("quiet", "Off", False),
        ("prefer_psys", "1", True),
        ("country", "FR", "FR"),
        ("scope", "machine", "machine"),
    ],
)
def test_text_becomes_the_field_s_type(project: Path, name: str, text: str, value: object) -> None:
    found = resolve({name: text}, environ={"XDG_CONFIG_HOME": "/nowhere"})

    assert getattr(found, name) == value
    assert type(getattr(found, name)) is type(value)


@pytest.mark.parametrize(
    ("given", "names"),
    [([0, "GPU-1"], ("0", "GPU-1")), (("a", "b", "a"), ("a", "b")), (iter(["x"]), ("x",)), ("a,b,a", ("a", "b"))],
)
def test_names_are_taken_from_any_list_each_once(project: Path, given: object, names: tuple[str, ...]) -> None:
    assert resolve({"gpus": given}, environ={"XDG_CONFIG_HOME": "/nowhere"}).gpus == names


def test_a_path_is_taken_for_text(project: Path, tmp_path: Path) -> None:
    assert resolve({"store": tmp_path / "a.db"}, environ={"XDG_CONFIG_HOME": "/nowhere"}).store == f"{tmp_path}/a.db"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("interval_s", "soon", "a number"),
        ("interval_s", True, "a number"),
        ("interval_s", [1.0], "a number"),
        ("interval_s", 10**400, "a number"),
        ("pue", "", "a number"),
        ("quiet", "perhaps", "true or false"),
        ("quiet", 2, "true or false"),
        ("project", 3, "text"),
        ("country", ["FR"], "text"),
        ("gpus", 0, "names, separated by commas"),
        ("gpus", [True], "names, separated by commas"),
        ("gpus", [["0"]], "names, separated by commas"),
        ("gpus", {"a": 1}, "names, separated by commas"),
        ("exporters", b"json", "names, separated by commas"),
        ("exporters", [1.5], "names, separated by commas"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(project: Path, name: str, value: object, wanted: str) -> None:
    assert refusal({name: value}) == f"{name} is {value!r} (from the call); it must be {wanted}."


def test_a_wrong_type_in_a_file_is_an_error_that_names_the_file(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.carbonwatch]\nsensors = [1.5]\n")

    assert f"sensors is [1.5] (from {project / 'pyproject.toml'})" in refusal({})


@pytest.mark.parametrize("name", ["interval_s", "g_per_kwh", "pue", "wue", "cpu_w", "ram_w", "reserved_cores"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, "nan", "-inf", "1e400"])
def test_no_number_is_taken_that_is_none_or_negative(project: Path, name: str, value: object) -> None:
    assert refusal({name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("scope", "proces", "it must be one of process, machine"),
        ("csv_write", "replace", "it must be one of append, update"),
        ("interval_s", 0, "between 0.01 and 3600 seconds"),
        ("interval_s", 3600.5, "between 0.01 and 3600 seconds"),
        ("pue", 0.99, "a PUE is 1.0 or more"),
        ("wue", -0.1, "it must be 0 or more"),
        ("g_per_kwh", -1, "it must be 0 or more"),
        ("cpu_w", 0, "it must be a number above 0"),
        ("ram_w", 0, "it must be a number above 0"),
        ("reserved_cores", 0, "it must be a number above 0"),
        ("path_sysfs", "/no/such", "which is no directory"),
        ("path_procfs", __file__, "which is no directory"),
        ("project", "caf\udce9", "which is not valid UTF-8"),
    ],
)
def test_a_value_that_makes_no_sense_is_an_error(project: Path, name: str, value: object, part: str) -> None:
    assert part in refusal({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("interval_s", 0.01), ("interval_s", 3600), ("pue", 1), ("wue", 0), ("g_per_kwh", 0), ("project", "café ☕")],
)
def test_the_ends_of_what_makes_sense_do(project: Path, name: str, value: object) -> None:
    assert getattr(resolve({name: value}, environ={"XDG_CONFIG_HOME": "/nowhere"}), name) == value


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.csv", "/tmp/a.csv"])
def test_an_output_file_is_a_name_alone(project: Path, name: str) -> None:
    assert "it must be a file's name alone" in refusal({"exporters": "json", "output_file": name})


def test_an_output_directory_that_is_missing_stops_the_start_if_anything_is_written_there(project: Path) -> None:
    nowhere = {"XDG_CONFIG_HOME": "/nowhere"}

    assert "which is no directory" in refusal({"exporters": "json", "output_dir": "missing"})
    assert resolve({"output_dir": "missing"}, environ=nowhere).output_dir == "missing"


def test_an_output_directory_that_may_not_be_written_stops_the_start(project: Path) -> None:
    with as_nobody():
        message = refusal({"exporters": "json", "output_dir": "/"})

    assert message.startswith("output_dir is '/', which this user may not write to")


def outcome(values: dict[str, Any]) -> Settings | str:
    """The settings, or what the error says."""
    try:
        return resolve(values, environ={"XDG_CONFIG_HOME": "/nowhere"})
    except SettingsError as error:
        return str(error)


@given(st.dictionaries(st.text(max_size=20), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text())))
def test_whatever_is_given_there_are_settings_or_an_error_that_names_the_culprit(values: dict[str, Any]) -> None:
    found = outcome(values)

    # a name that there is, which Hypothesis may find in the code, stands without quotes
    assert isinstance(found, Settings) or any(repr(name) in found or found.startswith(f"{name} ") for name in values)


@given(name=st.sampled_from(settings.names()), value=st.floats() | st.integers() | st.text() | st.lists(st.integers()))
def test_a_known_setting_is_of_its_type_or_refused_by_name(name: str, value: object) -> None:
    found = outcome({name: value})

    kind = {"str": str, "float": float, "bool": bool, "tuple[str, ...]": tuple}[_type(name)]
    is_taken = isinstance(found, Settings) and type(getattr(found, name)) is kind
    assert is_taken or str(found).startswith(f"{name} is ")


# sources of hourly intensity


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("electricity_maps", "electricity_maps_token"),
        ("eia", "eia_key"),
        ("watttime", "watttime_user and watttime_password"),
    ],
)
def test_a_source_without_its_credentials_stops_the_start(project: Path, source: str, missing: str) -> None:
    assert f"{source} answers no one without {missing}." in refusal({"grid": source})


@pytest.mark.parametrize("pair", ["neso", "neso=ftp://here", "=https://here", "neso=here"])
def test_an_address_of_a_source_is_its_name_and_a_url(project: Path, pair: str) -> None:
    assert "Write NAME=URL" in refusal({"grid_urls": pair})


SECRETS = [name for name in settings.names() if settings.is_secret(name)]


def test_tokens_keys_and_passwords_are_secrets() -> None:
    assert {name for name in settings.names() if name.endswith(("token", "key", "password"))} <= set(SECRETS)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["s3cr3t-7f9a", b"s3cr3t-7f9a", ["s3cr3t-7f9a"]])
def test_no_text_and_no_error_shows_a_secret(project: Path, name: str, value: object) -> None:
    try:
        shown = repr(resolve({name: value}, environ={}))
    except SettingsError as error:
        shown = "".join(traceback.format_exception(error))

    assert "s3cr3t-7f9a" not in shown


# one list for all


def _type(name: str) -> str:
    return str(Settings.__dataclass_fields__[name].type).removesuffix(" | None")


def _options() -> dict[str, str]:
    (options,) = (n for n in ast.walk(ast.parse(inspect.getsource(settings))) if getattr(n, "name", "") == "Options")
    assert isinstance(options, ast.ClassDef)
    return {ast.unparse(n.target): ast.unparse(n.annotation) for n in options.body if isinstance(n, ast.AnnAssign)}


def test_options_are_the_settings_in_their_order() -> None:
    assert list(_options()) == settings.names()


@pytest.mark.parametrize("name", settings.names())
def test_an_option_has_its_setting_s_type_or_names_its_choices(project: Path, name: str) -> None:
    kind = _options()[name]
    if not kind.startswith("Literal"):
        assert kind == _type(name)
        return

    choices = ast.literal_eval(kind.removeprefix("Literal"))
    assert refusal({name: "neither"}).endswith(f"it must be one of {', '.join(choices)}.")


@pytest.mark.parametrize("name", settings.names())
def test_every_setting_says_what_it_is_for_in_one_line(name: str) -> None:
    text = settings.help_text(name)

    assert text.endswith(".")
    assert "\n" not in text


def test_the_reference_page_is_the_settings() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "write_settings_page.py"))["page"]()

    assert (ROOT / "docs" / "reference" / "settings.md").read_text() == page, "run tools/write_settings_page.py"
