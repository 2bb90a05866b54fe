"""Threshold files: one per model, strict, every row with what was measured, on what, in which run, and why."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from thresholds.agreement import NEXT_TOKEN_DIVERGENCE
from thresholds.measurement import ACCURACY, Metric
from thresholds.rows import (
    ACCURACY_KEYS,
    DIVERGENCE_KEYS,
    SPEED_KEYS,
    AccuracyRow,
    DivergenceRow,
    SpeedRow,
    ThresholdFile,
    holds_anywhere,
)
from thresholds.speed import SPEED
from thresholds.strict_yaml import InvalidFile, line_of, read, shown

__all__ = ["ACCURACY_KEYS", "SPEED_KEYS", "AccuracyRow", "Catalogue", "Place", "SpeedRow", "Threshold"]


class Place(NamedTuple):
    """Where a row stands: its file, its section of that, and how many rows of the section come before it."""

    path: Path
    section: str
    position: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value that a metric may not pass, and where it stands.

    Attributes:
        exact: The row speaks of exactly the questions that are measured; otherwise of the whole benchmark.
        place: Where an edit of the row has to go; None for one that stands in no file.
    """

    metric: Metric
    value: float
    must: str
    where: str
    row: Mapping[str, Any]
    exact: bool = True
    place: Place | None = None


@dataclass(slots=True)
class Catalogue:
    """All threshold rows of a folder; it remembers which were asked for."""

    folder: Path
    rows: dict[tuple[Any, ...], Threshold] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, models: Collection[str] | None = None) -> "Catalogue":
        """Read the *.yaml files of the folder: all, or those that speak of one of the models.

        A file whose text has no such name in it can hold no row of theirs and is not parsed.

        Raises:
            InvalidFile: A file is not readable or not valid, or two rows speak of the same thing.
        """
        if not folder.is_dir():
            raise InvalidFile(folder, None, "is no folder; name one that holds threshold files with --thresholds")
        catalogue = cls(folder)
        for path in sorted(folder.glob("*.yaml")):
            if models is None or _speaks_of(path, models):
                catalogue._add(path)
        return catalogue

    def find(self, metric: Metric, labels: Mapping[str, Any]) -> Threshold | None:
        """The row for these labels.

        A speed is looked up on its hardware; a ratio (`against` is set) and an acceptance length on any. An accuracy
        is looked up for exactly these questions, else for the whole benchmark. A label that is left out is None.
        """
        row = self.rows.get(_key(metric, labels))
        if row is None and metric.name == ACCURACY.name:
            whole = self.rows.get(_key(metric, {**labels, "samples": "all"}))
            if whole:
                return replace(whole, exact=False)
        return row

    def unused(self, reachable: Iterable[tuple[Metric, Mapping[str, Any]]]) -> list[Threshold]:
        """Rows that none of the reachable labels could ever ask for, whatever the sample and the hardware."""
        anywhere = {"samples": None, "hardware": None}
        keys = {_key(metric, {**labels, **anywhere}) for metric, labels in reachable}
        return [row for row in self.rows.values() if _key(row.metric, {**row.row, **anywhere}) not in keys]

    def path_for(self, model: str) -> Path:
        """Where the rows of a model belong."""
        return self.folder / f"{model}.yaml"

    def _add(self, path: Path) -> None:
        content, document = read(path, ThresholdFile)
        if content.model != path.stem:
            line = line_of(document, ["model"])
            raise InvalidFile(path, line, f"model is {content.model!r}, but the file is named {path.name}; rename one")
        for section, position, metric, value, row in _thresholds(content):
            line = line_of(document, [section, position])
            labels = {"model": content.model, **row.model_dump()}
            key = _key(metric, labels)
            if key in self.rows:
                twin = self.rows[key].where
                raise InvalidFile(path, line, f"a second {metric.bound} for what {twin} speaks of; delete one")
            place = Place(path, section, position)
            must = labels.get("must", "hold")
            self.rows[key] = Threshold(metric, value, must, f"{shown(path)}:{line}", labels, place=place)


def _speaks_of(path: Path, models: Collection[str]) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # reading it properly says what is wrong
    return any(model in text or model == path.stem for model in models)


def _thresholds(
    content: ThresholdFile,
) -> Iterator[tuple[str, int, Metric, float, AccuracyRow | SpeedRow | DivergenceRow]]:
    for position, row in enumerate(content.accuracy):
        yield "accuracy", position, ACCURACY, row.floor, row
    for position, row_of_speed in enumerate(content.speed):
        yield "speed", position, row_of_speed.judged, row_of_speed.bound, row_of_speed
    for position, row_of_tokens in enumerate(content.next_token_divergence):
        yield NEXT_TOKEN_DIVERGENCE.name, position, NEXT_TOKEN_DIVERGENCE, row_of_tokens.ceiling, row_of_tokens


def _key(metric: Metric, labels: Mapping[str, Any]) -> tuple[Any, ...]:
    if metric.name not in SPEED:
        keys = DIVERGENCE_KEYS if metric == NEXT_TOKEN_DIVERGENCE else ACCURACY_KEYS
        return (metric.name, labels.get("model"), *(labels.get(name) for name in keys))
    anywhere = holds_anywhere(metric.name, labels.get("against"))
    placed = {**labels, "hardware": None if anywhere else labels.get("hardware")}
    return (metric.name, labels.get("model"), *(placed.get(name) for name in SPEED_KEYS))
