"""The ledger: every session, engine, run, load and verdict, appended to one SQLite file.

Each write is committed when its method returns, so that ending the process loses nothing that was told.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from reports.migrations import LedgerUnreadable, migrate
from reports.records import as_json, verdict_from, verdict_record
from reports.subjects import latest
from thresholds.measurement import Run
from thresholds.speed import LoadRun
from thresholds.verdict import Verdict

FILE = "ledger.sqlite"

Built = TypeVar("Built")


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """One pytest session; `finished` and `exit_status` are None while it runs and after it was killed."""

    id: str
    started: str | None
    finished: str | None
    exit_status: int | None
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedEngine:
    """An engine that was proved to be what its combination says."""

    session: str
    combination: str
    labels: Mapping[str, Any]
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run, with the labels it was announced with."""

    session: str
    labels: Mapping[str, Any]
    run: Run


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """A run of a load, with the labels it was announced with."""

    session: str
    labels: Mapping[str, Any]
    run: LoadRun


class Ledger:
    """The ledger of one results folder.

    Args:
        path: The file; None keeps everything in memory.
        create: Make folder and file when there is none.

    Raises:
        LedgerUnreadable: It cannot be opened, is damaged or no ledger, or a later Weighbridge wrote it.
    """

    def __init__(self, path: Path | None, *, create: bool = True) -> None:
        self.path = path
        try:
            self._database = _open(path, create=create)
            migrate(self._database)
        except LedgerUnreadable as error:
            raise LedgerUnreadable(f"{path}: {error}") from None
        except (sqlite3.Error, OSError) as error:
            raise LedgerUnreadable(f"{path}: cannot be opened as a ledger: {error}") from None

    def record_session(self, provenance: Mapping[str, Any]) -> str:
        """Open a session and return its id; one that is known already is continued."""
        session = str(provenance["session"])
        self._execute(
            "INSERT INTO sessions (id, started, provenance) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET attempt = attempt + 1, finished = NULL, exit_status = NULL",
            session,
            str(provenance["started"]) if "started" in provenance else None,
            as_json(provenance),
        )
        return session

    def record_engine(self, session: str, labels: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """Keep what an engine proved to be."""
        self._execute(
            "INSERT OR REPLACE INTO engines VALUES (?, ?, ?, ?)",
            session,
            labels["combination"],
            as_json(labels),
            as_json(description),
        )

    def record_run(self, session: str, run: Run, labels: Mapping[str, Any]) -> None:
        """Keep a run. A resumed session tells its runs again; what was measured whole before stays as it was."""
        key = (session, run.combination, run.task, run.number)
        where = "session = ? AND combination = ? AND task = ? AND number = ?"
        known = self._execute(f"SELECT record FROM runs WHERE {where}", *key)  # noqa: S608 - a constant
        if known and run.replayed and not Run.from_dict(self._parsed(known[0][0])).failed_requests:
            return
        self._execute(
            "INSERT INTO runs (session, combination, task, number, labels, record) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (session, combination, task, number)"
            " DO UPDATE SET labels = excluded.labels, record = excluded.record",
            session,
            run.combination,
            run.task,
            run.number,
            as_json(labels),
            as_json(run.to_dict()),
        )

    def record_load(self, session: str, run: LoadRun, labels: Mapping[str, Any]) -> None:
        """Keep a run of a load; after the session was resumed, one of the same number takes its place."""
        self._execute(
            "INSERT INTO loads (session, attempt, combination, workload, against, number, labels, record)"
            " VALUES (?, (SELECT attempt FROM sessions WHERE id = ?), ?, ?, ?, ?, ?, ?)",
            session,
            session,
            run.combination,
            run.workload,
            labels.get("against"),
            run.number,
            as_json(labels),
            as_json(run.to_dict()),
        )

    def record_verdict(self, session: str, verdict: Verdict) -> None:
        """Keep a verdict."""
        self._execute(
            "INSERT INTO verdicts (session, attempt, combination, task, metric, outcome, reason, record)"
            " VALUES (?, (SELECT attempt FROM sessions WHERE id = ?), ?, ?, ?, ?, ?, ?)",
            session,
            session,
            str(verdict.labels.get("combination", "")),
            str(verdict.labels.get("task", "")),
            verdict.metric,
            str(verdict.outcome),
            verdict.reason,
            as_json(verdict_record(verdict)),
        )

    def finish_session(self, session: str, exit_status: int) -> None:
        """Note that a session ended by itself, and how."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._execute("UPDATE sessions SET finished = ?, exit_status = ? WHERE id = ?", now, int(exit_status), session)

    def sessions(self) -> list[RecordedSession]:
        """All sessions, oldest first."""
        rows = self._execute("SELECT id, started, finished, exit_status, provenance FROM sessions ORDER BY position")
        return [RecordedSession(row[0], row[1], row[2], row[3], self._parsed(row[4])) for row in rows]

    def engines(self, session: str) -> list[RecordedEngine]:
        """The engines of a session in the order of their start."""
        query = "SELECT session, combination, labels, description FROM engines WHERE session = ? ORDER BY rowid"
        rows = self._execute(query, session)
        return [RecordedEngine(row[0], row[1], self._parsed(row[2]), self._parsed(row[3])) for row in rows]

    def runs(self, session: str | None = None) -> list[RecordedRun]:
        """The runs of a session, or of all; by session, then in the order in which they were first told."""
        query = (
            "SELECT runs.session, runs.labels, runs.record FROM runs JOIN sessions ON sessions.id = runs.session"
            " WHERE ? IN (runs.session, '') ORDER BY sessions.position, runs.id"
        )
        return [
            RecordedRun(row[0], self._parsed(row[1]), self._rebuilt(Run.from_dict, row[2]))
            for row in self._execute(query, session or "")
        ]

    def loads(self, session: str | None = None) -> list[RecordedLoad]:
        """The runs of loads of a session, or of all; by session, then in the order in which they were told."""
        query = (
            "SELECT one.session, one.labels, one.record FROM standing_loads AS one"
            " JOIN sessions ON sessions.id = one.session"
            " WHERE ? IN (one.session, '') ORDER BY sessions.position, one.id"
        )
        return [
            RecordedLoad(row[0], self._parsed(row[1]), self._rebuilt(LoadRun.from_dict, row[2]))
            for row in self._execute(query, session or "")
        ]

    def verdicts(self, session: str) -> list[Verdict]:
        """The verdicts of a session; after it was resumed, the later one on the same subject."""
        rows = self._execute("SELECT attempt, record FROM verdicts WHERE session = ? ORDER BY attempt, id", session)
        attempts = groupby(rows, key=lambda row: row[0])
        return latest([self._rebuilt(verdict_from, record) for _, record in told] for _, told in attempts)

    def runs_before(self, session: str) -> dict[tuple[str, str], int]:
        """How many runs earlier sessions made, by combination and task."""
        query = (
            "SELECT combination, task, COUNT(*) FROM runs JOIN sessions ON sessions.id = runs.session"
            " WHERE sessions.position < (SELECT position FROM sessions WHERE id = ?) GROUP BY combination, task"
        )
        return {(combination, task): count for combination, task, count in self._execute(query, session)}

    def loads_before(self, session: str) -> dict[tuple[str, str, str | None], int]:
        """How many runs of loads earlier sessions made, by combination, workload and `against`."""
        query = (
            "SELECT combination, workload, against, COUNT(*) FROM standing_loads AS one"
            " JOIN sessions ON sessions.id = one.session"
            " WHERE sessions.position < (SELECT position FROM sessions WHERE id = ?)"
            " GROUP BY combination, workload, against"
        )
        return {(row[0], row[1], row[2]): row[3] for row in self._execute(query, session)}

    def subjects(self, session: str) -> tuple[int, int]:
        """How many combinations a session speaks of, and how many runs it made, of tasks and of loads."""
        query = (
            "SELECT (SELECT COUNT(*) FROM (SELECT combination FROM runs WHERE session = :id UNION SELECT combination"
            " FROM loads WHERE session = :id UNION SELECT combination FROM engines WHERE session = :id"
            " UNION SELECT combination FROM verdicts WHERE session = :id)),"
            " (SELECT COUNT(*) FROM runs WHERE session = :id)"
            " + (SELECT COUNT(*) FROM standing_loads WHERE session = :id)"
        )
        ((combinations, runs),) = self._execute(query.replace(":id", "?"), *[session] * 6)
        return int(combinations), int(runs)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _execute(self, query: str, *values: Any) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerUnreadable(f"{self.path}: cannot be used: {error}") from None

    def _parsed(self, text: str) -> dict[str, Any]:
        return self._rebuilt(dict[str, Any], text)

    def _rebuilt(self, build: Callable[[dict[str, Any]], Built], text: str) -> Built:
        try:
            return build(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise LedgerUnreadable(f"{self.path}: holds a record that cannot be understood: {error}") from None


def _open(path: Path | None, *, create: bool) -> sqlite3.Connection:
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None)
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    mode = "rwc" if create else "rw"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30)
    database.execute("PRAGMA journal_mode=WAL")
    return database
