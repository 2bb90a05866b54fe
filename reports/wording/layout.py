"""A table of finished cells, laid out for a terminal of some width or as Markdown. Nothing is ever cut off."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from textwrap import wrap

from tabulate import tabulate

UNKNOWN = "—"
TEXT, NUMBER = "left", "right"
LINES = ("Cc", "Zl", "Zp")
"""Categories of control characters, and of what separates lines."""
TURNS = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""What turns the direction of a text around, and of what follows it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and whether its cells are text or numbers (which stand at the right)."""

    heading: str
    kind: str = NUMBER


@dataclass(frozen=True, slots=True)
class Table:
    """A title, columns, rows of cells, and the notes that stand below.

    Attributes:
        named: So many columns at the beginning say what a row is about; a terminal that is too narrow shows the others
            in several tables one below the other. 0 leaves the layout to `as_text`.
        fold: Letters of a line of a cell in a terminal; longer cells take several lines. None is as long as they are.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    named: int = 0
    fold: int | None = None


def as_text(table: Table, width: int | None = None) -> str:
    """The widest layout that the terminal has room for: upright, on its side, in parts, or one row after another."""
    layouts = (_upright, _on_its_side, _by_first_column)
    drawn = next((text for draw in layouts if _fits(text := draw(table), width)), None) or _few_by_few(table, width)
    notes = [line for note in table.notes for line in folded(note, width)]
    return "\n".join([table.title, "", drawn, *(["", *notes] if notes else [])])


def as_markdown(table: Table) -> str:
    """The table for GitHub, every cell shown as the text it is."""
    kinds = [column.kind for column in table.columns]
    cells = [[escaped(cell) for cell in row] for row in table.rows]
    headings = [escaped(column.heading) for column in table.columns]
    drawn = tabulate(cells, headings, "pipe", disable_numparse=True, colalign=kinds if cells else None)
    return "\n\n".join([f"### {escaped(table.title)}", drawn, *map(escaped, table.notes)])


def known_columns(table: Table, *kept: str) -> Table:
    """Without the columns that say nothing in any row, except those that are kept."""
    shown = [
        position
        for position, column in enumerate(table.columns)
        if column.heading in kept or not table.rows or any(row[position] not in {UNKNOWN, ""} for row in table.rows)
    ]
    rows = [[row[position] for position in shown] for row in table.rows]
    return replace(table, columns=[table.columns[position] for position in shown], rows=rows)


def one_line(text: str) -> str:
    """Without line breaks and other control characters, which could redraw a terminal, or turn its lines around."""
    return "".join(" " if unicodedata.category(one) in LINES or one in TURNS else one for one in text)


def folded(text: str, width: int | None) -> list[str]:
    """One line of text, on several where the terminal is narrower; words with hyphens are kept whole."""
    line = one_line(text)
    return [line] if width is None or not line else wrap(line, width, break_on_hyphens=False)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    marked = re.sub(r"([\\`*\[\]|~])", r"\\\1", one_line(text))
    return marked.replace("&", "&amp;").replace("<", "&lt;")


def fenced(lines: Sequence[str]) -> str:
    """Lines as a block of code whose fence is longer than any that they hold."""
    text = "\n".join(one_line(line) for line in lines)
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return f"{fence}text\n{text}\n{fence}"


def _fits(text: str, width: int | None) -> bool:
    return width is None or max(map(len, text.splitlines()), default=0) <= width


def _upright(table: Table) -> str:
    kinds = [column.kind for column in table.columns]
    cells = [[_folded(one_line(cell), table.fold) for cell in row] for row in table.rows]
    headings = [column.heading for column in table.columns]
    return tabulate(cells, headings, "simple", disable_numparse=True, colalign=kinds if cells else None)


def _folded(cell: str, most: int | None) -> str:
    return cell if most is None or len(cell) <= most else "\n".join(wrap(cell, most))


def _on_its_side(table: Table) -> str:
    first, *others = [
        [column.heading, *(one_line(row[position]) for row in table.rows)]
        for position, column in enumerate(table.columns)
    ]
    return tabulate(others, first, "simple", disable_numparse=True)


def _by_first_column(table: Table) -> str:
    """A part for the rows that begin alike, under what they begin with."""
    parts = []
    for name, rows in groupby(table.rows, key=lambda row: row[0]):
        part = Table("", table.columns[1:], [row[1:] for row in rows])
        parts.append(f"{table.columns[0].heading}: {one_line(name)}\n\n{_upright(part)}")
    return "\n\n".join(parts)


def _few_by_few(table: Table, width: int | None) -> str:
    """On its side, as many rows beside each other as there is room for; rows that begin alike under their beginning."""
    groups = [(name, [row[1:] for row in rows]) for name, rows in groupby(table.rows, key=lambda row: row[0])]
    first, *others = table.columns
    if len(groups) == len(table.rows) or not others:
        return _beside_each_other(table, width)
    return "\n\n".join(
        f"{first.heading}: {one_line(name)}\n\n{_beside_each_other(Table('', others, rows), width)}"
        for name, rows in groups
    )


def _beside_each_other(table: Table, width: int | None) -> str:
    parts: list[list[Sequence[str]]] = []
    for row in table.rows:
        if parts and _fits(_on_its_side(replace(table, rows=[*parts[-1], row])), width):
            parts[-1].append(row)
        else:
            parts.append([row])
    return "\n\n".join(
        _on_its_side(replace(table, rows=part)) if len(part) > 1 else _alone(table, *part) for part in parts
    )


def _alone(table: Table, row: Sequence[str]) -> str:
    headings = [column.heading for column in table.columns]
    return tabulate([*zip(headings, map(one_line, row), strict=True)], tablefmt="plain", disable_numparse=True)
