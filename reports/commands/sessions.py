"""`sessions`: what the ledger holds."""

import argparse

from reports.commands import Commands, opened, takes_results, width
from reports.ledger import Ledger, RecordedSession
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, as_text
from thresholds.measurement import NotMeasured

COLUMNS = (
    Column("session", TEXT),
    Column("started", TEXT),
    Column("combinations"),
    Column("runs"),
    Column("verdicts", TEXT),
)


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("sessions", help="the sessions of the ledger")
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """A row for every session."""
    with opened(asked.results) as ledger:
        rows = [_row(ledger, session) for session in ledger.sessions()]
        if not rows:
            raise NotMeasured("no_runs", f"{ledger.path}: holds no session")
    return as_text(Table("Sessions", COLUMNS, rows), width())


def _row(ledger: Ledger, session: RecordedSession) -> list[str]:
    outcomes = [str(verdict.outcome) for verdict in ledger.verdicts(session.id)]
    verdicts = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
    combinations, runs = map(str, ledger.subjects(session.id))
    return [session.id, session.started or UNKNOWN, combinations, runs, verdicts or UNKNOWN]
