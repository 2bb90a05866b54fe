"""How sure a number in a figure is, and what it rests on: intervals, spreads, questions and runs."""

import math
from collections.abc import Iterable, Sequence

from reports.answers.rows import Row
from reports.answers.scores import TaskScore
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import interval

Span = tuple[float | None, float | None]

TIMES = "\u00d7"
SIZES = f"questions {TIMES} runs"
OTHER_QUESTIONS = "95 % interval about other questions of this kind"
NO_INTERVAL = "The source states neither questions nor runs: no interval can be given."


def hundred(share: float | None) -> float | None:
    """Points of a share of 1."""
    return None if share is None else 100 * share


def span(score: TaskScore) -> Span:
    """The 95 % interval of a task's mean about other questions of this kind, in points; else the one it has."""
    if score.mean is None or score.question_error is None:
        return hundred(score.low), hundred(score.high)
    low, high = interval(score.mean, score.question_error, CONFIDENCE, 0.0, 1.0)
    return 100 * low, 100 * high


def mean_span(row: Row) -> Span:
    """The same of a mean over T tasks, whose errors are independent: sqrt(sum e_t^2) / T."""
    scores = [score for score in row.tasks.values() if score.mean is not None]
    errors = [score.question_error for score in scores if score.question_error is not None]
    if row.mean is None or not errors or len(errors) < len(scores):
        return None, None
    low, high = interval(row.mean, math.hypot(*errors) / len(errors), CONFIDENCE, 0.0, 1.0)
    return 100 * low, 100 * high


def spread(mean: float | None, deviation: float | None) -> Span:
    """A standard deviation to either side, in points."""
    if mean is None or deviation is None:
        return None, None
    return 100 * max(0.0, mean - deviation), 100 * min(1.0, mean + deviation)


def asked(scores: Iterable[TaskScore]) -> str:
    """96 questions x 2 runs; or the least and the most."""
    known = [score for score in scores if score.mean is not None]
    questions = _range([score.questions for score in known])
    runs = _range([score.runs for score in known])
    if questions is None:
        return "n not stated"
    return f"{questions} questions {TIMES} {runs} {'run' if runs == '1' else 'runs'}"


def sizes(row: Row) -> str:
    """410 x 2: all questions of a row, and its runs."""
    scores = [score for score in row.tasks.values() if score.mean is not None]
    counts = [score.questions for score in scores if score.questions is not None]
    return f"{sum(counts):,} {TIMES} {row.runs}" if counts and len(counts) == len(scores) else "not stated"


def _range(counts: Sequence[int | None]) -> str | None:
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return None
    return f"{min(known):,}" if min(known) == max(known) else f"{min(known):,} to {max(known):,}"
