"""The runs of one combination on one task, and what they add up to."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.ledger import RecordedRun
from reports.ledger_tallies import Counts, Marks, Tally, accuracy_of
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Measurement, NotMeasured
from thresholds.statistics.means import interval, question_error, rerun_error, run_to_run_deviation
from thresholds.verdict import Outcome, Verdict

WORST_FIRST = (Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.INCONCLUSIVE, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What a combination reached on a task. None is unknown; shares are of 1.

    Attributes:
        primary: The metric and filter that count as the task's score.
        mean: Over runs and questions; None when no question has a score in every run.
        run_to_run_deviation: Standard deviation over the run means; None for one run.
        low, high: 95 % interval of the mean.
        interval_of: "rerun", another run of the same questions; "questions", other questions, where one run was made.
        questions, population: Questions asked, and how many the benchmark has.
        runs, earlier_runs: Runs counted here, and runs of earlier sessions that are not.
        unparsed, cut_off, truncated, failed_requests: Answers, summed over the runs.
        random_guesses: What random guesses for the unparsed answers would add to the mean, in expectation.
        seconds: Wall time of the runs together.
        output_tokens_per_second, prompt_tokens_per_second: None when the time includes responses read from the journal.
        other_scores: Means under the task's other metrics and filters ("exact_match,strict-match").
        question_error: Standard error of the mean about other questions of this kind.
        chance: What random guesses would reach, where every question is a choice between options.
        stopped_early: Fewer questions than the benchmark has, because the verdict was certain (`--spend least`).
    """

    task: str
    primary: str | None
    mean: float | None
    run_to_run_deviation: float | None
    low: float | None
    high: float | None
    interval_of: str | None
    questions: int | None
    population: int | None
    runs: int
    earlier_runs: int
    run_means: tuple[float, ...]
    unparsed: int | None
    random_guesses: float | None
    cut_off: int | None
    truncated: int | None
    failed_requests: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float | None
    output_tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    other_scores: Mapping[str, float]
    outcome: str | None
    reason: str | None
    required: float | None
    headroom: float | None
    question_error: float | None = None
    stopped_early: bool = False
    chance: float | None = None


