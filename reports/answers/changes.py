"""What one setting changed: two combinations that differ in nothing else, in answers, speed and memory."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

from reports.answers.differences import Differences, of_two
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.answers.speeds import Ratio, alike, judged, ratio
from reports.wording.labels import Labelled
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import two_sided
from thresholds.statistics.ranks import holm

Told = TypeVar("Told", bound=Labelled)

NOT_A_SETTING = ("combination", "model", "hardware", "deployment")
PLAIN = ("none", "auto", "off", "unquantized")
"""Values of a setting that leave a model as it is."""


@dataclass(frozen=True, slots=True)
class Change:
    """Two combinations, the later against the plainer. Shares of 1, tokens/s, bytes; None is unknown.

    Attributes:
        setting: The label that alone differs ("quantization", "draft", "max_tokens", …).
        subject: What both have in common, in words.
        before, after: The two values.
        combinations: The rows that they belong to; the same one twice where a row pools both.
        difference: After minus before, over the tasks that both have; low, high: its 95 % interval about other
            questions of this kind.
        again_low, again_high: Its 95 % interval about another run of the same questions, of published results.
        paired: Question by question.
        told_apart: "yes", or "no" when noise may explain it, together with all other changes at 5 % (Holm); "here" when
            only these questions show it; None without an interval.
        speed: Output tokens/s while answering.
    """

    setting: str
    subject: str
    before: str
    after: str
    combinations: tuple[str, str]
    before_mean: float
    after_mean: float
    before_runs: int
    after_runs: int
    difference: float
    low: float | None
    high: float | None
    again_low: float | None
    again_high: float | None
    paired: bool
    told_apart: str | None
    speed: Ratio | None
    before_memory: int | None
    after_memory: int | None


def changes(rows: Sequence[Row], by_task: Mapping[str, Differences], runs: Iterable[RunRow]) -> tuple[Change, ...]:
    """Every combination against the plainest of those that differ from it in one setting, by setting."""
    made = {name: list(group) for name, group in groupby(runs, key=lambda run: run.combination)}
    found = [
        (setting, before, after, difference)
        for setting, before, after in alone([row for row in rows if row.mean is not None])
        if (difference := of_two(by_task, after.combination, before.combination)) is not None
    ]
    said = _told_apart([(value, error) for _, _, _, (value, error, _) in found])
    return speeds_judged(
        _change(setting, before, after, difference, word, made)
        for (setting, before, after, difference), word in zip(found, said, strict=True)
    )


def speeds_judged(found: Iterable[Change]) -> tuple[Change, ...]:
    """The changes, their speeds told apart together."""
    told = list(found)
    ratios = iter(judged([one.speed for one in told if one.speed is not None]))
    return tuple(one if one.speed is None else replace(one, speed=next(ratios)) for one in told)


def bits(value: object) -> float | None:
    """Bits per weight that a name of a quantization tells: 8.0bpw, w8a8, int4, fp8, q4_k_m, bf16; "none" is 16."""
    name = str(value).casefold()
    if name in (*PLAIN, "bf16", "fp16", "bfloat16", "float16"):
        return 16.0
    found = re.search(r"(\d+(?:\.\d+)?)\s*bpw", name) or re.search(r"(?:^|[^a-z])(?:w|int|fp|nf|q|mxfp)(\d+)", name)
    return float(found[1]) if found else 4.0 if name in ("awq", "gptq") else None


def alone(rows: Sequence[Told]) -> list[tuple[str, Told, Told]]:
    """Setting, before and after of every row and the plainest of those that differ from it in one setting alone."""
    found: list[tuple[str, Told, Told]] = []
    for setting in dict.fromkeys(name for row in rows for name in row.labels if name not in NOT_A_SETTING):
        groups: dict[tuple[Any, ...], list[Told]] = {}
        for row in rows:
            rest = {name: value for name, value in row.labels.items() if name not in (setting, "combination")}
            groups.setdefault(tuple(sorted((name, str(value)) for name, value in rest.items())), []).append(row)
        for group in groups.values():
            first, *others = sorted(group, key=lambda row: _plainness(setting, row.labels.get(setting)))
            found += [
                (setting, first, other) for other in others if value_of(other, setting) != value_of(first, setting)
            ]
    return found


def _plainness(setting: str, value: object) -> tuple[float, str]:
    """What leaves the model as it is comes first, then more bits of a weight, or less of anything else."""
    if setting == "quantization":
        return -(bits(value) or 0.0), str(value)
    if value is None or value in PLAIN:
        return -math.inf, ""
    return (float(value), "") if isinstance(value, int | float) else (math.inf, str(value))


def value_of(row: Labelled, setting: str) -> str:
    """A label as it is told; one that nobody set is the default."""
    value = row.labels.get(setting)
    return "default" if value is None else str(value)


def _change(
    setting: str,
    before: Row,
    after: Row,
    found: tuple[float, float, bool],
    said: str | None,
    made: Mapping[str, Sequence[RunRow]],
) -> Change:
    difference, error, apart = found
    reach = two_sided(CONFIDENCE) * error if math.isfinite(error) else None
    shared = [task for task in before.tasks if task in after.tasks and None not in _means(task, before, after)]
    sides = [math.fsum(row.tasks[task].mean or 0.0 for task in shared) / len(shared) for row in (before, after)]
    runs = [made.get(row.combination, []) for row in (before, after)]
    return Change(
        setting=setting,
        subject=subject_of(before, setting),
        before=value_of(before, setting),
        after=value_of(after, setting),
        combinations=(before.combination, after.combination),
        before_mean=sides[0],
        after_mean=sides[1],
        before_runs=before.runs,
        after_runs=after.runs,
        difference=difference,
        low=None if reach is None else max(-1.0, difference - reach),
        high=None if reach is None else min(1.0, difference + reach),
        again_low=None,
        again_high=None,
        paired=not apart,
        told_apart=said,
        speed=ratio(*alike(runs[0], runs[1], ["hardware"])),
        before_memory=before.engine_memory,
        after_memory=after.engine_memory,
    )


def _means(task: str, *rows: Row) -> list[float | None]:
    return [row.tasks[task].mean for row in rows]


def subject_of(row: Labelled, setting: str) -> str:
    """What two have in common that differ in a setting."""
    named = (row.labels.get(name) for name in ("model", "quantization", "draft") if name != setting)
    return " ".join(str(value) for value in named if value is not None and value not in PLAIN) or row.combination


def _told_apart(found: Sequence[tuple[float, float]]) -> list[str | None]:
    """Of differences with their errors, judged together."""
    p_values = {
        (str(number), ""): _p_value(value, error) for number, (value, error) in enumerate(found) if math.isfinite(error)
    }
    adjusted = {int(pair[0]): p for pair, p in holm(p_values).items()}
    return [
        None if number not in adjusted else "yes" if adjusted[number] <= 1 - CONFIDENCE else "no"
        for number in range(len(found))
    ]


def _p_value(value: float, error: float) -> float:
    if error <= 0:
        return float(value == 0)
    return math.erfc(abs(value) / error / math.sqrt(2))
