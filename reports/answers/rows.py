"""One combination over all its tasks: a row of the ranking."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import stdev
from typing import Any

from reports.answers.differences import Differences
from reports.answers.scores import TaskScore, answers_of, comparable, completion_tokens, prompt_tokens, rate, task_score
from reports.answers.ties import Contender, Place, differences_of, places_of
from reports.ledger import RecordedEngine, RecordedRun
from reports.ledger_tallies import Tally
from thresholds.measurement import ACCURACY
from thresholds.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One combination over all tasks. None is unknown.

    Attributes:
        rank: 1 is the highest mean; equal means share a rank. A combination that lacks tasks ranks behind those that
            have all; without any finished run it has no rank.
        rank_best, rank_worst: The places that it may have, as far as it can be told apart from the others; None where
            it lacks tasks, or where there is no other.
        ties: The combinations from which it cannot be told apart, the best first.
        paired: Compared with every other one question by question; else, with some, by their own errors.
        mean: Mean of the task means, over the tasks that have one; `missing` names the others.
        run_to_run_deviation: Standard deviation of that mean over the runs that all its tasks have, by their position.
        runs, earlier_runs: The fewest that any of its tasks has.
        seconds: Wall time of all runs together.
        engine_memory: Bytes, the most that any run saw.
        headroom, headroom_task: The least of its tasks.
        verdicts: How many of each outcome, over all that speak of its answers.
        retries: Requests of all runs that had to be sent again.
        cost: Of all runs together, in the currency of the matrix's prices; None where one has none.
    """

    rank: int | None
    combination: str
    labels: Mapping[str, Any]
    tasks: Mapping[str, TaskScore]
    mean: float | None
    run_to_run_deviation: float | None
    missing: tuple[str, ...]
    runs: int
    earlier_runs: int
    unparsed: int | None
    cut_off: int | None
    failed_requests: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    output_tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    seconds: float | None
    engine_memory: int | None
    engine_start_seconds: float | None
    headroom: float | None
    headroom_task: str | None
    verdicts: Mapping[str, int]
    rank_best: int | None = None
    rank_worst: int | None = None
    ties: tuple[str, ...] = ()
    paired: bool | None = None
    retries: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger holds about one combination.

    Attributes:
        runs_before: By task, the runs of sessions that came earlier and are not among `runs`.
    """

    combination: str
    labels: Mapping[str, Any]
    runs: Sequence[RecordedRun]
    engines: Sequence[RecordedEngine]
    verdicts: Sequence[Verdict]
    runs_before: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Combinations by their mean, and how they differ.

    Attributes:
        by_task: All pairs that have a score in a task.
        overall: All pairs of those that have a score in every task; None where there is none.
    """

    rows: tuple[Row, ...]
    by_task: Mapping[str, Differences]
    overall: Differences | None


def row_of(told: Told, used: Mapping[str, Sequence[RecordedRun]]) -> Row:
    """Add up what is known about a combination, by task; its rank depends on the others and is given by `ranked`."""
    tasks = list(used)
    scores = {task: _score(task, told, used[task]) for task in tasks}
    means = {task: score.mean for task, score in scores.items() if score.mean is not None}
    runs = [one.tally for group in used.values() for one in group]
    heard = [score for score in scores.values() if score.runs]
    headroom, headroom_task = _least_headroom(heard)
    return Row(
        rank=None,
        combination=told.combination,
        labels=told.labels,
        tasks={task: score for task, score in scores.items() if score.runs or score.earlier_runs or score.outcome},
        mean=math.fsum(means.values()) / len(means) if means else None,
        run_to_run_deviation=_deviation([scores[task].run_means for task in means]),
        missing=tuple(task for task in tasks if task not in means),
        runs=min((score.runs for score in heard), default=0),
        earlier_runs=min((score.earlier_runs for score in heard or scores.values()), default=0),
        unparsed=_total(score.unparsed for score in heard),
        cut_off=_total(score.cut_off for score in heard),
        failed_requests=_total(score.failed_requests for score in heard),
        prompt_tokens=_total(score.prompt_tokens for score in heard),
        completion_tokens=_known_total(score.completion_tokens for score in heard),
        output_tokens_per_second=rate(runs, completion_tokens),
        prompt_tokens_per_second=rate(runs, prompt_tokens),
        seconds=math.fsum(run.seconds for run in runs) if runs else None,
        engine_memory=_most_memory(runs),
        engine_start_seconds=told.engines[-1].description.get("seconds") if told.engines else None,
        headroom=headroom,
        headroom_task=headroom_task,
        verdicts=outcomes(told.verdicts),
        retries=sum(run.retries for run in runs) if runs else None,
        cost=_cost(runs),
    )


