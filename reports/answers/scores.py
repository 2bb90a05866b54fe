"""The runs of one combination on one task, and what they add up to."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.ledger import RecordedRun
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Item, Measurement, NotMeasured, Run, accuracy
from thresholds.statistics.means import interval, item_means, question_error, rerun_error, run_to_run_deviation
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


def comparable(runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """The runs that asked and scored as the last one did: same questions, same score, same version of the task."""

    def asked(recorded: RecordedRun) -> tuple[Any, ...]:
        run = recorded.run
        return run.primary, recorded.labels.get("task_version"), tuple(item.item for item in run.items)

    return [run for run in runs if asked(run) == asked(runs[-1])]


def answers_of(runs: Sequence[RecordedRun]) -> dict[Hashable, float]:
    """The mean score over runs by version of the task and question, of those that every run answered."""
    measurement = _measurement([one.run for one in runs])
    if measurement is None:
        return {}
    version = runs[-1].labels.get("task_version")
    means = item_means(measurement.samples)
    return {(version, item): mean for item, mean in zip(measurement.items, means, strict=True)}


def task_score(task: str, used: Sequence[RecordedRun], earlier_runs: int, verdicts: Sequence[Verdict]) -> TaskScore:
    """Add up runs of the same questions; without runs only the verdict is known."""
    runs = [one.run for one in used]
    measurement = _measurement(runs)
    mean = measurement.value if measurement else None
    low, high, interval_of = _interval(measurement)
    items = [item for run in runs for item in run.items]
    verdict = min(verdicts, key=lambda one: WORST_FIRST.index(one.outcome), default=None)
    return TaskScore(
        task=task,
        primary=runs[-1].primary if runs else None,
        mean=mean,
        run_to_run_deviation=run_to_run_deviation(measurement.samples) if measurement else None,
        low=low,
        high=high,
        interval_of=interval_of,
        questions=len(runs[-1].items) if runs else None,
        population=runs[-1].population if runs else None,
        runs=len(runs),
        earlier_runs=earlier_runs,
        run_means=_run_means(measurement),
        unparsed=_count(runs, lambda item: item.unparsed),
        random_guesses=_random_guesses(items),
        cut_off=_count(runs, lambda item: item.cut_off),
        truncated=_count(runs, lambda item: item.truncated),
        failed_requests=_count(runs, lambda item: item.failed is not None),
        prompt_tokens=tokens(runs, prompt_tokens),
        completion_tokens=tokens(runs, completion_tokens),
        seconds=math.fsum(run.seconds for run in runs) if runs else None,
        output_tokens_per_second=rate(runs, completion_tokens),
        prompt_tokens_per_second=rate(runs, prompt_tokens),
        other_scores=_other_scores(runs),
        outcome=str(verdict.outcome) if verdict is not None else None,
        reason=verdict.reason if verdict is not None else None,
        required=verdict.required if verdict is not None else None,
        headroom=verdict.headroom if verdict is not None else None,
        question_error=question_error(measurement.samples) if measurement else None,
        stopped_early=_stopped_early(used),
    )


def prompt_tokens(item: Item) -> int | None:
    """Tokens that went in."""
    return item.prompt_tokens


def completion_tokens(item: Item) -> int | None:
    """Tokens that came out; None for answers that are compared by log-likelihood."""
    return item.completion_tokens


def tokens(runs: Sequence[Run], counted: Callable[[Item], int | None]) -> int | None:
    """Tokens of all answered items; None when the endpoint did not count every one."""
    counts = [counted(item) for run in runs for item in run.items if item.failed is None]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def rate(runs: Sequence[Run], counted: Callable[[Item], int | None]) -> float | None:
    """Tokens per second of wall time, over the runs whose every response was really requested and counted."""
    timed = [(total, run.seconds) for run in runs if not run.replayed and (total := tokens([run], counted)) is not None]
    seconds = math.fsum(duration for _, duration in timed)
    return sum(total for total, _ in timed) / seconds if seconds > 0 else None


def _stopped_early(used: Sequence[RecordedRun]) -> bool:
    if not used or used[-1].labels.get("spend") != "least":
        return False
    return len(used[-1].run.items) < used[-1].run.population


def _measurement(runs: Sequence[Run]) -> Measurement | None:
    try:
        return accuracy(runs, {}) if runs else None
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


def _count(runs: Sequence[Run], counts: Callable[[Item], bool]) -> int | None:
    return sum(counts(item) for run in runs for item in run.items) if runs else None


def _random_guesses(items: Sequence[Item]) -> float | None:
    scored = [item for item in items if item.failed is None]
    guesses = [item.guess for item in scored if item.unparsed]
    known = [guess for guess in guesses if guess is not None]
    return math.fsum(known) / len(scored) if scored and len(known) == len(guesses) else None


def _other_scores(runs: Sequence[Run]) -> dict[str, float]:
    scored = [item.scores for run in runs for item in run.items if item.failed is None]
    names = [name for name in (scored[0] if scored else ()) if name != runs[-1].primary]
    shared = [name for name in names if all(name in scores for scores in scored)]
    return {name: math.fsum(scores[name] for scores in scored) / len(scored) for name in shared}
