"""Every setting, once: its default, its help text and its check.

A value comes from the call, else from CARBONWATCH_<NAME>, else from a config file, else from the default;
`Settings.origin` says which. Command-line flags and the docs' table are made from these fields.

Config files: `[tool.carbonwatch]` in the nearest pyproject.toml upwards, then `carbonwatch/config.toml` in the
user's config directory. A table `hardware` in it holds the settings that begin with hardware_: `tdp_w = 280`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from carbonwatch import folders
from carbonwatch.errors import SettingsError, cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypedDict

    class Options(TypedDict, total=False):
        """The settings as keyword arguments, for type checkers and editors."""

        project: str
        tags: tuple[str, ...]
        scope: Literal["process", "machine"]
        interval_s: float
        sync: bool
        country: str
        region: str
        cloud: str
        place: str
        at: str
        locate: Literal["offline", "metadata", "ip"]
        g_per_kwh: float
        energy_mix: tuple[str, ...]
        market_g_per_kwh: float
        include_losses: bool
        include_embodied: bool
        boundary: Literal["lifecycle", "direct"]
        grid: tuple[str, ...]
        grid_timeout_s: float
        grid_urls: tuple[str, ...]
        electricity_maps_token: str
        eia_key: str
        watttime_user: str
        watttime_password: str
        cache_dir: str
        pue: float
        wue: float
        sensors: tuple[str, ...]
        exporters: tuple[str, ...]
        gpus: tuple[str, ...]
        plug: str
        plug_user: str
        plug_password: str
        redfish_url: str
        redfish_user: str
        redfish_password: str
        redfish_verify: bool
        ipmi_host: str
        ipmi_user: str
        ipmi_password: str
        cpu_w: float
        ram_w: float
        power_boundary: Literal["components", "node"]
        hardware_cpu: str
        hardware_instance: str
        hardware_tdp_w: float
        hardware_sockets: float
        hardware_cores: float
        hardware_threads: float
        hardware_ram_gb: float
        hardware_memory: str
        hardware_form: Literal["server", "desktop", "laptop", "board"]
        hardware_vcpus: float
        hardware_embodied_kg: float
        hardware_lifetime_years: float
        calibrated: bool
        prefer_psys: bool
        reserved_cores: float
        cpu_time: Literal["auto", "perf", "cgroup", "proc"]
        output_dir: str
        output_file: str
        csv_write: Literal["append", "update"]
        http_url: str
        prometheus_url: str
        store: str
        path_sysfs: str
        path_procfs: str
        path_grants: str
        quiet: bool


def _setting(default: Any, text: str, check: Callable[[str, Any], None] | None = None) -> Any:
    return field(default=default, metadata={"help": text, "check": check})


def _secret(text: str) -> Any:
    return field(default=None, repr=False, metadata={"help": text, "secret": True})


def _positive(name: str, value: Any) -> None:
    if not 0 < value < float("inf"):  # also refuses NaN
        raise SettingsError(f"{name} is {value!r}; it must be a number above 0.")


def _at_least_one(name: str, value: Any) -> None:
    if not 1 <= value < float("inf"):
        raise SettingsError(f"{name} is {value!r}; a PUE is 1.0 or more (1.0: no overhead, 1.5: half as much again).")


def _not_negative(name: str, value: Any) -> None:
    if not 0 <= value < float("inf"):
        raise SettingsError(f"{name} is {value!r}; it must be 0 or more.")


def _one_of(*choices: str) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in choices:
            raise SettingsError(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")

    return check


def _interval(name: str, value: Any) -> None:
    if not 0.01 <= value <= 3600:
        raise SettingsError(
            f"{name} is {value!r}; it must be between 0.01 and 3600 seconds: a counter is read that often, "
            "and a killed run loses at most that much. Leave it out for 1 s."
        )


def _storable(name: str, value: Any) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"{name} is {value!r}, which is not valid UTF-8, so the run could not be kept under it. Name it otherwise."
        ) from error


def _all_storable(name: str, value: Any) -> None:
    for each in value:
        _storable(name, each)


def _addresses(name: str, value: Any) -> None:
    for pair in value:
        source, _, url = pair.partition("=")
        if not source or not url.startswith(("https://", "http://")):
            raise SettingsError(
                f"{name} is {value!r}, and {pair!r} is no address of a source. Write NAME=URL: neso=https://a.example."
            )


def _url(name: str, value: Any) -> None:
    """An address without a password, since addresses are shown."""
    if "@" in value or "password=" in value:
        raise SettingsError(
            f"{name} is an address with a password in it, which would be seen wherever it is shown. Leave it out, and "
            "give user and password as settings of their own."
        )
    if not value.startswith(("https://", "http://")) or not value.partition("//")[2]:
        raise SettingsError(f"{name} is {value!r}, which is no address. Write it as https://host.")
    _host(name, value)


def _device(name: str, value: Any) -> None:
    kind, _, address = value.partition("=")
    if not kind or not address:
        raise SettingsError(f"{name} is not KIND=ADDRESS, as in shelly=http://192.168.1.20.")
    _url(name, address)


def _host(name: str, value: Any) -> None:
    if not value.isprintable() or " " in value or value.startswith("-") or not value:
        raise SettingsError(f"{name} is {value!r}, which can't be one: it is empty, or has a blank or a leading dash.")


def _folder(name: str, value: Any) -> None:
    if not os.path.isdir(value):
        raise SettingsError(f"{name} is {value!r}, which is no directory, so nothing could be read there.")


def _instance(name: str, value: Any) -> None:
    from carbonwatch import cloudinstances

    if value != cloudinstances.METADATA and cloudinstances.lookup(value) is None:
        raise SettingsError(
            f"{name} is {value!r}, which no cloud sells as far as is known. {cloudinstances.like(value)}"
        )


# source of hourly intensity -> the settings that it does not answer without
_CREDENTIALS = {
    "electricity_maps": ("electricity_maps_token",),
    "eia": ("eia_key",),
    "watttime": ("watttime_user", "watttime_password"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run was asked to do. Build it with `resolve()`, which reads environment and files too."""

    project: str = _setting("default", "Name under which runs are kept together.", _storable)
    tags: tuple[str, ...] = _setting((), "Words to find the run by again, as many as you like.", _all_storable)
    scope: str = _setting(
        "process",
        "Which part is the headline: `process`, the program's own share, or `machine`, all that was used.",
        _one_of("process", "machine"),
    )
    interval_s: float = _setting(1.0, "Seconds between two samples of the time series.", _interval)
    sync: bool = _setting(
        True,
        "At the edges of a run and its parts, wait until GPUs have done what the program queued (torch, jax, cupy, "
        "tensorflow, where they are loaded).",
    )
    country: str | None = _setting(None, "Country of the machine: ISO code of two or three letters (FR, FRA).")
    region: str | None = _setting(None, "State or province: ISO 3166-2 code (US-CA) or its name in the country.")
    cloud: str | None = _setting(None, "Cloud region of the machine: PROVIDER/REGION, as in aws/eu-west-3.")
    place: str | None = _setting(None, "Any place by name: a town (Lyon, France), a state, a country, a cloud region.")
    at: str | None = _setting(
        None, "Point where the machine is: latitude,longitude. Kept is only the country, state or grid that it is in."
    )
    locate: str = _setting(
        "offline",
        "Whom to ask where nothing above says the place: `offline` asks nobody, `metadata` the cloud's own address in "
        "the machine, `ip` a service on the internet, which learns this network's address.",
        _one_of("offline", "metadata", "ip"),
    )
    g_per_kwh: float | None = _setting(None, "Carbon intensity to use, in g CO2e per kWh.", _not_negative)
    energy_mix: tuple[str, ...] = _setting(
        (), "Mix of fuels that the electricity is made of, as shares of 1: nuclear=0.7,hydro=0.2,gas=0.1."
    )
    market_g_per_kwh: float | None = _setting(
        None,
        "Factor of your electricity contract, in g CO2e per kWh: reported beside the grid's, never instead.",
        _not_negative,
    )
    include_losses: bool = _setting(False, "Also show what the power lines lose between the plants and here (scope 3).")
    include_embodied: bool = _setting(
        False, "Also show the run's share of what making the machine emitted, on a line of its own."
    )
    boundary: str = _setting(
        "lifecycle",
        "What an intensity counts: `lifecycle`, or `direct` for what leaves the chimneys alone (scope 2).",
        _one_of("lifecycle", "direct"),
    )
    grid: tuple[str, ...] = _setting(
        (), "Sources of hourly intensity to ask over the network when a run ends, the best first. Default: none."
    )
    grid_timeout_s: float = _setting(3.0, "Seconds that the sources of `grid` may take at the end of a run.", _positive)
    grid_urls: tuple[str, ...] = _setting((), "Other addresses of the sources of `grid`: NAME=URL.", _addresses)
    electricity_maps_token: str | None = _secret("Token for Electricity Maps.")
    eia_key: str | None = _secret("Key for the US Energy Information Administration.")
    watttime_user: str | None = _setting(None, "User's name for WattTime.")
    watttime_password: str | None = _secret("Password for WattTime.")
    cache_dir: str | None = _setting(
        None, "Directory that keeps answers of the sources of `grid`. Default: the user's cache directory."
    )
    pue: float | None = _setting(
        None, "Power usage effectiveness of the data centre. Default: the cloud region's, else 1.0.", _at_least_one
    )
    wue: float | None = _setting(
        None, "Water usage effectiveness, in litres per kWh. Default: the cloud region's, else 0.", _not_negative
    )
    sensors: tuple[str, ...] = _setting(
        (
            "rapl_perf",
            "rapl_powercap",
            "nvml",
            "amdsmi",
            "intel_gpu",
            "apple",
            "windows_emi",
            "hwmon",
            "hwmon_system",
            "pi5_pmic",
            "battery",
            "cpu_model",
            "ram_model",
            "gpu_model",
            "rest_model",
        ),
        "Sensors to try, in order. Models and coarse meters of the whole machine stand in only where nothing before "
        "them measures the component. `plug`, `redfish` and `ipmi` come first once they are told where to ask.",
    )
    exporters: tuple[str, ...] = _setting((), "Where a finished run is written besides the store.")
    gpus: tuple[str, ...] = _setting((), "GPUs to read: indices or UUIDs. Default: those that the program can see.")
    plug: str | None = _setting(
        None, "Smart plug that the machine is on: KIND=ADDRESS, as in shelly=http://192.168.1.20.", _device
    )
    plug_user: str | None = _setting(None, "User's name for the plug.")
    plug_password: str | None = _secret("Password for the plug, or the token of Home Assistant.")
    redfish_url: str | None = _setting(None, "Address of the server's controller: https://HOST.", _url)
    redfish_user: str | None = _setting(None, "User's name for the controller.")
    redfish_password: str | None = _secret("Password for the controller.")
    redfish_verify: bool = _setting(True, "Believe a controller only with a certificate that is known here.")
    ipmi_host: str | None = _setting(None, "Server whose controller ipmitool asks over the network.", _host)
    ipmi_user: str | None = _setting(None, "User's name for ipmitool.", _host)
    ipmi_password: str | None = _secret("Password for ipmitool.")
    cpu_w: float | None = _setting(None, "Power of all CPUs at full load, in W, for the CPU model.", _positive)
    ram_w: float | None = _setting(None, "Power of the memory, in W, for the RAM model.", _positive)
    power_boundary: str = _setting(
        "components",
        "What models count: `components`, as counters inside the machine would, or `node`, the wall: also power "
        "supply, fans, board and disks.",
        _one_of("components", "node"),
    )
    hardware_cpu: str | None = _setting(None, "Name of the processor, where the system hides it.")
    hardware_instance: str | None = _setting(
        None,
        "What the cloud calls this machine: CLOUD/NAME, as in aws/m5.xlarge; `metadata` asks the cloud's own address "
        "in the machine, for 300 ms at most. Default: what the environment or the firmware says.",
        _instance,
    )
    hardware_tdp_w: float | None = _setting(None, "Rated power of one processor, in W.", _positive)
    hardware_sockets: float | None = _setting(
        None, "Processors in the machine, or in the virtual machine's host.", _positive
    )
    hardware_cores: float | None = _setting(
        None, "Cores in total, of the host where it is a virtual machine.", _positive
    )
    hardware_threads: float | None = _setting(
        None, "Hardware threads in total, of the host where it is a virtual machine.", _positive
    )
    hardware_ram_gb: float | None = _setting(None, "Memory of this machine, in GB.", _positive)
    hardware_memory: str | None = _setting(
        None, "Generation of the memory: ddr3, ddr4, ddr5, lpddr.", _one_of("ddr2", "ddr3", "ddr4", "ddr5", "lpddr")
    )
    hardware_form: str | None = _setting(
        None, "Kind of machine: server, desktop, laptop or board.", _one_of("server", "desktop", "laptop", "board")
    )
    hardware_vcpus: float | None = _setting(
        None, "Hardware threads of its host that this virtual machine has. Default: its CPUs.", _positive
    )
    hardware_embodied_kg: float | None = _setting(
        None, "What making the whole machine emitted, in kg CO2e, if its maker says so.", _positive
    )
    hardware_lifetime_years: float | None = _setting(None, "Years that the machine is used. Default: 4.", _positive)
    calibrated: bool = _setting(
        False, "Count what the wall would show, by the line that `carbonwatch calibrate` kept for this machine."
    )
    prefer_psys: bool = _setting(False, "Count the platform domain (psys) instead of the packages inside it.")
    reserved_cores: float | None = _setting(
        None,
        "Cores kept for this program, whose idle power is then its own. Default: from the container's or job's limit.",
        _positive,
    )
    cpu_time: str = _setting(
        "auto",
        "How the program's CPU time is counted: `perf` by the kernel's task clock, `cgroup` by its own control group, "
        "`proc` by looks at its processes; `auto` tries them in this order.",
        _one_of("auto", "perf", "cgroup", "proc"),
    )
    output_dir: str = _setting(".", "Directory for exporters' files.")
    output_file: str = _setting("emissions.csv", "Name of the emissions_csv exporter's file.")
    csv_write: str = _setting(
        "append",
        "What emissions_csv does with a run that has a row already: `append` or `update`.",
        _one_of("append", "update"),
    )
    http_url: str | None = _secret("Address that the http exporter posts runs to.")
    prometheus_url: str | None = _setting(None, "Push gateway of the prometheus exporter, as in localhost:9091.")
    store: str | None = _setting(
        None, "File that keeps runs; `none` keeps nothing. Default: runs.db in the user's data directory."
    )
    path_sysfs: str = _setting("/sys", "Where the host's /sys is, for containers that mount it elsewhere.", _folder)
    path_procfs: str = _setting("/proc", "Where the host's /proc is, for containers that mount it elsewhere.", _folder)
    path_grants: str = _setting("/run/carbonwatch", "Where `carbonwatch grant` waits for a program of this user.")
    quiet: bool = _setting(False, "Print no summary. Warnings are still said.")
    origin: Mapping[str, str] = field(default_factory=dict, compare=False)  # setting -> where its value came from

    def check(self) -> Settings:
        """Itself, if every value makes sense. Raises SettingsError before a run, so that none fails during one."""
        for setting in fields(self):
            check = setting.metadata.get("check")
            if check is not None and setting.name in self.origin:  # defaults need none, and /sys is not everywhere
                check(setting.name, getattr(self, setting.name))
        self._check_outputs()
        self._check_grid()
        return self

    def _check_grid(self) -> None:
        for source, needed in _CREDENTIALS.items():
            missing = [name for name in needed if source in self.grid and not getattr(self, name)]
            if missing:
                raise SettingsError(
                    f"grid is {', '.join(self.grid)}, and {source} answers no one without {' and '.join(missing)}. Set "
                    f"it in the environment (CARBONWATCH_{missing[0].upper()}), or choose another source."
                )

    def _check_outputs(self) -> None:
        if not self.exporters:
            return
        if os.path.basename(self.output_file) != self.output_file or self.output_file in ("", ".", ".."):
            raise SettingsError(
                f"output_file is {self.output_file!r}; it must be a file's name alone. "
                "Put the directory into output_dir."
            )
        if not os.path.isdir(self.output_dir):
            raise SettingsError(
                f"output_dir is {self.output_dir!r}, which is no directory, so the run could not be written at its "
                "end. Create it, or choose another."
            )
        if not os.access(self.output_dir, os.W_OK | os.X_OK):
            raise SettingsError(
                f"output_dir is {self.output_dir!r}, which this user may not write to, so the run could not be "
                "written at its end. Choose another, or give this user the right to write there."
            )


