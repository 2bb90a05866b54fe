"""A candidate held against what it is to replace, question by question: no worse than its baseline by a margin.

PASS when the difference is shown to be better than -margin, FAIL when it is shown to be worse, INCONCLUSIVE otherwise;
one-sided bounds at the session's error level, over the questions (`thresholds.statistics.pairs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thresholds.error_level import ErrorLevel
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import ACCURACY, Direction, Item, Measurement, Metric, NotMeasured, Run, title
from thresholds.quantities import points
from thresholds.statistics.pairs import (
    Difference,
    difference,
    item_differences,
    mcnemar,
    noninferiority_questions,
    permutation,
    pooled,
)
from thresholds.verdict import Outcome, Verdict, unanswered

ACCURACY_DIFFERENCE = Metric("accuracy_difference", "share of the points", Direction.HIGHER, -1.0, 1.0)
"""Mean over questions of the candidate's score minus the baseline's, each the mean over its runs."""

ALL_TASKS = "all tasks"
"""Stands where a verdict on one task names it."""

MOST_SIGNS = 1_500_000
SHOWN_FLIPS = 3
LONGEST_ANSWER = 2000
"""Letters of an answer that are kept beside a flip."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse is still no worse, and where that is written."""

    share: float
    where: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate and its baseline on the same questions, in the same order."""

    candidate: Measurement
    baseline: Measurement

    @property
    def difference(self) -> Difference:
        """Candidate minus baseline."""
        return difference(self.candidate.samples, self.baseline.samples)

    @property
    def differences(self) -> NDArray[np.float64]:
        """Candidate minus baseline, question by question."""
        return item_differences(self.candidate.samples, self.baseline.samples)

    @property
    def p_value(self) -> float:
        """Chance of such a difference if neither were better: McNemar, or sign flips where scores are fractions."""
        gaps = self.differences
        if set(np.unique(gaps)) <= {-1.0, 0.0, 1.0}:
            return mcnemar(int((gaps < 0).sum()), int((gaps > 0).sum()))
        return _by_sign_flips(gaps)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a difference, before it is put into words.

    Attributes:
        value, span: The difference as a share of 1, and its 95 % interval.
        evidence: What it rests on, in words.
        advice: What would decide it.
        more: For the details of the verdict.
    """

    outcome: Outcome
    value: float
    span: tuple[float, float]
    evidence: str
    advice: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def paired(candidate: Measurement, baseline: Measurement) -> Pair:
    """The baseline on the candidate's questions.

    Raises:
        NotMeasured: The baseline was not asked all of them, or has failed requests.
    """
    if baseline.failed_requests:
        said = f"the baseline has {baseline.failed_requests} questions without an answer; measure it again"
        raise NotMeasured("baseline_failed_requests", said)
    column = {item: position for position, item in enumerate(baseline.items)}
    lacking = [item for item in candidate.items if item not in column]
    if lacking:
        said = f"the baseline was asked {len(candidate.items) - len(lacking)} of these {len(candidate.items)} questions"
        raise NotMeasured(
            "baseline_of_other_questions", f"{said}; give both the same --samples and --seed, or measure it again"
        )
    columns = [column[item] for item in candidate.items]
    samples = tuple(tuple(run[i] for i in columns) for run in baseline.samples)
    return Pair(candidate, replace(baseline, samples=samples, items=candidate.items))


def no_worse(pair: Pair, margin: Margin, level: ErrorLevel) -> Verdict:
    """Whether the candidate is no worse than its baseline by the margin."""
    if pair.candidate.failed_requests:
        return unanswered(pair.candidate)
    return _verdict(pair.candidate, pair.difference, [pair], margin, level)


def no_worse_over_all(candidate: Measurement, pairs: Sequence[Pair], margin: Margin, level: ErrorLevel) -> Verdict:
    """Whether it is no worse on average over tasks, each of which counts the same.

    Args:
        candidate: The means of all tasks, with their labels.
    """
    if candidate.failed_requests:
        return unanswered(candidate)
    return _verdict(candidate, pooled([pair.difference for pair in pairs]), pairs, margin, level)


def outcome_of(lower: float, upper: float, margin: float) -> Outcome:
    """PASS when all of a range is above -margin, FAIL when all of it is below."""
    if lower >= -margin:
        return Outcome.PASS
    return Outcome.FAIL if upper < -margin else Outcome.INCONCLUSIVE


def _verdict(
    candidate: Measurement, found: Difference, pairs: Sequence[Pair], margin: Margin, level: ErrorLevel
) -> Verdict:
    outcome = outcome_of(found.lower(level.alpha), found.upper(level.alpha), margin.share)
    reach = (1 - CONFIDENCE) / 2
    span = (max(-1.0, found.lower(reach)), min(1.0, found.upper(reach)))
    runs = f"{len(candidate.samples)} and {len(pairs[0].baseline.samples)} runs"
    advice = _advice(found, margin, level) if outcome is Outcome.INCONCLUSIVE else ""
    finding = Finding(outcome, found.value, span, f"{found.questions} questions, {runs}", advice)
    return told(candidate, pairs, margin, finding)


