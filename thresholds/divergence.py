"""Whether a draft changes answers: where greedy answers first differ, and whether the target was sure of its token.

A draft may change nothing but the speed: the target checks every token. It checks several at once, though, and rounding
then differs from that of one token at a time, so that a near-tie may go either way; anything else is a defect.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Direction, Measurement, Metric, NotMeasured, title
from thresholds.statistics.shares import exact
from thresholds.verdict import Outcome, Verdict, failed_load, not_measured

NEAR_TIE = 0.5
"""Nats between the two tokens up to which rounding may have decided.

bf16 has 8 significant bits: between 16 and 32, where the largest logits of most models lie, its steps are
2^4 / 2^7 = 0.125. Two logits are compared, in two computations (with the draft and without), and each of the four
values may lie one step off: half a step by its own rounding, as much again by what the layers below have rounded
otherwise. 4 x 0.125 = 0.5: less never shows a defect, and more does not come of rounding. Noise that has a standard
deviation of one such step in each logit reaches further: of 1,000 changed tokens 22 lie beyond by one computation of
the margin, and 3 by the smaller of two (simulated), so that what would be a defect is asked for twice.
"""

DRAFT_DEFECTS = Metric("draft_defects", "share of the answers", Direction.LOWER, 0.0, 1.0)
"""Greedy answers that a draft changes where the target was sure of its token / answers compared."""

SHOWN = 3
"""Defects that a verdict spells out; its details hold all that differ."""
LONGEST_BEFORE = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """The first token in which the answer with a draft differs from the one without.

    Attributes:
        item: Position of the question in its task.
        position: Of the token in the answer (0 is the first).
        before: The end of the text that both have in common; the prompt's where they begin differently.
        target, drafted: The two tokens; END for an answer that ends there.
        margin: Log-probability of the target's token minus that of the drafted one, by the engine without a draft, in
            nats; None where it does not tell.
        at_least: The margin is at least so large: the drafted token is not among those that the engine tells of.
        cut_short: The answer with a draft stops at its limit before it has as many tokens as were asked for.
    """

    item: int
    position: int
    before: str
    target: str
    drafted: str
    margin: float | None = None
    at_least: bool = False
    cut_short: bool = False

    @property
    def kind(self) -> str:
        """One of "near-tie", "defect", and "unknown" where no margin says."""
        if self.cut_short:
            return "defect"
        if self.margin is None or (self.at_least and abs(self.margin) <= NEAR_TIE):
            return "unknown"
        return "near-tie" if abs(self.margin) <= NEAR_TIE else "defect"

    def plain(self) -> dict[str, Any]:
        """For JSON, with its kind."""
        return {**asdict(self), "kind": self.kind}


END = "(end)"


def first_difference(target: Sequence[object], drafted: Sequence[object]) -> int | None:
    """The position of the first token that differs, one that only one of the answers has included; None if none."""
    tokens = enumerate(zip_longest(target, drafted))
    return next((position for position, (one, other) in tokens if one != other), None)


@dataclass(frozen=True, slots=True)
class Compared:
    """Greedy answers of a combination with and without its draft.

    Attributes:
        items: Positions of the questions whose answers were compared.
        tokens: The most that an answer was allowed to have.
        failed_requests: Questions left out because one side did not answer.
        causes: Why, each once.
    """

    items: tuple[int, ...]
    differences: tuple[Difference, ...]
    tokens: int
    failed_requests: int = 0
    causes: tuple[str, ...] = ()


def measured(compared: Compared, labels: Mapping[str, Any]) -> Measurement:
    """The share of defects: 1 for each answer that is one.

    Raises:
        NotMeasured: No answer could be compared.
    """
    wrong = {one.item for one in compared.differences if one.kind == "defect"}
    if not compared.items:
        why = "; ".join(compared.causes) or "the task has no question that fits"
        raise NotMeasured("no_answers", f"no answers could be compared: {why}")
    return Measurement(
        metric=DRAFT_DEFECTS,
        samples=(tuple(float(item in wrong) for item in compared.items),),
        labels=labels,
        population=len(compared.items),
        failed_requests=compared.failed_requests,
        items=compared.items,
    )


def unchanged(measurement: Measurement, compared: Compared) -> Verdict:
    """Hold the share of defects against its ceiling of 0.

    FAIL with a single defect, INCONCLUSIVE when a difference could not be classified, NOT_MEASURED when requests
    failed, PASS otherwise.
    """
    labels, kinds = measurement.labels, Counter(one.kind for one in compared.differences)
    if compared.failed_requests:
        said = failed_load(compared.failed_requests, compared.causes)
        return not_measured(DRAFT_DEFECTS.name, labels, "failed_requests", said)
    outcome, reason = (
        (Outcome.FAIL, "answers_changed")
        if kinds["defect"]
        else (Outcome.INCONCLUSIVE, "margin_unknown")
        if kinds["unknown"]
        else (Outcome.PASS, "no_answer_changed")
    )
    count, low_high = len(compared.items), exact(kinds["defect"], len(compared.items), CONFIDENCE)
    lines = [
        f"{title(DRAFT_DEFECTS.name, labels)}: {outcome} - {_said(kinds, count)}",
        f"measured  {kinds['defect']} of {count} answers ({_numbers(kinds, compared, low_high[1])})",
        f"required  <= 0   a draft changes no answer, except where two tokens are within {NEAR_TIE} nats",
        *[_line(one) for one in compared.differences if one.kind in ("defect", "unknown")][:SHOWN],
    ]
    return Verdict(
        outcome=outcome,
        reason=reason,
        metric=DRAFT_DEFECTS.name,
        labels=labels,
        lines=tuple(lines),
        measured=measurement.value,
        low=low_high[0],
        high=low_high[1],
        required=0.0,
        headroom=-measurement.value,
        details=_details(compared, kinds),
    )


def _said(kinds: Mapping[str, int], count: int) -> str:
    if kinds.get("defect"):
        return f"{kinds['defect']} of {count} answers changed where the target was sure of its token"
    if kinds.get("unknown"):
        return f"{kinds['unknown']} of {count} answers changed, and the engine does not tell how sure it was"
    if kinds.get("near-tie"):
        return f"answers changed only where two tokens were as good as equal ({kinds['near-tie']} of {count})"
    return "no answer changed"


def _numbers(kinds: Mapping[str, int], compared: Compared, high: float) -> str:
    same = len(compared.items) - len(compared.differences)
    unknown = f", {kinds['unknown']} unknown" if kinds.get("unknown") else ""
    numbers = f"{same} the same, {kinds.get('near-tie', 0)} near-ties{unknown}; up to {compared.tokens} tokens each"
    return f"{numbers}; {CONFIDENCE:.0%} interval up to {100 * high:.1f} %"


def _line(one: Difference) -> str:
    margin = "unknown" if one.margin is None else f"{'at least ' if one.at_least else ''}{one.margin:.2f} nats"
    change = f"{one.target!r} -> {one.drafted!r}"
    if one.cut_short:
        margin, change = "none, it was cut off early", f"{one.target!r} -> {END}"
    return f"{one.kind:<9} question {one.item}, token {one.position}: {_short(one.before)} {change}, margin {margin}"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= LONGEST_BEFORE else f"…{words[1 - LONGEST_BEFORE :]}")


def _details(compared: Compared, kinds: Mapping[str, int]) -> dict[str, Any]:
    return {
        "answers": len(compared.items),
        "same": len(compared.items) - len(compared.differences),
        "near_ties": kinds.get("near-tie", 0),
        "defects": kinds.get("defect", 0),
        "unknown": kinds.get("unknown", 0),
        "tokens": compared.tokens,
        "near_tie": NEAR_TIE,
        "differences": [one.plain() for one in compared.differences],
    }
