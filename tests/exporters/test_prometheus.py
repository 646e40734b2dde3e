from collections.abc import Iterator

import pytest

from carbonwatch.errors import SettingsError
from carbonwatch.exporters.prometheus import check, export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN
from tests.exporters.service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_a_run_s_figures_are_pushed_by_component_and_part(service: Service) -> None:
    service.codes = [200]
    export(RUN, Settings(prometheus_url=service.url))

    ((method, path, _, body),) = service.got
    text = body.decode()
    assert (method, path) == ("PUT", "/metrics/job/carbonwatch/project/digits")
    assert 'carbonwatch_energy_joules{component="cpu",part="own",project="digits"} 2000.0' in text
    assert 'carbonwatch_energy_joules{component="ram",part="others",project="digits"} 100.0' in text
    assert 'carbonwatch_emissions_grams{component="cpu",part="machine",project="digits"} 0.45' in text
    assert 'carbonwatch_duration_seconds{project="digits"} 10.0' in text


def test_without_a_gateway_no_run_starts() -> None:
    check(Settings(prometheus_url="localhost:9091"))
    with pytest.raises(SettingsError, match="prometheus_url is not set"):
        check(Settings())
