"""What one setting changed: a draft, a quantization, a limit, or any other label."""

from collections.abc import Iterable, Sequence

from reports.answers.changes import Change
from reports.answers.speeds import Ratio
from reports.observations.evidence import Evidence
from reports.observations.observation import Observation
from reports.wording.sentences import NOT_TOLD_APART, counted, listed, not_told_apart, reach, times
from reports.wording.words import memory, points, signed_points

DRAFT, QUANTIZATION = "draft", "quantization"
MOVED = 0.005
"""A difference of half a point is worth a word."""

UNSPOKEN = {
    (QUANTIZATION, "—"): "what the provider serves",
    (QUANTIZATION, "default"): "what the provider serves",
    (QUANTIZATION, "none"): "unquantized",
}
"""How values read in a sentence."""


def draft_changed_answers(evidence: Evidence) -> Iterable[Observation]:
    """A draft proposes tokens and decides none: answers that are shown to differ are a fault."""
    for change in _of(evidence, DRAFT):
        if change.told_apart in ("yes", "here"):
            said = (
                f"Suspicious: with the draft {change.after}, {change.subject} scores {signed_points(change.difference)}"
                f" points ({_reach(evidence, change)}). A draft must not change answers: look for another"
                " difference between the two before you trust either."
            )
            yield Observation("draft_changed_answers", said, change.combinations, _numbers(change))


def drafts(evidence: Evidence) -> Iterable[Observation]:
    """What drafts changed in speed, and that they did not change answers: in one sentence over all of them."""
    found = _of(evidence, DRAFT)
    if not found:
        return
    same = [change for change in found if change.told_apart == "no"]
    said = [f"{_speeds_of_drafts(found)}; {_answers_of_drafts(evidence, found, same)}."]
    if any(change.difference >= MOVED for change in same):
        said.append("A higher score with a draft is noise until shown: a draft cannot make answers better.")
    about = tuple(dict.fromkeys(name for change in found for name in change.combinations))
    ratios = [change.speed.value for change in found if change.speed is not None]
    yield Observation("draft", " ".join(said), about, {"ratios": ratios, "changes": [_numbers(one) for one in found]})


def each_draft(evidence: Evidence) -> Iterable[Observation]:
    """Every draft of several by itself."""
    found = _of(evidence, DRAFT)
    for change in found if len(found) > 1 else []:
        speed = f"{_times(evidence, change.speed)}, " if change.speed is not None else ""
        said = (
            f"{change.subject} with the draft {_short(change.after)}: {speed}score {signed_points(change.difference)}"
            f" points ({_reach(evidence, change)}){_memory_change(change)}."
        )
        yield Observation("each_draft", said, change.combinations, _numbers(change))


def quantizations(evidence: Evidence) -> Iterable[Observation]:
    """What each quantization costs in points, and what it gains in speed and memory; the dearest first."""
    for change in sorted(_of(evidence, QUANTIZATION), key=lambda one: (one.told_apart == "no", one.difference)):
        gains = f"{_gain(evidence, change)}{_memory_change(change)}"
        said = f"{change.subject}: {_after(change)} {_cost(evidence, change)}{gains}."
        yield Observation("quantization", said, change.combinations, _numbers(change))


def other_settings(evidence: Evidence) -> Iterable[Observation]:
    """What every other setting changed, `max_tokens` first."""
    settings = dict.fromkeys(change.setting for change in evidence.summary.changes)
    for setting in sorted(settings, key=lambda name: name != "max_tokens"):
        if setting not in (DRAFT, QUANTIZATION):
            for change in _of(evidence, setting):
                said = (
                    f"{change.subject}: {setting} {_after(change)} changed the score by"
                    f" {signed_points(change.difference)} points ({_reach(evidence, change)})"
                    f"{_gain(evidence, change)}{_memory_change(change)}."
                )
                yield Observation(setting, said, change.combinations, _numbers(change))


