"""Which rows of the ranking cannot be told apart: paired over the questions that they share, averaged over tasks."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.answers.differences import Differences, Matrix, over_tasks
from reports.answers.scores import TaskScore
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.ranks import ranks

Answers = Mapping[str, Mapping[Hashable, float]]
"""By task and question, the mean score over runs."""

ENOUGH_SHARED = 0.5
"""Share of the smaller set of questions that two must have in common to be paired."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A combination, with the tasks in which it has a score and its mean over them."""

    name: str
    mean: float
    tasks: Mapping[str, TaskScore]
    answers: Answers


@dataclass(frozen=True, slots=True)
class Place:
    """Where a combination stands among all that were compared.

    Attributes:
        rank: 1 + the number with a higher mean.
        best, worst: The places that it may have, as far as it can be told apart from others.
        ties: The names of those from which it cannot, the best first.
        paired: Compared with every other one question by question; else, with some, by their own errors, as they were
            asked other questions.
    """

    rank: int
    best: int
    worst: int
    ties: tuple[str, ...]
    paired: bool


def places(contenders: Sequence[Contender]) -> dict[str, Place]:
    """The places of two or more combinations; empty for fewer, which nothing can be compared with.

    The difference of two is the mean over T tasks of their differences, with the error sqrt(sum_t e_t^2) / T. In a task
    e_t is that of `paired`, or sqrt(e_1^2 + e_2^2) of the two errors about other questions where the two do not share
    enough questions. All pairs are judged together (Holm) at 5 %.
    """
    overall = differences_of(contenders, list(contenders[0].tasks))[1] if contenders else None
    return {} if overall is None else places_of(contenders, overall)


def differences_of(
    contenders: Sequence[Contender], tasks: Sequence[str]
) -> tuple[dict[str, Differences], Differences | None]:
    """The differences of all that have a task, by task, and over tasks those of two or more that have all of them."""
    found = {}
    for task in tasks:
        having = [one for one in contenders if task in one.tasks]
        if len(having) > 1:
            found[task] = _compared(task, having)
    complete = [one for one in contenders if all(task in one.tasks for task in tasks)]
    if len(complete) < 2 or not tasks:  # noqa: PLR2004 - one alone has nothing to be compared with
        return found, None
    whole = len(complete) == len(contenders)
    return found, over_tasks([found[task] if whole else _compared(task, complete) for task in tasks])


def places_of(contenders: Sequence[Contender], overall: Differences) -> dict[str, Place]:
    """The places of those that were compared over all tasks."""
    ranked = ranks(
        {one.name: one.mean for one in contenders if one.name in overall.at}, overall.p_values, 1 - CONFIDENCE
    )
    own = np.asarray(overall.apart.any(axis=0))
    return {
        name: Place(rank.rank, rank.best, rank.worst, rank.ties, paired=not own[overall.at[name]])
        for name, rank in ranked.items()
    }


def paired(scores: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Differences (row minus column), their errors and the shared questions, all [combinations, combinations].

    `scores` is [combinations, questions], NaN where one was not answered. Two are compared over the questions that both
    answered, as by `pairs.difference`: with n of them, S = sum d and Q = sum d^2 the difference is S / n and its error
    sqrt(Q + 1 - S^2 / (n + 2)) / (n + 2). Without a shared question both are NaN.
    """
    asked = np.isfinite(scores).astype(np.float64)
    given = np.where(asked > 0, scores, 0.0)
    shared, sums, squares = asked @ asked.T, given @ asked.T, given**2 @ asked.T
    totals = sums - sums.T
    spread = np.maximum(0.0, squares + squares.T - 2 * given @ given.T - totals**2 / (shared + 2))
    none = shared == 0
    differences = np.where(none, np.nan, totals / np.where(none, 1.0, shared))
    return differences, np.where(none, np.nan, np.sqrt(spread + 1) / (shared + 2)), shared


def _compared(task: str, contenders: Sequence[Contender]) -> Differences:
    """All pairs in a task."""
    means = np.array([one.tasks[task].mean for one in contenders], dtype=np.float64)
    own = np.array([one.tasks[task].question_error for one in contenders], dtype=np.float64)
    differences, errors, shared = paired(_scores([one.answers[task] for one in contenders]))
    count = np.diag(shared)
    apart = shared < np.maximum(1.0, ENOUGH_SHARED * np.minimum(count[:, None], count[None, :]))
    alone = means[:, None] - means[None, :], np.hypot(own[:, None], own[None, :])
    return Differences(
        tuple(one.name for one in contenders),
        np.where(apart, alone[0], differences),
        np.where(apart, alone[1], errors),
        apart,
    )


def _scores(answers: Sequence[Mapping[Hashable, float]]) -> Matrix:
    """[combinations, questions], NaN where one was not answered."""
    known: dict[Hashable, None] = {}
    for one in answers:
        if one.keys() != known.keys():
            known |= dict.fromkeys(one)
    order, scores = list(known), np.full((len(answers), len(known)), np.nan)
    columns = {question: column for column, question in enumerate(order)}
    for row, one in zip(scores, answers, strict=True):
        if list(one) == order:
            row[:] = list(one.values())
        else:
            row[[columns[question] for question in one]] = list(one.values())
    return scores
