"""Results to be careful with: impossible, no better than guessing, unstable, cut off, unread, or not there at all."""

import math
from collections.abc import Callable, Iterable
from statistics import stdev

from reports.answers.rows import Row
from reports.answers.scores import TaskScore
from reports.observations.evidence import Evidence
from reports.observations.observation import Observation
from reports.wording.sentences import counted, interval, listed
from reports.wording.words import percent, points
from thresholds.evidence import CONFIDENCE

MANY = 0.05
"""A share of the answers that were cut off, or in which nothing was found, that is worth a word."""

WIDE = 0.02
"""A run-to-run standard deviation of two points is worth a word."""

ENOUGH = 20
"""Questions that are not all right, or all wrong, by chance."""

ROUNDING = 1e-9


def impossible(evidence: Evidence) -> Iterable[Observation]:
    """More than all, less than nothing, or more right answers than could be read."""
    for row, score, mean in _scored(evidence):
        most = _readable(evidence, score)
        if not -ROUNDING <= mean <= most + ROUNDING:
            why = "it must lie between 0 and 100" if most == 1 else f"only {percent(most)} of its answers could be read"
            said = f"Suspicious: {_who(evidence, row, score)} scores {points(mean)}, which is impossible: {why}."
            yield Observation("impossible", said, (row.combination,), {"task": score.task, "score": mean, "most": most})


def all_or_nothing(evidence: Evidence) -> Iterable[Observation]:
    """Every answer right, or none: more often a fault of the test than a feat."""
    for row, score, mean in _scored(evidence):
        if mean in (0.0, 1.0) and (score.questions or 0) >= ENOUGH:
            said = (
                f"Suspicious: {_who(evidence, row, score)} has {'every' if mean else 'no'} answer right of"
                f" {score.questions:,}: look at its prompts and at how answers are read before you trust it."
            )
            yield Observation("all_or_nothing", said, (row.combination,), {"task": score.task, "score": mean})


def below_chance(evidence: Evidence) -> Iterable[Observation]:
    """A score that is shown to be worse than guessing."""
    for row, score, mean in _scored(evidence):
        low, high = evidence.interval(row, score.task)
        if score.chance is not None and high is not None and high < score.chance:
            said = (
                f"Suspicious: {_who(evidence, row, score)} scores {points(mean)}"
                f" ({interval(low, high, evidence.unknown)}), below the {points(score.chance)} that guessing reaches:"
                " look at how its answers are read."
            )
            numbers = {"task": score.task, "score": mean, "low": low, "high": high, "chance": score.chance}
            yield Observation("below_chance", said, (row.combination,), numbers)


def no_better_than_chance(evidence: Evidence) -> Iterable[Observation]:
    """Scores that cannot be told from guessing: they compare nothing."""
    for task, name in evidence.tasks.items():
        found = []
        for row, score, mean in _scored(evidence, task):
            low, high = evidence.interval(row, task)
            if None not in (score.chance, low, high) and (low or 0.0) <= (score.chance or 0.0) <= (high or 0.0):
                known = f"{evidence.name(row.combination)} ({points(mean)}; {interval(low, high, evidence.unknown)})"
                found.append((row.combination, known, score.chance))
        if found:
            said = (
                f"{name}: {listed([known for _, known, _ in found])} cannot be told apart from guessing, which reaches"
                f" {points(found[0][2])}."
            )
            yield Observation("no_better_than_chance", said, tuple(one for one, _, _ in found), {"task": task})


def unstable(evidence: Evidence) -> Iterable[Observation]:
    """Runs of the same questions that lie far apart."""
    for row, score, mean in _scored(evidence):
        runs = score.run_means
        deviation = stdev(runs) if len(runs) > 1 else 0.0
        if deviation < WIDE:
            continue
        said = (
            f"The {counted(len(runs), 'run')} of {_who(evidence, row, score)} lie between {points(min(runs))} and"
            f" {points(max(runs))}: standard deviation {points(deviation)}."
        )
        if _more_than_answers_drawn_anew(deviation, len(runs), mean, score.questions):
            said = f"Suspicious: {said} That is more than drawing every answer anew would do; something else differed."
        numbers = {"task": score.task, "deviation": deviation, "runs": [*runs]}
        yield Observation("unstable", said, (row.combination,), numbers)


