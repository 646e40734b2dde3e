"""Finds runs whose process is gone without having ended them: killed, or the machine went down.

Each keeps what it had; its duration is that of its last flush. A run that was given up too early comes back with its
next flush.
"""

from __future__ import annotations

import sqlite3
import time

from carbonwatch.store import rows

# a run elsewhere (another host, or a container that is gone) writes at least every hour
SILENT_NS = 24 * 3600 * 10**9


def settle(db: sqlite3.Connection, now_ns: int | None = None) -> list[str]:
    """Marks the runs that were killed, and gives their ids. One of another host is, after a day without a flush."""
    here = rows.of_process()
    now_ns = time.time_ns() if now_ns is None else now_ns
    running = db.execute(
        "SELECT id, host, boot_id, pid, pid_started, started_ns + CAST(duration_s * 1e9 AS INTEGER) FROM runs "
        "WHERE state = 'running'"
    ).fetchall()
    killed = []
    for id_, host, boot, pid, started, flushed_ns in running:
        if host != here["host"]:
            gone = now_ns - flushed_ns > SILENT_NS
        else:
            gone = boot != here["boot_id"] or _is_gone(pid, started)
        if gone:
            killed.append(id_)
    for id_ in killed:
        db.execute("UPDATE runs SET state = 'killed' WHERE id = ? AND state = 'running'", (id_,))
    return killed


def _is_gone(pid: int, started: str) -> bool:
    now = rows.pid_started(pid)
    return now is None or now != started
