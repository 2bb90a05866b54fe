"""The questions whose score changed from one side to the other, with what they ask and what either side answered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from reports.ledger import Ledger, RecordedRun
from thresholds.measurement import Item, Measurement, Run
from thresholds.questions import Question


@dataclass(frozen=True, slots=True)
class Answered:
    """What one run of a side answered: one whose score shows the change."""

    run: int
    score: float
    answer: str
    extracted: str
    finish_reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flip:
    """A question whose mean score over runs changed.

    Attributes:
        before, after: The means, shares of 1.
        asked: What it asks; empty where its text was not kept, two where the sides were asked different questions
            under one number, because the data of the task changed.
    """

    combination: str
    task: str
    item: int
    before: float
    after: float
    asked: tuple[Question, ...]
    before_answer: Answered
    after_answer: Answered


@dataclass(frozen=True, slots=True)
class Changes:
    """One task asked on both sides.

    Attributes:
        sides: Before and after, each with the last of its runs.
        items: The questions that both answered; changes: by how much the mean score of each changed.
    """

    combination: str
    task: str
    sides: tuple[tuple[Measurement, RecordedRun], tuple[Measurement, RecordedRun]]
    items: Sequence[int]
    changes: NDArray[np.float64]


def flips(ledger: Ledger, tasks: Sequence[Changes], most: int) -> tuple[Flip, ...]:
    """At most so many: those that fell before those that rose, the largest changes first, from each task in turns."""
    chosen = sorted(islice(_in_turns(tasks), most))
    return tuple(_flip(ledger, tasks[number], tasks[number].items[place]) for number, _, place in chosen)


def _in_turns(tasks: Sequence[Changes]) -> Iterator[tuple[int, int, int]]:
    """Number of a task, sign of the change, and place of the question."""
    for sign in (-1, 1):
        queues = []
        for number, one in enumerate(tasks):
            places = [int(place) for place in np.flatnonzero(one.changes * sign > 0)]
            order = sorted(places, key=lambda place, one=one: -abs(one.changes[place]))  # type: ignore[misc]
            queues.append([(number, sign, place) for place in order])
        for turn in zip_longest(*queues):
            yield from (told for told in turn if told is not None)


def _flip(ledger: Ledger, changes: Changes, item: int) -> Flip:
    (before, first), (after, last) = changes.sides
    scores = [_mean(side, item) for side in (before, after)]
    fell = scores[1] < scores[0]
    asked = [question for one in (first, last) if (question := ledger.questions(one).get(item)) is not None]
    return Flip(
        combination=changes.combination,
        task=changes.task,
        item=item,
        before=scores[0],
        after=scores[1],
        asked=tuple(dict.fromkeys(asked)),
        before_answer=_answered(before, item, best=fell),
        after_answer=_answered(after, item, best=not fell),
    )


def _mean(side: Measurement, item: int) -> float:
    column = side.items.index(item)
    return float(np.mean([scores[column] for scores in side.samples]))


def _answered(side: Measurement, item: int, *, best: bool) -> Answered:
    """The answer of the run with the best, or the worst, score."""
    column = side.items.index(item)
    order = sorted(range(len(side.samples)), key=lambda run: side.samples[run][column], reverse=best)
    run = side.runs[order[0]]
    assert isinstance(run, Run)  # noqa: S101 - answers are told by runs of tasks
    found: Item = next(one for one in run.items if one.item == item)
    return Answered(run.number, side.samples[order[0]][column], found.answer, found.extracted, found.finish_reasons)
