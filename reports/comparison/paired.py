"""Two sessions, or two combinations, question by question: what changed, and whether it is more than noise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.answers.scores import comparable
from reports.comparison.flips import Changes, Flip, flips
from reports.ledger import Ledger, RecordedRun
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Measurement, NotMeasured, accuracy
from thresholds.statistics.means import rerun_error, two_sided
from thresholds.statistics.pairs import Difference, difference, item_differences, mcnemar, permutation, pooled

LAST = "last"
ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Compared:
    """One task asked on both sides, or all of them pooled. Shares of 1; None is unknown.

    Attributes:
        task: None for the mean over tasks, each of which counts the same.
        before, after: Means over the shared questions.
        difference: After minus before; low, high: its 95 % interval about other questions of this kind, paired.
        again_low, again_high: Its 95 % interval about another run of the same questions; None without two runs on
            either side.
        questions: Shared ones; before_questions, after_questions: those that each side answered.
        worse, better: Questions whose mean over runs fell, and rose.
        p_value: Exact McNemar; a permutation of signs where scores are fractions, or several tasks are pooled.
    """

    combination: str
    labels: Mapping[str, Any]
    task: str | None
    before: float
    after: float
    difference: float
    low: float
    high: float
    again_low: float | None
    again_high: float | None
    questions: int
    before_questions: int
    after_questions: int
    before_runs: int
    after_runs: int
    worse: int
    better: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared with what; `left_out` says in words what could not be, `flips` are those asked for."""

    before: str
    after: str
    of_sessions: bool
    rows: tuple[Compared, ...]
    left_out: tuple[str, ...]
    flips: tuple[Flip, ...] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """One combination on one side; `last` has the last of the runs that were measured of each task."""

    name: str
    labels: Mapping[str, Any]
    tasks: Mapping[str, Measurement]
    last: Mapping[str, RecordedRun]


def compare(ledger: Ledger, before: str, after: str, session: str = LAST, most_flips: int = 0) -> Comparison:
    """Compare two sessions combination by combination, or two combinations of a session (`last`, `all` or an id).

    Args:
        most_flips: Questions whose score changed that are told singly, with what they ask and the answers to them.

    Raises:
        NotMeasured: A name is no session and fits no single combination, or the two have no question in common.
    """
    runs, told = ledger.runs(), partial(flips, ledger, most=most_flips)
    first, second = (_session(name, runs) for name in (before, after))
    if first is not None and second is not None:
        pairs, left_out = _of_sessions(first, second, runs)
        return _comparison((first, second), pairs, left_out, of_sessions=True, told=told)
    if first is not None or second is not None:
        raise NotMeasured("unlike", f"of {before!r} and {after!r} only one is a session; name two, or two combinations")
    sides = _sides(_of(runs, session))
    found = [_combination(name, sides, session, runs) for name in (before, after)]
    if found[0] == found[1]:
        raise NotMeasured("same", f"{before!r} and {after!r} both name {found[0]}; name two combinations")
    pair = (sides[found[0]], sides[found[1]])
    return _comparison((found[0], found[1]), [pair], [], of_sessions=False, told=told)


def _session(wanted: str, runs: Sequence[RecordedRun]) -> str | None:
    """The session that asked questions and is meant, None for what is none."""
    if wanted == LAST:
        return runs[-1].session if runs else None
    return wanted if any(one.session == wanted for one in runs) else None


def _of(runs: Sequence[RecordedRun], session: str) -> Sequence[RecordedRun]:
    if session == "all":
        return runs
    chosen = _session(session, runs)
    if chosen is None:
        raise NotMeasured("no_runs", f"session {session!r} asked no questions; the last that did: {_last(runs)}")
    return [one for one in runs if one.session == chosen]


def _last(runs: Sequence[RecordedRun]) -> str:
    return ", ".join(list(dict.fromkeys(one.session for one in runs))[-5:]) or "none"


def _of_sessions(before: str, after: str, runs: Sequence[RecordedRun]) -> tuple[list[tuple[_Side, _Side]], list[str]]:
    first, second = (_sides(_of(runs, name)) for name in (before, after))
    pairs = [(first[name], second[name]) for name in second if name in first]
    missing = [name for name in {**first, **second} if (name in first) != (name in second)]
    left_out = [f"{name}: only in {before if name in first else after}" for name in missing]
    return pairs, left_out


def _sides(runs: Sequence[RecordedRun]) -> dict[str, _Side]:
    """What is known of every combination, by its id."""
    subjects: dict[str, dict[str, list[RecordedRun]]] = {}
    for one in runs:
        subjects.setdefault(one.run.combination, {}).setdefault(one.run.task, []).append(one)
    sides = {}
    for name, tasks in subjects.items():
        measured = {task: found for task, told in tasks.items() if (found := _measured(comparable(told)))}
        last = {task: told[-1] for task, told in tasks.items()}
        sides[name] = _Side(name, next(iter(tasks.values()))[-1].labels, measured, last)
    return sides


