"""Finds runs whose process is gone without having ended them: killed, or the machine went down.

Each keeps what it had; its duration is that of its last flush.
"""

from __future__ import annotations

import sqlite3

from carbonwatch.store import rows


def settle(db: sqlite3.Connection) -> list[str]:
    """Marks the runs that were killed, and gives their ids. Those of other machines are left as they are."""
    here = rows.of_process()
    running = db.execute(
        "SELECT id, boot_id, pid, pid_started FROM runs WHERE state = 'running' AND host = ?", (here["host"],)
    ).fetchall()
    killed = [id_ for id_, boot, pid, started in running if boot != here["boot_id"] or _is_gone(pid, started)]
    for id_ in killed:
        db.execute("UPDATE runs SET state = 'killed' WHERE id = ? AND state = 'running'", (id_,))
    return killed


def _is_gone(pid: int, started: str) -> bool:
    now = rows.pid_started(pid)
    return now is None or now != started
