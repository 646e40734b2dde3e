"""CodeCarbon's parameters, environment variables and config files, as our settings.

Names and meanings are those that CodeCarbon 3.3.2 documents; a wrong value is named as it was given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carbonwatch.sampler import Sampler
    from carbonwatch.settings import Settings
    from carbonwatch.tracker import Tracker

# their parameter -> our setting
_SETTINGS = {
    "project_name": "project",
    "measure_power_secs": "interval_s",
    "output_dir": "output_dir",
    "output_file": "output_file",
    "on_csv_write": "csv_write",
    "gpu_ids": "gpus",
    "tracking_mode": "scope",
    "force_cpu_power": "cpu_w",
    "force_ram_power": "ram_w",
    "pue": "pue",
    "wue": "wue",
    "force_carbon_intensity_g_co2e_kwh": "g_per_kwh",
    "rapl_prefer_psys": "prefer_psys",
    "country_iso_code": "country",
    "region": "region",
}
# every parameter of their trackers, in the order in which they may stand without a name
_ORDER = """
    project_name measure_power_secs api_call_interval api_endpoint api_key output_dir output_file output_methods
    save_to_file save_to_api save_to_logger logging_logger save_to_prometheus save_to_logfire prometheus_url
    output_handlers gpu_ids emissions_endpoint experiment_id experiment_name electricitymaps_api_token
    co2_signal_api_token tracking_mode log_level on_csv_write logger_preamble force_cpu_power force_ram_power pue wue
    force_carbon_intensity_g_co2e_kwh force_mode_cpu_load allow_multiple_runs rapl_include_dram rapl_prefer_psys
    metadata
"""
OF_A_PLACE = ("country_iso_code", "region", "cloud_provider", "cloud_region", "country_2letter_iso_code")
# what has no effect here, and why; said once where it was given
_WITHOUT_EFFECT = {
    "logger_preamble": "log lines carry the logger's name",
    "rapl_include_dram": "memory is always counted, as a component of its own",
}
CONSOLE = "codecarbon"  # the handler that shows our lines where we stand in CodeCarbon's place
# where a region that it does not know is an error to CodeCarbon; elsewhere it takes the country's mean without a word
_COUNTRIES_OF_REGIONS = ("US", "CA")
# values that turn a parameter off: not worth a word
_OFF = (None, False, "", "False", "false", "0")
NOT_GIVEN = None  # stands for a parameter that is not given
_OUTPUT_METHODS = ("csv", "api", "logger", "prometheus", "logfire", "boamps")
_EXPERIMENT_ID = "5b0fa12a-3dd7-45bb-9766-cc326314d9f1"  # theirs, where none is given
_MEASURE_POWER_SECS = 15.0  # their default: ours is finer, but nothing is sent oftener than by theirs
_INTERVALS_S = (0.01, 3600.0)  # the shortest and the longest of ours
_API_CALL_INTERVAL = 8
_PREFIX = "CODECARBON_"  # of variables


def parameters() -> tuple[str, ...]:
    """Every parameter of CodeCarbon's that is taken."""
    return (*_ORDER.split(), *OF_A_PLACE)


