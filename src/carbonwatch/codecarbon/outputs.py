"""Where CodeCarbon's outputs go: objects with `out`, `live_out`, `task_out` and `exit`, ours or the user's own.

`out` gets the totals and what came since the last time, at `flush()` and `stop()`; `live_out` the same while the run
goes on; `task_out` the tasks so far. What one of them raises is logged, and takes no result away.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from carbonwatch.codecarbon import api
from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData, plain
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.exporters import _http, emissions_csv

log = logging.getLogger(__name__)

_WIDE = "pip install 'carbonwatch[{}]'"
# what they push to a gateway: column -> the metric's help
_METRICS = {
    "duration": "Seconds since the last push",
    "emissions": "Emissions since the last push, kg of CO2-equivalents",
    "emissions_rate": "Emissions by time, kg/s",
    "cpu_power": "Power of the CPU, W",
    "gpu_power": "Power of the GPUs, W",
    "ram_power": "Power of the memory, W",
    "cpu_energy": "Energy of the CPU since the last push, kWh",
    "gpu_energy": "Energy of the GPUs since the last push, kWh",
    "ram_energy": "Energy of the memory since the last push, kWh",
    "energy_consumed": "Energy of all since the last push, kWh",
}


class OutputMethod(str, Enum):  # noqa: UP042 - `str()` of one is theirs
    """What `output_methods` may name."""

    CSV = "csv"
    API = "api"
    LOGGER = "logger"
    PROMETHEUS = "prometheus"
    LOGFIRE = "logfire"
    BOAMPS = "boamps"


class BaseOutput:
    """An output that does nothing: override what you need."""

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        """At `flush()` and `stop()`: all so far, and what came since the last time."""

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None:
        """The same, every `api_call_interval` measurements while the run goes on."""

    def task_out(self, data: list[TaskEmissionsData], experiment_name: str) -> None:
        """With `out`, where there were tasks: all of them."""

    def exit(self) -> None:
        """When the run has stopped."""


class FileOutput(BaseOutput):
    """Rows in a CSV file of its own, as emissions.csv has them."""

    def __init__(self, output_file_name: str, output_dir: str, on_csv_write: str = "append") -> None:
        if on_csv_write not in ("append", "update"):
            raise SettingsError(f"on_csv_write is {on_csv_write!r}; it must be append or update.")
        if not os.path.isdir(output_dir):
            raise SettingsError(f"output_dir is {output_dir!r}, which is no directory. Create it, or choose another.")
        self.output_file_name, self.output_dir = output_file_name, output_dir
        self.on_csv_write = on_csv_write
        self.save_file_path = os.path.join(output_dir, output_file_name)

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        update = self.on_csv_write == "update"
        emissions_csv.write(self.save_file_path, emissions_csv.COLUMNS, [total.values], update=update)

    def task_out(self, data: list[TaskEmissionsData], experiment_name: str) -> None:
        path = tasks_path(self.output_dir, experiment_name, data[0].run_id)
        rows = [one.values for one in data]
        if os.path.exists(path):
            os.remove(path)  # it is written whole each time
        emissions_csv.write(path, list(rows[0]), rows)


class LoggerOutput(BaseOutput):
    """Each row as a line of JSON to a logger."""

    def __init__(self, logger: Any, severity: int = logging.INFO) -> None:
        self.logger = logger
        self.logging_severity = severity

    def out(self, total: EmissionsData, delta: EmissionsData | None) -> None:
        self.logger.log(self.logging_severity, json.dumps(plain(total)))

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.out(total, delta)


class GoogleCloudLoggerOutput(LoggerOutput):
    """Each row as a structure to a logger of google-cloud-logging."""

    def out(self, total: EmissionsData, delta: EmissionsData | None) -> None:
        self.logger.log_struct(plain(total), severity=self.logging_severity)


class HTTPOutput(BaseOutput):
    """Totals as JSON to an address of yours, with the user's name."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        import getpass

        _http.post_json(self.endpoint_url, {**plain(total), "user": getpass.getuser()})


