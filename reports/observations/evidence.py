"""A Summary, looked up by the rules: who is called what, who differs from whom by how much, who is how much faster."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from reports.answers.differences import Gap
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.answers.speeds import Ratio, ratio, speeds_apart
from reports.summary import Summary
from reports.wording.labels import short_names
from reports.wording.sentences import (
    NO_INTERVAL,
    NOT_STATED,
    NOT_TOLD_APART,
    not_told_apart,
    reach,
    times,
    times_reach,
)
from reports.wording.words import points, rate, task_names
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import interval
from thresholds.statistics.ranks import Pair


class Evidence:
    """What the rules rest on."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.names = {row.combination: _spoken(row, name) for row, name in _named(summary.rows)}
        self.tasks = task_names(summary.tasks)
        self.unknown = NO_INTERVAL if summary.source is None else NOT_STATED
        self._rows = {row.combination: row for row in summary.rows}
        self.plain, self.beaten = summary.plain, summary.beaten
        self._gaps = {(gap.first, gap.second, gap.task): gap for gap in summary.gaps}

    @cached_property
    def ranked(self) -> list[Row]:
        """Those that have a score in every task, the highest mean first."""
        return [row for row in self.summary.rows if row.mean is not None and not row.missing]

    @cached_property
    def _runs(self) -> dict[str, list[RunRow]]:
        found: dict[str, list[RunRow]] = defaultdict(list)
        for run in self.summary.runs:
            found[run.combination].append(run)
        return found

    @cached_property
    def _speeds(self) -> Mapping[Pair, bool]:
        return speeds_apart(self.summary.runs)

    def row(self, combination: str) -> Row:
        """The row of a combination."""
        return self._rows[combination]

    def mean(self, combination: str, task: str | None = None) -> float:
        """Its score in a task, or over all; only of one that has it."""
        row = self._rows[combination]
        found = row.mean if task is None else row.tasks[task].mean
        return 0.0 if found is None else found

    def scored(self, task: str) -> list[Row]:
        """Those that have a score in a task, the highest first."""
        having = [row for row in self.summary.rows if task in row.tasks and row.tasks[task].mean is not None]
        return sorted(having, key=lambda row: -self.mean(row.combination, task))

    def interval(self, row: Row, task: str | None = None) -> tuple[float | None, float | None]:
        """95 % interval of its score in a task, or of its mean over all tasks, about other questions of this kind."""
        scores = [row.tasks[task]] if task is not None else list(row.tasks.values())
        errors = [score.question_error for score in scores if score.question_error is not None]
        mean = self.mean(row.combination, task)
        if not scores or len(errors) < len(scores) or not 0 <= mean <= 1:
            return None, None
        return interval(mean, math.hypot(*errors) / len(errors), CONFIDENCE, 0.0, 1.0)

    def gap(self, first: str, second: str, task: str | None = None) -> Gap | None:
        """First minus second, where the Summary has compared them."""
        return self._gaps.get((first, second, task))

    def speed(self, combination: str) -> float | None:
        """Output tokens/s while answering."""
        return self._rows[combination].output_tokens_per_second

    def faster(self, first: str, second: str) -> Ratio | None:
        """How many times as fast the first is as the second, by the runs of both."""
        found = ratio(self._runs[second], self._runs[first])
        if found is not None:
            return replace(found, told_apart=self._speeds.get((first, second)))
        both = self.speed(second), self.speed(first)
        return Ratio(both[0], both[1], None, None) if both[0] and both[1] else None

    def surely_faster(self, first: str, second: str) -> bool:
        """The first is told apart from the second, or nothing at all has an interval and its speed is higher."""
        more = (self.speed(first) or 0.0) > (self.speed(second) or 0.0)
        return more and (self.plain or self._speeds.get((first, second)) is True)

    def name(self, combination: str) -> str:
        """What it is called in sentences."""
        return self.names.get(combination, combination)

    def apart(self, first: str, second: str, task: str | None = None) -> str:
        """The interval of the difference, and whether they can be told apart."""
        gap = self.gap(first, second, task)
        if gap is None or gap.low is None or gap.high is None:
            return self.unknown
        among = " among all pairs" if gap.low > 0 or gap.high < 0 else ""
        tied = f"; {NOT_TOLD_APART}{among}" if gap.told_apart is False else ""
        return f"{reach(gap.low, gap.high, self.unknown)}{tied}"

    def points(self, first: str, second: str, task: str | None = None) -> str:
        """2.0 points (95% interval …): by how much the first is better."""
        gap = self.gap(first, second, task)
        value = self.mean(first, task) - self.mean(second, task) if gap is None else gap.difference
        return f"{points(value)} points{self.bracketed(self.apart(first, second, task))}"

    def times(self, found: Ratio) -> str:
        """1.61 times the speed (1,550 against 760 tokens/s; 95% interval …)."""
        both = f"{rate(found.after)} against {rate(found.before)} tokens/s"
        return f"{times(found.value)} the speed ({'; '.join([both, *self.of_ratio(found)])})"

    def of_ratio(self, found: Ratio) -> list[str]:
        """The interval of a ratio of speeds, and whether the two can be told apart."""
        if found.low is None or found.high is None:
            return [] if self.plain else ["a single run has no interval"]
        tied = [] if found.told_apart else [not_told_apart(found.low, found.high)]
        return [times_reach(found.low, found.high), *tied]

    def bracketed(self, said: str) -> str:
        """In brackets; nothing where no comparison has an interval, which is then said once."""
        return "" if self.plain else f" ({said})"

    def tied(self, first: str, others: Iterable[str], task: str | None = None) -> list[str]:
        """Those of the others that are compared with the first and cannot be told apart from it."""
        found = [(other, self.gap(first, other, task)) for other in others]
        return [other for other, gap in found if gap is not None and gap.told_apart is False]

    def called(self, combinations: Sequence[str]) -> list[str]:
        """What several are called."""
        return [self.name(one) for one in combinations]


def _named(rows: Sequence[Row]) -> Iterable[tuple[Row, str]]:
    names = short_names(rows)
    return [(row, names[row.combination]) for row in rows]


def _spoken(row: Row, name: str) -> str:
    """A name in a sentence, where "model none" would not be understood."""
    bare = row.labels.get("quantization") == "none" and name.endswith(" none")
    return f"{name.removesuffix(' none')} unquantized" if bare else name
