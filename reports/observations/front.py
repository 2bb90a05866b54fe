"""Accuracy against speed: who is beaten in both, who is fastest, and what one is paid for with the other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from reports.observations.evidence import Evidence
from reports.observations.observation import Observation
from reports.wording.sentences import NOT_TOLD_APART, counted, listed, tokens_per_second
from reports.wording.words import points

ONE_BY_ONE = 3
"""Up to so many that are dominated by the same one are told one by one."""


def dominated(evidence: Evidence) -> Iterable[Observation]:
    """Those that another one beats in accuracy and in speed, and is told apart from in one of them."""
    beaten: dict[str, list[str]] = defaultdict(list)
    for name, dominator in evidence.beaten.items():
        beaten[dominator].append(name)
    for dominator, names in beaten.items():
        if len(names) <= ONE_BY_ONE:
            yield from (_beaten(evidence, dominator, name) for name in names)
        else:
            yield _all_beaten(evidence, dominator, names)


def fastest(evidence: Evidence) -> Iterable[Observation]:
    """The most tokens per second, and what they cost in points."""
    timed = [row.combination for row in evidence.ranked if evidence.speed(row.combination)]
    if len(timed) < 2:  # noqa: PLR2004 - one alone is fastest of nothing
        return
    best, quick = timed[0], max(timed, key=lambda name: evidence.speed(name) or 0.0)
    speed = evidence.speed(quick) or 0.0
    if best == quick:
        return
    ratio = evidence.faster(quick, best)
    tied = [one for one in timed if one != quick and not evidence.surely_faster(quick, one)]
    said = [f"{evidence.name(quick)} {'has the most output tokens/s' if tied else 'is the fastest'}: "]
    said += [f"{evidence.times(ratio)} of {evidence.name(best)}" if ratio else tokens_per_second(speed)]
    said += [f". It scores {evidence.points(best, quick)} lower"]
    lowest = evidence.ranked[-1].combination == quick
    said += [", the lowest of all." if lowest else "."]
    said += [_as_fast(evidence, tied, len(timed) - 1), _weakest(evidence, quick)]
    numbers = {
        "tokens_per_second": speed,
        "ratio": ratio.value if ratio else None,
        "cost": evidence.mean(best) - evidence.mean(quick),
        "ties": tied,
    }
    yield Observation("fastest", "".join(said), (quick, best), numbers)


def trade_off(evidence: Evidence) -> Iterable[Observation]:
    """Neighbours on the front that differ in what is shown, where there are more than the best and the fastest."""
    members = evidence.summary.front.members
    if len(members) < 3:  # noqa: PLR2004 - of two `fastest` tells
        return
    for accurate, quick in pairwise(members):
        ratio, gap = evidence.faster(quick, accurate), evidence.gap(accurate, quick)
        shown = evidence.surely_faster(quick, accurate) or (gap is not None and gap.told_apart is True)
        if ratio is None or not shown:
            continue
        said = (
            f"Trade-off: {evidence.name(accurate)} scores {evidence.points(accurate, quick)} higher;"
            f" {evidence.name(quick)} has {evidence.times(ratio)}."
        )
        numbers = {"points": evidence.mean(accurate) - evidence.mean(quick), "ratio": ratio.value}
        yield Observation("trade_off", said, (accurate, quick), numbers)


def _beaten(evidence: Evidence, dominator: str, name: str) -> Observation:
    one, other = evidence.mean(dominator), evidence.mean(name)
    ratio = evidence.faster(dominator, name)
    scores = f"{points(one)} against {points(other)}"
    known = scores if evidence.plain else f"{scores}; {evidence.apart(dominator, name)}"
    said = (
        f"{evidence.name(name)} is Pareto-dominated by {evidence.name(dominator)} in aggregate:"
        f" {evidence.name(dominator)} scores {points(one - other)} points higher ({known})"
    )
    said += f" at {evidence.times(ratio)}." if ratio else "."
    led = [task for task in _shared(evidence, dominator, name) if _ahead(evidence, task, name, dominator)]
    if led:
        said += f" Even so it is ahead on {listed([_scores(evidence, task, name, dominator) for task in led])}."
    numbers = {"points": one - other, "ratio": ratio.value if ratio else None, "ahead_on": led}
    return Observation("dominated", said, (name, dominator), numbers)


def _ahead(evidence: Evidence, task: str, one: str, other: str) -> bool:
    """By more than rounding hides."""
    scores = evidence.mean(one, task), evidence.mean(other, task)
    return scores[0] > scores[1] and points(scores[0]) != points(scores[1])


def _scores(evidence: Evidence, task: str, one: str, other: str) -> str:
    return f"{evidence.tasks[task]} ({points(evidence.mean(one, task))} against {points(evidence.mean(other, task))})"


def _all_beaten(evidence: Evidence, dominator: str, names: Sequence[str]) -> Observation:
    tied = set(evidence.tied(dominator, names))
    shown = [name for name in names if name not in tied]
    clear = [f"{evidence.name(name)} by {evidence.points(dominator, name)}" for name in shown]
    said = (
        f"{evidence.name(dominator)} ({points(evidence.mean(dominator))},"
        f" {tokens_per_second(evidence.speed(dominator) or 0.0)}) Pareto-dominates {counted(len(names), 'other')}:"
        " none of them is faster or scores higher."
    )
    said += f" It beats {listed(clear)}." if clear else ""
    said += (
        f" Shown to be slower, in accuracy {NOT_TOLD_APART} from it:"
        f" {listed(evidence.called([n for n in names if n in tied]))}."
        if tied
        else ""
    )
    return Observation(
        "dominated", said, (dominator, *names), {"shown": shown, NOT_TOLD_APART.replace(" ", "_"): [*tied]}
    )


def _as_fast(evidence: Evidence, tied: Sequence[str], others: int) -> str:
    """From whom the fastest cannot be told apart in speed."""
    if not tied:
        return ""
    whom = "any other" if len(tied) == others else listed(evidence.called(tied))
    return f" In speed it cannot be told apart from {whom}."


def _weakest(evidence: Evidence, name: str) -> str:
    """The task on which it lies furthest below the best, of several."""
    behind = {
        task: evidence.mean(ordered[0].combination, task) - evidence.mean(name, task)
        for task in evidence.summary.tasks
        if (ordered := evidence.scored(task)) and name in {row.combination for row in ordered}
    }
    if len(behind) < 2 or max(behind.values()) <= 0:  # noqa: PLR2004 - of one task there is no weakest
        return ""
    task = max(behind, key=lambda one: behind[one])
    best = evidence.scored(task)[0].combination
    return (
        f" Its weakest task is {evidence.tasks[task]}: {points(evidence.mean(name, task))},"
        f" {evidence.points(best, name, task)} below {evidence.name(best)}."
    )


def _shared(evidence: Evidence, one: str, other: str) -> list[str]:
    rows = (evidence.row(one), evidence.row(other))
    return [
        task
        for task in evidence.summary.tasks
        if all(task in row.tasks and row.tasks[task].mean is not None for row in rows)
    ]
