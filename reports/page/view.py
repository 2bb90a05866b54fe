"""A Table as the page shows it: cells that link, that stand for a verdict, or that are drawn."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reports.wording.layout import NUMBER, TEXT, UNKNOWN, Column, Table
from thresholds.verdict import Outcome

DRAWN, BRIEF = "drawn", "brief"
"""Kinds of columns: one that shows what another one says, and one of texts so short that they are not broken."""

LONGEST_BRIEF = 30

_OUTCOMES = re.compile("|".join(sorted(Outcome, key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class Span:
    """A value with its interval and what is required, shares of 1; None is unknown."""

    value: float | None
    low: float | None = None
    high: float | None = None
    required: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A span on an axis, in percent of its width."""

    value: float
    low: float | None
    high: float | None
    required: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        kind: "left", "brief", "right" or "drawn".
        link: The id of the part of the page that it leads to.
        outcome: "pass", "fail", "inconclusive" or "not_measured" where it begins with a verdict.
    """

    text: str
    kind: str
    link: str | None = None
    outcome: str | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of the page; `id` is its place there."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str]


def shown(id_: str, table: Table, links: Mapping[str, str], rows_about: Sequence[str | None] = ()) -> Shown:
    """A table for the page.

    Args:
        links: Places by the texts of cells that lead there.
        rows_about: For each row the place that its first cell leads to.
    """
    kinds = [_kind(table, place) for place in range(len(table.columns))]
    rows = [[_cell(text, kind, links) for text, kind in zip(row, kinds, strict=True)] for row in table.rows]
    if len(rows_about) == len(rows):
        rows = [[replace(row[0], link=place), *row[1:]] for row, place in zip(rows, rows_about, strict=True)]
    return Shown(id_, table.title, list(table.columns), rows, list(table.notes))


def drawn(table: Shown, after: str, spans: Sequence[Span]) -> Shown:
    """The table with a column that draws the spans, behind the one of that heading; as it is where none fits."""
    headings = [column.heading for column in table.columns]
    known = [end for span in spans for end in _ends(span)]
    if len(spans) != len(table.rows) or after not in headings or len(known) < len(spans) or not known:
        return table
    low, high = _axis(known)
    place = headings.index(after) + 1
    sure = "95% interval, " if any(span.low is not None for span in spans) else ""
    column = Column(f"{sure}{100 * low:.0f} to {100 * high:.0f}", DRAWN)
    cells = [Cell("", DRAWN, mark=_mark(span, low, high)) for span in spans]
    return replace(
        table,
        columns=[*table.columns[:place], column, *table.columns[place:]],
        rows=[[*row[:place], cell, *row[place:]] for row, cell in zip(table.rows, cells, strict=True)],
    )


def without(table: Table, heading: str) -> Table:
    """The table without the column of this heading, and without those in which nothing is known."""
    known = [any(row[place] != UNKNOWN for row in table.rows) for place in range(len(table.columns))]
    keep = [place for place, column in enumerate(table.columns) if column.heading != heading and known[place]]
    rows = [[row[place] for place in keep] for row in table.rows]
    return replace(table, columns=[table.columns[place] for place in keep], rows=rows)


def _cell(text: str, kind: str, links: Mapping[str, str]) -> Cell:
    begins = _OUTCOMES.match(text)
    outcome = begins[0].lower() if begins else None
    return Cell(text, kind, links.get(text), outcome)


def _kind(table: Table, place: int) -> str:
    if table.columns[place].kind == NUMBER:
        return NUMBER
    return BRIEF if max((len(row[place]) for row in table.rows), default=0) <= LONGEST_BRIEF else TEXT


def _ends(span: Span) -> Iterable[float]:
    return [end for end in (span.value, span.low, span.high, span.required) if end is not None]


def _axis(known: Sequence[float]) -> tuple[float, float]:
    """Tens of points around everything that is drawn."""
    start = math.floor(min(known) * 10) / 10
    return max(0.0, start), min(1.0, max(math.ceil(max(known) * 10) / 10, start + 0.1))


def _mark(span: Span, low: float, high: float) -> Mark | None:
    if span.value is None:
        return None

    def place(end: float | None) -> float | None:
        return None if end is None else round(min(98.0, max(2.0, 2 + 96 * (end - low) / (high - low))), 1)

    at = place(span.value)
    return None if at is None else Mark(at, place(span.low), place(span.high), place(span.required))
