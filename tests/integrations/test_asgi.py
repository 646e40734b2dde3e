from pathlib import Path

from tests.integrations.snippets import run, snippets

BEFORE = """
import warnings
warnings.filterwarnings("ignore")
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

app = FastAPI()
router = APIRouter(prefix="/shop")

@app.get("/items/{number}")
def item(number: int):
    return sum(range(2_000_000 * number))

@router.get("/slow")
async def slow():
    return sum(range(2_000_000))

@app.get("/broken")
def broken():
    raise KeyError("broken")

app.include_router(router)
"""
AFTER = """
with TestClient(app, raise_server_exceptions=False) as client:
    codes = [client.get(path).status_code for path in ("/items/1", "/items/2", "/shop/slow", "/broken", "/x", "/y")]
    figures = client.get("/carbonwatch").json()
"""


def test_energy_is_told_by_route_and_served_by_the_application(tmp_path: Path) -> None:
    (snippet,) = snippets("FastAPI")

    codes, figures = run(tmp_path, BEFORE, snippet + AFTER, "[codes, figures]")
    assert codes == [200, 200, 200, 500, 404, 404]
    assert sorted(figures["routes"]) == ["GET /broken", "GET /items/{number}", "GET /shop/slow", "other"]
    routes_kwh = sum(route["energy_kwh"] for route in figures["routes"].values())
    assert 0 < routes_kwh <= figures["total"]["energy_kwh"]