def names() -> list[str]:
    """Names of all settings, in order."""
    return [f.name for f in fields(Settings) if f.name != "origin"]


def is_secret(name: str) -> bool:
    """Whether nobody may see a setting's value."""
    return bool(Settings.__dataclass_fields__[name].metadata.get("secret"))


def help_text(name: str) -> str:
    """What a setting is for, in one sentence."""
    return next(str(f.metadata["help"]) for f in fields(Settings) if f.name == name)


def resolve(
    given: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    source: str = "call",
    others: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> Settings:
    """Settings from the call, else CARBONWATCH_*, else a config file, else others', else the defaults; checked.

    Raises SettingsError for an unknown name, with the nearest known one, and for a value that makes no sense.
    `source` is what messages and `origin` call the call: on the command line it is a flag.
    """
    environ = os.environ if environ is None else environ
    given = given or {}
    for name in given:
        _known(name, source)  # also one that is None: a typo is a typo
    layers = [
        (source, {k: v for k, v in given.items() if v is not None}),
        ("environment", _from_environment(environ)),
        *_from_files(environ),
        *others,
        ("default", dict(defaults or {})),
    ]
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for where, layer in layers:
        for name, value in layer.items():
            _known(name, where)
            if name not in values:
                values[name] = _typed(name, value, where)
                origin[name] = where
    return Settings(**values, origin=origin).check()


def _known(name: str, source: str) -> None:
    if name in names():
        return
    from difflib import get_close_matches

    near = get_close_matches(name, names(), 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names())}."
    raise SettingsError(f"There is no setting {name!r} (from {_said(source)}), so it would have no effect. {hint}")


