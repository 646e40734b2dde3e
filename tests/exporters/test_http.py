from collections.abc import Iterator

import pytest

from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.exporters.http import check, export
from carbonwatch.settings import Settings
from carbonwatch.tracker import Tracker
from tests.exporters.runs import RUN
from tests.exporters.service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_a_run_s_row_is_posted(service: Service) -> None:
    export(RUN, Settings(http_url=f"{service.url}/runs?key=s3cr3t"))

    ((path, row),) = service.sent()
    assert (path, row["run_id"], row["duration"], row["gpu_energy"]) == ("/runs?key=s3cr3t", "run-1", 10.0, None)
    assert service.got[0][2]["content-type"] == "application/json"


@pytest.mark.parametrize("code", [400, 401, 500])
def test_a_refusal_is_told_without_the_address_s_secrets(service: Service, code: int) -> None:
    service.codes = [code]
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1 refused it \({code}\)") as caught:
        export(RUN, Settings(http_url=f"{service.url}/runs?key=s3cr3t"))

    assert "s3cr3t" not in repr(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)


def test_who_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 can't be reached"):
        export(RUN, Settings(http_url="http://127.0.0.1:9/"))


@pytest.mark.parametrize("url", [None, "", "example.org"])
def test_without_an_address_no_run_starts(url: str | None) -> None:
    settings = Settings(exporters=("http",), http_url=url)
    with pytest.raises(SettingsError, match="http_url is no address"):
        check(settings)
    with pytest.raises(SettingsError, match="http_url is no address"):
        Tracker(settings)
