"""`python -m reports`: what the ledger of a results folder holds, without measuring anything."""

import argparse
import io
import sys
from collections.abc import Sequence

from reports.commands import MISTAKES, Said, compare, doctor, noise, ratchet, sessions, show

NOTHING_TO_SHOW = 4
COMMANDS = (show, sessions, compare, noise, doctor, ratchet)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is its own, or 4 with a message on stderr when there is nothing to show."""
    asked = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        said = asked.run(asked)
    except MISTAKES as error:
        sys.stderr.write(f"{error}\n")
        return NOTHING_TO_SHOW
    told = said if isinstance(said, Said) else Said(said)
    sys.stdout.write(f"{told.text.rstrip()}\n")
    return told.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
