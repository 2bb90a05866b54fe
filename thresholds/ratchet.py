"""Accepted history -> proposed edits of threshold rows. A bound gets tighter freely, and looser only for a reason.

A proposal sets the bound that `--record` would set (`thresholds.accepted.bound`) from the latest accepted runs. Set
anew from every session, a floor would follow the luckiest of them: within 30 sessions its false alarms rise from 0.5 to
4 % (the tests simulate it). Three guards keep luck out. The value is the mean over the row and the accepted sessions
since, as far back as the latest is not told apart from them. It tightens a bound once it rests on twice the runs of
the row, or when the latest is better beyond doubt. And where sessions of several machines were accepted, the machine
with the least demanding bound decides.

Two anchors keep small passing drops from adding up: `golden` is the best value that was ever accepted, and only gets
better; `measured` is the one that the bound rests on. A latest value that lies further below `golden` than its margin
is reported even if every step to it passed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thresholds.accepted import (
    FALSE_ALARM,
    Accepted,
    accepted_row,
    bound,
    difference_error,
    margin,
    pooled,
    reach,
    together,
    told_value,
)
from thresholds.catalogue import Threshold
from thresholds.doctor import examine
from thresholds.quantities import distance, percent, told
from thresholds.recording import basis, refusal, resting_on

TWICE = 2
"""As many times the runs of a row have to be accepted before they tighten its bound."""
BEYOND_DOUBT = 3e-5
"""Chance that a session of an unchanged combination is taken for a better one: 4 standard errors."""
ROUNDED = 1.1
"""A bound that lies this many times its margin away was not only rounded outward."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the accepted history says about a row.

    Attributes:
        edit: Keys of the row with their new values; None where it stays as it is.
        loosens: The edit moves the bound to the worse side.
        notes: What a person should know, in words: why there is no edit, or what to read before applying it.
        drop: The latest value lies further below the golden one than its margin: in words; None when it does not.
    """

    threshold: Threshold
    edit: Mapping[str, Any] | None
    loosens: bool = False
    notes: tuple[str, ...] = ()
    drop: str | None = None


def propose(threshold: Threshold, history: Sequence[Accepted], because: str | None = None) -> Proposal:
    """Propose an edit of a row from the measurements that were accepted on it, oldest first.

    Measurements up to the session that the row names as its `run` are known to it already.

    Args:
        because: The reason for which its bound may get looser; it is written into the row.

    Raises:
        ValueError: The reason has fewer than 3 letters, or a measurement is of another metric than the row.
    """
    reason = None if because is None else " ".join(because.split())
    if reason is not None and len(reason) < 3:  # noqa: PLR2004 - what the schema of a row asks
        raise ValueError("a reason has at least 3 letters; say why the bound may get looser")
    if any(one.metric != threshold.metric for one in history):
        raise ValueError(f"the history of a threshold of {threshold.metric.name} holds another metric")
    known = accepted_row(threshold.metric, threshold.row)
    new = _since(known.run, history)
    if not new:
        return Proposal(threshold, None, drop=_drop(threshold, known))  # the step to it may have been a loosening
    return replace(_proposed(threshold, known, _least_demanding(known, new), reason), drop=_drop(threshold, new[-1]))


def _proposed(threshold: Threshold, known: Accepted, level: Accepted, reason: str | None) -> Proposal:
    word, moved = threshold.metric.bound, _at(threshold, level)
    finding = examine(moved)
    value, refused = finding.holds, refusal(level)
    if refused is not None or value is None:
        said = refused[1] if refused else "none would hold that could fail"
        return Proposal(threshold, None, notes=(f"cannot set a {word}: {said}",))
    better = level.sign * (value - threshold.value)
    if better > 0:
        if level.runs < TWICE * known.runs and not _apart(known, level):
            said = (
                f"{level.runs} accepted runs propose `{word}: {value:g}`; it takes {TWICE * known.runs} to tighten it"
            )
            return Proposal(threshold, None, notes=(said,))
        return Proposal(threshold, _edit(threshold, level, value, None), notes=_by_hand(threshold, known))
    if better == 0 or finding.fit:
        return Proposal(threshold, None)
    if reason is None:
        return Proposal(threshold, None, notes=(_would_loosen(threshold, level, value, finding.red),))
    return Proposal(threshold, _edit(threshold, level, value, reason), loosens=True)


def _since(run: str, history: Sequence[Accepted]) -> list[Accepted]:
    """What was accepted after the session that the row rests on; all of it where that session is not known."""
    last = max((position for position, one in enumerate(history) if one.run == run), default=-1)
    return list(history[last + 1 :])


def _least_demanding(known: Accepted, new: Sequence[Accepted]) -> Accepted:
    """The level of the machine whose bound is the loosest, among those that the row and its history name."""
    machines: dict[str | None, list[Accepted]] = {}
    for one in (known, *new):
        machines.setdefault(one.measured_on, []).append(one)
    levels = [_level(values) for values in machines.values()]
    return min(levels, key=lambda level: level.sign * bound(level))


def _level(values: Sequence[Accepted]) -> Accepted:
    """The latest value, with those right before it from which it is not told apart."""
    *earlier, latest = values
    alike = [latest]
    for one in reversed(earlier):
        if one.questions != latest.questions or _apart(one, latest):
            break
        alike.insert(0, one)
    return together(alike)


def _apart(one: Accepted, later: Accepted) -> bool:
    """A later value differs by more than luck: for the worse as bounds have it, for the better beyond doubt."""
    noise = pooled([one.noise, later.noise])
    base = replace(one, noise=noise)
    luck = BEYOND_DOUBT if one.sign * (later.value - one.value) > 0 else FALSE_ALARM
    noisy = reach(base, 1 - luck) * difference_error(base, later.runs) if noise else 0.0
    between_starts = max(one.between_starts, later.between_starts)
    return abs(one.value - later.value) > math.hypot(noisy, between_starts)


def _at(threshold: Threshold, level: Accepted) -> Threshold:
    """The row as it would read if it rested on this level."""
    row = {**threshold.row, "measured": level.value, "runs": level.runs, "run": level.run}
    noise = None if level.noise is None else level.noise.deviation
    return replace(threshold, row={**row, "noise": noise, "questions": level.questions or row.get("questions")})


def _by_hand(threshold: Threshold, known: Accepted) -> tuple[str, ...]:
    room = known.sign * (known.value - threshold.value)
    if known.noise is None or room <= ROUNDED * margin(known):
        return ()
    said = f"its {threshold.metric.bound} was set wider than its own measurement asks for; read first why"
    return (f"{said}: {threshold.row['because']}",)


def _edit(threshold: Threshold, level: Accepted, value: float, reason: str | None) -> dict[str, Any]:
    metric, row = threshold.metric, threshold.row
    moved = f"{metric.bound} {threshold.value:g} -> {value:g}; {basis(level)}"
    golden = _golden(threshold)
    if level.sign * (told_value(level) - golden["value"]) > 0:
        golden = {"value": told_value(level), "run": level.run}
    machine = {} if row.get("hardware") or level.measured_on is None else {"measured_on": level.measured_on}
    asked = accepted_row(metric, row).questions
    return {
        metric.bound: value,
        **resting_on(level),
        **({} if level.questions in {None, asked} else {"questions": level.questions}),
        "golden": golden,
        **machine,
        "run": level.run,
        "because": f"ratchet: {moved}" if reason is None else f"{reason} (ratchet: {moved})",
    }


def _golden(threshold: Threshold) -> dict[str, Any]:
    """The pinned value; before anything is pinned, the one that the row rests on."""
    pinned = threshold.row.get("golden")
    return dict(pinned) if pinned else {"value": threshold.row["measured"], "run": threshold.row["run"]}


def _drop(threshold: Threshold, latest: Accepted) -> str | None:
    known, metric = accepted_row(threshold.metric, threshold.row), threshold.metric
    golden = _golden(threshold)
    width = margin(replace(latest, noise=pooled([known.noise, latest.noise])))
    if latest.sign * (golden["value"] - latest.value) <= width:
        return None
    apart = distance(metric, latest.value, golden["value"])
    allowed = told(metric, width) if not latest.of_speed else f"{percent(width / golden['value'])} %"
    return (
        f"{told(metric, latest.value)} (run {latest.run}) is {apart} worse than the golden "
        f"{told(metric, golden['value'])} (run {golden['run']}), beyond the margin of {allowed}"
    )


def _would_loosen(threshold: Threshold, level: Accepted, value: float, red: float | None) -> str:
    metric = threshold.metric
    often = f"red in {percent(red or 0.0)} % of the sessions at the accepted {told(metric, level.value)}"
    return f"{often}; `{metric.bound}: {value:g}` would hold, but that needs --because"
