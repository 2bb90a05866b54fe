"""What combinations are called in tables, and which of their labels tell them apart."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reports.wording.layout import UNKNOWN

ALWAYS_SHOWN = ("model", "engine", "quantization", "draft")


class Labelled(Protocol):
    """A row about a combination."""

    @property
    def combination(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, Any]: ...


def telling_labels(rows: Sequence[Labelled]) -> list[str]:
    """Further labels by which combinations differ."""
    names = dict.fromkeys(name for row in rows for name in row.labels if name not in (*ALWAYS_SHOWN, "combination"))
    return [name for name in names if len({label(row, name) for row in rows}) > 1]


def label(row: Labelled, name: str) -> str:
    """A label as it is shown."""
    value = row.labels.get(name)
    return UNKNOWN if value is None else str(value)


def short_names(rows: Sequence[Labelled]) -> dict[str, str]:
    """Model, quantization and perhaps draft where these tell combinations apart, their ids otherwise."""
    short = {row.combination: f"{label(row, 'model')} {label(row, 'quantization')}" for row in rows}
    drafts = {row.combination: label(row, "draft") for row in rows}
    longer = {name: f"{short[name]} {draft}" if draft != "none" else short[name] for name, draft in drafts.items()}
    ids = {name: name for name in short}
    return next(names for names in (short, longer, ids) if len(set(names.values())) == len(names))
