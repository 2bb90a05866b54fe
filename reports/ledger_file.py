"""The file of a ledger: how it is opened, what is said when it cannot be, and what is left of one that was cut off."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from reports.migrations import MIGRATIONS, LedgerUnreadable, migrate, version

WRITER_WAITS, READER_WAITS = 30.0, 5.0
"""Seconds for which a lock of another process is waited out."""

HEADER = 100
"""Bytes of the header of a SQLite file (https://www.sqlite.org/fileformat.html, section 1.3)."""


def connected(path: Path | None, *, create: bool) -> sqlite3.Connection:
    """A connection to a ledger of the newest version; None is one in memory.

    Only what may be created is taken to the newest version itself: what is read alone stays as it is, so that the
    Weighbridge that wrote it can read it too.

    Raises:
        LedgerUnreadable: It cannot be opened, is damaged or no ledger, or a later Weighbridge wrote it.
    """
    try:
        database = _open(path) if create or path is None else _as_it_stands(path)
        migrate(database)
    except LedgerUnreadable as error:
        raise LedgerUnreadable(f"{path}: {error}") from None
    except (sqlite3.Error, OSError) as error:
        raise LedgerUnreadable(f"{path}: cannot be opened as a ledger: {explained(error)}") from None
    return database


def explained(error: Exception) -> str:
    """An error of SQLite, with what to do where that is known."""
    if "locked" in str(error):
        return f"{error}; another process writes to it: try again when that has ended, or copy the folder"
    if "malformed" in str(error):
        return f"{error}; the file is damaged: take an earlier copy"
    return str(error)


def reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, and leaves nothing behind."""
    database = _connection(path, "rw", READER_WAITS)  # one of `ro` may not remove the files of its lock
    database.execute("PRAGMA query_only = ON")
    return database


def missing_bytes(path: Path) -> int:
    """How much shorter a SQLite file is than its header says; 0 for a whole one, and for what is no SQLite file.

    A header counts only when its writer knew of the count: when its change counter stands at offset 92 too.
    """
    with path.open("rb") as file:
        header = file.read(HEADER)
    if len(header) < HEADER or not header.startswith(b"SQLite format 3\0") or header[24:28] != header[92:96]:
        return 0
    page = int.from_bytes(header[16:18], "big")
    size = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    return max(0, size - path.stat().st_size)


def salvaged(path: Path) -> sqlite3.Connection:
    """A ledger in memory with the rows that can still be read of a file that was cut off; the file stays as it is.

    Raises:
        LedgerUnreadable: None can.
    """
    whole = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with closing(_connection(path, "ro", READER_WAITS)) as damaged:
            damaged.execute("PRAGMA writable_schema = ON")  # SQLite then opens a file with pages missing
            known = version(damaged)
            migrate(whole, MIGRATIONS[:known])
            tables = [name for (name,) in whole.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                _copy(damaged, whole, table)
        _name_sessions(whole)
        migrate(whole)
        left = whole.execute("SELECT COUNT(*) FROM sessions").fetchone()[0]
    except (sqlite3.Error, LedgerUnreadable) as error:
        raise LedgerUnreadable(f"{path}: is cut off, and nothing of it can be read: {error}") from None
    if not left:
        raise LedgerUnreadable(f"{path}: is cut off, and nothing of it can be read: no session is left")
    return whole


def _open(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    database = _connection(path, "rwc", WRITER_WAITS)
    database.execute("PRAGMA journal_mode=WAL")
    return database


def _as_it_stands(path: Path) -> sqlite3.Connection:
    """The file, or where an earlier Weighbridge wrote it a copy in memory, which alone is migrated."""
    database = reading(path)
    if version(database) >= len(MIGRATIONS):
        return database
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with closing(database):
        database.backup(copy)
    return copy


def _connection(path: Path, mode: str, waits: float) -> sqlite3.Connection:
    """SQLite wants to write beside the file even to read it; in a folder where nobody may, nobody changes it either."""
    log = path.with_name(f"{path.name}-wal")
    fixed = mode != "rwc" and not os.access(path.parent, os.W_OK) and not (log.is_file() and log.stat().st_size)
    uri = f"{path.resolve().as_uri()}?mode={mode}{'&immutable=1' if fixed else ''}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=waits)


def _copy(damaged: sqlite3.Connection, whole: sqlite3.Connection, table: str) -> None:
    """The rows up to the first that cannot be read, and from the end back to the last that cannot."""
    for row in chain(*(_rows(damaged, f"SELECT * FROM {table} ORDER BY rowid {way}") for way in ("ASC", "DESC"))):  # noqa: S608 - a name of our schema
        marks = ", ".join("?" * len(row))
        whole.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - a name of our schema


def _rows(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    try:
        yield from damaged.execute(query)
    except sqlite3.Error:
        return


def _name_sessions(whole: sqlite3.Connection) -> None:
    """Rows whose session is lost are told under its id, without provenance."""
    for table in ("engines", "runs", "loads", "verdicts"):
        if whole.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone():
            query = f"INSERT OR IGNORE INTO sessions (id, provenance) SELECT DISTINCT session, '{{}}' FROM {table}"  # noqa: S608 - one of ours
            whole.execute(query)
