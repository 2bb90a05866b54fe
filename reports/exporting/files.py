"""Sheets as CSV and as Parquet."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from reports.exporting.sheets import COUNT, FLAG, NUMBER, TEXT, Sheet, Values

AT_ONCE = 5_000
"""Rows that are in memory at a time."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula, which an answer must not become."""


def csv_parts(sheet: Sheet) -> Iterator[str]:
    """The sheet as CSV, in parts; unknown is empty, flags are true and false.

    A text that begins like a formula gets an apostrophe in front, as spreadsheets write it themselves.
    """
    yield _written([[name for name, _ in sheet.columns]])
    for rows in _batches(sheet):
        yield _written([[_cell(value) for value in row] for row in rows])


def write_csv(sheet: Sheet, path: Path) -> int:
    """Write the sheet as CSV, all of it or nothing, and say how many rows it has.

    Raises:
        OSError: It cannot be written.
    """
    counted = _Counted(sheet.rows)
    with _unfinished(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_parts(Sheet(sheet.columns, counted)))
    return counted.count


def write_parquet(sheet: Sheet, path: Path) -> int:
    """Write the sheet as Parquet, all of it or nothing, and say how many rows it has.

    Raises:
        OSError: It cannot be written.
        ImportError: pyarrow is not installed.
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

    kinds = {TEXT: pa.string(), NUMBER: pa.float64(), COUNT: pa.int64(), FLAG: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in sheet.columns])
    counted = _Counted(sheet.rows)
    with _unfinished(path) as unfinished, ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for rows in _batches(Sheet(sheet.columns, counted)):
            columns = zip(*([_whole(value) for value in row] for row in rows), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    return counted.count


class _Counted:
    """Rows that are counted as they pass."""

    def __init__(self, rows: Iterable[Values]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Values]:
        for row in self._rows:
            self.count += 1
            yield row


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """A file beside it, which takes its place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.unfinished")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _batches(sheet: Sheet) -> Iterator[list[Values]]:
    rows = iter(sheet.rows)
    while some := list(islice(rows, AT_ONCE)):
        yield some


def _written(rows: Sequence[Values]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    return _whole(f"'{value}" if value.startswith(FORMULA) else value)


def _whole(value: Any) -> Any:
    """Halves of surrogate pairs, which no file accepts, are written as their escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