def _said(source: str) -> str:
    return source if os.sep in source else f"the {source}"


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    prefix = "CARBONWATCH_"
    return {k[len(prefix) :].lower(): v for k, v in environ.items() if k.startswith(prefix) and v != ""}


def _from_files(environ: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path, table in ((_pyproject(), ("tool", "carbonwatch")), (config_file(environ), ())):
        if path and os.path.isfile(path):
            found.append((path, _read_toml(path, table)))
    return found


def _pyproject() -> str | None:
    """The nearest pyproject.toml, from the working directory upwards."""
    try:
        folder = os.getcwd()
    except OSError:  # the working directory was deleted
        return None
    while True:
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            return path
        if os.path.dirname(folder) == folder:
            return None
        folder = os.path.dirname(folder)


def config_file(environ: Mapping[str, str]) -> str:
    """The user's own config file."""
    return os.path.join(folders.settings_folder(environ), "config.toml")


def _read_toml(path: str, table: tuple[str, ...]) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read ({cause(error)}), so settings in it would be missed. Let this user read it."
        ) from error
    if table and b"carbonwatch" not in content:  # spares parsing other people's files
        return {}
    import tomllib

    try:
        values: Any = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML ({error}), so its settings can't be read. Mend it.") from error
    for key in table:
        values = values.get(key, {}) if isinstance(values, dict) else values
    if not isinstance(values, dict):
        raise SettingsError(
            f"{'.'.join(table)} in {path} is no table, so no setting can be read from it. Write [{'.'.join(table)}]."
        )
    return {k.replace("-", "_"): v for k, v in _flat(values)}


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name == "hardware" and isinstance(value, dict):
            yield from ((f"hardware_{key}", each) for key, each in value.items())
        else:
            yield name, value


def _typed(name: str, value: Any, source: str) -> Any:
    """The value in its field's type, from text where it comes from the environment or a flag."""
    kind = str(Settings.__dataclass_fields__[name].type).removesuffix(" | None")
    try:
        return _CONVERT[kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        wanted = _WANTED[kind]
        shown = "***" if is_secret(name) else repr(value)
        # without the cause where it would show a secret
        cause = None if is_secret(name) else error
        raise SettingsError(f"{name} is {shown} (from {_said(source)}); it must be {wanted}.") from cause


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping | bytes):
        raise ValueError(value)
    return tuple(dict.fromkeys(_name(part) for part in value))  # each once: two of a sensor would count twice


def _name(value: Any) -> str:
    if isinstance(value, str) or type(value) is int:  # a GPU's index, but not true
        return str(value)
    raise ValueError(value)


def _str(value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise ValueError(value)
    return os.fspath(value)


_CONVERT: dict[str, Callable[[Any], Any]] = {"str": _str, "float": _float, "bool": _bool, "tuple[str, ...]": _names}
_WANTED = {
    "str": "text",
    "float": "a number",
    "bool": "true or false",
    "tuple[str, ...]": "names, separated by commas",
}
