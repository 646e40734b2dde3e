"""FastAPI, Starlette and any ASGI application: energy by route.

    app.add_middleware(CarbonMiddleware, project="shop", path="/carbonwatch")

Each request is a task of one run, named after its route (`GET /items/{id}`); requests at the same time share what the
process uses in equal parts. `path` serves the figures as JSON; the run in the store, and every report of it, has them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import carbonwatch
from carbonwatch.integrations._border import quietly

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OTHER = "other"  # paths of no known route: one name for all, or strangers could fill the run with names


class CarbonMiddleware:
    """Measures from the first message to the application's shutdown. A wrong setting raises SettingsError here."""

    def __init__(self, app: App, project: str | None = None, *, path: str | None = None, **options: Any) -> None:
        self._app = app
        self._path = path
        self.measurement = carbonwatch.measure(project, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._begin()
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._until_shutdown(send))
        elif scope["type"] == "http" and scope["path"] == self._path:
            await self._show(send)
        elif scope["type"] in ("http", "websocket"):
            await self._measured(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = self._begin_task(scope)
        try:
            await self._app(scope, receive, send)
        finally:
            self._end(task)

    def by_route(self) -> dict[str, dict[str, float]]:
        """Energy, emissions and seconds by route, so far."""
        run = self.measurement.run
        return {name: carbonwatch.figures(run.only(name)) for name in run.tasks}

    @quietly
    def _begin(self) -> None:
        self.measurement.__enter__()

    @quietly
    def _begin_task(self, scope: Scope) -> Any:
        return self.measurement.task(route(scope))

    @quietly
    def _end(self, task: Any) -> None:
        if task is not None:
            task.__exit__(None, None, None)

    def _until_shutdown(self, send: Send) -> Send:
        async def tell(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                self._stop()
            await send(message)

        return tell

    @quietly
    def _stop(self) -> None:
        self.measurement.__exit__(None, None, None)

    async def _show(self, send: Send) -> None:
        body = json.dumps({"total": carbonwatch.figures(self.measurement.run), "routes": self.by_route()}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def route(scope: Scope) -> str:
    """Method and route of a request as it was declared, where the application tells its routes."""
    path = _declared(scope, getattr(scope.get("app"), "routes", ()))
    return f"{scope.get('method', 'WS')} {path}" if path else OTHER


def _declared(scope: Scope, routes: Iterable[Any]) -> str:
    for each in routes:
        found, child = each.matches(scope)
        if found.name == "FULL":
            return getattr(each, "path", "") + _declared({**scope, **child}, _inside(each))
    return ""


def _inside(route: Any) -> Iterable[Any]:
    """Routes of what is mounted there, or, in FastAPI, of a router that is included."""
    included = getattr(route, "effective_candidates", None)
    return included() if included else getattr(route, "routes", None) or ()
