"""Tables that are too wide for a terminal, shown as several: a long ranking is only read from top to bottom."""

from collections.abc import Sequence
from dataclasses import replace

from reports.wording.layout import Table, as_text

BETWEEN = 2
"""Spaces between two columns."""

SHORTEST = 20
"""Letters of a line of a folded cell at least."""


def in_parts(table: Table, width: int | None, named: int) -> list[Table]:
    """The table, or its columns in several tables one below the other, as many in each as there is room for.

    Args:
        table: Its first columns say where a row stands, the last of them (`named` - 1) what it is called.
        width: Columns of the terminal; None is as wide as it needs.
        named: The columns that the first part begins with; the others repeat the last of them alone.

    A row of which a part has nothing to say but its name is left out there.
    """
    wide = [] if width is None else [_wide(table, column) for column in range(len(table.columns))]
    if width is None or sum(wide) + BETWEEN * (len(wide) - 1) <= width:
        return [table]
    parts = [list(range(named))]
    for column in range(named, len(table.columns)):
        enough = len(parts[-1]) > (named if len(parts) == 1 else 1)
        if enough and sum(wide[one] + BETWEEN for one in parts[-1]) + wide[column] > width:
            parts.append([named - 1])
        parts[-1].append(column)
    shown = [_only(table, part) for part in parts]
    return [*(replace(part, notes=()) for part in shown[:-1]), shown[-1]]


def in_terminal(table: Table, width: int | None) -> str:
    """The table as text: one that has `named` columns in parts where it is too wide, any other by `as_text`."""
    if not table.named or width is None:
        return as_text(table, width)
    parts = in_parts(replace(table, fold=table.fold or max(SHORTEST, width // 2)), width, table.named)
    titles = [f"{table.title} ({number} of {len(parts)})" for number in range(1, len(parts) + 1)]
    numbered = [replace(part, title=title) for part, title in zip(parts, titles, strict=True)]
    return "\n\n".join(as_text(part, width) for part in (numbered if len(parts) > 1 else parts))


def _only(table: Table, columns: Sequence[int]) -> Table:
    rows = [[row[column] for column in columns] for row in table.rows]
    told = [row for row in rows if any(row[1:])] if len(columns) < len(table.columns) else rows
    return replace(table, columns=[table.columns[column] for column in columns], rows=told)


def _wide(table: Table, column: int) -> int:
    alone = replace(table, title="", notes=(), columns=[table.columns[column]], rows=[[r[column]] for r in table.rows])
    return max(map(len, as_text(alone).splitlines()))
