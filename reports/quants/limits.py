"""What a token limit does to a score: accuracy, answers cut off, and accuracy among those that finished, by limit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.answers.differences import Differences, of_two
from reports.answers.rows import Row
from reports.quants.rows import Heard
from reports.quants.siblings import Interval, groups, tokens_an_answer
from thresholds.cutoffs import CUT_OFF
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import two_sided
from thresholds.verdict import Verdict


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A combination on a task whose answers are generated. Shares of 1; None is unknown.

    Attributes:
        limit: Tokens that an answer may have; None for the task's own limit.
        cut_off: Share of the answers that ended there.
        finished: Accuracy among the others.
        change: Of the accuracy, from the lowest limit; paired question by question where that can be. None for the
            lowest, and where there is only one.
    """

    combination: str
    labels: Mapping[str, Any]
    task: str
    limit: int | None
    accuracy: Interval
    cut_off: float | None
    finished: Interval | None
    tokens: float | None
    change: Interval | None
    outcome: str | None


def limit_rows(rows: Sequence[Row], heard: Heard) -> tuple[LimitRow, ...]:
    """Combinations that were asked at several limits, and all others of which an answer was cut off."""
    several = groups(rows, ("max_tokens",), heard.pooled)
    alone = [[row] for row in rows if not any(row in group for group in several)]
    found: list[LimitRow] = []
    for group in [*several, *alone]:
        ordered = sorted(group, key=lambda row: (row.labels.get("max_tokens") is None, row.labels.get("max_tokens")))
        for task in _generating(ordered):
            told = [_row(row, ordered[0], task, heard) for row in ordered if task in row.tasks]
            found += [one for one in told if len(group) > 1 or one.cut_off]
    return tuple(found)


def _generating(group: Iterable[Row]) -> list[str]:
    """The tasks whose answers have tokens of their own."""
    known = [task for row in group for task, score in row.tasks.items() if score.completion_tokens]
    return list(dict.fromkeys(known))


def _row(row: Row, lowest: Row, task: str, heard: Heard) -> LimitRow:
    score, told = row.tasks[task], _verdict(row, task, heard.verdicts)
    answers = (score.questions or 0) * score.runs
    details = told.details if told is not None else {}
    return LimitRow(
        combination=row.combination,
        labels=heard.without_pooled(row),
        task=task,
        limit=row.labels.get("max_tokens"),
        accuracy=Interval(score.mean or 0.0, score.low, score.high),
        cut_off=None if score.cut_off is None or not answers else score.cut_off / answers,
        finished=_finished(details),
        tokens=tokens_an_answer(run for run in heard.of(row) if run.task == task),
        change=None if row is lowest else _change(heard.by_task, task, row, lowest),
        outcome=None if told is None else str(told.outcome),
    )


def _finished(details: Mapping[str, Any]) -> Interval | None:
    value = details.get("finished_accuracy")
    return None if value is None else Interval(value, details["finished_low"], details["finished_high"])


def _verdict(row: Row, task: str, verdicts: Iterable[Verdict]) -> Verdict | None:
    """The last that speaks of its answers cut off, and not of those of a baseline."""
    return next(
        (
            one
            for one in reversed(list(verdicts))
            if (one.metric, one.labels.get("against")) == (CUT_OFF.name, None)
            and (one.labels.get("combination"), one.labels.get("task")) == (row.combination, task)
        ),
        None,
    )


def _change(by_task: Mapping[str, Differences], task: str, row: Row, lowest: Row) -> Interval | None:
    if task not in by_task:
        return None
    found = of_two({task: by_task[task]}, row.combination, lowest.combination)
    if found is None:
        return None
    value, reach = found[0], two_sided(CONFIDENCE) * found[1]
    return Interval(value, value - reach, value + reach)