def comparable(runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """The runs that asked and scored as the last one did: same questions, same score, same version of the task."""

    def asked(recorded: RecordedRun) -> tuple[Any, ...]:
        tally = recorded.tally
        return tally.primary, recorded.labels.get("task_version"), tally.asked

    return [run for run in runs if asked(run) == asked(runs[-1])]


def answers_of(runs: Sequence[RecordedRun]) -> dict[Hashable, float]:
    """The mean score over runs by version of the task and question, of those that every run answered."""
    tallies = [one.tally for one in runs]
    if not tallies or any(tally.primary not in tally.scores for tally in tallies):
        return {}
    answered = ~np.any([tally.failed for tally in tallies], axis=0)
    means = np.mean([tally.scores[tally.primary][answered] for tally in tallies], axis=0)
    version = runs[-1].labels.get("task_version")
    items = tallies[-1].items[answered]
    return {(version, item): mean for item, mean in zip(items.tolist(), means.tolist(), strict=True)}


def task_score(task: str, used: Sequence[RecordedRun], earlier_runs: int, verdicts: Sequence[Verdict]) -> TaskScore:
    """Add up runs of the same questions; without runs only the verdict is known."""
    tallies = [one.tally for one in used]
    measurement = _measurement(tallies)
    mean = measurement.value if measurement else None
    low, high, interval_of = _interval(measurement)
    verdict = min(verdicts, key=lambda one: WORST_FIRST.index(one.outcome), default=None)
    return TaskScore(
        task=task,
        primary=tallies[-1].primary if tallies else None,
        mean=mean,
        run_to_run_deviation=run_to_run_deviation(measurement.samples) if measurement else None,
        low=low,
        high=high,
        interval_of=interval_of,
        questions=len(tallies[-1].items) if tallies else None,
        population=tallies[-1].population if tallies else None,
        runs=len(tallies),
        earlier_runs=earlier_runs,
        run_means=_run_means(measurement),
        unparsed=_count(tallies, lambda tally: tally.unparsed),
        random_guesses=_random_guesses(tallies),
        cut_off=_count(tallies, lambda tally: tally.cut_off),
        truncated=_count(tallies, lambda tally: tally.truncated),
        failed_requests=_count(tallies, lambda tally: tally.failed),
        prompt_tokens=tokens(tallies, prompt_tokens),
        completion_tokens=tokens(tallies, completion_tokens),
        seconds=math.fsum(tally.seconds for tally in tallies) if tallies else None,
        output_tokens_per_second=rate(tallies, completion_tokens),
        prompt_tokens_per_second=rate(tallies, prompt_tokens),
        other_scores=_other_scores(tallies),
        outcome=str(verdict.outcome) if verdict is not None else None,
        reason=verdict.reason if verdict is not None else None,
        required=verdict.required if verdict is not None else None,
        headroom=verdict.headroom if verdict is not None else None,
        question_error=question_error(measurement.samples) if measurement else None,
        stopped_early=_stopped_early(used),
        chance=_chance(tallies),
    )


def prompt_tokens(tally: Tally) -> Counts:
    """Tokens that went in, item by item."""
    return tally.prompt_tokens


def completion_tokens(tally: Tally) -> Counts:
    """Tokens that came out, item by item; none for answers that are compared by log-likelihood."""
    return tally.completion_tokens


def tokens(tallies: Iterable[Tally], counted: Callable[[Tally], Counts]) -> int | None:
    """Tokens of all answered items; None when the endpoint did not count every one."""
    counts = [tally.total(counted(tally)) for tally in tallies if not tally.failed.all()]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def rate(tallies: Iterable[Tally], counted: Callable[[Tally], Counts]) -> float | None:
    """Tokens per second of wall time, over the runs whose every response was really requested and counted."""
    timed = [
        (total, tally.seconds)
        for tally in tallies
        if not tally.replayed and (total := tokens([tally], counted)) is not None
    ]
    seconds = math.fsum(duration for _, duration in timed)
    return sum(total for total, _ in timed) / seconds if seconds > 0 else None


def expected_guesses(tally: Tally) -> float | None:
    """Points that random guesses for the unread answers would bring, in expectation; None where that is unknown."""
    guesses = tally.guesses[tally.unparsed & ~tally.failed]
    return math.fsum(guesses.tolist()) if np.isfinite(guesses).all() else None


def _stopped_early(used: Sequence[RecordedRun]) -> bool:
    if not used or used[-1].labels.get("spend") != "least":
        return False
    tally = used[-1].tally
    return len(tally.items) < tally.population


def _measurement(tallies: Sequence[Tally]) -> Measurement | None:
    try:
        return accuracy_of(tallies, {}) if tallies else None
    except NotMeasured:
        return None


def _run_means(measurement: Measurement | None) -> tuple[float, ...]:
    return tuple(math.fsum(run) / len(run) for run in measurement.samples) if measurement else ()


def _interval(measurement: Measurement | None) -> tuple[float | None, float | None, str | None]:
    if measurement is None:
        return None, None, None
    rerun = rerun_error(measurement.samples)
    error = question_error(measurement.samples) if rerun is None else rerun
    if error is None:
        return None, None, None
    metric = measurement.metric
    low, high = interval(measurement.value, error, CONFIDENCE, metric.lowest, metric.highest)
    return low, high, "questions" if rerun is None else "rerun"


def _count(tallies: Sequence[Tally], marks: Callable[[Tally], Marks]) -> int | None:
    return sum(int(marks(tally).sum()) for tally in tallies) if tallies else None


def _random_guesses(tallies: Sequence[Tally]) -> float | None:
    scored = sum(int((~tally.failed).sum()) for tally in tallies)
    expected = [expected_guesses(tally) for tally in tallies]
    known = [points for points in expected if points is not None]
    return math.fsum(known) / scored if scored and len(known) == len(expected) else None


def _chance(tallies: Sequence[Tally]) -> float | None:
    guesses = np.concatenate([tally.guesses for tally in tallies]) if tallies else np.empty(0)
    return float(guesses.mean()) if guesses.size and np.isfinite(guesses).all() else None


def _other_scores(tallies: Sequence[Tally]) -> dict[str, float]:
    """Those that every answered item has."""
    answered = [tally for tally in tallies if not tally.failed.all()]
    names = [name for name in (answered[0].scores if answered else ()) if name != tallies[-1].primary]
    found = {}
    for name in names:
        columns = [tally.scores[name][~tally.failed] for tally in answered if name in tally.scores]
        if len(columns) == len(answered) and all(np.isfinite(column).all() for column in columns):
            found[name] = math.fsum(np.concatenate(columns).tolist()) / sum(map(len, columns))
    return found
