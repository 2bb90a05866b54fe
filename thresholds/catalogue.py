"""Threshold files: one per model, strict, every row with what was measured, on what, in which run, and why."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from thresholds.measurement import ACCURACY, Metric
from thresholds.strict_yaml import InvalidFile, line_of, read, shown

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Written = Annotated[str, Field(min_length=3)]

_SAMPLES = re.compile(r"all|first [1-9]\d*|seed -?\d+: [1-9]\d*")

ACCURACY_KEYS = (
    "task",
    "quantization",
    "kv_cache",
    "draft",
    "max_tokens",
    "max_model_len",
    "chat",
    "temperature",
    "top_p",
    "samples",
)
"""Labels by which an accuracy row is found. Parallelism is none of them: it must not change a score."""


class AccuracyRow(BaseModel):
    """One floor. Keys that are left out have the value that a combination has when its matrix leaves them out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    quantization: str = "none"
    kv_cache: str = "auto"
    draft: str = "none"
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    max_model_len: Annotated[int, Field(gt=0)] | None = None
    chat: bool = False
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    samples: Annotated[int, Field(gt=0)] | str = "all"
    floor: Share
    must: Literal["hold", "show"] = "hold"
    measured: Share
    runs: Annotated[int, Field(gt=0)]
    measured_on: Written
    run: Written
    because: Written

    @field_validator("samples")
    @classmethod
    def _samples_are_known(cls, value: int | str) -> str:
        if isinstance(value, int) or _SAMPLES.fullmatch(value):
            return str(value)
        raise ValueError("write a number, `all`, `first N` or `seed S: N`")

    @field_validator("floor", "measured", "temperature", "top_p", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        if isinstance(value, bool | str):
            raise ValueError("a number belongs here, without quotes")  # noqa: TRY004 - pydantic collects ValueErrors
        return value


class ThresholdFile(BaseModel):
    """The content of thresholds/<model>.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str, Field(min_length=1)]
    accuracy: list[AccuracyRow] = []


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value that a metric may not pass, and where it stands.

    Attributes:
        exact: The row speaks of exactly the questions that are measured; otherwise of the whole benchmark.
    """

    metric: Metric
    value: float
    must: str
    where: str
    row: Mapping[str, Any]
    exact: bool = True


@dataclass(slots=True)
class Catalogue:
    """All threshold rows of a folder; it remembers which were asked for."""

    folder: Path
    rows: dict[tuple[Any, ...], Threshold] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Catalogue":
        """Read every *.yaml of the folder.

        Raises:
            InvalidFile: A file is not readable or not valid, or two rows speak of the same thing.
        """
        if not folder.is_dir():
            raise InvalidFile(folder, None, "is no folder; name one that holds threshold files with --thresholds")
        catalogue = cls(folder)
        for path in sorted(folder.glob("*.yaml")):
            catalogue._add(path)
        return catalogue

    def find(self, metric: Metric, labels: Mapping[str, Any]) -> Threshold | None:
        """The row for these labels: for exactly these questions, else the one for the whole benchmark."""
        row = self.rows.get(_key(metric, labels))
        if row is None and (whole := self.rows.get(_key(metric, {**labels, "samples": "all"}))):
            return Threshold(whole.metric, whole.value, whole.must, whole.where, whole.row, exact=False)
        return row

    def unused(self, reachable: Iterable[tuple[Metric, Mapping[str, Any]]]) -> list[Threshold]:
        """Rows that none of the reachable labels could ever ask for, whatever the size of the sample."""
        keys = {_key(metric, {**labels, "samples": None}) for metric, labels in reachable}
        return [row for row in self.rows.values() if _key(row.metric, {**row.row, "samples": None}) not in keys]

    def path_for(self, model: str) -> Path:
        """Where the rows of a model belong."""
        return self.folder / f"{model}.yaml"

    def _add(self, path: Path) -> None:
        content, document = read(path, ThresholdFile)
        if content.model != path.stem:
            line = line_of(document, ["model"])
            raise InvalidFile(path, line, f"model is {content.model!r}, but the file is named {path.name}; rename one")
        for position, row in enumerate(content.accuracy):
            line = line_of(document, ["accuracy", position])
            labels = {"model": content.model, **row.model_dump()}
            threshold = Threshold(ACCURACY, row.floor, row.must, f"{shown(path)}:{line}", labels)
            key = _key(ACCURACY, labels)
            if key in self.rows:
                raise InvalidFile(path, line, f"a second floor for what {self.rows[key].where} speaks of; delete one")
            self.rows[key] = threshold


def _key(metric: Metric, labels: Mapping[str, Any]) -> tuple[Any, ...]:
    return (metric.name, labels["model"], *(labels[name] for name in ACCURACY_KEYS))
