"""One ledger joined into another: what is new is added, what is there stays, and what contradicts is named."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reports.ledger_tallies import unpacked
from reports.merging.rows import ENGINES, LOADS, RUNS, VERDICTS, Entry, Kind, copied, found

SESSION = ("id", "started", "finished", "exit_status", "attempt", "provenance")


@dataclass(slots=True)
class Joined:
    """What a ledger added to another.

    Attributes:
        sessions, runs, loads, verdicts: How many are new.
        known: Runs, loads and verdicts that were there already.
        conflicts: What both hold with different content, in words; it stays as it was.
    """

    sessions: list[str] = field(default_factory=list)
    runs: int = 0
    loads: int = 0
    verdicts: int = 0
    known: int = 0
    conflicts: list[str] = field(default_factory=list)

    @property
    def added(self) -> bool:
        """There was anything new."""
        return bool(self.sessions or self.runs or self.loads or self.verdicts)


def join(target: sqlite3.Connection, source: sqlite3.Connection) -> Joined:
    """Add everything of the source that the target lacks, all or nothing; both are ledgers of the newest version.

    Sessions are told apart by their ids, so that run 1 of one machine and run 1 of another stay two runs. A session
    that both hold (a folder was copied, and the session resumed) gets what it lacks. Afterwards all sessions stand in
    the order in which they started.

    Raises:
        sqlite3.Error: One of the two cannot be used; the target is as it was.
    """
    joined = Joined()
    target.execute("BEGIN IMMEDIATE")
    try:
        for row in source.execute(f"SELECT {', '.join(SESSION)} FROM sessions ORDER BY position").fetchall():  # noqa: S608 - a constant
            _session(target, source, row, joined)
        _in_order(target)
    except BaseException:
        target.rollback()
        raise
    target.execute("COMMIT")
    return joined


def _session(target: sqlite3.Connection, source: sqlite3.Connection, row: Sequence[Any], joined: Joined) -> None:
    name, started, finished, exit_status, attempt, provenance = row
    query = "SELECT started, provenance, attempt, finished FROM sessions WHERE id = ?"
    held = target.execute(query, [name]).fetchone()
    if held is None:
        target.execute(f"INSERT INTO sessions ({', '.join(SESSION)}) VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - a constant
        joined.sessions.append(name)
    elif held[:2] != (started, provenance):
        joined.conflicts.append(f"session {name}: the ledger holds another one of this id; left out")
        return
    elif (attempt, finished or "") > (held[2], held[3] or ""):
        query = "UPDATE sessions SET finished = ?, exit_status = ?, attempt = ? WHERE id = ?"
        target.execute(query, (finished, exit_status, attempt, name))
    later = held is not None and attempt > held[2]
    _engines(target, source, name, joined, later=later)
    _questions(target, source, name)
    joined.runs += _runs(target, source, name, joined)
    joined.loads += _appended(LOADS, target, source, name, joined)
    joined.verdicts += _appended(VERDICTS, target, source, name, joined)


def _appended(kind: Kind, target: sqlite3.Connection, source: sqlite3.Connection, session: str, joined: Joined) -> int:
    rows = found(kind, target, source, session)
    for entry in rows.new:
        copied(kind, target, source, entry.number)
    joined.known += rows.known
    joined.conflicts += [_differs(session, entry) for entry, _ in rows.at_odds]
    return len(rows.new)


def _engines(
    target: sqlite3.Connection, source: sqlite3.Connection, session: str, joined: Joined, *, later: bool
) -> None:
    """An engine that was started again is described as it last was: by the later attempt."""
    rows = found(ENGINES, target, source, session)
    for entry, old in rows.at_odds if later else ():
        target.execute("DELETE FROM engines WHERE rowid = ?", [old.number])
        copied(ENGINES, target, source, entry.number)
    for entry in rows.new:
        copied(ENGINES, target, source, entry.number)
    joined.conflicts += [] if later else [_differs(session, entry) for entry, _ in rows.at_odds]


def _runs(target: sqlite3.Connection, source: sqlite3.Connection, session: str, joined: Joined) -> int:
    """A run whose requests failed gives way to the one that a resumed session made whole, on whichever side it is."""
    rows = found(RUNS, target, source, session)
    for entry in rows.new:
        _with_tally(target, source, entry)
    made_whole = 0
    for entry, old in rows.at_odds:
        failed, failed_there = _failed(source, entry), _failed(target, old)
        if failed_there and failed == 0:
            _replace(target, source, entry, old)
            made_whole += 1
        elif not (failed and failed_there == 0):
            joined.conflicts.append(_differs(session, entry))
    joined.known += rows.known
    return len(rows.new) + made_whole


def _questions(target: sqlite3.Connection, source: sqlite3.Connection, session: str) -> None:
    """What a session asked, where the target does not know it."""
    asked = source.execute("SELECT session, task, version, digest FROM asked WHERE session = ?", [session]).fetchall()
    target.executemany("INSERT OR IGNORE INTO asked VALUES (?, ?, ?, ?)", asked)
    for digest in {row[-1] for row in asked}:
        texts = source.execute("SELECT digest, content FROM texts WHERE digest = ?", [digest]).fetchall()
        target.executemany("INSERT OR IGNORE INTO texts (digest, content) VALUES (?, ?)", texts)


def _with_tally(target: sqlite3.Connection, source: sqlite3.Connection, entry: Entry) -> None:
    number = copied(RUNS, target, source, entry.number)
    tally = _tally(source, entry)
    if tally is not None:
        target.execute("INSERT INTO tallies VALUES (?, ?, ?)", (number, *tally))


def _replace(target: sqlite3.Connection, source: sqlite3.Connection, entry: Entry, old: Entry) -> None:
    told = source.execute("SELECT labels, record FROM runs WHERE id = ?", [entry.number]).fetchone()
    target.execute("UPDATE runs SET labels = ?, record = ? WHERE id = ?", (*told, old.number))
    target.execute("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)", (old.number, *(_tally(source, entry) or ())))


def _failed(database: sqlite3.Connection, entry: Entry) -> int | None:
    """Requests of a run that failed; None where its record cannot be understood."""
    tally = _tally(database, entry)
    return None if tally is None else unpacked(*tally).failed_requests


def _tally(database: sqlite3.Connection, entry: Entry) -> tuple[str, bytes] | None:
    query = "SELECT head, columns FROM tallies WHERE run = ?"
    found: tuple[str, bytes] | None = database.execute(query, [entry.number]).fetchone()
    return found


def _differs(session: str, entry: Entry) -> str:
    return f"session {session}: {entry.name} differs from the ledger's, which stays as it is"


def _in_order(database: sqlite3.Connection) -> None:
    """Number the sessions by their start; one whose start is not known stays behind the one before it."""
    rows = database.execute("SELECT position, id, started FROM sessions ORDER BY position").fetchall()
    starts: list[float] = []
    for _, _, started in rows:
        starts.append(_instant(started, starts[-1] if starts else float("-inf")))
    order = [name for _, (_, name, _) in sorted(zip(starts, rows, strict=True), key=lambda pair: pair[0])]
    if order == [name for _, name, _ in rows]:
        return
    database.execute("UPDATE sessions SET position = -position")
    database.executemany("UPDATE sessions SET position = ? WHERE id = ?", list(enumerate(order, 1)))


def _instant(started: str | None, otherwise: float) -> float:
    try:
        moment = datetime.fromisoformat(started or "")
    except ValueError:
        return otherwise
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
