"""Quants beside what they were made from: bits, scores, recovery, speed, memory and the early warning."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.answers.changes import bits
from reports.answers.differences import Differences
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.answers.speeds import Ratio, ratio
from reports.ledger import RecordedEngine
from reports.quants.early_warnings import EarlyWarning, early_warnings
from reports.quants.gates import gate_outcomes
from reports.quants.siblings import (
    Interval,
    difference,
    groups,
    interval_of,
    ranked,
    score,
    shared_tasks,
    tokens_an_answer,
)
from thresholds.quantized import is_quantized, kv_cache_is
from thresholds.recovery import Recovery, recovery
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN
from thresholds.statistics.ranks import Rank
from thresholds.verdict import Verdict

SMALLER = 0.98
"""What is not smaller than this share of the base is as large: page sizes and alignment differ by as much."""

TOLD_LATENCY = "p50"
NO_DRAFT = "none"


@dataclass(frozen=True, slots=True)
class TaskRecovery:
    """A quant on one task. Shares of 1; None is unknown."""

    before: float
    after: float
    recovery: Recovery | None


@dataclass(frozen=True, slots=True)
class QuantRow:
    """One of the combinations that differ in the quantization of weights or KV cache only. Shares of 1, bytes.

    Attributes:
        base: The combination that it is held against, the one with the most bits; None for that itself.
        bits: A weight's, as measured from the checkpoint, or as its name says (`bits_measured` False).
        score: Mean over the tasks that it shares with its base, with its interval about other questions.
        recovery: That as a share of the base's, with its interval by the delta method.
        rank: By score among them, and from which it cannot be told apart.
        speed: Output tokens/s beside the base: under load, measured in turns; else while answering.
        first_token: Time to first token beside the base, under load.
        cache_tokens: For how many tokens its KV cache has room, as the engine says.
        gains: What it has less or more of than its base: "weights", "KV cache", "memory", "speed", "first token"; what
            has an interval only where that excludes no gain. None for the base.
        outcomes: Of the gates that hold it against its base; None for the base.
    """

    combination: str
    labels: Mapping[str, Any]
    base: str | None
    bits: float | None
    bits_measured: bool
    weight_bytes: int | None
    cache_tokens: int | None
    memory: int | None
    score: Interval
    recovery: Recovery | None
    rank: Rank | None
    tasks: Mapping[str, TaskRecovery]
    tokens_an_answer: float | None
    speed: Interval | None = None
    speed_under_load: bool = False
    first_token: Interval | None = None
    warning: EarlyWarning | None = None
    gains: tuple[str, ...] | None = None
    outcomes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Heard:
    """What is known beside the rows of the ranking.

    Attributes:
        pooled: Labels that siblings may differ in, as a study pools them ("draft").
    """

    by_task: Mapping[str, Differences]
    runs: Sequence[RunRow]
    engines: Sequence[RecordedEngine] = ()
    verdicts: Sequence[Verdict] = ()
    pooled: Collection[str] = ()

    def of(self, row: Row) -> list[RunRow]:
        """The runs of a row."""
        return [run for run in self.runs if run.combination == row.combination]

    def without_pooled(self, row: Row) -> dict[str, Any]:
        """The labels of a row that tell it apart."""
        return {name: value for name, value in row.labels.items() if name not in self.pooled}


def quant_rows(rows: Iterable[Row], heard: Heard) -> tuple[QuantRow, ...]:
    """The rows of all models of which there are several quants, by model, those with the most bits first."""
    found: list[QuantRow] = []
    for group in groups(rows, ("quantization", "kv_cache"), heard.pooled):
        if not any(is_quantized(row.labels) for row in group):
            continue
        ordered = sorted(group, key=lambda row: (-(_bits(row, heard)[0] or 0.0), kv_cache_is(row.labels)))
        places = ranked(heard.by_task, ordered)
        warnings = early_warnings(ordered, heard.verdicts)
        for row in ordered:
            alone = _alone(row, heard, places.get(row.combination))
            base, warning = ordered[0], warnings.get(row.combination)
            found.append(alone if row is base else _beside(alone, row, base, heard, warning))
    return tuple(found)


def _alone(row: Row, heard: Heard, place: Rank | None) -> QuantRow:
    """What is known of it without its base."""
    measured = _bits(row, heard)
    return QuantRow(
        combination=row.combination,
        labels=heard.without_pooled(row),
        base=None,
        bits=measured[0],
        bits_measured=measured[1],
        weight_bytes=_checkpoint(row, heard.engines).get("bytes"),
        cache_tokens=_cache_tokens(row, heard.engines),
        memory=_memory(_of_a_draft(heard.of(row), _drafts(heard.of(row)))),
        score=interval_of(score(row, shared_tasks(row))),
        recovery=None,
        rank=place,
        tasks={},
        tokens_an_answer=tokens_an_answer(heard.of(row)),
    )


def _beside(alone: QuantRow, row: Row, base: Row, heard: Heard, warning: EarlyWarning | None) -> QuantRow:
    """With what its base makes of it; its score is then about the tasks that both answered."""
    tasks = shared_tasks(base, row)
    before, after = _alike(heard.of(base), heard.of(row))
    speed, under_load = _speed(row, base, heard.verdicts, ratio(before, after))
    first_token = _under_load(row, base, heard.verdicts, TIME_TO_FIRST_TOKEN.name, TOLD_LATENCY)
    sizes = {
        "weights": (alone.weight_bytes, _checkpoint(base, heard.engines).get("bytes")),
        "KV cache": (_cache_tokens(base, heard.engines), alone.cache_tokens),  # more room: a token takes less
        "memory": (_memory(after), _memory(before)),
    }
    return replace(
        alone,
        base=base.combination,
        memory=_memory(after),
        score=interval_of(score(row, tasks or shared_tasks(row))),
        recovery=_recovery(row, base, heard.by_task, tasks),
        tasks={task: _on_task(row, base, heard.by_task, task) for task in tasks},
        speed=speed,
        speed_under_load=under_load,
        first_token=first_token,
        warning=warning,
        gains=_gains(sizes, speed, first_token),
        outcomes=gate_outcomes(row.combination, heard.verdicts),
    )


def _recovery(row: Row, base: Row, by_task: Mapping[str, Differences], tasks: Sequence[str]) -> Recovery | None:
    if not tasks:
        return None
    found = difference({task: by_task[task] for task in tasks if task in by_task}, row, base)
    return recovery(score(row, tasks), score(base, tasks), None if found is None else found[1])


def _on_task(row: Row, base: Row, by_task: Mapping[str, Differences], task: str) -> TaskRecovery:
    sides = [one.tasks[task].mean or 0.0 for one in (base, row)]
    return TaskRecovery(sides[0], sides[1], _recovery(row, base, by_task, [task]))


def _checkpoint(row: Row, engines: Iterable[RecordedEngine]) -> Mapping[str, Any]:
    """What was measured of its weights."""
    told = [one.description.get("checkpoint") for one in engines if one.combination == row.combination]
    return next((one for one in reversed(told) if isinstance(one, Mapping)), {})


def _cache_tokens(row: Row, engines: Iterable[RecordedEngine]) -> int | None:
    told = [one.description.get("loaded") for one in engines if one.combination == row.combination]
    known = [one["kv_cache_tokens"] for one in told if isinstance(one, Mapping) and one.get("kv_cache_tokens")]
    return int(known[-1]) if known else None


def _bits(row: Row, heard: Heard) -> tuple[float | None, bool]:
    measured = _checkpoint(row, heard.engines).get("bits_per_weight")
    return (bits(row.labels.get("quantization")), False) if measured is None else (float(measured), True)


def _alike(before: Sequence[RunRow], after: Sequence[RunRow]) -> tuple[list[RunRow], list[RunRow]]:
    """The runs of both that have the same draft, those without one if both have some."""
    shared = [draft for draft in _drafts(before) if draft in _drafts(after)]
    return _of_a_draft(before, shared), _of_a_draft(after, shared)


def _drafts(runs: Iterable[RunRow]) -> list[str]:
    """None of them first."""
    known = {str(run.labels.get("draft") or NO_DRAFT) for run in runs}
    return sorted(known, key=lambda draft: (draft != NO_DRAFT, draft))


def _of_a_draft(runs: Iterable[RunRow], drafts: Sequence[str]) -> list[RunRow]:
    return [run for run in runs if drafts and str(run.labels.get("draft") or NO_DRAFT) == drafts[0]]


def _memory(runs: Iterable[RunRow]) -> int | None:
    return max((run.memory for run in runs if run.memory is not None), default=None)


def _speed(row: Row, base: Row, verdicts: Iterable[Verdict], answering: Ratio | None) -> tuple[Interval | None, bool]:
    loaded = _under_load(row, base, verdicts, OUTPUT_TOKENS_PER_SECOND.name)
    if loaded is not None:
        return loaded, True
    return (None if answering is None else Interval(answering.value, answering.low, answering.high)), False


def _under_load(
    row: Row, base: Row, verdicts: Iterable[Verdict], metric: str, statistic: str | None = None
) -> Interval | None:
    """The ratio that was measured in turns; of several workloads the one with the smallest gain, so as not to boast."""
    told = [
        Interval(one.measured, one.low, one.high)
        for one in verdicts
        if (one.metric, one.labels.get("combination")) == (metric, row.combination)
        and (one.labels.get("against"), one.labels.get("statistic")) == (base.combination, statistic)
        and one.measured is not None
    ]
    worst = max if metric == TIME_TO_FIRST_TOKEN.name else min
    return worst(told, key=lambda one: one.value, default=None)


def _gains(
    sizes: Mapping[str, tuple[int | None, int | None]], speed: Interval | None, first_token: Interval | None
) -> tuple[str, ...]:
    found = [name for name, (after, before) in sizes.items() if after and before and after < SMALLER * before]
    if speed is not None and speed.low is not None and speed.low > 1:
        found.append("speed")
    if first_token is not None and first_token.high is not None and first_token.high < 1:
        found.append("first token")
    return tuple(found)
