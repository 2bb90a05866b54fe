"""The ledger: every session, engine, run, load and verdict, appended to one SQLite file.

Each write is committed when its method returns, so that ending the process loses nothing that was told.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from reports.ledger_file import connected, explained, reading
from reports.ledger_questions import Questions, packed_questions, unpacked_questions
from reports.ledger_records import Items, KeptRun, RecordedEngine, RecordedLoad, RecordedRun, RecordedSession
from reports.ledger_shelf import Shelf
from reports.ledger_tallies import packed, tally_of, unpacked
from reports.migrations import LedgerUnreadable
from reports.records import as_json, run_from, verdict_from, verdict_record
from reports.subjects import latest
from thresholds.measurement import Run
from thresholds.questions import Question
from thresholds.speed import LoadRun
from thresholds.verdict import Verdict

__all__ = ["FILE", "Ledger", "RecordedEngine", "RecordedLoad", "RecordedRun", "RecordedSession"]

FILE = "ledger.sqlite"

Told = TypeVar("Told")
Built = TypeVar("Built")


class Ledger:
    """The ledger of one results folder.

    Args:
        path: The file; None keeps everything in memory.
        create: Make folder and file when there is none.
        rescued: A connection to what was left of the file, to be read in its place.

    Raises:
        LedgerUnreadable: It cannot be opened, is damaged or no ledger, or a later Weighbridge wrote it.
    """

    def __init__(self, path: Path | None, *, create: bool = True, rescued: sqlite3.Connection | None = None) -> None:
        self.path = path
        self._open = True
        self._database = connected(path, create=create) if rescued is None else rescued
        self._shelf: Shelf[Items] = Shelf()
        self._texts: Shelf[Questions] = Shelf()

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
        if known and run.replayed and not self._rebuilt(run_from, known[0][0]).failed_requests:
            return
        record, tally = as_json(run.to_dict()), packed(tally_of(run))
        with self._together():
            ((row,),) = self._execute(
                "INSERT INTO runs (session, combination, task, number, labels, record) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (session, combination, task, number)"
                " DO UPDATE SET labels = excluded.labels, record = excluded.record RETURNING id",
                *key,
                as_json(labels),
                record,
            )
            self._execute("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)", row, *tally)
        self._shelf.forget(row)

    def record_questions(self, session: str, questions: Sequence[Question], labels: Mapping[str, Any]) -> None:
        """Keep what a task asks, each sample of questions once; of a session and a task, what was told last."""
        digest, content = packed_questions(questions)
        with self._together():
            self._execute("INSERT OR IGNORE INTO texts (digest, content) VALUES (?, ?)", digest, content)
            self._execute(
                "INSERT OR REPLACE INTO asked VALUES (?, ?, ?, ?)",
                session,
                labels["task"],
                str(labels.get("task_version")),
                digest,
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
        """The runs of a session, or of all; by session, then in the order in which they were first told.

        Their answers stay on disk until they are asked for, which works after the ledger was closed too.
        """
        query = (
            "SELECT runs.session, runs.labels, runs.id, tallies.head, tallies.columns FROM runs"
            " JOIN sessions ON sessions.id = runs.session LEFT JOIN tallies ON tallies.run = runs.id"
            " WHERE ? IN (runs.session, '') ORDER BY sessions.position, runs.id"
        )
        return [
            RecordedRun(row[0], self._parsed(row[1]), self._kept(*row[2:]))
            for row in self._execute(query, session or "")
        ]

    def questions(self, recorded: RecordedRun) -> Questions:
        """What the questions of a run ask, by position; none where their texts were not kept."""
        rows = self._execute(
            "SELECT texts.id, LENGTH(content) FROM asked JOIN texts USING (digest)"
            " WHERE session = ? AND task = ? AND version = ?",
            recorded.session,
            recorded.run.task,
            str(recorded.labels.get("task_version")),
        )
        return self._texts.take(rows[0][0], partial(self._unpacked, *rows[0])) if rows else {}

    def loads(self, session: str | None = None) -> list[RecordedLoad]:
        """The runs of loads of a session, or of all; by session, then in the order in which they were told."""
        query = (
            "SELECT one.session, one.labels, one.record FROM standing_loads AS one"
            " JOIN sessions ON sessions.id = one.session"
            " WHERE ? IN (one.session, '') ORDER BY sessions.position, one.id"
        )
        return [
            RecordedLoad(row[0], self._parsed(row[1]), self._rebuilt(_load, row[2]))
            for row in self._execute(query, session or "")
        ]

    def verdicts(self, session: str) -> list[Verdict]:
        """The verdicts of a session; after it was resumed, the later one on the same subject."""
        rows = self._execute("SELECT attempt, record FROM verdicts WHERE session = ? ORDER BY attempt, id", session)
        attempts = groupby(rows, key=lambda row: row[0])
        return latest([self._rebuilt(_verdict, record) for _, record in told] for _, told in attempts)

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
        self._open = False

    @contextmanager
    def _together(self) -> Iterator[None]:
        """All of the writes, or none."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.rollback()
            raise
        self._execute("COMMIT")

    def _execute(self, query: str, *values: Any) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerUnreadable(f"{self.path}: cannot be used: {explained(error)}") from None

    def _kept(self, row: int, head: str | None, columns: bytes | None) -> Run:
        if head is None or columns is None:
            return self._rebuilt(run_from, self._record(row))
        tally = self._rebuilt(lambda told: unpacked(told, columns), head)
        return KeptRun.of(tally, partial(self._shelf.take, row, partial(self._items, row)))

    def _items(self, row: int) -> tuple[Items, int]:
        record = self._record(row)
        return self._rebuilt(run_from, record).items, len(record)

    def _unpacked(self, row: int, size: int) -> tuple[Questions, int]:
        ((content,),) = self._execute("SELECT content FROM texts WHERE id = ?", row)
        return self._rebuilt(unpacked_questions, content), size

    def _record(self, row: int) -> str:
        query = "SELECT record FROM runs WHERE id = ?"
        if self._open or self.path is None:
            return str(self._execute(query, row)[0][0])
        try:
            with closing(reading(self.path)) as database:
                return str(database.execute(query, [row]).fetchone()[0])
        except (sqlite3.Error, TypeError) as error:
            raise LedgerUnreadable(f"{self.path}: the answers of a run cannot be read: {error}") from None

    def _parsed(self, text: str) -> dict[str, Any]:
        return self._rebuilt(_mapping, text)

    def _rebuilt(self, build: Callable[[Told], Built], text: Told) -> Built:
        try:
            return build(text)
        except (ValueError, TypeError, KeyError) as error:
            raise LedgerUnreadable(f"{self.path}: holds a record that cannot be understood: {error}") from None


def _mapping(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def _verdict(text: str) -> Verdict:
    return verdict_from(json.loads(text))


def _load(text: str) -> LoadRun:
    return LoadRun.from_dict(json.loads(text))