def _measured(runs: Sequence[RecordedRun]) -> Measurement | None:
    try:
        return accuracy([one.run for one in runs], runs[-1].labels)
    except NotMeasured:
        return None


def _combination(wanted: str, sides: Mapping[str, _Side], session: str, runs: Sequence[RecordedRun]) -> str:
    if wanted in sides:
        return wanted
    fits = [name for name in sides if fnmatchcase(name, wanted)]
    if len(fits) == 1:
        return fits[0]
    known = ", ".join(fits or sides) or "none"
    said = "fits several combinations" if fits else "is no session and fits no combination"
    raise NotMeasured("unknown", f"{wanted!r} {said} of session {session!r}: {known}\nthe last sessions: {_last(runs)}")


def _comparison(
    titles: tuple[str, str],
    pairs: Sequence[tuple[_Side, _Side]],
    left_out: Sequence[str],
    *,
    of_sessions: bool,
    told: Callable[[Sequence[Changes]], tuple[Flip, ...]],
) -> Comparison:
    rows: list[Compared] = []
    changed: list[Changes] = []
    said = list(left_out)
    for before, after in pairs:
        tasks = [_task(task, before, after) for task in {**before.tasks, **after.tasks}]
        known = [one for one in tasks if not isinstance(one, str)]
        said += [one for one in tasks if isinstance(one, str)]
        rows += [one.row for one in known]
        changed += [one.changes for one in known]
        rows += [_over_all(known)] if len(known) > 1 else []
    if not rows:
        raise NotMeasured("nothing_shared", "\n".join([f"{titles[0]} and {titles[1]} share no question", *said]))
    return Comparison(*titles, of_sessions, tuple(rows), tuple(dict.fromkeys(said)), told(changed))


@dataclass(frozen=True, slots=True)
class _Task:
    """A row, and what pooling needs of it."""

    row: Compared
    found: Difference
    changes: Changes
    again: float | None


def _task(task: str, before: _Side, after: _Side) -> _Task | str:
    one, other = before.tasks.get(task), after.tasks.get(task)
    if one is None or other is None:
        return f"{task} of {after.name}: answered on one side only"
    if one.labels.get("task_version") != other.labels.get("task_version"):
        return f"{task} of {after.name}: another version of the task"
    shared = sorted({*one.items} & {*other.items})
    if not shared:
        return f"{task} of {after.name}: no question in common; give both the same --samples and --seed"
    first, second = _scores_of(one, shared), _scores_of(other, shared)
    found, changes = difference(second, first), item_differences(second, first)
    errors = rerun_error(first), rerun_error(second)
    again = None if errors[0] is None or errors[1] is None else math.hypot(errors[0], errors[1])
    row = Compared(
        combination=after.name,
        labels=after.labels,
        task=task,
        before=float(first.mean()),
        after=float(second.mean()),
        **_intervals(found, again),
        before_questions=len(one.items),
        after_questions=len(other.items),
        before_runs=len(first),
        after_runs=len(second),
        p_value=_p_value(found, changes),
    )
    sides = ((one, before.last[task]), (other, after.last[task]))
    return _Task(row, found, Changes(after.name, task, sides, shared, changes), again)


def _over_all(tasks: Sequence[_Task]) -> Compared:
    rows, known = [one.row for one in tasks], [one.again for one in tasks if one.again is not None]
    found = pooled([one.found for one in tasks])
    again = math.hypot(*known) / len(tasks) if len(known) == len(tasks) else None
    weighed = np.concatenate([one.changes.changes / len(one.changes.items) for one in tasks])
    return replace(
        rows[0],
        task=None,
        before=math.fsum(row.before for row in rows) / len(rows),
        after=math.fsum(row.after for row in rows) / len(rows),
        **_intervals(found, again),
        before_questions=sum(row.before_questions for row in rows),
        after_questions=sum(row.after_questions for row in rows),
        before_runs=min(row.before_runs for row in rows),
        after_runs=min(row.after_runs for row in rows),
        p_value=permutation(weighed),
    )


def _intervals(found: Difference, again: float | None) -> dict[str, Any]:
    reach = None if again is None else two_sided(CONFIDENCE) * again
    return {
        "difference": found.value,
        "low": found.lower(ALPHA / 2),
        "high": found.upper(ALPHA / 2),
        "again_low": None if reach is None else max(-1.0, found.value - reach),
        "again_high": None if reach is None else min(1.0, found.value + reach),
        "questions": found.questions,
        "worse": found.worse,
        "better": found.better,
    }


def _p_value(found: Difference, changes: NDArray[np.float64]) -> float:
    if {*np.unique(changes).tolist()} <= {-1.0, 0.0, 1.0}:
        return mcnemar(found.worse, found.better)
    return permutation(changes)


def _scores_of(measured: Measurement, items: Sequence[int]) -> NDArray[np.float64]:
    """The scores [runs, items] of these questions."""
    columns = {item: column for column, item in enumerate(measured.items)}
    return np.asarray(measured.samples, dtype=np.float64)[:, [columns[item] for item in items]]
