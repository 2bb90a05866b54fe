"""`noise`: how far identical runs lie apart, and what it depends on."""

import argparse
from dataclasses import asdict

from reports.commands import Commands, opened, rendered, takes_format, takes_results
from reports.noise.measured import noise_of
from reports.noise.tables import noise_tables
from reports.summary import SCHEMA_VERSION


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("noise", help="how far identical runs lie apart, over all sessions of the ledger")
    parser.add_argument("--combination", default="*", metavar="GLOB", help="only combinations whose id fits")
    takes_format(parser)
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """The noise of answers and of speeds."""
    with opened(asked.results) as ledger:
        noise = noise_of(ledger, asked.combination)
    return rendered(asked.format, noise_tables(noise), {"schema_version": SCHEMA_VERSION, **asdict(noise)})