def _advice(found: Difference, margin: Margin, level: ErrorLevel) -> str:
    needed = noninferiority_questions(found, margin.share, level.alpha)
    said = f"{found.questions} questions cannot show a margin of {points(margin.share)}"
    if needed is None or needed <= found.questions:
        return f"{said} at this difference; add runs (--max-runs), questions, or a wider margin"
    return f"{said}; about {needed:,} would"


def told(candidate: Measurement, pairs: Sequence[Pair], margin: Margin, finding: Finding) -> Verdict:
    """The verdict in words and numbers, however it was reached."""
    details = {**_details(pairs), **finding.more}
    lines = [f"{title(ACCURACY.name, candidate.labels)}: {finding.outcome} - {_said(finding, margin)}"]
    lines += _numbers(finding, margin, details)
    if finding.outcome is not Outcome.PASS:
        lines += [_flip_line(flip) for flip in details["flips"] if flip["change"] < 0][:SHOWN_FLIPS]
    reasons = {Outcome.PASS: "no_worse", Outcome.FAIL: "worse_than_baseline"}
    return Verdict(
        outcome=finding.outcome,
        reason=reasons.get(finding.outcome, "too_little_evidence"),
        metric=ACCURACY_DIFFERENCE.name,
        labels=candidate.labels,
        lines=tuple(lines),
        measured=finding.value,
        low=finding.span[0],
        high=finding.span[1],
        required=-margin.share,
        headroom=finding.value + margin.share,
        where=margin.where,
        details=details,
    )


def _said(finding: Finding, margin: Margin) -> str:
    value, least = finding.value, points(margin.share)
    change = f"{points(abs(value))} points {'worse' if value < 0 else 'better'}" if round(value, 3) else "no difference"
    if finding.outcome is Outcome.PASS:
        return f"{change}, and shown to be no worse than its baseline by {least}"
    if finding.outcome is Outcome.FAIL:
        return f"{change}, and shown to be worse than its baseline by more than {least}"
    return f"{change} is not decided; {finding.advice}"


def _numbers(finding: Finding, margin: Margin, details: Mapping[str, Any]) -> list[str]:
    flips = f"{details['worse']} fell, {details['better']} rose, p {details['p_value']:.2g}"
    span = " to ".join(f"{100 * end:+.1f}" for end in finding.span)
    sides = f"baseline {points(details['baseline'])}, candidate {points(details['candidate'])}"
    return [
        f"measured  {100 * finding.value:+.1f} ({CONFIDENCE:.0%} interval {span}; {finding.evidence}): {flips}",
        f"required  >= {-100 * margin.share:.1f}   {margin.where} ({sides})",
    ]


def _details(pairs: Sequence[Pair]) -> dict[str, Any]:
    gaps = [pair.differences for pair in pairs]
    return {
        "baseline": float(np.mean([pair.baseline.value for pair in pairs])),
        "candidate": float(np.mean([pair.candidate.value for pair in pairs])),
        "questions": int(sum(len(one) for one in gaps)),
        "worse": int(sum((one < 0).sum() for one in gaps)),
        "better": int(sum((one > 0).sum() for one in gaps)),
        "p_value": pairs[0].p_value if len(pairs) == 1 else _by_sign_flips(np.concatenate(gaps)),
        "flips": [flip for pair in pairs for flip in _flips(pair)] if len(pairs) == 1 else [],
    }


def _by_sign_flips(gaps: NDArray[np.float64]) -> float:
    """A permutation test of as many rounds as a few hundredths of a second hold: 9,999, or fewer for many changes."""
    changed = int(np.count_nonzero(gaps))
    return permutation(gaps, min(9_999, max(999, MOST_SIGNS // changed))) if changed else 1.0


def _flips(pair: Pair) -> list[dict[str, Any]]:
    """The questions whose score changed, those that fell first, with an answer of each side."""
    gaps = pair.differences
    order = sorted(np.flatnonzero(gaps), key=lambda i: gaps[i])
    answers = [_answers(side, {pair.candidate.items[i] for i in order}) for side in (pair.baseline, pair.candidate)]
    return [
        {
            "item": int(item),
            "change": float(gaps[i]),
            "baseline": answers[0].get(item, ""),
            "candidate": answers[1].get(item, ""),
        }
        for i in order
        for item in (pair.candidate.items[i],)
    ]


def _answers(side: Measurement, items: set[int]) -> dict[int, str]:
    told: dict[int, str] = {}
    for run in side.runs:
        for item in run.items if isinstance(run, Run) else ():
            if item.item in items:
                told.setdefault(item.item, _answer(item))
    return told


def _answer(item: Item) -> str:
    return item.answer[:LONGEST_ANSWER]


def _flip_line(flip: Mapping[str, Any]) -> str:
    before, after = (_short(flip[side]) for side in ("baseline", "candidate"))
    return f"fell      question {flip['item']}: {before} -> {after}"


def _short(answer: str) -> str:
    words = " ".join(answer.split())
    return repr(words if len(words) <= 60 else f"… {words[-58:]}")  # noqa: PLR2004 - the end holds the answer
