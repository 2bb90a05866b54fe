"""What one setting changed in published results: a draft, a limit, a quantization, or any two that are named."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import combinations
from statistics import fmean, variance

from reports.published.standings import Entry, entries_of, entry_of, lead_interval
from reports.published.studies import PublishedRun, Study, thousands
from reports.wording.layout import UNKNOWN
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import NotMeasured
from thresholds.statistics.ranks import holm
from thresholds.statistics.runs import student_reach

SETTINGS = ("quantization", "kv_cache", "max_tokens")
"""What may differ between two rows of a study; a draft may also differ within one."""

NO_DRAFT = "no draft"


@dataclass(frozen=True, slots=True)
class Change:
    """Two configurations of a study, the later named against the first. Shares of 1; None is unknown.

    Attributes:
        setting: What alone differs between them; None when they were named.
        subject: What they have in common; None when they were named.
        before, after: The two values of the setting, or their names.
        difference: After minus before; low, high: its 95 % interval about other questions of this kind, unpaired.
        again_low, again_high: Its 95 % interval about another run of the same questions: Student's t over the runs,
            with a common run-to-run deviation; None for one run each, or when no run differed.
        p_value, again_p_value: Of no difference, under either question.
        told_apart: "yes" when it is shown about other questions; "here" when only about these; else "no".
    """

    setting: str | None
    subject: str | None
    before: str
    after: str
    before_mean: float
    after_mean: float
    before_runs: int
    after_runs: int
    difference: float
    low: float | None
    high: float | None
    again_low: float | None
    again_high: float | None
    p_value: float | None
    again_p_value: float | None
    told_apart: str


def changes_of(study: Study) -> list[Change]:
    """Every two configurations that differ in one setting; rows pool runs with and without a draft, as the study does.

    Told apart by Holm's adjusted p-values over all of them, at 5 %.
    """
    found = []
    for setting, first, second in pairs_of(study):
        values = [_shown_setting(study, entry, setting) for entry in (first, second)]
        subject = first.published[0].model_copy(update={setting: None}).name
        found.append(
            replace(_change(first, second), setting=setting, subject=subject, before=values[0], after=values[1])
        )
    return _judged(found)


def change_between(study: Study, first: str, second: str) -> Change:
    """Two configurations by name.

    Raises:
        NotMeasured: A name fits none or several, or both fit the same.
    """
    entries = [find(study, wanted) for wanted in (first, second)]
    if entries[0].published == entries[1].published:
        raise NotMeasured("same", f"{first!r} and {second!r} both name {entries[0].name}; name two configurations")
    return _judged([_change(*entries)])[0]


def find(study: Study, wanted: str) -> Entry:
    """The configuration of this name: its own or the study's, a pattern, or words of it; case does not matter.

    Raises:
        NotMeasured: It fits none, or several.
    """
    known = _named(study)
    asked = wanted.casefold()
    tests = (
        lambda name: name.casefold() == asked,
        lambda name: fnmatchcase(name.casefold(), asked),
        lambda name: all(word in name.casefold() for word in asked.split()),
    )
    for fits in tests:
        found = {entry.published: entry for name, entry in known.items() if fits(name)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            names = "\n".join(f"  {entry.name}" for entry in found.values())
            raise NotMeasured("ambiguous", f"{wanted!r} fits several configurations of {study.name}:\n{names}")
    names = "\n".join(f"  {name}" for name in dict.fromkeys(entry.name for entry in known.values()))
    raise NotMeasured("unknown", f"{wanted!r} fits no configuration of {study.name}; there are:\n{names}")


def _named(study: Study) -> dict[str, Entry]:
    named: dict[str, Entry] = {}
    for row in entries_of(study):
        named |= {row.name: row, row.label: row}
    for row in entries_of(study):
        named |= {part.name: part for part in _by_draft(study, row).values()}
    return named


def _by_draft(study: Study, row: Entry) -> dict[str | None, Entry]:
    """The parts of a row by its drafts, without one first; empty where all its runs have the same."""
    drafts: dict[str | None, list[PublishedRun]] = {}
    for run in sorted(row.published, key=lambda run: run.draft or ""):
        drafts.setdefault(run.draft, []).append(run)
    if len(drafts) == 1:
        return {}
    return {draft: entry_of(study, f"{row.name}, {draft_name(draft)}", runs) for draft, runs in drafts.items()}


def draft_name(draft: str | None) -> str:
    """The last part of a hub id."""
    return NO_DRAFT if draft is None else f"draft {draft.rpartition('/')[2]}"


def pairs_of(study: Study) -> Iterator[tuple[str, Entry, Entry]]:
    """Setting, before and after of every two configurations that differ in one setting, as `changes_of` tells them."""
    rows = entries_of(study)
    for row in rows:
        parts = _by_draft(study, row)
        if None in parts:
            yield from (("draft", parts[None], part) for draft, part in parts.items() if draft is not None)
    alike = [pair for pair in combinations(rows, 2) if pair[0].published[0].model == pair[1].published[0].model]
    for setting in reversed(SETTINGS):
        for one, other in alike:
            if _differ(study, one, other) == [setting]:
                yield (setting, other, one) if setting == "max_tokens" else (setting, one, other)


def _differ(study: Study, one: Entry, other: Entry) -> list[str]:
    return [name for name in SETTINGS if _setting(study, one, name) != _setting(study, other, name)]


def _setting(study: Study, entry: Entry, name: str) -> object:
    value = getattr(entry.published[0], name)
    return study.about.default_max_tokens if name == "max_tokens" and value is None else value


def _shown_setting(study: Study, entry: Entry, name: str) -> str:
    if name == "draft":
        return draft_name(entry.published[0].draft).removeprefix("draft ")
    value = _setting(study, entry, name)
    return UNKNOWN if value is None else thousands(value) if isinstance(value, int) else str(value)


def _change(first: Entry, second: Entry) -> Change:
    shared = [task for task in first.tasks if task in second.tasks]
    one, other = (replace(entry, tasks={task: entry.tasks[task] for task in shared}) for entry in (first, second))
    runs = [
        [fmean(means) for means in zip(*(entry.tasks[task].runs for task in shared), strict=False)]
        for entry in (one, other)
    ]
    difference = other.mean - one.mean
    low, high = lead_interval(difference, one.error, other.error)
    again_low, again_high, again_p_value = _again(difference, runs[0], runs[1])
    return Change(
        setting=None,
        subject=None,
        before=first.name,
        after=second.name,
        before_mean=one.mean,
        after_mean=other.mean,
        before_runs=len(runs[0]),
        after_runs=len(runs[1]),
        difference=difference,
        low=low,
        high=high,
        again_low=again_low,
        again_high=again_high,
        p_value=_normal(difference, one.error, other.error),
        again_p_value=again_p_value,
        told_apart="no",
    )


def _again(
    difference: float, first: Sequence[float], second: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """Student's interval and p-value of a difference of run means, with a common deviation (Biometrika 6, 1908)."""
    degrees = len(first) + len(second) - 2
    squares = sum(variance(runs) * (len(runs) - 1) for runs in (first, second) if len(runs) > 1)
    if degrees < 1 or squares == 0:  # runs that happen to agree are no certainty
        return None, None, None
    error = math.sqrt(squares / degrees * (1 / len(first) + 1 / len(second)))
    reach = student_reach(0.5 + CONFIDENCE / 2, degrees) * error
    from scipy.special import stdtr  # type: ignore[import-untyped]

    p_value = 2 * float(stdtr(degrees, -abs(difference) / error))
    return max(-1.0, difference - reach), min(1.0, difference + reach), p_value


def _normal(difference: float, *errors: float | None) -> float | None:
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return None
    return math.erfc(abs(difference) / math.hypot(*known) / math.sqrt(2))


def _judged(changes: Sequence[Change]) -> list[Change]:
    anywhere = _shown({number: one.p_value for number, one in enumerate(changes)})
    here = _shown({number: one.again_p_value for number, one in enumerate(changes)})
    said = ["yes" if number in anywhere else "here" if number in here else "no" for number in range(len(changes))]
    return [replace(one, told_apart=word) for one, word in zip(changes, said, strict=True)]


def _shown(p_values: Mapping[int, float | None]) -> set[int]:
    adjusted = holm({(str(number), ""): p for number, p in p_values.items() if p is not None})
    return {int(pair[0]) for pair, p in adjusted.items() if p <= 1 - CONFIDENCE}
