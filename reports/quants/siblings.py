"""Combinations that differ in one setting only, and how their scores compare."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from reports.answers.differences import Differences, of_two
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.wording.layout import UNKNOWN
from thresholds.evidence import CONFIDENCE
from thresholds.recovery import Score
from thresholds.statistics.means import two_sided
from thresholds.statistics.ranks import Rank, ranks

NAMES = ("combination", "deployment", "hardware")
"""Labels that say nothing about how a model is run."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval; None where it is unknown."""

    value: float
    low: float | None
    high: float | None


def groups(rows: Iterable[Row], settings: Sequence[str], pooled: Collection[str] = ()) -> list[list[Row]]:
    """Rows with a score that differ in these settings only, two or more each.

    Args:
        pooled: Labels that may differ too, as a study pools them.
    """
    found: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in rows:
        rest = {name: str(value) for name, value in row.labels.items() if name not in (*settings, *NAMES, *pooled)}
        if row.mean is not None:
            found.setdefault(tuple(sorted(rest.items())), []).append(row)
    kinds = [{tuple(str(row.labels.get(name)) for name in settings) for row in group} for group in found.values()]
    return [group for group, known in zip(found.values(), kinds, strict=True) if len(known) > 1]


def quant_name(labels: Mapping[str, Any]) -> str:
    """Its quantization and, where it is not the engine's own, its KV cache: `w8a8`, `none kv_fp8`."""
    cache = labels.get("kv_cache")
    return f"{labels.get('quantization') or UNKNOWN}{'' if cache in (None, 'auto') else f' kv_{cache}'}"


def shared_tasks(*rows: Row) -> list[str]:
    """The tasks in which all of them have a score, in the order of the first."""
    return [
        task for task in rows[0].tasks if all(task in row.tasks and row.tasks[task].mean is not None for row in rows)
    ]


def score(row: Row, tasks: Sequence[str]) -> Score:
    """The mean over these tasks, with the error sqrt(sum e_t^2) / T of other questions of this kind."""
    means = [row.tasks[task].mean or 0.0 for task in tasks]
    errors = [error for task in tasks if (error := row.tasks[task].question_error) is not None]
    error = math.hypot(*errors) / len(tasks) if len(errors) == len(tasks) else None
    return Score(math.fsum(means) / len(means), error)


def interval_of(found: Score) -> Interval:
    """The 95 % interval of a score about other questions of this kind."""
    reach = None if found.error is None else two_sided(CONFIDENCE) * found.error
    if reach is None:
        return Interval(found.mean, None, None)
    return Interval(found.mean, max(0.0, found.mean - reach), min(1.0, found.mean + reach))


def difference(by_task: Mapping[str, Differences], after: Row, before: Row) -> tuple[float, float] | None:
    """After minus before over the tasks that both have, and its error; paired where both answered the same."""
    found = of_two({t: by_task[t] for t in shared_tasks(before, after) if t in by_task}, *map(_name, (after, before)))
    return None if found is None or not math.isfinite(found[1]) else (found[0], found[1])


def ranked(by_task: Mapping[str, Differences], group: Sequence[Row]) -> dict[str, Rank]:
    """Ranks by score with their ties, all pairs of the group judged together (Holm, 5 %)."""
    tasks = shared_tasks(*group)
    if not tasks:
        return {}
    p_values = {}
    for one, other in combinations(group, 2):
        if (found := difference(by_task, one, other)) is not None:
            p_values[one.combination, other.combination] = _p_value(*found)
    return ranks({row.combination: score(row, tasks).mean for row in group}, p_values, 1 - CONFIDENCE)


def ranked_by_distance(by_prompt: Mapping[str, Sequence[float]]) -> dict[str, Rank]:
    """Ranks by mean distance, the nearest first, with ties by the paired differences over prompts."""
    p_values = {}
    for one, other in combinations(by_prompt, 2):
        gaps = [a - b for a, b in zip(by_prompt[one], by_prompt[other], strict=False)]
        mean = math.fsum(gaps) / len(gaps)
        spread = math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps) / max(1, len(gaps) - 1))
        p_values[one, other] = _p_value(mean, spread / math.sqrt(len(gaps)))
    return ranks({name: -math.fsum(each) / len(each) for name, each in by_prompt.items()}, p_values, 1 - CONFIDENCE)


def tokens_an_answer(runs: Iterable[RunRow]) -> float | None:
    """Completion tokens of an answer, over the tasks that generate; None where nobody counted them."""
    counted = [(run.completion_tokens, run.questions) for run in runs if run.completion_tokens and run.questions]
    asked = sum(questions for _, questions in counted if questions)
    return sum(tokens for tokens, _ in counted if tokens) / asked if asked else None


def _name(row: Row) -> str:
    return row.combination


def _p_value(value: float, error: float) -> float:
    return float(value == 0) if error <= 0 else math.erfc(abs(value) / error / math.sqrt(2))
