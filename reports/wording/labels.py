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
    """Model, quantization and perhaps draft where these tell combinations apart, their ids otherwise, or if shorter."""
    short = {row.combination: _named(row, "model", "quantization") for row in rows}
    longer = {
        row.combination: _named(row, "model", "quantization", *(() if label(row, "draft") == "none" else ("draft",)))
        for row in rows
    }
    ids = {name: name for name in short}
    chosen = next(names for names in (short, longer, ids) if len(set(names.values())) == len(names))
    return min(chosen, ids, key=lambda names: sum(map(len, names.values())))


def _named(row: Labelled, *labels: str) -> str:
    """What is known of these; without a model its id."""
    known = [str(row.labels[name]) for name in labels if row.labels.get(name) is not None]
    return " ".join(known) if row.labels.get("model") is not None else row.combination
