"""What each combination is recommended for, with the numbers that this rests on."""

from collections.abc import Iterable, Mapping

from reports.answers.deployment import LOCAL, deployment
from reports.observations.evidence import Evidence
from reports.observations.observation import Observation
from reports.wording.sentences import listed, tokens_per_second
from reports.wording.words import memory, points


def recommended(evidence: Evidence) -> Iterable[Observation]:
    """A use for each combination that has one; the others together."""
    names = [row.combination for row in evidence.ranked]
    if len(names) < 2:  # noqa: PLR2004 - without a choice there is nothing to recommend
        return
    uses = {name: [*_uses(evidence, name)] for name in names}
    for name, said in uses.items():
        if said:
            numbers = {"mean": evidence.mean(name), "tokens_per_second": evidence.speed(name)}
            yield Observation("recommended", f"Use {evidence.name(name)} {'; '.join(said)}.", (name,), numbers)
    left = [name for name in names if not uses[name]]
    if left:
        yield _without_use(evidence, names[0], left)


def _uses(evidence: Evidence, name: str) -> Iterable[str]:
    best = evidence.ranked[0].combination
    speed = evidence.speed(name)
    at = f", at {tokens_per_second(speed)}" if speed else ""
    if name == best:
        following = evidence.ranked[1].combination
        lead = f"{evidence.points(best, following)} above {evidence.name(following)}"
        if evidence.mean(best) == evidence.mean(following):
            lead = f"as {evidence.name(following)}"
        yield f"where answers count most: {points(evidence.mean(name))}, {lead}{at}"
    elif name == _quickest(evidence) and evidence.surely_faster(name, best):
        ratio = evidence.faster(name, best)
        faster = evidence.times(ratio) if ratio else tokens_per_second(speed or 0.0)
        yield f"where speed counts most: {faster} of {evidence.name(best)}, for {evidence.points(best, name)} less"
    elif name in evidence.summary.front.members and evidence.surely_faster(name, best):
        ratio = evidence.faster(name, best)
        faster = evidence.times(ratio) if ratio else tokens_per_second(speed or 0.0)
        yield f"as a middle way: {faster} of {evidence.name(best)}, for {evidence.points(best, name)} less"
    if name != best and name == _best_local(evidence):
        yield f"where it must run locally: {points(evidence.mean(name))}, {evidence.points(best, name)} below the best"
    yield from _on_tasks(evidence, name, best)
    yield from _in_little_memory(evidence, name)


def _on_tasks(evidence: Evidence, name: str, best: str) -> Iterable[str]:
    """The tasks on which it is shown to be best, or without any interval is, where another is best over all."""
    if name == best:
        return
    for task in evidence.summary.tasks:
        first, *others = [row.combination for row in evidence.scored(task)]
        if first == name and others and _leads(evidence, first, others[0], task):
            lead = f"{evidence.points(first, others[0], task)} above {evidence.name(others[0])}"
            yield f"for {evidence.tasks[task]} alone: {points(evidence.mean(name, task))}, {lead}"


def _leads(evidence: Evidence, first: str, second: str, task: str) -> bool:
    gap = evidence.gap(first, second, task)
    further = points(evidence.mean(first, task)) != points(evidence.mean(second, task))
    return further and (evidence.plain or (gap is not None and gap.told_apart is True))


def _in_little_memory(evidence: Evidence, name: str) -> Iterable[str]:
    """The least memory of those that cannot be told apart from the best, where that is less than the best has."""
    needed = _memory(evidence)
    best = evidence.ranked[0].combination
    if name not in needed or name == best:
        return
    tied = [one for one in evidence.tied(best, needed) if one in needed]
    least = min(tied, key=lambda one: needed[one], default=None)
    less = best not in needed or needed[name] < needed[best]
    if least == name and less and memory(needed[name]) != memory(needed.get(best)):
        below = evidence.points(best, name)
        yield f"where memory is short: {memory(needed[name])} GiB, {below} below the best"


def _memory(evidence: Evidence) -> Mapping[str, int]:
    return {row.combination: row.engine_memory for row in evidence.ranked if row.engine_memory}


def _quickest(evidence: Evidence) -> str | None:
    timed = {row.combination: row.output_tokens_per_second for row in evidence.ranked if row.output_tokens_per_second}
    return max(timed, key=lambda name: timed[name], default=None)


def _best_local(evidence: Evidence) -> str | None:
    """Where some run elsewhere."""
    places = {row.combination: deployment(row) for row in evidence.ranked}
    here = [name for name, place in places.items() if place == LOCAL]
    return here[0] if here and len(here) < len(places) else None


def _without_use(evidence: Evidence, best: str, left: list[str]) -> Observation:
    """Apart: those that may be as good as the best as far as the questions tell."""
    tied = [name for name in evidence.tied(best, left) if name not in evidence.beaten]
    worse = [name for name in left if name not in tied]
    said = []
    if worse:
        said.append(
            f"These numbers show no use for {listed(evidence.called(worse))}: others score higher or are faster."
        )
    if tied:
        verb = "is" if len(tied) == 1 else "are"
        alike = f"{listed(evidence.called(tied))} {verb} not told apart from {evidence.name(best)} in accuracy"
        said.append(f"{alike}, and ahead in nothing that is shown.")
    return Observation("no_use_shown", " ".join(said), tuple(left), {"worse": worse, "not_told_apart": tied})
