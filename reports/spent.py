"""What earlier sessions of a ledger spent on a combination: on its start, and on a request of each load."""

import sqlite3
from contextlib import closing
from pathlib import Path

from reports.ledger import FILE
from reports.ledger_file import reading

STARTS = (
    "SELECT 'start', json_extract(description, '$.seconds') FROM engines"
    " WHERE combination = ? AND json_extract(description, '$.hardware') = ?"
)
LOADS = (
    "SELECT json_extract(record, '$.digest'), AVG(1 / json_extract(record, '$.values.requests_per_second'))"
    " FROM standing_loads WHERE combination = ? AND json_extract(labels, '$.hardware') = ?"
    " AND json_extract(record, '$.invalid') IS NULL GROUP BY session, 1"
)


def spent(results: Path, combination: str, hardware: str) -> dict[str, list[float]]:
    """Seconds, one value a session, by `start` or the digest of a workload; nothing is written.

    Nothing of what cannot be read: of a ledger that is damaged, or that knew no loads yet.
    """
    path, found = results / FILE, dict[str, list[float]]()
    if not path.is_file():
        return found
    for query in (STARTS, LOADS):
        try:
            with closing(reading(path)) as database:
                rows = database.execute(query, (combination, hardware)).fetchall()
        except sqlite3.Error:
            continue
        for name, seconds in rows:
            if seconds is not None:  # a load in which no request was completed
                found.setdefault(name, []).append(seconds)
    return found
