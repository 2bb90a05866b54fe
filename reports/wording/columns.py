"""Tables that are too wide for a terminal, shown as several: a long ranking is only read from top to bottom."""

from collections.abc import Sequence
from dataclasses import replace

from reports.wording.layout import Table, as_text


def in_parts(table: Table, width: int | None, named: int) -> list[Table]:
    """The table, or its columns in several tables one below the other, as many in each as there is room for.

    Args:
        table: Its first columns say where a row stands, the last of them (`named` - 1) what it is called.
        width: Columns of the terminal; None is as wide as it needs.
        named: The columns that the first part begins with; the others repeat the last of them alone.
    """
    if width is None or _wide(table, range(len(table.columns))) <= width:
        return [table]
    parts = [list(range(named))]
    for column in range(named, len(table.columns)):
        enough = len(parts[-1]) > (named if len(parts) == 1 else 1)
        if enough and _wide(table, [*parts[-1], column]) > width:
            parts.append([named - 1])
        parts[-1].append(column)
    shown = [_only(table, part) for part in parts]
    return [*(replace(part, notes=()) for part in shown[:-1]), shown[-1]]


def _only(table: Table, columns: Sequence[int]) -> Table:
    rows = [[row[column] for column in columns] for row in table.rows]
    return replace(table, columns=[table.columns[column] for column in columns], rows=rows)


def _wide(table: Table, columns: Sequence[int]) -> int:
    drawn = as_text(replace(_only(table, columns), title="", notes=()))
    return max(map(len, drawn.splitlines()))