class CodeCarbonAPIOutput(BaseOutput):
    """What came since the last time to a server with CodeCarbon's API: POST /runs once, then POST /emissions."""

    def __init__(
        self, endpoint_url: str, experiment_id: str, api_key: str, conf: Mapping[str, Any] | None = None
    ) -> None:
        self.endpoint_url = endpoint_url.rstrip("/")
        self.experiment_id = experiment_id
        self.run_id: str | None = None
        self._headers = {"x-api-token": api_key}
        self._unsent: list[EmissionsData] = []

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self._unsent.append(delta)
        if self.run_id is None:
            self.run_id = self._begun(total)
        while self._unsent:  # what a network that was away has left over comes first
            self._send(self._unsent[0])
            del self._unsent[0]

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.out(total, delta)

    def _begun(self, total: EmissionsData) -> str:
        known = plain(total)
        of_run = {name: known[name] for name in api.OF_A_RUN}
        place = dict.fromkeys(api.OF_ITS_PLACE)  # coordinates tell more about a user than about a grid
        place["provider"] = known["cloud_provider"]
        value = {"experiment_id": self.experiment_id, "timestamp": api.now(), **of_run, **place}
        answer = self._post("/runs", value)
        if not isinstance(answer, dict) or "id" not in answer:
            raise Unavailable("The server gave the run no id, so nothing can be sent to it.", "Check `api_endpoint`.")
        return str(answer["id"])

    def _send(self, delta: EmissionsData) -> None:
        known = plain(delta)
        figures = {name: known[name] or 0.0 for name in _METRICS if name not in ("duration", "emissions")}
        busy = {f"{part}_utilization_percent": known[f"{part}_utilization_percent"] for part in ("cpu", "gpu", "ram")}
        sums = {"duration": max(1, int(delta.duration)), "emissions_sum": known["emissions"] or 0.0}
        self._post("/emissions", {"run_id": self.run_id, "timestamp": api.now(), **sums, **figures, **busy})

    def _post(self, path: str, value: Mapping[str, Any]) -> Any:
        return _http.post_json(self.endpoint_url + path, value, self._headers)


class PrometheusOutput(BaseOutput):
    """What came since the last time to a push gateway, under CodeCarbon's metric names."""

    def __init__(
        self, prometheus_url: str, job_name: str = "codecarbon", *, environ: Mapping[str, str] | None = None
    ) -> None:
        try:
            import prometheus_client
        except ImportError:
            raise SettingsError(f"Prometheus' client is not installed: {_WIDE.format('prometheus')}") from None
        self.prometheus_url = prometheus_url
        self.job_name = job_name
        self._environ = os.environ if environ is None else environ
        self._client = prometheus_client
        self._registry = prometheus_client.CollectorRegistry()
        self._gauges = {
            name: prometheus_client.Gauge(f"codecarbon_{name}", text, ["project_name"], registry=self._registry)
            for name, text in _METRICS.items()
        }
        self._total = prometheus_client.Counter(
            "codecarbon_energy", "Energy of the whole run, kWh", ["project_name"], registry=self._registry
        )

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        for name, gauge in self._gauges.items():
            gauge.labels(delta.project_name).set(getattr(delta, name))
        self._total.labels(delta.project_name).inc(max(0.0, delta.energy_consumed))
        self._client.push_to_gateway(
            self.prometheus_url, self.job_name, self._registry, timeout=_http.TIMEOUT_S, handler=self._sent
        )

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.out(total, delta)

    def exit(self) -> None:
        """Takes the run's figures off the gateway, which would show the last ones for ever."""
        self._client.delete_from_gateway(
            self.prometheus_url, self.job_name, timeout=_http.TIMEOUT_S, handler=self._sent
        )

    def _sent(self, url: str, method: str, timeout: float | None, headers: Any, data: bytes) -> Callable[[], None]:
        from prometheus_client.exposition import basic_auth_handler, default_handler

        user, password = (self._environ.get(f"PROMETHEUS_{name}") for name in ("USERNAME", "PASSWORD"))
        if not user:
            return default_handler(url, method, timeout, headers, data)
        return basic_auth_handler(url, method, timeout, headers, data, user, password)


