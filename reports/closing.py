"""What a terminal shows when a session has ended: verdicts first, then the ranking, then what stands out."""

import re
from collections.abc import Callable, Collection, Sequence
from textwrap import fill

from reports.summary import Summary
from reports.tables import TABLES, text
from reports.wording.labels import Labelled, short_names
from reports.wording.layout import one_line

QUIET = ("ranking", "speed")
USUAL = ("upgrade", "ranking", "drafts", "draft answers", "quants", "speed", "ratios")
MOST_RED = 20
"""Verdicts that are told singly, unless -v asks for all."""

MOST_OBSERVATIONS = 3


def closing(summary: Summary, verbosity: int, width: int) -> str:
    """The words and tables: with -q counts and ranks alone, with -v everything."""
    parts = [
        _verdicts(summary, verbosity),
        text(summary, width, tables=_tables(verbosity)),
        _observed(summary, verbosity, width),
    ]
    return "\n\n".join(part for part in parts if part)


def _verdicts(summary: Summary, verbosity: int) -> str:
    """How many of each, and each that is not PASS in one line."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in summary.verdicts.items() if count)
    if not counts:
        return ""
    shorter = _shorter(summary)
    red = [shorter(one_line(verdict.lines[0])) if verdict.lines else verdict.outcome for verdict in summary.not_passed]
    told = _limited([f"  {line}" for line in red], verbosity) if verbosity >= 0 else []
    return "\n".join([f"verdicts {counts}", *told])


def _shorter(summary: Summary) -> Callable[[str], str]:
    """Ids of combinations give way to what the tables call them; the tests above name them in full."""
    rows: list[Labelled] = [*summary.rows, *summary.speed]
    names = short_names(rows)
    ids = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)")
    return lambda line: ids.sub(lambda found: names[found[0]], line)


def _limited(lines: Sequence[str], verbosity: int) -> list[str]:
    if verbosity > 0 or len(lines) <= MOST_RED:
        return list(lines)
    return [*lines[:MOST_RED], f"  … and {len(lines) - MOST_RED} more, in the report and with -v"]


def _observed(summary: Summary, verbosity: int, width: int) -> str:
    if verbosity < 0:
        return ""
    shown = summary.observations if verbosity > 0 else summary.observations[:MOST_OBSERVATIONS]
    lines = [fill(one_line(one.text), width, initial_indent="- ", subsequent_indent="  ") for one in shown]
    return "\n".join(["What stands out", "", *lines]) if shown else ""


def _tables(verbosity: int) -> Collection[str]:
    return QUIET if verbosity < 0 else TABLES if verbosity > 0 else USUAL
