"""The vocabulary of numbers: a metric, the runs that were made, and the measurement that they add up to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol


class Direction(StrEnum):
    """Which way a metric gets better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity with its unit, its good direction and the values that are possible at all."""

    name: str
    unit: str
    direction: Direction
    lowest: float
    highest: float

    @property
    def bound(self) -> str:
        """What a threshold of this metric is called."""
        return "floor" if self.direction is Direction.HIGHER else "ceiling"


ACCURACY = Metric("accuracy", "share of the points", Direction.HIGHER, 0.0, 1.0)
"""Mean score of a task's items; the score of an item is the task's own metric (acc_norm, exact_match, …) in 0..1."""

METRICS: Mapping[str, Metric] = MappingProxyType({ACCURACY.name: ACCURACY})


class NotMeasured(Exception):
    """Nothing can be said about a metric; `reason` is a stable code, the message says why and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Item:
    """What one question came to in one run.

    Attributes:
        item: Position of the question in the task's evaluation split.
        scores: Score in 0..1 by metric and filter ("exact_match,strict-match"); empty when a request failed.
        answer: The raw answer; for a choice by log-likelihood, the text of the choice that won.
        extracted: What was found in the answer and compared with the target.
        unparsed: No pattern found an answer.
        finish_reasons: The endpoint's, one a request ("stop", "length").
        prompt_tokens, completion_tokens: Sums over the item's requests, as the endpoint counts; None if it does not.
        seconds: Its longest request, sent to answered.
        truncated: The prompt did not fit the context and lost its beginning.
        failed: Why a request of this item failed; None when all succeeded.
        guess: Expected score of a random guess, where the task is a choice between options.
    """

    item: int
    scores: Mapping[str, float]
    answer: str
    extracted: str
    unparsed: bool
    finish_reasons: tuple[str, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    truncated: bool = False
    failed: str | None = None
    guess: float | None = None

    @property
    def cut_off(self) -> bool:
        """The answer stopped because it reached its token limit."""
        return "length" in self.finish_reasons


@dataclass(frozen=True, slots=True)
class Run:
    """One repetition of a task on a combination.

    Attributes:
        combination, task: Ids.
        number: 1, 2, … over all sessions of one results folder; never reused.
        primary: The key of `Item.scores` that is the task's accuracy.
        population: Items that the task's evaluation split has; more than `items` when a sample was taken.
        seconds: Wall time of the run.
        retries: Requests that had to be sent again.
        replayed: Requests answered from the journal of an interrupted session.
        cost: What its answers cost, in the currency of the matrix's prices; None where no prices are known.
    """

    combination: str
    task: str
    number: int
    primary: str
    items: tuple[Item, ...]
    population: int
    seconds: float
    retries: int = 0
    replayed: int = 0
    engine_memory: int | None = None
    cost: float | None = None

    @property
    def failed_requests(self) -> int:
        """Questions left without a score because a request failed."""
        return sum(item.failed is not None for item in self.items)

    @property
    def causes(self) -> list[str]:
        """Why requests failed, each cause once."""
        return sorted({item.failed for item in self.items if item.failed})

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Run":
        """Rebuild a run from `to_dict`."""
        items = tuple(Item(**{**i, "finish_reasons": tuple(i["finish_reasons"])}) for i in row["items"])
        return cls(**{**row, "items": items})


class Repetition(Protocol):
    """One run, of a task or of a load, as far as a measurement must know it."""

    @property
    def failed_requests(self) -> int: ...

    @property
    def causes(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """Samples of one metric with their runs and labels. It cannot exist without samples.

    It has no comparison operators: `measurement >= gate` asks the gate.

    Attributes:
        samples: samples[r][i] is the score of item i in run r; every run has the same items. A speed has one a run.
        labels: What was measured, by the names that threshold rows use.
        population: Items that the benchmark has.
        items: Which question each sample of a run belongs to; a speed has none.
        failed_requests: Questions of all runs with a request that was not answered; they are not among the samples.
            Of a load, its requests without a whole answer.
    """

    metric: Metric
    samples: tuple[tuple[float, ...], ...]
    labels: Mapping[str, Any]
    population: int
    failed_requests: int = 0
    runs: tuple[Repetition, ...] = field(default=(), repr=False)
    items: tuple[int, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.samples or not self.samples[0]:
            raise NotMeasured("no_samples", f"{self.metric.name} has no samples: every request failed or none was made")
        if len({len(run) for run in self.samples}) != 1:
            raise ValueError(f"runs of {self.metric.name} hold different numbers of items")
        low, high = self.metric.lowest, self.metric.highest
        for value in (value for run in self.samples for value in run):
            if not math.isfinite(value) or not low <= value <= high:
                raise ValueError(f"{self.metric.name} sample {value!r} is outside {low} … {high}")

    def __repr__(self) -> str:
        failed = f", {self.failed_requests} failed requests: {self.causes[0]}" if self.causes else ""
        value, runs = f"{self.value:.4f}", f"{len(self.samples)} runs"
        if "workload" in self.labels:
            value = f"{self.value:.4g} {self.metric.unit}"
        else:
            runs = f"{len(self.samples[0])} questions x {runs}"
        return f"<{title(self.metric.name, self.labels)}: {value} over {runs}{failed}>"

    @property
    def value(self) -> float:
        """Mean over all runs and items."""
        return math.fsum(math.fsum(run) for run in self.samples) / (len(self.samples) * len(self.samples[0]))

    @property
    def causes(self) -> list[str]:
        """Why requests failed, each cause once."""
        return sorted({cause for run in self.runs for cause in run.causes})


def title(metric: str, labels: Mapping[str, Any]) -> str:
    """What is spoken of: `accuracy/gsm8k of x`, `time_to_first_token.p95/chat of x`, `goodput/chat of x against y`."""
    against = f" against {labels['against']}" if labels.get("against") else ""
    if "workload" not in labels:
        return f"{metric}/{labels.get('task')} of {labels.get('combination')}{against}"
    statistic = f".{labels['statistic']}" if labels.get("statistic") else ""
    return f"{metric}{statistic}/{labels['workload']} of {labels.get('combination')}{against}"


def accuracy(runs: Sequence[Run], labels: Mapping[str, Any]) -> Measurement:
    """The accuracy that these runs show; items that failed in any run are left out of all and counted.

    Raises:
        NotMeasured: When no item has a score in every run.
    """
    failed = {item.item for run in runs for item in run.items if item.failed is not None}
    items = tuple(item.item for item in runs[0].items if item.item not in failed)
    samples = tuple(tuple(item.scores[run.primary] for item in run.items if item.item not in failed) for run in runs)
    return Measurement(
        metric=ACCURACY,
        samples=samples,
        labels=dict(labels),
        population=max(run.population for run in runs),
        failed_requests=sum(run.failed_requests for run in runs),
        runs=tuple(runs),
        items=items,
    )
