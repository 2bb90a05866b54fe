"""`python -m reports`: what the ledger of a results folder holds, without measuring anything."""

import argparse
import io
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from reports.layout import TEXT, UNKNOWN, Column, Table, as_text
from reports.ledger import FILE, Ledger
from reports.migrations import LedgerUnreadable
from reports.summary import Summary, summarise, summarise_all
from reports.tables import markdown, not_passed, text
from thresholds.measurement import NotMeasured

NOTHING_TO_SHOW = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, or 4 with one line on stderr when there is nothing to show."""
    asked = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with closing(_ledger(asked.results)) as ledger:
            said = _sessions(ledger) if asked.command == "sessions" else _shown(ledger, asked.session, asked.format)
    except (LedgerUnreadable, NotMeasured) as error:
        sys.stderr.write(f"{error}\n")
        return NOTHING_TO_SHOW
    sys.stdout.write(f"{said.rstrip()}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="the tables of a session")
    show.add_argument("--session", default="last", help="an id, `last`, or `all`: every session merged")
    show.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    sessions = commands.add_parser("sessions", help="the sessions of the ledger")
    for command in (show, sessions):
        command.add_argument("--results", type=Path, default=Path("results"), help="the results folder (results)")
    return parser


def _ledger(folder: Path) -> Ledger:
    if not folder.is_dir():
        raise LedgerUnreadable(f"{folder}: there is no such folder; name the results folder with --results")
    if not (folder / FILE).is_file():
        raise LedgerUnreadable(f"{folder}: holds no {FILE}; nothing was measured into it yet")
    return Ledger(folder / FILE, create=False)


def _shown(ledger: Ledger, session: str, form: str) -> str:
    summary = summarise_all(ledger) if session == "all" else summarise(ledger, None if session == "last" else session)
    if not summary.measured:
        raise NotMeasured("no_runs", f"session {session!r} measured nothing")
    if form == "json":
        return json.dumps(summary.to_dict(), indent=2, default=str)
    return markdown(summary) if form == "markdown" else _as_text(summary)


def _as_text(summary: Summary) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    failed = not_passed(summary)
    return "\n".join([text(summary, width), *(["", "Not passed", "", *failed] if failed else [])])


def _sessions(ledger: Ledger) -> str:
    sessions = ledger.sessions()
    if not sessions:
        raise NotMeasured("no_runs", f"{ledger.path}: holds no session")
    rows = []
    for session in sessions:
        outcomes = [str(verdict.outcome) for verdict in ledger.verdicts(session.id)]
        verdicts = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
        combinations, runs = map(str, ledger.subjects(session.id))
        rows.append([session.id, session.started or UNKNOWN, combinations, runs, verdicts or UNKNOWN])
    columns = [Column("session", TEXT), Column("started", TEXT), Column("combinations"), Column("runs")]
    return as_text(Table("Sessions", [*columns, Column("verdicts", TEXT)], rows))


if __name__ == "__main__":
    sys.exit(main())
