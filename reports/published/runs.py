"""The runs of a study as lines of the leaderboard, and what its configurations are called by the labels of ours."""

from collections.abc import Iterable, Sequence
from typing import Any

from reports.answers.deployment import API, BOTH, LOCAL
from reports.answers.run_rows import RunRow
from reports.published.standings import Entry
from reports.published.studies import PublishedRun, Study

MEBIBYTE = 2**20


def run_rows(study: Study, entries: Iterable[Entry]) -> tuple[RunRow, ...]:
    """A line for each run, by configuration in this order, then as the study lists them."""
    return tuple(run_row(study, entry.name, run) for entry in entries for run in entry.published)


def run_row(study: Study, name: str, run: PublishedRun) -> RunRow:
    """One run of the configuration of this name."""
    return RunRow(
        combination=name,
        task=study.task_of(run),
        session=None,
        number=run.run,
        of=run.runs,
        seconds=run.seconds,
        correct=run.correct,
        questions=run.questions,
        score=run.share,
        guesses=run.guesses,
        correct_guesses=run.lucky_guesses,
        prompt_tokens=run.prompt_tokens,
        prompt_tokens_per_second=run.prompt_tokens_per_second,
        completion_tokens=run.completion_tokens,
        completion_tokens_per_second=run.completion_tokens_per_second or run.output_tokens_per_second,
        cut_off=None,
        labels=_made(run),
        memory=memory_of([run]),
        mark=run.mark,
        reference=None if run.reference_percent is None else run.reference_percent / 100,
    )


def described(study: Study, entry: Entry) -> dict[str, Any]:
    """The labels of a configuration; its runs may differ in the draft, which is then told of all."""
    first = entry.published[0]
    drafts = list(dict.fromkeys(run.draft for run in entry.published))
    return {
        "combination": entry.name,
        "model": first.model,
        "engine": first.served_by,
        "quantization": first.quantization,
        "draft": _draft(first) if len(drafts) == 1 else _drafts(drafts),
        "kv_cache": first.kv_cache,
        "max_tokens": first.max_tokens or study.about.default_max_tokens,
        "deployment": deployment(first),
    }


def deployment(run: PublishedRun) -> str | None:
    """Say local where a GPU is named; both where weights are open but were asked through somebody's API; else API."""
    if run.gpu is not None:
        return LOCAL
    if run.served_by is None:
        return None
    return API if run.weights is None else BOTH


def memory_of(runs: Sequence[PublishedRun]) -> int | None:
    """Bytes of GPU memory, the most that any of these runs had."""
    known = [run.gpu_memory_mib for run in runs if run.gpu_memory_mib is not None]
    return max(known) * MEBIBYTE if known else None


def _made(run: PublishedRun) -> dict[str, str]:
    known = {
        "weights": run.weights,
        "draft": _draft(run),
        "size": run.size,
        "format": run.format,
        "engine": run.served_by,
        "hardware": run.gpu,
    }
    return {name: value for name, value in known.items() if value is not None}


def _draft(run: PublishedRun) -> str | None:
    """Where somebody else serves the model, nobody knows."""
    return run.draft or ("none" if run.gpu is not None else None)


def _drafts(drafts: Sequence[str | None]) -> str:
    named = [draft for draft in drafts if draft is not None]
    shown = named[0] if len(named) == 1 else f"{len(named)} drafts"
    return f"{shown} or none" if None in drafts else shown
