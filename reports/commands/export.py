"""`export`: what the ledger holds as CSV or Parquet, for other programs."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from reports.commands import Commands, Said, opened, takes_results
from reports.exporting.files import csv_parts, write_csv, write_parquet
from reports.exporting.sheets import SHEETS
from reports.ledger import Ledger
from reports.migrations import LedgerUnreadable
from thresholds.measurement import NotMeasured


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("export", help="runs, items, loads or verdicts as CSV or Parquet")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--what", choices=tuple(SHEETS), default="runs", help="[runs]")
    parser.add_argument("--session", default="all", help="an id, `last`, or `all` [all]")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to [CSV: standard output; Parquet: WHAT.parquet in --results]"
    )
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> Said:
    """The sheet itself, or where it was written to."""
    if asked.format == "csv" and asked.out is None:
        return Said(_parts(asked))
    path = asked.out or asked.results / f"{asked.what}.{asked.format}"
    with opened(asked.results) as ledger:
        sheet = SHEETS[asked.what](ledger, _session(ledger, asked.session))
        try:
            count = (write_parquet if asked.format == "parquet" else write_csv)(sheet, path)
        except ImportError:
            raise NotMeasured("no_pyarrow", "Parquet needs pyarrow: pip install pyarrow, or --format csv") from None
        except LedgerUnreadable:
            raise
        except OSError as error:
            raise LedgerUnreadable(f"{path}: cannot be written: {error.strerror or error}") from None
    return Said(f"{path}: {count:,} {asked.what}")


def _parts(asked: argparse.Namespace) -> Iterator[str]:
    with opened(asked.results) as ledger:
        yield from csv_parts(SHEETS[asked.what](ledger, _session(ledger, asked.session)))


def _session(ledger: Ledger, wanted: str) -> str | None:
    """None for all of them."""
    known = [one.id for one in ledger.sessions()]
    if wanted == "all":
        return None
    if not known or wanted not in {"last", *known}:
        raise NotMeasured(
            "unknown_session", f"there is no session {wanted!r}; the last are: {', '.join(known[-5:]) or 'none'}"
        )
    return known[-1] if wanted == "last" else wanted
