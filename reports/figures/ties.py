"""Groups of combinations that cannot be told apart, as few as show every tie."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

Ties = Mapping[str, AbstractSet[str]]


def groups(ties: Ties, order: Sequence[str]) -> list[list[str]]:
    """Groups in which each is tied with each, so that two are tied exactly if some group holds both.

    Each group begins with the topmost tie that no group shows yet (Piepho, J. Comput. Graph. Stat. 13, 2004, draws such
    groups as letters). One that is tied with none is in no group.
    """
    both = {name: {one for one in ties.get(name, ()) if name in ties.get(one, ())} for name in order}
    left = {name: set(others) for name, others in both.items()}
    found: list[list[str]] = []
    for name in order:
        while left[name]:
            group = _grown(name, both, left, order)
            for one in group:
                left[one] -= set(group)
            found.append(group)
    return found


def _grown(first: str, both: Ties, left: Ties, order: Sequence[str]) -> list[str]:
    """The first and whoever is tied with all in the group, those whose tie with the first is not shown yet first."""
    group = {first}
    for name in [*(name for name in order if name in left[first]), *order]:
        if name not in group and group <= both[name]:
            group.add(name)
    return [name for name in order if name in group]