def cut_off(evidence: Evidence) -> Iterable[Observation]:
    """Many answers that ended at their token limit."""
    tail = "ended at the token limit; with more room the score may be another"
    return _many(evidence, "cut_off", lambda score: score.cut_off, tail)


def unparsed(evidence: Evidence) -> Iterable[Observation]:
    """Many answers in which no pattern found one."""
    tail = "held nothing that could be read as an answer; a score of format as much as of knowledge"
    return _many(evidence, "unparsed", lambda score: score.unparsed, tail)


def without_score(evidence: Evidence) -> Iterable[Observation]:
    """Combinations that have no finished run, or not of every task."""
    for row in evidence.summary.rows:
        if row.mean is None:
            reasons = {one.reason for one in evidence.summary.not_passed if one.combination == row.combination}
            why = f" ({', '.join(sorted(reasons))})" if reasons else ""
            said = f"{evidence.name(row.combination)} has no finished run{why}: it is not ranked."
            yield Observation("no_finished_run", said, (row.combination,), {"reasons": sorted(reasons)})
        elif row.missing:
            lacking = listed([evidence.tasks[task] for task in row.missing])
            said = f"{evidence.name(row.combination)} has no score in {lacking}: it ranks last and is not compared."
            yield Observation("lacks_tasks", said, (row.combination,), {"missing": [*row.missing]})


def _scored(evidence: Evidence, task: str | None = None) -> Iterable[tuple[Row, TaskScore, float]]:
    for row in evidence.summary.rows:
        for score in row.tasks.values():
            if score.mean is not None and task in (None, score.task):
                yield row, score, score.mean


def _many(evidence: Evidence, kind: str, count: Callable[[TaskScore], int | None], tail: str) -> Iterable[Observation]:
    for task, name in evidence.tasks.items():
        found = []
        for row, score, _ in _scored(evidence, task):
            answers, number = (score.questions or 0) * score.runs, count(score) or 0
            if answers and number / answers >= MANY:
                known = f"{number:,} of {answers:,} of {evidence.name(row.combination)} ({percent(number / answers)})"
                found.append((row.combination, known, number / answers))
        if found:
            where = f"{name}: " if len(evidence.tasks) > 1 else "Answers: "
            said = f"{where}{listed([known for _, known, _ in found])} {tail}."
            shares = {one: share for one, _, share in found}
            yield Observation(kind, said, tuple(shares), {"task": task, "shares": shares})


def _readable(evidence: Evidence, score: TaskScore) -> float:
    """The highest score that the answers which could be read allow; a study's guesses for the others may be right."""
    answers = (score.questions or 0) * score.runs
    if evidence.summary.source is not None or not answers or not score.unparsed:
        return 1.0
    return 1.0 - score.unparsed / answers


def _who(evidence: Evidence, row: Row, score: TaskScore) -> str:
    name = evidence.name(row.combination)
    return f"{name} on {evidence.tasks[score.task]}" if len(evidence.tasks) > 1 else name


def _more_than_answers_drawn_anew(deviation: float, runs: int, mean: float, questions: int | None) -> bool:
    """(R - 1) s^2 / (p (1 - p) / n) beyond the 95 % quantile of chi^2 with R - 1 degrees of freedom.

    p (1 - p) / n is the variance of a run whose n answers are right with the same chance p, each by itself: the most
    that sampling alone can move a mean of answers that are right or wrong.
    """
    if not questions or not 0 < mean < 1:
        return False
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    statistic = (runs - 1) * deviation**2 / (mean * (1 - mean) / questions)
    return math.isfinite(statistic) and float(chdtrc(runs - 1, statistic)) < 1 - CONFIDENCE
