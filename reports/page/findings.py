"""Summary -> the top of the page: the verdict in one sentence, what did not pass, and what the numbers say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reports.page.places import places
from reports.summary import NotPassed, Summary
from reports.wording.words import count
from thresholds.verdict import Outcome

SHORT_REMARK = 420
"""Letters of an observation that is shown whole."""

FIRST_WORDS = 40
"""Letters after which the first sentence of a longer one may end."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict in one sentence, and how many gates ended how."""

    outcome: str | None
    text: str
    counts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate that did not pass: what it is, what was decided, and the rest of its lines."""

    outcome: str
    subject: str
    combination: str
    name: str
    against: str
    said: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Remark:
    """An observation; of a long one, what follows its first sentence stands in `more`."""

    kind: str
    first: str
    more: str
    about: Sequence[str]


def headline(summary: Summary) -> Headline:
    """Whether everything passed; a study has no gates."""
    counts = {name: summary.verdicts.get(name, 0) for name in map(str, Outcome)}
    told, passed = sum(counts.values()), counts[Outcome.PASS]
    shown_counts = [(name, count(number)) for name, number in counts.items() if number]
    if summary.source is not None:
        return Headline(None, "Published results: they were held against no thresholds.", [])
    if not told:
        return Headline(None, "Measured, and held against no thresholds.", [])
    gates = "the only gate" if told == 1 else f"all {count(told)} gates"
    if passed == told:
        return Headline("pass", f"Passed {gates}.", shown_counts)
    worst = next(name for name in ("FAIL", "NOT_MEASURED", "INCONCLUSIVE") if counts[name])
    said = f"{count(told - passed)} of {count(told)} gates did not pass." if told > 1 else "The only gate did not pass."
    return Headline(worst.lower(), said, shown_counts)


def refusals(told: Iterable[NotPassed], called: Mapping[str, str]) -> list[Refusal]:
    """Every verdict that is not PASS; combinations by their short names, where they have one."""
    return [_refusal(one, called) for one in told]


def remarks(summary: Summary) -> list[Remark]:
    """The observations, with the combinations that have a part here."""
    known = places(summary)
    return [
        Remark(one.kind.replace("_", " "), *_folded(one.text), [name for name in one.about if name in known])
        for one in summary.observations
    ]


def _folded(text: str) -> tuple[str, str]:
    end = re.search(r"[.:;] ", text[FIRST_WORDS:])
    if len(text) <= SHORT_REMARK or end is None:
        return text, ""
    at = FIRST_WORDS + end.end()
    return text[:at].rstrip(), text[at:]


def _refusal(told: NotPassed, called: Mapping[str, str]) -> Refusal:
    first, *rest = told.lines or ("",)
    said = first.partition(told.outcome)[2].lstrip(" -") or told.reason
    statistic = f" {told.statistic}" if told.statistic else ""
    return Refusal(
        outcome=told.outcome,
        subject=f"{told.metric.replace('_', ' ')}{statistic}, {told.workload or told.task}",
        combination=told.combination,
        name=called.get(told.combination, told.combination),
        against=f" against {called.get(told.against, told.against)}" if told.against else "",
        said=said,
        lines=rest,
    )
