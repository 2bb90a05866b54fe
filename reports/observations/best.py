"""Who answers best: over all tasks, on each of them, and of those that run on one's own machine."""

from collections.abc import Iterable, Sequence

from reports.answers.deployment import LOCAL, deployment
from reports.answers.rows import Row
from reports.observations.evidence import Evidence
from reports.observations.observation import Observation
from reports.wording.sentences import interval, listed
from reports.wording.words import points

FEW = 4
"""Names that a sentence has room for."""


def best_overall(evidence: Evidence) -> Iterable[Observation]:
    """The highest mean, its lead over the next, and whom it cannot be told apart from."""
    ranked = evidence.ranked
    if len(ranked) < 2:  # noqa: PLR2004 - one alone is best of nothing
        yield from _alone(evidence)
        return
    first, *others = [row.combination for row in ranked]
    equal = [one for one in others if evidence.mean(one) == evidence.mean(first)]
    if len(equal) == len(others):
        said = f"All {len(ranked)} combinations have the same {_of(evidence)}: {points(ranked[0].mean)}."
        yield Observation("all_equal", said, (first, *others), {"mean": ranked[0].mean})
        return
    below = next(one for one in others if one not in equal)
    tied = evidence.tied(first, others)
    who = f"{listed(evidence.called([first, *equal]))} {'share' if equal else 'has'}"
    lead = f"{evidence.points(first, below)} above {evidence.name(below)}"
    told = [f"{who} the highest {_of(evidence)}: {_score(evidence, ranked[0])}, {lead}."]
    told += [*_leads(evidence, first), *_ties(evidence, tied, others)]
    gap = evidence.gap(first, below)
    numbers = {
        "mean": ranked[0].mean,
        "lead": evidence.mean(first) - evidence.mean(below),
        "low": gap.low if gap else None,
        "high": gap.high if gap else None,
        "ties": tied,
    }
    yield Observation("best_overall", " ".join(told), (first, *equal, below), numbers)


def best_local(evidence: Evidence) -> Iterable[Observation]:
    """The best that runs on one's own machine, where the best of all does not."""
    here = [row for row in evidence.ranked if deployment(row) == LOCAL]
    if not here or here[0] is evidence.ranked[0]:
        return
    first, top = here[0].combination, evidence.ranked[0].combination
    following = [row.combination for row in here[1:]]
    above = f", {evidence.points(first, following[0])} above {evidence.name(following[0])}" if following else ""
    said = [
        f"{evidence.name(first)} is the best that runs locally: {_score(evidence, here[0])}{above}.",
        f"{evidence.name(top)} is {evidence.points(top, first)} better.",
    ]
    numbers = {"mean": here[0].mean, "behind": evidence.mean(top) - evidence.mean(first)}
    yield Observation("best_local", " ".join(said), (first, *following[:1], top), numbers)


def best_of_task(evidence: Evidence) -> Iterable[Observation]:
    """The best on each of several tasks, with those that cannot be told apart from it."""
    if len(evidence.summary.tasks) < 2:  # noqa: PLR2004 - of one task the ranking says it
        return
    for task in evidence.summary.tasks:
        names = [row.combination for row in evidence.scored(task)]
        if len(names) > 1:
            yield _on_task(evidence, task, names)


def largest_gap(evidence: Evidence) -> Iterable[Observation]:
    """The task on which the best and the worst lie furthest apart."""
    found = {}
    for task in evidence.summary.tasks:
        names = [row.combination for row in evidence.scored(task)]
        if len(names) > 1:
            found[task] = (names[0], names[-1])
    if not found:
        return
    task, (best, worst) = max(found.items(), key=lambda one: _distance(evidence, one[0], *one[1]))
    distance = _distance(evidence, task, best, worst)
    if distance == 0:
        return
    both = (
        f"{evidence.name(best)} ({points(evidence.mean(best, task))}) and {evidence.name(worst)}"
        f" ({points(evidence.mean(worst, task))})"
    )
    apart = evidence.points(best, worst, task)
    said = f"The best and the worst lie {apart} apart: {both}."
    if len(evidence.summary.tasks) > 1:
        said = f"The largest gap is on {evidence.tasks[task]}: {apart} between {both}."
    yield Observation("largest_gap", said, (best, worst), {"task": task, "difference": distance})


def _on_task(evidence: Evidence, task: str, names: Sequence[str]) -> Observation:
    first, *others = names
    score = evidence.mean(first, task)
    equal = [one for one in others if points(evidence.mean(one, task)) == points(score)]
    tied = [one for one in evidence.tied(first, others, task) if one not in equal]
    below = next((one for one in others if one not in equal), None)
    said = f"{evidence.tasks[task]}: {listed(evidence.called([first, *equal]))}"
    if below is None:
        said += f" have the same score, {points(score)}."
    else:
        gap = evidence.gap(first, below, task)
        alone = "scores highest" if gap is not None and gap.told_apart is False else "is best"
        lead = f"{evidence.points(first, below, task)} above {evidence.name(below)}"
        said += f" {'share the highest score' if equal else alone}: {points(score)}, {lead}."
    more = [one for one in tied if one != below]
    if more:
        said += f" Not told apart from it either: {listed(evidence.called(more))}."
    numbers = {"task": task, "score": score, "ties": [*equal, *tied]}
    return Observation("best_of_task", said, (first, *equal, *([] if below is None else [below])), numbers)


def _alone(evidence: Evidence) -> Iterable[Observation]:
    for row in evidence.ranked:
        said = f"{evidence.name(row.combination)} has a {_of(evidence)} of {_score(evidence, row)}."
        yield Observation(
            "alone", f"{said} There is no other to compare it with.", (row.combination,), {"mean": row.mean}
        )


def _of(evidence: Evidence) -> str:
    tasks = len(evidence.summary.tasks)
    return f"mean over {tasks} tasks" if tasks > 1 else "score"


def _score(evidence: Evidence, row: Row) -> str:
    low, high = evidence.interval(row)
    return f"{points(row.mean)}" if evidence.plain else f"{points(row.mean)} ({interval(low, high, evidence.unknown)})"


def _leads(evidence: Evidence, first: str) -> list[str]:
    """On how many tasks it has the highest score."""
    tasks = evidence.summary.tasks
    led = [
        task
        for task in tasks
        if evidence.mean(first, task) >= evidence.mean(evidence.scored(task)[0].combination, task)
    ]
    if len(tasks) < 2 or not led:  # noqa: PLR2004 - of one task there is nothing to count
        return []
    if len(led) == len(tasks):
        return ["It has the highest score on every task."]
    named = listed([evidence.tasks[task] for task in led])
    return [f"It has the highest score on {len(led)} of {len(tasks)} tasks: {named}."]


def _ties(evidence: Evidence, tied: Sequence[str], others: Sequence[str]) -> list[str]:
    """By name where they are few, else down to the last where none between them is told apart."""
    if not tied or len(others) == 1:
        return []
    if len(tied) == len(others):
        return ["It cannot be told apart from any other."]
    last = tied[-1]
    if len(tied) > FEW and [*others[: len(tied)]] == [*tied]:
        down = f", down to {evidence.name(last)} ({points(evidence.mean(last))})"
        return [f"It cannot be told apart from the next {len(tied)}{down}."]
    return [f"It cannot be told apart from {listed(evidence.called(tied))}."]


def _distance(evidence: Evidence, task: str, best: str, worst: str) -> float:
    return evidence.mean(best, task) - evidence.mean(worst, task)
