"""The commands of `python -m reports`, one a module.

Each module has two functions:

    def add(commands: Commands) -> None           registers its sub-parser, which ends in `set_defaults(run=run)`
    def run(asked: argparse.Namespace) -> str     returns what is printed, or `Said(text, status)` to end with a status;
                                                  text may come in parts, which are printed as they come

    import argparse
    from reports.commands import Commands, Said, opened, rendered, takes_format, takes_results

A user's mistake, and nothing to tell, are errors (`MISTAKES`) whose message says what to do: `main` prints it to stderr
and ends with status 4. A command that reads the ledger takes it from `opened(asked.results)`.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from reports.ledger import FILE, Ledger
from reports.ledger_file import missing_bytes, salvaged
from reports.migrations import LedgerUnreadable
from reports.wording.layout import Table, as_markdown, as_text
from thresholds.measurement import NotMeasured
from thresholds.strict_yaml import InvalidFile

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name

MISTAKES = (LedgerUnreadable, NotMeasured, InvalidFile)
"""What a command may raise for its user to read."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command prints, as a whole or part by part, and the exit status that it ends with."""

    text: str | Iterable[str]
    status: int = 0


def takes_results(parser: argparse.ArgumentParser) -> None:
    """Add `--results`."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="the results folder")


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """The ledger of a results folder, closed at the end. Of a file that was cut off, what can still be read.

    Raises:
        LedgerUnreadable: There is no such folder, or no ledger in it.
    """
    path = ledger_of(folder)
    missing = missing_bytes(path)
    with closing(_rescued(path, missing) if missing else Ledger(path, create=False)) as ledger:
        yield ledger


def ledger_of(folder: Path, advice: str = "; name the results folder with --results") -> Path:
    """The file of a results folder; the advice is for who named a folder that does not exist.

    Raises:
        LedgerUnreadable: There is no such folder, or no ledger in it.
    """
    if not folder.is_dir():
        raise LedgerUnreadable(f"{folder}: there is no such folder{advice}")
    if not (folder / FILE).is_file():
        raise LedgerUnreadable(f"{folder}: holds no {FILE}; nothing was measured into it yet")
    return folder / FILE


def _rescued(path: Path, missing: int) -> Ledger:
    ledger = Ledger(path, rescued=salvaged(path))
    held = f"sessions: {len(ledger.sessions())}, runs: {len(ledger.runs())}, loads: {len(ledger.loads())}"
    sys.stderr.write(f"{path}: is cut off, {missing:,} bytes are missing; shown is what can be read: {held}\n")
    return ledger


def takes_format(parser: argparse.ArgumentParser) -> None:
    """Add `--format`, which `rendered` obeys."""
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")


def rendered(form: str, tables: Sequence[Table], plain: Mapping[str, Any]) -> str:
    """The tables as text or Markdown, or the plain form as JSON. A table without rows is left out."""
    if form == "json":
        return json.dumps(plain, indent=2, default=str)
    shown = [table for table in tables if table.rows]
    if form == "markdown":
        return "\n\n".join(map(as_markdown, shown))
    return "\n\n".join(as_text(table, width()) for table in shown)


def width() -> int | None:
    """Columns of the terminal; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