def ranked(told: Iterable[Told], tasks: Sequence[str]) -> Ranking:
    """A row for each combination, by mean, the highest first; equal means by name."""

    def order(row: Row) -> tuple[int, float, str]:
        return len(row.missing), math.inf if row.mean is None else -row.mean, row.combination

    used = {one.combination: (one, {task: _used(one, task) for task in tasks}) for one in told}
    rows = sorted((row_of(one, runs) for one, runs in used.values()), key=order)
    contenders = [_contender(row, used[row.combination][1]) for row in rows if row.mean is not None]
    by_task, overall = differences_of(contenders, tasks)
    found = {} if overall is None else places_of(contenders, overall)
    placed = (_placed(row, number, found.get(row.combination)) for number, row in enumerate(rows, 1))
    return Ranking(tuple(placed), by_task, overall)


def _contender(row: Row, used: Mapping[str, Sequence[RecordedRun]]) -> Contender:
    scored = {task: score for task, score in row.tasks.items() if score.mean is not None}
    return Contender(row.combination, row.mean or 0.0, scored, {task: answers_of(used[task]) for task in scored})


def _placed(row: Row, number: int, place: Place | None) -> Row:
    if place is None:
        return replace(row, rank=None if row.mean is None else number)
    return replace(
        row,
        rank=place.rank,
        rank_best=place.best,
        rank_worst=place.worst,
        ties=place.ties,
        paired=place.paired,
    )


def outcomes(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many verdicts there are of each outcome."""
    counted = Counter(verdict.outcome for verdict in verdicts)
    return {str(outcome): counted[outcome] for outcome in Outcome}


def _used(told: Told, task: str) -> list[RecordedRun]:
    return comparable([one for one in told.runs if one.run.task == task])


def _score(task: str, told: Told, used: Sequence[RecordedRun]) -> TaskScore:
    verdicts = [v for v in told.verdicts if v.labels.get("task") == task and v.metric == ACCURACY.name]
    left_out = sum(one.run.task == task for one in told.runs) - len(used)
    return task_score(task, used, told.runs_before.get(task, 0) + left_out, verdicts)


def _least_headroom(scores: Iterable[TaskScore]) -> tuple[float | None, str | None]:
    known = [(score.headroom, score.task) for score in scores if score.headroom is not None]
    return min(known, default=(None, None))


def _most_memory(runs: Iterable[Tally]) -> int | None:
    return max((run.engine_memory for run in runs if run.engine_memory is not None), default=None)


def _cost(runs: Sequence[Tally]) -> float | None:
    known = [run.cost for run in runs if run.cost is not None]
    return math.fsum(known) if known and len(known) == len(runs) else None


def _deviation(run_means: Sequence[Sequence[float]]) -> float | None:
    overall = [math.fsum(means) / len(means) for means in zip(*run_means, strict=False)]
    return stdev(overall) if len(overall) > 1 else None


def _total(counts: Iterable[int | None]) -> int | None:
    listed = list(counts)
    known = [count for count in listed if count is not None]
    return sum(known) if known and len(known) == len(listed) else None


def _known_total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
