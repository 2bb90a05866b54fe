"""`show`: the tables of a session."""

import argparse
import json

from reports.commands import Commands, opened, takes_format, takes_results, width
from reports.ledger import Ledger
from reports.summary import Summary, summarise, summarise_all
from reports.tables import markdown, not_passed, text
from thresholds.measurement import NotMeasured


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("show", help="the tables of a session")
    parser.add_argument("--session", default="last", help="an id, `last`, or `all`: every session merged")
    takes_format(parser)
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """The tables, as asked for."""
    with opened(asked.results) as ledger:
        summary = _summary(ledger, asked.session)
    if not summary.measured:
        raise NotMeasured("no_runs", f"session {asked.session!r} measured nothing")
    if asked.format == "json":
        return json.dumps(summary.to_dict(), indent=2, default=str)
    return markdown(summary) if asked.format == "markdown" else _as_text(summary)


def _summary(ledger: Ledger, session: str) -> Summary:
    return summarise_all(ledger) if session == "all" else summarise(ledger, None if session == "last" else session)


def _as_text(summary: Summary) -> str:
    failed = not_passed(summary)
    return "\n".join([text(summary, width()), *(["", "Not passed", "", *failed] if failed else [])])
