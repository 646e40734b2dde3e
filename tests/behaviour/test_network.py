"""With default settings no socket is opened and no other program is started: import, start, sampling, report, stop."""

from pathlib import Path

import pytest

from tests.behaviour.programs import run

GUARD = """
import sys
seen = []

def guard(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system", "os.fork")):
        seen.append(event)

sys.addaudithook(guard)
"""
TRACKERS = {
    "measure": """
import carbonwatch, time
with carbonwatch.measure("x", interval_s=0.02) as m:
    time.sleep(0.1)
print(len(str(m)) > 100, m.run.state)
""",
    "EmissionsTracker": """
import time
from carbonwatch import EmissionsTracker
tracker = EmissionsTracker(measure_power_secs=0.02)
tracker.start()
tracker.start_task("x")
time.sleep(0.1)
tracker.stop_task("x")
tracker.flush()
print(tracker.stop() > 0, tracker.run.state)
""",
    "OfflineEmissionsTracker": """
from carbonwatch import OfflineEmissionsTracker
with OfflineEmissionsTracker(country_iso_code="FRA") as tracker:
    pass
print(tracker.final_emissions >= 0, tracker.run.state)
""",
}


@pytest.mark.parametrize("tracker", TRACKERS)
def test_no_socket_is_opened(tracker: str, tmp_path: Path) -> None:
    ended = run(f"{GUARD}{TRACKERS[tracker]}print(seen)\n", tmp_path, prelude="")

    assert ended.said.splitlines() == ["True finished", "[]"], ended.errors
    assert ended.run.state == "finished"


def test_the_guard_sees_a_socket(tmp_path: Path) -> None:
    code = f"{GUARD}\nimport socket\nsocket.socket().close()\nprint(seen)\n"

    assert run(code, tmp_path, prelude="").said == "['socket.__new__']\n"