def by_name(values: Iterable[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name, also those that were given by their position. Raises TypeError as a call does."""
    values = tuple(values)
    if len(values) > len(_ORDER.split()):
        raise TypeError(f"EmissionsTracker takes {len(_ORDER.split())} parameters by position, and got {len(values)}.")
    placed = {name: value for name, value in zip(_ORDER.split(), values, strict=False) if value is not None}
    for name in placed:
        if name in named:
            raise TypeError(f"EmissionsTracker got {name!r} twice.")
    return {**named, **placed}


def refuse_unknown(given: Iterable[str]) -> None:
    for name in given:
        if name not in parameters():
            from carbonwatch.codecarbon.mistakes import UnknownParameter

            raise UnknownParameter(
                f"EmissionsTracker has no parameter {name!r}, so it would have no effect.{_near(name)}"
            )


def _near(name: str) -> str:
    from difflib import get_close_matches

    # our own name for it is as near as a typo
    ours = [theirs for theirs, setting in _SETTINGS.items() if setting == name]
    near = ours or get_close_matches(name, parameters(), 1, cutoff=0.8)
    return f" Did you mean {near[0]!r}?" if near else ""


def _wrong(text: str) -> Exception:
    from carbonwatch.errors import SettingsError

    return SettingsError(text)


def given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for: in the call, else in CODECARBON_*, else in the folder's config file, else in the user's."""
    refuse_unknown(parameters)
    called = {name: value for name, value in parameters.items() if value is not None}
    return {**get_hierarchical_config(), **called}


def get_hierarchical_config() -> dict[str, str]:
    """What environment and config files say, the former before the latter; the name is theirs."""
    return {**_from_files(), **_from_environment()}


def configured(environ: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """Every value that is set outside of a call, by name, and where; also what their command line alone reads."""
    found = {name: (value, path) for path, values in _files() for name, value in values.items()}
    return {**found, **{k: (v, f"{_PREFIX}{k.upper()}") for k, v in _variables(environ).items()}}


def layers() -> list[tuple[str, dict[str, str]]]:
    """The same as our settings, each with where it is set, for our own command line.

    Where a run goes to is its options' matter, and what is measured its commands'.
    """
    found = configured()
    ours = {name: setting for name, setting in _SETTINGS.items() if name != "tracking_mode"}
    if "country_iso_code" not in found:
        ours["country_2letter_iso_code"] = "country"
    settings = [(_place(k, where), {ours[k]: value}) for k, (value, where) in found.items() if k in ours]
    of_clouds = {name: value for name, (value, _) in found.items() if name.startswith("cloud_")}
    if of_clouds:
        name = next(iter(of_clouds))
        settings.append((_place(name, found[name][1]), {"cloud": _cloud(of_clouds)}))
    return settings


def _place(name: str, where: str) -> str:
    return where if where.startswith(_PREFIX) else f"{name} in {where}"


def _from_environment() -> dict[str, str]:
    return _taken(_variables(), "the environment")


def _variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    environ = os.environ if environ is None else environ
    return {k[len(_PREFIX) :].lower(): v for k, v in environ.items() if k.upper().startswith(_PREFIX) and v != ""}


def _from_files() -> dict[str, str]:
    return {name: value for path, values in _files() for name, value in _taken(values, path).items()}


def _files() -> Iterator[tuple[str, dict[str, str]]]:
    """The section [codecarbon] of ~/.codecarbon.config, then that of ./.codecarbon.config, which goes before it."""
    for folder in (os.path.expanduser("~"), os.curdir):
        path = os.path.join(folder, ".codecarbon.config")
        if os.path.isfile(path):
            yield path, _read_ini(path)


def _read_ini(path: str) -> dict[str, str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        # without what stands there: it may be a token
        cause = error.strerror if isinstance(error, OSError) else _line(error)
        raise _wrong(f"{path} can't be read ({cause}), so settings in it would be missed. Mend or remove it.") from None
    return dict(parser["codecarbon"]) if parser.has_section("codecarbon") else {}


def _line(error: Exception) -> str:
    """Where a config file is not what it should be."""
    number = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", ())), None)
    return f"{type(error).__name__} in line {number}" if number else type(error).__name__


def _taken(found: Mapping[str, str], where: str) -> dict[str, str]:
    """Those that are parameters: CodeCarbon's command line keeps its own there too."""
    for name in found:
        if name not in parameters() and _near(name):
            _say_once(name, f"there is no parameter {name!r} (from {where}), so it has no effect.{_near(name)}")
    return {name: value for name, value in found.items() if name in parameters()}


def make_tracker(given: Mapping[str, Any], meters: Sampler | None, settings: Settings | None = None) -> Tracker:
    """Our tracker for their parameters, or for what was made of them. A wrong value is named as they name it."""
    from carbonwatch.errors import SettingsError
    from carbonwatch.tracker import Tracker

    try:
        return Tracker(settings or _to_settings(given), meters=meters, facts=_facts(given))
    except SettingsError as error:
        told = _in_their_words(str(error), given)
        if told == str(error):
            raise
        raise SettingsError(told) from error


def _in_their_words(message: str, given: Iterable[str]) -> str:
    names = {**_SETTINGS, "country_2letter_iso_code": "country", "cloud_region": "cloud"}
    for theirs, ours in names.items():
        if theirs in given and message.startswith(f"{ours} "):
            return theirs + message[len(ours) :]
    return message


def _to_settings(given: Mapping[str, Any]) -> Settings:
    from carbonwatch.settings import resolve

    if given.get("log_level") is not None:
        set_log_level(given["log_level"])
    for name in given:
        if name in _WITHOUT_EFFECT and given[name] not in _OFF:
            _say_once(name, f"{name} has no effect: {_WITHOUT_EFFECT[name]}")
    ours = {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS}
    ours.update(_meanings(given))
    ours |= _file(given, is_written=ours.get("exporters") != ())
    if _is_region_without_figure(ours):
        region = ours.pop("region")
        _say_once(
            f"region {region}",
            f"region is {region!r}, and the tables have no figure for a part of {ours['country']} that is called so: "
            "the whole country's mean is taken, as CodeCarbon does there",
        )
    defaults = {"project": "codecarbon", "scope": "machine", "exporters": ("emissions_csv",)}
    if "electricity_maps_token" in ours:  # there it turns the service on; here CARBONWATCH_GRID may choose another
        defaults["grid"] = ("electricity_maps",)
    return resolve(ours, defaults=defaults)


def _meanings(given: Mapping[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = {}
    if "project_name" in given:
        ours["project"] = str(given["project_name"])  # a number, where folds are counted
    if "measure_power_secs" in given:
        ours["interval_s"] = _interval_s(given)
    if "gpu_ids" in given:
        ours["gpus"] = _gpus(given["gpu_ids"])
    if "country_iso_code" not in given and given.get("country_2letter_iso_code"):
        ours["country"] = given["country_2letter_iso_code"]
    if given.get("cloud_provider") or given.get("cloud_region"):
        ours["cloud"] = _cloud(given)
    token = given.get("electricitymaps_api_token") or given.get("co2_signal_api_token")  # the latter is its old name
    if token:
        ours["electricity_maps_token"] = token
    if _is_on(given, "force_mode_cpu_load", default=False):
        ours["sensors"] = ("nvml", "cpu_model", "ram_model")
    if given.get("output_methods") is not None or not _is_on(given, "save_to_file", default=True):
        ours["exporters"] = tuple(_EXPORTERS.get(name, name) for name in methods(given) if name not in _HANDLED)
    return ours


def _interval_s(given: Mapping[str, Any]) -> float:
    """Theirs may be 0, for as often as possible, and longer than ours."""
    wanted_s = _number(given, "measure_power_secs", _MEASURE_POWER_SECS)
    return min(max(wanted_s, _INTERVALS_S[0]), _INTERVALS_S[1]) if wanted_s >= 0 else wanted_s


def _gpus(ids: Any) -> Any:
    """One number, a list, or text that may be a list's; all of them where it says so."""
    if isinstance(ids, int):
        return (str(ids),)
    if not isinstance(ids, str):
        return tuple(str(one) for one in ids if one is not None)  # numbers of numpy's; None is torch's for a CPU
    plain = "".join(sign for sign in ids if sign.isalnum() or sign in "-,")
    return () if plain == "all" else plain


def _file(given: Mapping[str, Any], *, is_written: bool) -> dict[str, str]:
    """Where rows go: the file's name may lead to another folder, which is made if it is not there."""
    folder = os.fspath(given.get("output_dir") or "")
    if is_written and folder and not os.path.exists(folder):
        from carbonwatch.codecarbon.mistakes import NoSuchFolder

        raise NoSuchFolder(
            f"output_dir is {folder!r}, which is no directory, so the run could not be written at its end. "
            "Create it, or choose another."
        )
    below, name = os.path.split(os.fspath(given.get("output_file") or ""))
    place = os.path.join(folder, below)
    if is_written and below:
        try:
            os.makedirs(place, exist_ok=True)
        except OSError as error:
            path = given["output_file"]
            raise _wrong(f"output_file is {path!r}, whose folder can't be made ({error}). Choose another.") from error
    found = {"output_dir": place, "output_file": name}
    return {setting: value for setting, value in found.items() if value}


def tasks_folder(given: Mapping[str, Any], settings: Settings) -> str:
    """Where the tasks' file goes: beside the runs', but where their file's name leads elsewhere."""
    leads_elsewhere = bool(os.path.dirname(os.fspath(given.get("output_file") or "")))
    return os.path.abspath(given.get("output_dir") or os.curdir) if leads_elsewhere else settings.output_dir


def _is_region_without_figure(ours: Mapping[str, Any]) -> bool:
    if not ours.get("region") or "cloud" in ours:
        return False
    from carbonwatch import location

    country = location.country_code(str(ours.get("country") or ""))
    if country is None or country in _COUNTRIES_OF_REGIONS:
        return False
    return location.region_code(str(ours["region"]), country) is None


def _cloud(given: Mapping[str, Any]) -> str:
    provider, region = given.get("cloud_provider"), given.get("cloud_region")
    if not provider or not region:
        missing = "cloud_region" if provider else "cloud_provider"
        raise _wrong(f"{missing} is not given, so the cloud region is not known. Give both, or neither.")
    return f"{provider}/{region}"


# an output method that a finished run is exported by; the others are handlers, told while it goes on too
_EXPORTERS = {"csv": "emissions_csv", "boamps": "boamps"}
_HANDLED = ("api", "logger", "prometheus", "logfire")


def methods(given: Mapping[str, Any]) -> list[str]:
    """Output methods, given as text, enums or strings, else by the older flags; ours go by their exporters' names."""
    if given.get("output_methods") is None:
        wanted = {"csv": _is_on(given, "save_to_file", default=True)}
        wanted |= {name: _is_on(given, f"save_to_{name}", default=False) for name in _HANDLED}
        return [name for name, is_wanted in wanted.items() if is_wanted]
    from carbonwatch import plugins

    wanted_ones = given["output_methods"]
    if isinstance(wanted_ones, str):
        wanted_ones = [part for part in wanted_ones.split(",") if part.strip()]
    found = [str(getattr(method, "value", method)).strip().lower() for method in wanted_ones]
    for name in found:
        if name not in _OUTPUT_METHODS and name not in plugins.names("exporters"):
            known = ", ".join((*_OUTPUT_METHODS, *plugins.names("exporters")))
            raise _wrong(f"output_methods has {name!r}, so nothing would be written there. There are: {known}.")
    return found


def handlers(given: Mapping[str, Any]) -> list[Any]:
    """Outputs that are told of a run while it goes on and at its end: those that were asked for, and the user's own."""
    found = list(given.get("output_handlers") or ())
    wanted = [name for name in methods(given) if name in _HANDLED]
    if not wanted and not given.get("emissions_endpoint"):
        return found
    from carbonwatch.codecarbon import outputs

    if given.get("emissions_endpoint"):
        found.append(outputs.HTTPOutput(_address(given, "emissions_endpoint")))
    made: dict[str, Callable[[], Any]] = {
        "api": lambda: outputs.CodeCarbonAPIOutput(api_endpoint(given), experiment_id(given), _key(given)),
        "logger": lambda: _logger(given),
        "prometheus": lambda: outputs.PrometheusOutput(given.get("prometheus_url") or "localhost:9091", _job(given)),
        "logfire": outputs.LogfireOutput,
    }
    return [*found, *(made[name]() for name in wanted)]


def live_interval_s(given: Mapping[str, Any]) -> float | None:
    """Seconds between two calls of `live_out`; None where it is only called at the end."""
    measurements = _number(given, "api_call_interval", _API_CALL_INTERVAL)
    every_s = _number(given, "measure_power_secs", _MEASURE_POWER_SECS)
    return measurements * every_s if measurements > 0 and every_s > 0 else None


def experiment_name(given: Mapping[str, Any]) -> str:
    """Part of the name of the tasks' file."""
    return str(given.get("experiment_name") or "base")


def _number(given: Mapping[str, Any], name: str, default: float) -> float:
    try:
        return float(given.get(name, default))
    except (TypeError, ValueError):
        raise _wrong(f"{name} is {given[name]!r}; it must be a number.") from None


def api_endpoint(given: Mapping[str, Any]) -> str:
    """The server that runs are sent to: CodeCarbon's own by default."""
    return _address(given, "api_endpoint")


def _address(given: Mapping[str, Any], name: str) -> str:
    url = str(given.get(name) or ("https://api.codecarbon.io" if name == "api_endpoint" else ""))
    if not url.startswith(("http://", "https://")):
        raise _wrong(f"{name} is {url!r}, so nothing could be sent there. Give an address: https://...")
    return url


def _key(given: Mapping[str, Any]) -> str:
    if not given.get("api_key"):
        raise _wrong(
            "api_key is not given, so no server would take the run. Set it, or CODECARBON_API_KEY: `carbonwatch "
            "config` gets one."
        )
    return str(given["api_key"])


def experiment_id(given: Mapping[str, Any]) -> str:
    """The experiment that runs belong to; CodeCarbon's public one by default."""
    return str(given.get("experiment_id") or _EXPERIMENT_ID)


def _job(given: Mapping[str, Any]) -> str:
    plain = f"{given.get('project_name') or 'codecarbon'}_{experiment_name(given)}"
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "_" for sign in plain)


def _logger(given: Mapping[str, Any]) -> Any:
    from carbonwatch.codecarbon import outputs

    return given.get("logging_logger") or outputs.LoggerOutput(_log().getChild("outputs"))


def _facts(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is only noted with the run."""
    facts: dict[str, Any] = {"experiment_id": experiment_id(given)}
    if given.get("experiment_name") is not None:
        facts["experiment_name"] = str(given["experiment_name"])
    return facts if given.get("metadata") is None else {**facts, "metadata": _plain(given["metadata"])}


def _plain(metadata: Any) -> Any:
    """Metadata as JSON has it; text that is a dictionary's, or the path of a file of one, becomes it."""
    import json

    if isinstance(metadata, str):
        text = _read_json(metadata) if metadata.endswith(".json") else metadata
        try:
            return json.loads(text)
        except ValueError:
            return metadata
    try:
        return json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise _wrong(
            f"metadata is {metadata!r}, which JSON can't hold ({error}), so it could not be kept with the run. "
            "Give a dictionary of texts and numbers."
        ) from error


def _read_json(path: str) -> str:
    from carbonwatch.errors import cause

    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"metadata is {path!r}, which can't be read ({cause(error)}), so it could not be kept.") from error


def set_log_level(level: Any) -> None:
    """Sets the level of our logger. Raises SettingsError for one that is none."""
    import logging

    wanted = level if not isinstance(level, str) else int(level) if level.isdigit() else level.upper()
    logger = logging.getLogger("carbonwatch")
    try:
        logger.setLevel(wanted)
        for handler in logger.handlers:
            if handler.name == CONSOLE:
                handler.setLevel(wanted)
    except (ValueError, TypeError) as error:
        raise _wrong(f"log_level is {level!r}; it must be debug, info, warning, error or critical.") from error


def _is_on(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    text = str(given.get(name, default)).strip().lower()
    if text not in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        raise _wrong(f"{name} is {given[name]!r}; it must be true or false.")
    return text in ("true", "1", "yes", "on")


_said: set[str] = set()


def _say_once(topic: str, text: str) -> None:
    if topic not in _said:
        _said.add(topic)
        _log().warning("%s", text)


def _log() -> Any:
    import logging

    return logging.getLogger("carbonwatch.codecarbon")
