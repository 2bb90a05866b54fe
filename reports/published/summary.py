"""Published results -> Summary, so that every table, figure and page that tells of our sessions tells of them too.

What a study does not state is None. Combinations are its configurations; their intervals are those of `standings`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import stdev

from reports.answers.differences import Differences, gaps, over_tasks, unpaired
from reports.answers.front import compared, front
from reports.answers.rows import Row, outcomes
from reports.answers.scores import TaskScore
from reports.answers.speeds import speeds_apart
from reports.drafts.published import published_drafts
from reports.observations.rules import observe
from reports.published.runs import described, memory_of, run_rows
from reports.published.settings import changes
from reports.published.standings import Entry, Standing, TaskTotal, entries_of, standings
from reports.published.studies import PublishedRun, Study
from reports.quants.limits import limit_rows
from reports.quants.published import heard_of
from reports.quants.rows import quant_rows
from reports.summary import Source, Summary
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import interval


def summary_of(study: Study) -> Summary:
    """A study as a Summary without sessions and verdicts; its differences are by their own errors, not paired."""
    entries = {entry.name: entry for entry in entries_of(study)}
    ranked = standings(list(entries.values()), study.tasks)
    rows = tuple(_row(study, standing, entries[standing.name], len(ranked)) for standing in ranked)
    about, runs = study.about, run_rows(study, [entries[row.combination] for row in rows])
    by_task, overall = _differences(rows, study.tasks)
    found = front(rows, overall, speeds_apart(runs))
    summary = Summary(
        sessions=(),
        started=None,
        finished=None,
        exit_status=None,
        provenance={},
        tasks=study.tasks,
        rows=rows,
        speed=(),
        upgrades=(),
        verdicts=outcomes(()),
        not_passed=(),
        runs=runs,
        front=found,
        gaps=gaps(by_task, overall, compared(rows, study.tasks, found)),
        changes=changes(study),
        drafts=published_drafts(study),
        source=Source(study.name, about.title, about.by, about.published, about.source, _notes(study)),
    )
    heard = heard_of(summary.rows, summary.runs)
    told = replace(summary, quants=quant_rows(summary.rows, heard), limits=limit_rows(summary.rows, heard))
    return replace(told, observations=observe(told))


def _differences(rows: Sequence[Row], tasks: Sequence[str]) -> tuple[dict[str, Differences], Differences | None]:
    """All pairs of a task, and over all tasks of those that have them all, by their own errors."""
    complete = [row for row in rows if not row.missing]
    by_task = {task: _of_task(task, [row for row in rows if task in row.tasks]) for task in tasks}
    return by_task, over_tasks([_of_task(task, complete) for task in tasks]) if len(complete) > 1 else None


def _of_task(task: str, rows: Sequence[Row]) -> Differences:
    scores = {row.combination: row.tasks[task] for row in rows}
    means = {name: score.mean or 0.0 for name, score in scores.items()}
    return unpaired(means, {name: score.question_error for name, score in scores.items()})


def _notes(study: Study) -> tuple[str, ...]:
    about = study.about
    marked = [
        f"{about.reference}: the study's own marks of its runs against the numbers that {about.reference} published."
    ]
    return (*([about.note] if about.note else []), *(marked if about.reference else []))


def _row(study: Study, standing: Standing, entry: Entry, compared: int) -> Row:
    runs = entry.published
    tasks = {
        task: _score(task, total, [run for run in runs if study.task_of(run) == task])
        for task, total in entry.tasks.items()
    }
    return Row(
        rank=standing.rank,
        combination=entry.name,
        labels=described(study, entry),
        tasks=tasks,
        mean=standing.mean,
        run_to_run_deviation=standing.run_to_run_deviation,
        missing=standing.missing,
        runs=standing.runs,
        earlier_runs=0,
        unparsed=_sum(run.guesses for run in runs),
        cut_off=None,
        failed_requests=None,
        prompt_tokens=_sum(run.prompt_tokens for run in runs),
        completion_tokens=_sum(run.completion_tokens for run in runs),
        output_tokens_per_second=_output_rate(runs),
        prompt_tokens_per_second=_rate(runs, _prompt),
        seconds=_seconds(runs),
        engine_memory=memory_of(runs),
        engine_start_seconds=None,
        headroom=None,
        headroom_task=None,
        verdicts=outcomes(()),
        rank_best=standing.rank_best,
        rank_worst=standing.rank_worst,
        ties=standing.ties,
        paired=None if standing.rank_best is None or compared == 1 else False,
    )


def _score(task: str, total: TaskTotal, runs: Sequence[PublishedRun]) -> TaskScore:
    low, high = (None, None) if total.error is None else interval(total.mean, total.error, CONFIDENCE, 0.0, 1.0)
    return TaskScore(
        task=task,
        primary=None,
        mean=total.mean,
        run_to_run_deviation=stdev(total.runs) if len(total.runs) > 1 else None,
        low=low,
        high=high,
        interval_of=None if low is None else "questions",
        questions=total.questions,
        population=total.questions,
        runs=len(total.runs),
        earlier_runs=0,
        run_means=total.runs,
        unparsed=_sum(run.guesses for run in runs),
        random_guesses=None,
        cut_off=None,
        truncated=None,
        failed_requests=None,
        prompt_tokens=_sum(run.prompt_tokens for run in runs),
        completion_tokens=_sum(run.completion_tokens for run in runs),
        seconds=_seconds(runs),
        output_tokens_per_second=_output_rate(runs),
        prompt_tokens_per_second=_rate(runs, _prompt),
        other_scores={},
        outcome=None,
        reason=None,
        required=None,
        headroom=None,
        question_error=total.error,
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _seconds(runs: Sequence[PublishedRun]) -> float | None:
    known = [run.seconds for run in runs if run.seconds is not None]
    return math.fsum(known) if len(known) == len(runs) else None


def _output_rate(runs: Sequence[PublishedRun]) -> float | None:
    """Of the tokens of the answers; else the throughput that the study states, where it states one for all runs."""
    stated = {run.output_tokens_per_second for run in runs}
    answered = _rate(runs, _completion)
    return answered if answered is not None else stated.pop() if len(stated) == 1 else None


def _rate(runs: Sequence[PublishedRun], of: Callable[[PublishedRun], tuple[int | None, float | None]]) -> float | None:
    """All tokens by all the time that they took, at the rates that were published; None where a run states none."""
    known = [(tokens, rate) for tokens, rate in map(of, runs) if tokens and rate]
    seconds = math.fsum(tokens / rate for tokens, rate in known)
    return sum(tokens for tokens, _ in known) / seconds if known and len(known) == len(runs) else None


def _completion(run: PublishedRun) -> tuple[int | None, float | None]:
    return run.completion_tokens, run.completion_tokens_per_second


def _prompt(run: PublishedRun) -> tuple[int | None, float | None]:
    return run.prompt_tokens, run.prompt_tokens_per_second
