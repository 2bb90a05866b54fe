"""The schema of the ledger, one numbered step after another; a step that was released never changes."""

import sqlite3
from collections.abc import Callable, Sequence

from reports.ledger_tallies import packed, tally_of
from reports.records import run_from

TABLES = frozenset({"sessions", "engines", "runs", "verdicts"})
"""What every ledger has had from its first version on."""

Migration = Callable[[sqlite3.Connection], None]


class LedgerUnreadable(OSError):
    """The ledger cannot be read or written as it stands; the message names the file."""


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


def m002_loads(database: sqlite3.Connection) -> None:
    """The runs of loads; one that a resumed session made again stands for its earlier attempt.

    `against` names the combination beside which a load was measured.
    """
    database.execute(
        "CREATE TABLE loads (id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (id),"
        " attempt INTEGER NOT NULL, combination TEXT NOT NULL, workload TEXT NOT NULL, against TEXT,"
        " number INTEGER NOT NULL, labels TEXT NOT NULL, record TEXT NOT NULL)"
    )
    database.execute("CREATE INDEX loads_by_number ON loads (session, combination, workload, number)")
    database.execute(
        "CREATE VIEW standing_loads AS SELECT * FROM loads AS one WHERE NOT EXISTS (SELECT 1 FROM loads AS later"
        " WHERE later.session = one.session AND later.combination = one.combination"
        " AND later.workload = one.workload AND later.number = one.number AND later.against IS one.against"
        " AND later.attempt > one.attempt)"
    )


def m003_tallies(database: sqlite3.Connection) -> None:
    """The numbers of each run beside its record, so that a summary need not read the answers.

    A table of its own, as a column behind the record would be read through the whole record. A run whose record cannot
    be understood gets no tally; it is named when it is read.
    """
    database.execute(
        "CREATE TABLE tallies (run INTEGER PRIMARY KEY REFERENCES runs (id), head TEXT NOT NULL, columns BLOB NOT NULL)"
    )
    for number, record in database.execute("SELECT id, record FROM runs"):
        try:
            head, columns = packed(tally_of(run_from(record)))
        except (ValueError, TypeError, KeyError):
            continue
        database.execute("INSERT INTO tallies VALUES (?, ?, ?)", (number, head, columns))


def m004_questions(database: sqlite3.Connection) -> None:
    """What tasks asked, for a reader: the questions of a sample once, packed, however many sessions asked them.

    Sessions before this step kept none.
    """
    database.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, content BLOB NOT NULL)")
    database.execute(
        "CREATE TABLE asked (session TEXT NOT NULL REFERENCES sessions (id), task TEXT NOT NULL,"
        " version TEXT NOT NULL, digest TEXT NOT NULL REFERENCES texts (digest), PRIMARY KEY (session, task, version))"
    )


MIGRATIONS: tuple[Migration, ...] = (m001_initial, m002_loads, m003_tallies, m004_questions)


def migrate(database: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Take the file to the newest version, all missing steps or none.

    Raises:
        LedgerUnreadable: The file has steps that this Weighbridge does not know, or is no ledger.
        sqlite3.Error: The file is not usable; it is left as it was.
    """
    _refuse_others(database)
    if version(database) == len(migrations):
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        done = version(database)
        if done > len(migrations):
            raise LedgerUnreadable(
                f"has schema version {done}, this Weighbridge knows up to {len(migrations)}; update it"
            )
        for step in migrations[done:]:
            step(database)
        database.execute(f"PRAGMA user_version = {len(migrations)}")


def version(database: sqlite3.Connection) -> int:
    """How many migrations the file has had."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _refuse_others(database: sqlite3.Connection) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    held = {name for (name,) in database.execute(query)}
    if held and not (version(database) and held >= TABLES):
        raise LedgerUnreadable(f"is a database of another program (with a table {min(held - TABLES or held)!r})")
