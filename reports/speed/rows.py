"""One combination under one workload: a row of the speed table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from reports.answers.rows import outcomes
from reports.ledger import RecordedLoad
from reports.speed.load_details import LoadDetails, details_of
from reports.speed.places import Contender, placed
from reports.speed.values import SpeedValue, ratios_of, tightest, values_of
from reports.subjects import ABOUT_LOAD
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, LoadRun
from thresholds.verdict import Verdict

Subject = tuple[str, str, str | None]
"""Combination, workload, and the combination that ratios divide by."""


@dataclass(frozen=True, slots=True)
class InvalidRun:
    """A run of which nothing may be used, and why."""

    number: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One combination under one workload. None is unknown.

    Attributes:
        rank: 1 has the most output tokens per second of its workload; equal means share it. None without a valid run
            that has them, and where the combination ranks with another row.
        rank_best, rank_worst: The places that it may have, as far as runs tell it apart from the others; None where
            there is no other.
        ties: The combinations from which it cannot be told apart, the best first.
        repeats: Measured beside another combination, while a row of the same combination and workload stands alone.
        against: The combination that its ratios divide by; None for loads that stand alone.
        labels: Those of the combination, and the hardware.
        digest: Of the workload's definition and prompts; rows that differ in it were asked other things.
        run_numbers: The valid runs counted here. Runs of another digest or other hardware than the last are not.
        earlier_runs: Runs that are not counted here.
        values: By name ("time_to_first_token.p95").
        ratios: The same, divided by those of `against`, by pairs of runs that followed each other.
        headroom, headroom_value: The least of its verdicts, as a share of what is required, and the name of its value.
    """

    rank: int | None
    repeats: bool
    combination: str
    workload: str
    against: str | None
    labels: Mapping[str, Any]
    digest: str | None
    run_numbers: tuple[int, ...]
    earlier_runs: int
    invalid: tuple[InvalidRun, ...]
    values: Mapping[str, SpeedValue]
    ratios: Mapping[str, SpeedValue]
    details: LoadDetails | None
    headroom: float | None
    headroom_value: str | None
    verdicts: Mapping[str, int]
    rank_best: int | None = None
    rank_worst: int | None = None
    ties: tuple[str, ...] = ()

    @property
    def output_tokens_per_second(self) -> float | None:
        """What ranks."""
        value = self.values.get(OUTPUT_TOKENS_PER_SECOND.name)
        return value.mean if value and self.run_numbers else None


def speed_rows(
    loads: Sequence[RecordedLoad], verdicts: Sequence[Verdict], before: Mapping[Subject, int]
) -> tuple[SpeedRow, ...]:
    """A row for everything that was loaded or judged; `before` counts the runs of earlier sessions."""
    told: dict[Subject, tuple[list[RecordedLoad], list[Verdict]]] = {}
    for load in loads:
        told.setdefault(_subject(load.labels), ([], []))[0].append(load)
    for verdict in verdicts:
        told.setdefault(_subject(verdict.labels), ([], []))[1].append(verdict)
    paired = pairs(loads)
    rows = (_row(subject, *heard, paired, before.get(subject, 0)) for subject, heard in told.items())
    return ranked(list(rows))


def ranked(rows: Sequence[SpeedRow]) -> tuple[SpeedRow, ...]:
    """By workload in the order of their telling, then by output tokens per second, the most first."""
    workloads = list(dict.fromkeys(row.workload for row in rows))

    def place(row: SpeedRow) -> tuple[int, bool, float, str, str]:
        rate = row.output_tokens_per_second
        least = math.inf if rate is None else -rate
        return workloads.index(row.workload), row.repeats, least, row.combination, row.against or ""

    ordered = sorted((replace(row, repeats=_repeats(row, rows)) for row in rows), key=place)
    return tuple(row for _, group in groupby(ordered, key=lambda row: row.workload) for row in _placed(list(group)))


