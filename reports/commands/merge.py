"""`merge`: results folders of several machines, joined into one ledger."""

import argparse
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from reports.commands import Commands, Said, ledger_of
from reports.ledger import FILE
from reports.ledger_file import connected, explained, missing_bytes, salvaged
from reports.merging.joined import Joined, join
from reports.migrations import LedgerUnreadable
from reports.wording.layout import TEXT, Column, Table, as_text, one_line

INCOMPLETE = 1
"""Exit status when something was left out: a conflict, or a folder that cannot be read."""

COLUMNS = (
    Column("folder", TEXT),
    *map(Column, ("sessions", "runs", "loads", "verdicts", "known", "conflicts")),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that was to be merged, what came of it (None: it cannot be read), and what has to be said about it."""

    folder: Path
    joined: Joined | None
    said: tuple[str, ...] = ()
    complete: bool = True


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("merge", help="join results folders of several machines into one ledger")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="results folders")
    parser.add_argument(
        "--into", type=Path, default=Path("results"), metavar="DIR", help="the results folder to add to [results]"
    )
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> Said:
    """What each folder added, and what was left out and why."""
    folders = list(dict.fromkeys(asked.folders))
    readable = [folder for folder in folders if not _problem(folder)]
    if not readable:
        raise LedgerUnreadable("\n".join(_problem(folder) for folder in folders))
    with closing(connected(asked.into / FILE, create=True)) as target:
        sources = [_merged(folder, asked.into, target) for folder in folders]
    rows = [_row(source) for source in sources if source.joined is not None]
    table = as_text(Table(f"Merged into {asked.into}", COLUMNS, rows, [NOTE]))
    left_out = [one_line(f"{source.folder}: {said}") for source in sources for said in source.said]
    said = "\n".join([table, "", *left_out, *([""] if left_out else []), _next(asked.into)])
    return Said(said, 0 if all(source.complete for source in sources) else INCOMPLETE)


NOTE = "New sessions, runs, loads and verdicts; known: runs, loads and verdicts that were there already."


def _problem(folder: Path) -> str:
    try:
        ledger_of(folder, advice="")
    except LedgerUnreadable as error:
        return str(error)
    return ""


def _merged(folder: Path, into: Path, target: sqlite3.Connection) -> Source:
    if _problem(folder):
        return Source(folder, None, (_problem(folder).removeprefix(f"{folder}: "),), complete=False)
    path = folder / FILE
    if path.samefile(into / FILE):
        return Source(folder, Joined(), ("is the folder that is merged into",))
    try:
        missing = missing_bytes(path)
        with closing(salvaged(path) if missing else connected(path, create=False)) as source:
            joined = join(target, source)
    except (LedgerUnreadable, sqlite3.Error) as error:
        return Source(folder, None, (explained(error).removeprefix(f"{path}: "),), complete=False)
    _copy_logs(folder, into, joined.sessions)
    lost = (f"{FILE} is cut off, {missing:,} bytes are missing; added is what can be read",) if missing else ()
    again = () if joined.added or joined.conflicts else ("nothing new; all of it is there already",)
    return Source(folder, joined, (*lost, *again, *joined.conflicts), complete=not (missing or joined.conflicts))


def _copy_logs(folder: Path, into: Path, sessions: Sequence[str]) -> None:
    """The logs of engines, for the reports to show. No link is followed: the folder may be foreign."""
    for session in sessions:
        logs = folder / "logs" / session
        if Path(session).name != session or session in {"", ".."} or logs.is_symlink():
            continue
        for log in sorted(logs.glob("*.log")):
            copy = into / "logs" / session / log.name
            if log.is_file() and not log.is_symlink() and not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(log, copy)


def _row(source: Source) -> list[str]:
    joined = source.joined or Joined()
    counts = (len(joined.sessions), joined.runs, joined.loads, joined.verdicts, joined.known, len(joined.conflicts))
    return [str(source.folder), *(f"{count:,}" for count in counts)]


def _next(into: Path) -> str:
    where = "" if into == Path("results") else f" --results {into}"
    return f"python -m reports show --session all{where}   shows them together"
