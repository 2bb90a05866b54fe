"""`history`: what each session measured of the same combination, task or workload."""

import argparse
from dataclasses import asdict

from reports.commands import Commands, opened, rendered, takes_format, takes_results
from reports.history.points import points
from reports.history.tables import history_tables

SCHEMA_VERSION = 1
"""Of the JSON form: {"schema_version", "points": [the fields of `reports.history.points.Point`]}."""


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("history", help="means, thresholds and engine versions, session by session")
    parser.add_argument("--combination", default="*", metavar="GLOB", help="only combinations whose id matches")
    parser.add_argument("--task", metavar="GLOB", help="only tasks whose name matches")
    parser.add_argument("--workload", metavar="GLOB", help="only workloads whose name matches")
    takes_format(parser)
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """A table for every score and speed that fits."""
    with opened(asked.results) as ledger:
        told = points(ledger, asked.combination, asked.task, asked.workload)
    plain = {"schema_version": SCHEMA_VERSION, "points": [asdict(point) for point in told]}
    return rendered(asked.format, history_tables(told), plain)
