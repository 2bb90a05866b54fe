"""Published results under our statistics: a ranking with its ties, also beside a session's rows.

Only totals of runs are published, not which question came out how. Two configurations therefore cannot be paired, and
what their questions have in common does not cancel out: intervals and ties are wider than the truth.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance

import numpy as np

from reports.answers.rows import Row
from reports.published.studies import PublishedRun, Study
from reports.wording.labels import short_names
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import interval, two_sided
from thresholds.statistics.ranks import Rank, p_values_of, ranks

OURS = "(ours)"
HALF_A_QUESTION = 0.5


@dataclass(frozen=True, slots=True)
class TaskTotal:
    """One configuration on one task.

    Attributes:
        runs: The score of each run in 0..1.
        questions: None when the study does not say.
        error: Standard error of their mean about other questions of this kind; None when it cannot be known.
    """

    runs: tuple[float, ...]
    questions: int | None
    error: float | None

    @property
    def mean(self) -> float:
        """Over the runs."""
        return fmean(self.runs)


@dataclass(frozen=True, slots=True)
class Standing:
    """One configuration of a study, or one combination of a session (`ours`), in the ranking. None is unknown.

    Attributes:
        name, label: As short as it can be, and as the study calls it.
        rank: 1 + the number with a higher mean; those that lack tasks rank behind those that have all.
        rank_best, rank_worst, ties: As far as it can be told apart from the others; None where it was not compared.
        mean: Over tasks; low, high: its 95 % interval about other questions of this kind.
        run_to_run_deviation: Of that mean, over runs by their position.
        lead, lead_low, lead_high: Of its mean over that of the next, with the 95 % interval of this one difference.
        tied_with_next: It cannot be told apart from the next.
        marks: The study's own comparison of each run with the reference, and the reference in 0..1.
    """

    name: str
    label: str
    ours: bool
    rank: int
    rank_best: int | None
    rank_worst: int | None
    ties: tuple[str, ...]
    mean: float
    low: float | None
    high: float | None
    run_to_run_deviation: float | None
    runs: int
    tasks: Mapping[str, TaskTotal]
    missing: tuple[str, ...]
    lead: float | None
    lead_low: float | None
    lead_high: float | None
    tied_with_next: bool | None
    marks: tuple[str, ...]
    reference: float | None
    output_tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is ranked, before it has a rank."""

    name: str
    label: str
    ours: bool
    tasks: Mapping[str, TaskTotal]
    published: tuple[PublishedRun, ...] = ()

    @property
    def mean(self) -> float:
        """Mean of the task means."""
        return fmean(total.mean for total in self.tasks.values())

    @property
    def error(self) -> float | None:
        """Of that mean over K tasks: sqrt(sum e_k^2) / K."""
        known = [total.error for total in self.tasks.values() if total.error is not None]
        return math.hypot(*known) / len(known) if len(known) == len(self.tasks) else None


def total(runs: Sequence[float], questions: int | None) -> TaskTotal:
    """A task of which only totals are known.

    The error is sqrt(p (1 - p) / n + s^2 / R), p the mean over R runs of the same n questions and s the run-to-run
    standard deviation. The first term is what other questions would change in a single run; the second what R other
    runs would. Part of the run-to-run noise lies within questions and is in both, so that the error is rather too wide;
    with one run the first term alone holds both. Where no question is right, or none wrong, p is Agresti and Coull's.
    """
    if questions is None:
        return TaskTotal(tuple(runs), None, None)
    mean = fmean(runs)
    surely = min(mean, 1 - mean) * questions < HALF_A_QUESTION
    share = (mean * questions + 2) / (questions + 4) if surely else mean
    again = variance(runs) / len(runs) if len(runs) > 1 else 0.0
    return TaskTotal(tuple(runs), questions, math.sqrt(share * (1 - share) / questions + again))


def entries_of(study: Study) -> list[Entry]:
    """The configurations of a study as it ranks them, in its order."""
    groups: dict[str, list[PublishedRun]] = {}
    for run in study.runs:
        groups.setdefault(run.label or run.name, []).append(run)
    names = Counter(runs[0].name for runs in groups.values())
    return [
        entry_of(study, runs[0].name if names[runs[0].name] == 1 else label, runs) for label, runs in groups.items()
    ]


def entry_of(study: Study, name: str, runs: Sequence[PublishedRun]) -> Entry:
    """Some runs of a study, as one configuration."""
    tasks = {
        task: total([run.share for run in runs if study.task_of(run) == task], _questions(study, runs, task))
        for task in dict.fromkeys(map(study.task_of, runs))
    }
    return Entry(name, runs[0].label or name, ours=False, tasks=tasks, published=tuple(runs))