def _of(evidence: Evidence, setting: str) -> list[Change]:
    return [change for change in evidence.summary.changes if change.setting == setting]


def _after(change: Change) -> str:
    return f"{change.after} instead of {UNSPOKEN.get((change.setting, change.before), change.before)}"


def _short(draft: str) -> str:
    """The last part of a hub id."""
    return draft.rpartition("/")[2]


def _speeds_of_drafts(found: Sequence[Change]) -> str:
    quickest: dict[str, Ratio] = {}
    for change in found:
        if change.speed is not None:
            known = quickest.get(change.subject, change.speed)
            quickest[change.subject] = max(change.speed, known, key=lambda ratio: ratio.value)
    if not quickest:
        return f"{counted(len(found), 'draft')} of unknown speed"
    each = [f"{times(ratio.value)} ({subject}{_tied(ratio)})" for subject, ratio in quickest.items()]
    by = ", each with its fastest draft" if len(quickest) < len(found) else ""
    noise = all(ratio.told_apart is False for ratio in quickest.values())
    lead = "With a draft the speed of answering was" if noise else "A draft changed the speed of answering to"
    return f"{lead} {listed(each)}{by}"


def _tied(ratio: Ratio) -> str:
    if ratio.told_apart is not False or ratio.low is None or ratio.high is None:
        return ""
    return f"; {not_told_apart(ratio.low, ratio.high)}"


def _answers_of_drafts(evidence: Evidence, found: Sequence[Change], same: Sequence[Change]) -> str:
    if all(change.told_apart is None for change in found):
        return "whether answers changed is unknown"
    where = "" if len(same) == len(found) else f" in {len(same)} of {len(found)} comparisons"
    most = max(same, key=lambda change: abs(change.difference), default=None)
    largest = f" (the largest: {signed_points(most.difference)} points, {_reach(evidence, most)})" if most else ""
    return f"no change of answers is shown{where}{largest}"


def _reach(evidence: Evidence, change: Change) -> str:
    said = reach(change.low, change.high, evidence.unknown)
    if change.low is None or change.high is None or change.told_apart in (None, "yes"):
        return said
    if change.told_apart == "here":
        again = reach(change.again_low, change.again_high, "").removeprefix("95% interval ")
        return f"{said}; told apart only for these questions, {again} if they are asked again"
    among = f" among {len(evidence.summary.changes)} comparisons" if change.low > 0 or change.high < 0 else ""
    return f"{said}; {NOT_TOLD_APART}{among}"


def _cost(evidence: Evidence, change: Change) -> str:
    moved = f"{signed_points(change.difference)} points ({_reach(evidence, change)})"
    if change.told_apart == "no":
        return f"has no cost that is shown: {moved}"
    if change.difference >= 0:
        return f"scores {moved}"
    return f"costs {points(-change.difference)} points (change: {_reach(evidence, change)})"


def _times(evidence: Evidence, speed: Ratio) -> str:
    said = "; ".join(evidence.of_ratio(speed))
    return f"{times(speed.value)} the speed of answering{f' ({said})' if said else ''}"


def _gain(evidence: Evidence, change: Change) -> str:
    return "" if change.speed is None else f", at {_times(evidence, change.speed)}"


def _memory_change(change: Change) -> str:
    before, after = change.before_memory, change.after_memory
    if not before or not after or memory(before) == memory(after):
        return ""
    return f", in {memory(after)} instead of {memory(before)} GiB"


def _numbers(change: Change) -> dict[str, object]:
    return {
        "setting": change.setting,
        "before": change.before,
        "after": change.after,
        "difference": change.difference,
        "low": change.low,
        "high": change.high,
        "told_apart": change.told_apart,
        "ratio": None if change.speed is None else change.speed.value,
        "ratio_low": None if change.speed is None else change.speed.low,
        "ratio_high": None if change.speed is None else change.speed.high,
        "memory": [change.before_memory, change.after_memory],
    }