class LogfireOutput(BaseOutput):
    """What came since the last time as metrics of Logfire."""

    def __init__(self) -> None:
        try:
            import logfire
        except ImportError:
            raise SettingsError(f"Logfire is not installed: {_WIDE.format('logfire')}") from None
        logfire.configure(send_to_logfire="if-token-present", console=False)
        sums = ("duration", "emissions", "energy_consumed")
        self._sums = {n: logfire.metric_counter(f"codecarbon_{n}", description=_METRICS[n]) for n in sums}
        gauges = [name for name in _METRICS if name not in sums]
        self._gauges = {n: logfire.metric_gauge(f"codecarbon_{n}", description=_METRICS[n]) for n in gauges}

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        known = plain(delta)
        for name, counter in self._sums.items():
            counter.add(known[name] or 0.0)
        for name, gauge in self._gauges.items():
            if known[name] is not None:
                gauge.set(known[name])

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.out(total, delta)


class BoAmpsOutput(BaseOutput):
    """A BoAmps report, `boamps_report_<run id>.json`; `context` says what no tracker can, in the schema's structure."""

    def __init__(self, output_dir: str = ".", *, context: Mapping[str, Any] | None = None) -> None:
        self.output_dir = output_dir
        self._context = dict(context or {})

    @classmethod
    def from_dict(cls, context: Mapping[str, Any], output_dir: str = ".") -> BoAmpsOutput:
        return cls(output_dir, context=context)

    @classmethod
    def from_file(cls, context_file_path: str, output_dir: str = ".") -> BoAmpsOutput:
        """Raises OSError, or ValueError where it is no JSON."""
        with open(context_file_path, encoding="utf-8") as file:
            return cls(output_dir, context=json.load(file))

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        from carbonwatch.exporters import boamps
        from carbonwatch.settings import Settings
        from carbonwatch.store import emissions

        run = emissions.run({name: emissions_csv.text(value) for name, value in total.values.items()}, "the run")
        boamps.export(
            replace(run, facts={**run.facts, "metadata": self._context}), Settings(output_dir=self.output_dir)
        )


class Handlers:
    """Outputs called one after the other; each gets totals and what came since it was last called."""

    def __init__(self, handlers: Iterable[Any], experiment_name: str) -> None:
        self.listed = list(handlers)  # a program may add to it
        self._experiment_name = experiment_name
        self._told: EmissionsData | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __bool__(self) -> bool:
        return bool(self.listed)

    def tell(self, total: EmissionsData, tasks: list[TaskEmissionsData]) -> None:
        """At `flush()` and `stop()`. A total that brings nothing new is not told."""
        if self.listed and self._tell("out", total) and tasks:
            self._call("task_out", tasks, self._experiment_name)

    def tell_live(self, total: Callable[[], EmissionsData], every_s: float) -> None:
        """Begins to call `live_out` from a thread of its own: what is slow there keeps no sample waiting."""
        if any(_has_live(handler) for handler in self.listed):
            threading.Thread(target=self._live, args=(total, every_s), name="carbonwatch-outputs", daemon=True).start()

    def end(self) -> None:
        """The run has stopped."""
        if not self._ended.is_set():
            self._ended.set()
            self._call("exit")

    def _live(self, total: Callable[[], EmissionsData], every_s: float) -> None:
        while not self._ended.wait(every_s):
            self._tell("live_out", total())

    def _tell(self, way: str, total: EmissionsData) -> bool:
        with self._lock:
            if self._told is not None and self._told.duration >= total.duration:
                return False
            delta, self._told = total.since(self._told), total
            self._call(way, total, delta)
            return True

    def _call(self, way: str, *arguments: Any) -> None:
        for handler in self.listed:
            try:
                getattr(handler, way, _nothing)(*arguments)
            except (Unavailable, OSError) as error:
                log.warning("%s: %s The result is still returned.", type(handler).__name__, error)
            # border: a handler is the user's own code, and must not take the result away
            except Exception:
                log.warning("output handler %r failed; the result is still returned", handler, exc_info=True)


def tasks_path(output_dir: str, experiment_name: str, run_id: str) -> str:
    """The file of a run's tasks; no name leads to another folder."""
    plain_name = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in experiment_name)[:50]
    return os.path.join(output_dir, f"emissions_{plain_name}_{run_id}.csv")


def _has_live(handler: Any) -> bool:
    return getattr(type(handler), "live_out", BaseOutput.live_out) is not BaseOutput.live_out


def _nothing(*_: Any) -> None:
    """What a handler without this method does."""
