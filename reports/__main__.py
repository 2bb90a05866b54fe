"""`python -m reports`: what the ledger of a results folder holds, without measuring anything."""

import argparse
import io
import os
import sys
from collections.abc import Iterable, Sequence

from reports.commands import (
    MISTAKES,
    Said,
    compare,
    doctor,
    export,
    figures,
    history,
    merge,
    noise,
    ratchet,
    sessions,
    show,
)

NOTHING_TO_SHOW = 4
COMMANDS = (show, sessions, compare, history, figures, noise, doctor, ratchet, export, merge)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is its own, or 4 with a message on stderr when there is nothing to show."""
    asked = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        said = asked.run(asked)
        told = said if isinstance(said, Said) else Said(said)
        _print(told.text)
    except MISTAKES as error:
        sys.stderr.write(f"{error}\n")
        return NOTHING_TO_SHOW
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return told.status


def _print(text: str | Iterable[str]) -> None:
    if isinstance(text, str):
        text = (f"{text.rstrip()}\n",)
    for part in text:
        sys.stdout.write(part)
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
