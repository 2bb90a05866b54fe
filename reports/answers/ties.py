"""Which rows of the ranking cannot be told apart: paired over the questions that they share, averaged over tasks."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.answers.scores import TaskScore
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.ranks import p_values_of, ranks

Answers = Mapping[str, Mapping[Hashable, float]]
"""By task and question, the mean score over runs."""

Matrix = NDArray[np.float64]

ENOUGH_SHARED = 0.5
"""Share of the smaller set of questions that two must have in common to be paired."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A combination that has a score in every task."""

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
    if len(contenders) < 2:  # noqa: PLR2004 - one alone has nothing to tie with
        return {}
    names = [one.name for one in contenders]
    found = [_compared(task, contenders) for task in contenders[0].tasks]
    differences = np.mean([one[0] for one in found], axis=0)
    errors = np.sqrt(np.sum([one[1] ** 2 for one in found], axis=0)) / len(found)
    unpaired = np.any([one[2] for one in found], axis=0).any(axis=0)
    unknown = ~np.isfinite(errors) | ~np.isfinite(differences)
    p_values = p_values_of(np.where(unknown, 0.0, differences), np.where(unknown, 1.0, errors), names)
    at = {name: position for position, name in enumerate(names)}
    known = {pair: p for pair, p in p_values.items() if not unknown[at[pair[0]], at[pair[1]]]}
    ranked = ranks({one.name: one.mean for one in contenders}, known, 1 - CONFIDENCE)
    return {
        name: Place(rank.rank, rank.best, rank.worst, rank.ties, paired=not unpaired[at[name]])
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


def _compared(task: str, contenders: Sequence[Contender]) -> tuple[Matrix, Matrix, NDArray[np.bool_]]:
    """Differences and errors of all pairs in a task, and which of them were not paired."""
    means = np.array([one.tasks[task].mean for one in contenders], dtype=np.float64)
    own = np.array([one.tasks[task].question_error for one in contenders], dtype=np.float64)
    differences, errors, shared = paired(_scores([one.answers[task] for one in contenders]))
    count = np.diag(shared)
    apart = shared < np.maximum(1.0, ENOUGH_SHARED * np.minimum(count[:, None], count[None, :]))
    alone = means[:, None] - means[None, :], np.hypot(own[:, None], own[None, :])
    return np.where(apart, alone[0], differences), np.where(apart, alone[1], errors), apart


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
