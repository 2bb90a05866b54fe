"""Candidates beside their baselines: one row for each gate, the joint verdict of an upgrade."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import figure, points, signed_percent, signed_points, speed_name, task_names
from thresholds.cutoffs import CUT_OFF
from thresholds.lengths import OUTPUT_TOKENS
from thresholds.upgrade import ACCURACY_DIFFERENCE, ALL_TASKS
from thresholds.verdict import Verdict

OPTION = "--"
"""Where the bound of an upgrade gate is written: on the command line."""

NOTE = "Change: in points for answers, relative for speed and length. Fell and rose: questions whose score changed."


@dataclass(frozen=True, slots=True)
class UpgradeRow:
    """One gate of an upgrade.

    Attributes:
        about: The task or workload.
        change, low, high, allowed: Difference of two scores as a share of 1, or a ratio to the baseline minus 1; its
            95 % interval; and what is still no worse.
        worse, better: Questions whose score fell or rose.
        p_value: Chance of such flips if neither were better.
        used, asked: Questions that were asked, and those that a whole run would ask.
    """

    candidate: str
    baseline: str
    metric: str
    about: str
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    allowed: float | None
    worse: int | None
    better: int | None
    p_value: float | None
    used: int | None
    asked: int | None
    outcome: str
    reason: str


def is_upgrade(verdict: Verdict) -> bool:
    """It holds a candidate against its baseline."""
    if not verdict.labels.get("against"):
        return False
    named = verdict.metric in (ACCURACY_DIFFERENCE.name, OUTPUT_TOKENS.name)
    return named or (verdict.where or "").startswith(OPTION)


def upgrade_rows(verdicts: Sequence[Verdict]) -> tuple[UpgradeRow, ...]:
    """The rows of the upgrade gates among these verdicts, in their order.

    A draft or a quant beside its sibling without one is no upgrade, and has a table of its own.
    """
    return tuple(_row(verdict) for verdict in verdicts if is_upgrade(verdict) and not is_beside_sibling(verdict))


def is_beside_sibling(verdict: Verdict) -> bool:
    """It holds a draft or a quant against the combination without."""
    return "beside" in verdict.details or (verdict.metric == CUT_OFF.name and bool(verdict.labels.get("against")))


def _row(verdict: Verdict) -> UpgradeRow:
    labels, details = verdict.labels, verdict.details
    less = 0.0 if verdict.metric == ACCURACY_DIFFERENCE.name else 1.0
    ends = [
        None if end is None else end - less for end in (verdict.measured, verdict.low, verdict.high, verdict.required)
    ]
    statistic = f".{labels['statistic']}" if labels.get("statistic") else ""
    return UpgradeRow(
        candidate=str(labels.get("combination", "")),
        baseline=str(labels.get("against", "")),
        metric=f"{verdict.metric}{statistic}",
        about=str(labels.get("workload") or labels.get("task", "")),
        before=details.get("baseline"),
        after=details.get("candidate"),
        change=ends[0],
        low=ends[1],
        high=ends[2],
        allowed=ends[3],
        worse=details.get("worse"),
        better=details.get("better"),
        p_value=details.get("p_value"),
        used=details.get("used", details.get("questions")),
        asked=details.get("asked", details.get("questions")),
        outcome=str(verdict.outcome),
        reason=verdict.reason,
    )


def upgrade_table(rows: Sequence[UpgradeRow]) -> Table:
    """Baseline, candidate, change with its interval, flips and verdict of every gate."""
    candidates, baselines = (_shorter([getattr(row, side) for row in rows]) for side in ("candidate", "baseline"))
    sides = [side for side in (candidates, baselines) if len(side) > 1]
    tasks = task_names(list(dict.fromkeys(row.about for row in rows if _place(row) == 0)))
    columns = [
        *([Column("candidate", TEXT)] if candidates in sides else []),
        *([Column("baseline", TEXT)] if baselines in sides else []),
        Column("what", TEXT),
        *map(Column, ("before", "after", "change", "95% interval", "allowed", "fell", "rose", "p", "questions")),
        Column("verdict", TEXT),
    ]
    cells = [
        [
            *([candidates[row.candidate]] if candidates in sides else []),
            *([baselines[row.baseline]] if baselines in sides else []),
            *_cells(row, tasks),
        ]
        for row in sorted(rows, key=lambda row: (row.candidate, _place(row)))
    ]
    return Table(_title(rows), columns, cells, [NOTE])


def _cells(row: UpgradeRow, tasks: dict[str, str]) -> list[str]:
    return [
        _what(row, tasks),
        *(_side(row, value) for value in (row.before, row.after)),
        _signed(row, row.change),
        UNKNOWN if row.low is None else f"{_signed(row, row.low)} to {_signed(row, row.high)}",
        _signed(row, row.allowed),
        *(UNKNOWN if count is None else str(count) for count in (row.worse, row.better)),
        UNKNOWN if row.p_value is None else figure(row.p_value),
        _questions(row),
        row.outcome if row.outcome == "PASS" else f"{row.outcome} ({row.reason})",
    ]


def _title(rows: Sequence[UpgradeRow]) -> str:
    """Names the sides that are the same in all rows."""
    candidates, baselines = ({getattr(row, side) for row in rows} for side in ("candidate", "baseline"))
    candidate = f": {min(candidates)}" if len(candidates) == 1 else ""
    return f"Upgrade{candidate}" + (f", against {min(baselines)}" if len(baselines) == 1 else "")


def _shorter(names: Sequence[str]) -> dict[str, str]:
    """Names without the parts that all of them begin with."""
    parts = {name: name.split("-") for name in names}
    shared = 0
    while len(parts) > 1 and len({tuple(one[: shared + 1]) for one in parts.values()}) == 1:
        shared += 1
    return {name: "-".join(one[shared:]) or name for name, one in parts.items()}


def _place(row: UpgradeRow) -> int:
    """Answers first, then all of them together, their length, speeds."""
    if row.metric == ACCURACY_DIFFERENCE.name:
        return int(row.about == ALL_TASKS)
    return 2 if row.metric == OUTPUT_TOKENS.name else 3


def _what(row: UpgradeRow, tasks: dict[str, str]) -> str:
    if row.metric == ACCURACY_DIFFERENCE.name:
        return tasks.get(row.about, row.about)
    if row.metric == OUTPUT_TOKENS.name:
        return f"tokens an answer, {row.about}"
    return f"{speed_name(row.metric)}, {row.about}"


def _side(row: UpgradeRow, value: float | None) -> str:
    return points(value) if row.metric == ACCURACY_DIFFERENCE.name else figure(value)


def _signed(row: UpgradeRow, value: float | None) -> str:
    return signed_points(value) if row.metric == ACCURACY_DIFFERENCE.name else signed_percent(value)


def _questions(row: UpgradeRow) -> str:
    if row.used is None:
        return UNKNOWN
    return str(row.used) if row.used == row.asked else f"{row.used:,} of {row.asked:,}"
