"""The schema of the ledger, one numbered step after another; a step that was released never changes."""

import sqlite3
from collections.abc import Callable, Sequence

Migration = Callable[[sqlite3.Connection], None]


class NewerSchema(RuntimeError):
    """The file was written by a later Weighbridge; the message says both versions."""


def m001_initial(database: sqlite3.Connection) -> None:
    """Sessions, and the engines, runs and verdicts that belong to them."""
    database.execute(
        "CREATE TABLE sessions (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, started TEXT, finished TEXT,"
        " exit_status INTEGER, attempt INTEGER NOT NULL DEFAULT 1, provenance TEXT NOT NULL)"
    )
    database.execute(
        "CREATE TABLE engines (session TEXT NOT NULL REFERENCES sessions (id), combination TEXT NOT NULL,"
        " labels TEXT NOT NULL, description TEXT NOT NULL, PRIMARY KEY (session, combination))"
    )
    database.execute(
        "CREATE TABLE runs (id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (id),"
        " combination TEXT NOT NULL, task TEXT NOT NULL, number INTEGER NOT NULL,"
        " labels TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (session, combination, task, number))"
    )
    database.execute(
        "CREATE TABLE verdicts (id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (id),"
        " attempt INTEGER NOT NULL, combination TEXT NOT NULL, task TEXT NOT NULL, metric TEXT NOT NULL,"
        " outcome TEXT NOT NULL, reason TEXT NOT NULL, record TEXT NOT NULL)"
    )
    database.execute("CREATE INDEX verdicts_by_subject ON verdicts (session, combination, task, metric)")


MIGRATIONS: tuple[Migration, ...] = (m001_initial,)


def migrate(database: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Take the file to the newest version, all missing steps or none.

    Raises:
        NewerSchema: The file has steps that this Weighbridge does not know.
        sqlite3.Error: The file is not usable; it is left as it was.
    """
    if version(database) == len(migrations):
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        done = version(database)
        if done > len(migrations):
            raise NewerSchema(f"has schema version {done}, this Weighbridge knows up to {len(migrations)}; update it")
        for step in migrations[done:]:
            step(database)
        database.execute(f"PRAGMA user_version = {len(migrations)}")


def version(database: sqlite3.Connection) -> int:
    """How many migrations the file has had."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])
