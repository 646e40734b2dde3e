"""What a server with CodeCarbon's API says of a user's organisations, projects and experiments, and takes from them.

Each answer is checked: it is what CodeCarbon's server of 3.3 documents, or Unavailable says that it is not. Runs are
sent by outputs.CodeCarbonAPIOutput.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from carbonwatch.codecarbon import _http
from carbonwatch.codecarbon._http import Refused
from carbonwatch.errors import Unavailable

# what the server takes of a run: columns of its row, and where it ran
OF_A_RUN = (
    *("os", "python_version", "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model"),
    *("region", "ram_total_size", "tracking_mode"),
)
OF_ITS_PLACE = ("longitude", "latitude", "provider")


class Named(NamedTuple):
    """An organisation, a project or an experiment."""

    id: str
    name: str


class Api:
    """A server, asked as who is signed in."""

    def __init__(self, endpoint: str, token: str | None = None) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def check(self) -> None:
        """Raises Unavailable where no server answers there."""
        try:
            self._get("/")
        except Refused as error:
            if error.status >= 500:
                raise

    def user(self) -> str:
        """Name or address of who is signed in; a new user is known to the server from then on."""
        answer = self._get("/auth/check")
        found = answer.get("user") if isinstance(answer, dict) else None
        if not isinstance(found, dict):
            raise Unavailable(f"{self._host} does not know who is signed in.", "Sign in again: carbonwatch login.")
        return next((str(found[name]) for name in ("email", "preferred_username", "name") if found.get(name)), "a user")

    def organizations(self) -> list[Named]:
        return self._list("/organizations")

    def projects(self, organization_id: str) -> list[Named]:
        return self._list(f"/organizations/{_part(organization_id)}/projects")

    def experiments(self, project_id: str) -> list[Named]:
        return self._list(f"/projects/{_part(project_id)}/experiments")

    def experiment(self, experiment_id: str) -> Named:
        return self._named(self._get(f"/experiments/{_part(experiment_id)}"))

    def create_organization(self, name: str) -> Named:
        return self._named(self._post("/organizations", {"name": name, "description": name}))

    def create_project(self, name: str, organization_id: str) -> Named:
        value = {"name": name, "description": name, "organization_id": organization_id}
        return self._named(self._post("/projects", value))

    def create_experiment(self, name: str, project_id: str) -> Named:
        place = dict.fromkeys(("country_name", "country_iso_code", "region", "cloud_provider", "cloud_region"))
        value = {"name": name, "description": name, "project_id": project_id, "on_cloud": False, "timestamp": now()}
        return self._named(self._post("/experiments", {**value, **place}))

    def create_token(self, project_id: str, name: str) -> str:
        """A new key with which runs are sent to a project. The server shows it this once."""
        value = {"project_id": project_id, "name": name, "x_token": "-"}
        answer = self._post(f"/projects/{_part(project_id)}/api-tokens", value)
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise self._other()
        return token

    def create_run(self, experiment_id: str, api_key: str) -> str:
        """Registers a run in which nothing was measured, as any run is registered, and gives its id."""
        value = {**dict.fromkeys((*OF_A_RUN, *OF_ITS_PLACE)), "experiment_id": experiment_id, "timestamp": now()}
        answer = _http.post(f"{self.endpoint}/runs", value, {"x-api-token": api_key})
        return self._named(answer).id

    @property
    def _host(self) -> str:
        return _http.host(self.endpoint)

    def _get(self, path: str) -> Any:
        return _http.get(self.endpoint + path, self._headers)

    def _post(self, path: str, value: Mapping[str, Any]) -> Any:
        return _http.post(self.endpoint + path, value, self._headers)

    def _list(self, path: str) -> list[Named]:
        answer = self._get(path)
        if not isinstance(answer, list):
            raise self._other()
        return [self._named(each) for each in answer]

    def _named(self, answer: Any) -> Named:
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise self._other()
        return Named(answer["id"], str(answer.get("name") or answer["id"]))

    def _other(self) -> Unavailable:
        return Unavailable(
            f"{self._host} answers something else than CodeCarbon's API does.", "Check `api_endpoint`, or report it."
        )


def _part(text: str) -> str:
    """An id as part of an address: it leads to no other one."""
    from urllib.parse import quote

    return quote(text, safe="")


def now() -> str:
    """This moment, as the API takes it."""
    import datetime

    return datetime.datetime.now(datetime.UTC).isoformat()