def _placed(rows: Sequence[SpeedRow]) -> Iterable[SpeedRow]:
    """The rows of one workload, with their places."""
    found = placed({row.combination: Contender(row.digest, row.values) for row in rows if _ranks(row)})
    for row in rows:
        values = found[row.combination] if _ranks(row) else row.values
        told = values.get(OUTPUT_TOKENS_PER_SECOND.name)
        if told is None:
            yield replace(row, values=values)
        else:
            places = {name: getattr(told, name) for name in ("rank", "rank_best", "rank_worst", "ties")}
            yield replace(row, values=values, **places)


def _ranks(row: SpeedRow) -> bool:
    return bool(row.run_numbers) and not row.repeats


def pairs(loads: Iterable[RecordedLoad]) -> list[tuple[RecordedLoad, RecordedLoad]]:
    """Loads that were measured one right after the other, side by side: candidate and reference."""
    found: list[tuple[RecordedLoad, RecordedLoad]] = []
    waiting: dict[tuple[str, str], RecordedLoad] = {}
    for load in loads:
        if load.labels.get("against") is None:
            continue
        place = (load.session, load.run.workload)
        other = waiting.pop(place, None)
        both = [] if other is None else [(load, other), (other, load)]
        made = [(one, reference) for one, reference in both if _divides(one, reference)]
        found += made
        if not made:
            waiting[place] = load
    return found


def _row(
    subject: Subject,
    loads: Sequence[RecordedLoad],
    verdicts: Sequence[Verdict],
    paired: Sequence[tuple[RecordedLoad, RecordedLoad]],
    before: int,
) -> SpeedRow:
    used = _comparable(loads)
    runs = [load.run for load in used]
    valid = [run for run in runs if run.invalid is None]
    combination, workload, against = subject
    values = values_of(valid, verdicts if against is None else ())
    ratios = ratios_of(_valid(paired, used), verdicts) if against is not None else {}
    headroom, headroom_value = tightest(values if against is None else ratios)
    labels = (used or verdicts)[-1].labels
    return SpeedRow(
        rank=None,
        repeats=False,
        combination=combination,
        workload=workload,
        against=against,
        labels={name: value for name, value in labels.items() if name not in ABOUT_LOAD},
        digest=runs[-1].digest if runs else None,
        run_numbers=tuple(run.number for run in valid),
        earlier_runs=before + len(loads) - len(used),
        invalid=tuple(InvalidRun(run.number, *run.invalid) for run in runs if run.invalid is not None),
        values=values,
        ratios=ratios,
        details=details_of(runs) if runs else None,
        headroom=headroom,
        headroom_value=headroom_value,
        verdicts=outcomes(verdicts),
    )


def _subject(labels: Mapping[str, Any]) -> Subject:
    against = labels.get("against")
    return str(labels.get("combination", "")), str(labels["workload"]), None if against is None else str(against)


def _comparable(loads: Sequence[RecordedLoad]) -> list[RecordedLoad]:
    """The loads that asked what the last one did, on the same hardware."""

    def asked(load: RecordedLoad) -> tuple[Any, ...]:
        return load.run.digest, load.labels.get("hardware")

    return [load for load in loads if asked(load) == asked(loads[-1])]


def _divides(one: RecordedLoad, other: RecordedLoad) -> bool:
    return one.labels.get("against") == other.run.combination != one.run.combination


def _valid(
    paired: Sequence[tuple[RecordedLoad, RecordedLoad]], used: Sequence[RecordedLoad]
) -> list[tuple[LoadRun, LoadRun]]:
    return [
        (one.run, other.run)
        for one, other in paired
        if one in used and one.run.invalid is None and other.run.invalid is None
    ]


def _repeats(row: SpeedRow, rows: Iterable[SpeedRow]) -> bool:
    """Another row shows the same combination and workload first: one with runs, best standing alone."""
    same = [one for one in rows if (one.combination, one.workload) == (row.combination, row.workload)]
    first = min(same, key=lambda one: (not one.run_numbers, one.against is not None, one.against or ""))
    return row is not first