def entries_of_session(rows: Sequence[Row], tasks: Sequence[str]) -> list[Entry]:
    """The combinations of a session that have a score in some of these tasks."""
    names = {name: f"{short} {OURS}" for name, short in short_names(rows).items()}
    found = []
    for row in rows:
        known = {task: row.tasks[task] for task in tasks if task in row.tasks and row.tasks[task].mean is not None}
        totals = {task: TaskTotal(one.run_means, one.questions, one.question_error) for task, one in known.items()}
        found += [Entry(names[row.combination], row.combination, ours=True, tasks=totals)] if totals else []
    return found


def standings(entries: Sequence[Entry], tasks: Sequence[str]) -> list[Standing]:
    """Rank by the mean over tasks, the highest first; equal means stay in their order."""

    def order(entry: Entry) -> tuple[int, float]:
        return len(_missing(entry, tasks)), -entry.mean

    ordered = sorted(entries, key=order)
    found = _ranks([entry for entry in ordered if not _missing(entry, tasks) and entry.error is not None])
    rows = []
    for entry, following in zip(ordered, [*ordered[1:], None], strict=True):
        below = following if following and _missing(following, tasks) == _missing(entry, tasks) else None
        rank = 1 + sum(order(one) < order(entry) for one in ordered)
        rows.append(_standing(entry, below, rank, found.get(id(entry)), _missing(entry, tasks)))
    return rows


def lead_interval(lead: float, *errors: float | None) -> tuple[float | None, float | None]:
    """95 % interval of a difference of two that were not paired: the error is sqrt(e_1^2 + e_2^2)."""
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return None, None
    reach = two_sided(CONFIDENCE) * math.hypot(*known)
    return max(-1.0, lead - reach), min(1.0, lead + reach)


def _standing(entry: Entry, below: Entry | None, rank: int, found: Rank | None, missing: tuple[str, ...]) -> Standing:
    low, high = (None, None) if entry.error is None else interval(entry.mean, entry.error, CONFIDENCE, 0.0, 1.0)
    lead = entry.mean - below.mean if below else None
    lead_low, lead_high = lead_interval(lead, entry.error, below.error) if below and lead is not None else (None, None)
    marked = [run for run in entry.published if run.mark is not None]
    rates = {run.output_tokens_per_second for run in entry.published}
    return Standing(
        name=entry.name,
        label=entry.label,
        ours=entry.ours,
        rank=rank,
        rank_best=found.best if found else None,
        rank_worst=found.worst if found else None,
        ties=found.ties if found else (),
        mean=entry.mean,
        low=low,
        high=high,
        run_to_run_deviation=_deviation(entry),
        runs=min(len(one.runs) for one in entry.tasks.values()),
        tasks=entry.tasks,
        missing=missing,
        lead=lead,
        lead_low=lead_low,
        lead_high=lead_high,
        tied_with_next=below.name in found.ties if found and below else None,
        marks=tuple(dict.fromkeys(run.mark for run in marked if run.mark)),
        reference=marked[0].reference_percent / 100 if marked and marked[0].reference_percent is not None else None,
        output_tokens_per_second=rates.pop() if len(rates) == 1 else None,
    )


def _missing(entry: Entry, tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(task for task in tasks if task not in entry.tasks)


def _ranks(entries: Sequence[Entry]) -> dict[int, Rank]:
    """By `id` of the entry; empty where there are no two to compare."""
    if len(entries) < 2:  # noqa: PLR2004 - one alone has nothing to tie with
        return {}
    names = [entry.name for entry in entries]
    means = np.array([entry.mean for entry in entries])
    errors = np.array([entry.error for entry in entries], dtype=np.float64)
    p_values = p_values_of(means[:, None] - means[None, :], np.hypot(errors[:, None], errors[None, :]), names)
    found = ranks(dict(zip(names, means.tolist(), strict=True)), p_values, 1 - CONFIDENCE)
    return {id(entry): found[entry.name] for entry in entries}


def _deviation(entry: Entry) -> float | None:
    overall = [fmean(means) for means in zip(*(one.runs for one in entry.tasks.values()), strict=False)]
    return stdev(overall) if len(overall) > 1 else None


def _questions(study: Study, runs: Sequence[PublishedRun], task: str) -> int | None:
    """The fewest that any run on the task asked; None when one does not say."""
    asked = [run.questions for run in runs if study.task_of(run) == task]
    return min((count for count in asked if count is not None), default=None) if None not in asked else None
