"""The rows that two ledgers hold of one session: which are new, which are known, which contradict each other."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from thresholds.measurement import title

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A table whose rows belong to sessions.

    Attributes:
        columns: All but the row's own number; the session comes first.
        key: What a row speaks of; a session may tell several rows of one key, but not in two ledgers differently.
        name: The same in words.
    """

    table: str
    columns: tuple[str, ...]
    key: Callable[[Row], Hashable]
    name: Callable[[Row], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row without its content, which may be large."""

    number: int
    key: Hashable
    name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of a source, beside those of the target.

    Attributes:
        at_odds: Pairs of the source's row and the first of the target that has its key and another content.
    """

    new: Sequence[Entry]
    known: int
    at_odds: Sequence[tuple[Entry, Entry]]


def found(kind: Kind, target: sqlite3.Connection, source: sqlite3.Connection, session: str) -> Found:
    """The source's rows of a session. Rows of one key are at odds where neither side holds all that the other does."""
    theirs, ours = entries(kind, source, session), entries(kind, target, session)
    told, held = _by_key(theirs), _by_key(ours)
    apart = {key for key, rows in told.items() if key in held and not (rows <= held[key] or held[key] <= rows)}
    first = {entry.key: entry for entry in reversed(ours)}
    new: list[Entry] = []
    known = 0
    for entry in (one for one in theirs if one.key not in apart):
        if held.get(entry.key, Counter())[entry.digest]:
            held[entry.key][entry.digest] -= 1
            known += 1
        else:
            new.append(entry)
    last = {entry.key: entry for entry in theirs if entry.key in apart}
    return Found(new, known, [(entry, first[key]) for key, entry in last.items()])


def entries(kind: Kind, database: sqlite3.Connection, session: str) -> list[Entry]:
    """The rows of a session in the order of their telling."""
    query = f"SELECT rowid, {', '.join(kind.columns)} FROM {kind.table} WHERE session = ? ORDER BY rowid"  # noqa: S608 - names of our schema
    rows = database.execute(query, [session])
    return [Entry(number, kind.key(row), kind.name(row), _digest(row)) for number, *row in rows]


def copied(kind: Kind, target: sqlite3.Connection, source: sqlite3.Connection, number: int) -> int:
    """Append a row of the source to the target, and say which number it has there."""
    names, marks = ", ".join(kind.columns), ", ".join("?" * len(kind.columns))
    row = source.execute(f"SELECT {names} FROM {kind.table} WHERE rowid = ?", [number]).fetchone()  # noqa: S608 - names of our schema
    query = f"INSERT INTO {kind.table} ({names}) VALUES ({marks})"  # noqa: S608 - names of our schema
    return int(target.execute(query, row).lastrowid or 0)


def _by_key(told: Iterable[Entry]) -> dict[Hashable, "Counter[bytes]"]:
    counted: dict[Hashable, Counter[bytes]] = {}
    for entry in told:
        counted.setdefault(entry.key, Counter())[entry.digest] += 1
    return counted


def _digest(row: Row) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for value in row:
        said = repr(value).encode("utf-8", "surrogatepass") if not isinstance(value, str) else value.encode()
        digest.update(len(said).to_bytes(8, "big") + said)
    return digest.digest()


def _verdict_key(row: Row) -> Hashable:
    labels = json.loads(row[-1]).get("labels", {})
    return (*row[1:5], *(labels.get(name) for name in ("workload", "statistic", "against")))


def _verdict_name(row: Row) -> str:
    return f"the verdict on {title(row[4], json.loads(row[-1]).get('labels', {}))}"


ENGINES = Kind(
    "engines",
    ("session", "combination", "labels", "description"),
    lambda row: row[1],
    lambda row: f"the engine of {row[1]}",
)
RUNS = Kind(
    "runs",
    ("session", "combination", "task", "number", "labels", "record"),
    lambda row: tuple(row[1:4]),
    lambda row: f"run {row[3]} of {row[2]} on {row[1]}",
)
LOADS = Kind(
    "loads",
    ("session", "attempt", "combination", "workload", "against", "number", "labels", "record"),
    lambda row: tuple(row[1:6]),
    lambda row: f"load {row[5]} of {row[3]} on {row[2]}{f' against {row[4]}' if row[4] else ''}",
)
VERDICTS = Kind(
    "verdicts",
    ("session", "attempt", "combination", "task", "metric", "outcome", "reason", "record"),
    _verdict_key,
    _verdict_name,
)
