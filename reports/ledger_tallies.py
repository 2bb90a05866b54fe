"""What a run's items come to, without their words: columns of numbers that are read at once, however long the answers.

A summary of many runs needs these alone; the answers themselves are loaded only where they are shown.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thresholds.measurement import ACCURACY, Item, Measurement, Run

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
Marks = NDArray[np.bool_]

UNKNOWN = -1
"""Stands in a column of tokens for a count that the endpoint did not tell."""

FLAGS: Mapping[str, Callable[[Item], bool]] = {
    "unparsed": lambda item: item.unparsed,
    "cut_off": lambda item: item.cut_off,
    "truncated": lambda item: item.truncated,
    "failed": lambda item: item.failed is not None,
}


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The numbers of one run; all arrays have an entry for each item, in the order of `Run.items`.

    It can stand among `Measurement.runs`, as it knows its failed requests and their causes.

    Attributes:
        combination, task, number, primary, population, seconds, retries, replayed, engine_memory, cost: As of the run.
        causes: Why requests failed, each cause once.
        items: `Item.item`.
        scores: By metric and filter; NaN where an item has none, as when its request failed.
        guesses: `Item.guess`; NaN where unknown.
        item_seconds: `Item.seconds`.
        prompt_tokens, completion_tokens: Of each item; -1 where the endpoint did not count.
        unparsed, cut_off, truncated, failed: True where it is so.
    """

    combination: str
    task: str
    number: int
    primary: str
    population: int
    seconds: float
    retries: int
    replayed: int
    engine_memory: int | None
    causes: list[str]
    items: Counts
    scores: Mapping[str, Numbers]
    guesses: Numbers
    item_seconds: Numbers
    prompt_tokens: Counts
    completion_tokens: Counts
    unparsed: Marks
    cut_off: Marks
    truncated: Marks
    failed: Marks
    cost: float | None = None

    @property
    def failed_requests(self) -> int:
        """Questions left without a score because a request failed."""
        return int(self.failed.sum())

    @property
    def asked(self) -> bytes:
        """The same for two runs that asked the same questions in the same order, and only then."""
        return self.items.tobytes()

    @property
    def scored(self) -> Numbers:
        """The primary scores of the items that were answered."""
        return self.scores[self.primary][~self.failed] if self.primary in self.scores else np.empty(0)

    def total(self, tokens: Counts) -> int | None:
        """The sum of a column of tokens over the answered items; None when one of them was not counted."""
        counted = tokens[~self.failed]
        return int(counted.sum()) if counted.size and (counted != UNKNOWN).all() else None


def tally_of(run: Run) -> Tally:
    """The numbers of a run that is at hand."""
    items = run.items
    names = dict.fromkeys(name for item in items for name in item.scores)
    known: dict[str, Any] = {name: getattr(run, name) for name in _HEAD}
    flags: dict[str, Any] = {name: np.array([is_so(item) for item in items], bool) for name, is_so in FLAGS.items()}
    return Tally(
        **known,
        **flags,
        items=np.array([item.item for item in items], np.int64),
        scores={name: _floats(item.scores.get(name) for item in items) for name in names},
        guesses=_floats(item.guess for item in items),
        item_seconds=_floats(item.seconds for item in items),
        prompt_tokens=_counts(item.prompt_tokens for item in items),
        completion_tokens=_counts(item.completion_tokens for item in items),
    )


def accuracy_of(tallies: Sequence[Tally], labels: Mapping[str, Any]) -> Measurement:
    """As `thresholds.measurement.accuracy`, whose result it equals sample by sample.

    Raises:
        NotMeasured: When no item has a score in every run.
    """
    failed = {item for tally in tallies for item in tally.items[tally.failed].tolist()}
    kept = [~np.isin(tally.items, list(failed)) if failed else slice(None) for tally in tallies]
    return Measurement(
        metric=ACCURACY,
        samples=tuple(_primary(tally, those) for tally, those in zip(tallies, kept, strict=True)),
        labels=dict(labels),
        population=max(tally.population for tally in tallies),
        failed_requests=sum(tally.failed_requests for tally in tallies),
        runs=tuple(tallies),
        items=tuple(tallies[0].items[kept[0]].tolist()),
    )


def packed(tally: Tally) -> tuple[str, bytes]:
    """The head as JSON and the columns as bytes, for the ledger; `unpacked` is its inverse."""
    head = {name: getattr(tally, name) for name in _HEAD} | {"scores": [*tally.scores], "count": len(tally.items)}
    flags = np.zeros(len(tally.items), np.uint8)
    for bit, name in enumerate(FLAGS):
        flags |= getattr(tally, name).astype(np.uint8) << bit
    numbers = [*tally.scores.values(), tally.guesses, tally.item_seconds]
    counts = [tally.items, tally.prompt_tokens, tally.completion_tokens]
    columns = [*(one.astype("<f8") for one in numbers), *(one.astype("<i8") for one in counts), flags]
    return json.dumps(head), b"".join(column.tobytes() for column in columns)


def unpacked(head: str, columns: bytes) -> Tally:
    """Rebuild a tally from `packed`.

    Raises:
        ValueError, KeyError: The two do not belong together, or are none of ours.
    """
    known: dict[str, Any] = json.loads(head)
    names, count = known.pop("scores"), known.pop("count")
    floats = len(names) + 2
    numbers = np.frombuffer(columns, "<f8", floats * count).reshape(floats, count)
    counts = np.frombuffer(columns, "<i8", 3 * count, numbers.nbytes).reshape(3, count)
    flags = np.frombuffer(columns, np.uint8, count, numbers.nbytes + counts.nbytes)
    known |= {name: (flags >> bit & 1).astype(bool) for bit, name in enumerate(FLAGS)}
    return Tally(
        **known,
        scores=dict(zip(names, numbers, strict=False)),
        guesses=numbers[-2],
        item_seconds=numbers[-1],
        items=counts[0],
        prompt_tokens=counts[1],
        completion_tokens=counts[2],
    )


_HEAD = (
    "combination",
    "task",
    "number",
    "primary",
    "population",
    "seconds",
    "retries",
    "replayed",
    "engine_memory",
    "causes",
    "cost",
)


def _primary(tally: Tally, those: Any) -> tuple[float, ...]:
    if tally.primary not in tally.scores:
        return ()
    return tuple(tally.scores[tally.primary][those].tolist())


def _floats(values: Iterable[float | None]) -> Numbers:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _counts(values: Iterable[int | None]) -> Counts:
    return np.array([UNKNOWN if value is None else value for value in values], np.int64)
