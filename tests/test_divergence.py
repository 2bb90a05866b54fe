"""Where greedy answers first differ, and when that is a defect."""

from typing import Any

import pytest

from thresholds.divergence import NEAR_TIE, Compared, Difference, first_difference, measured, unchanged
from thresholds.measurement import NotMeasured
from thresholds.verdict import Verdict

LABELS = {"combination": "smol-draft_ngram", "task": "gsm8k", "against": "smol"}


def difference(item: int = 3, margin: float | None = 2.0, **more: Any) -> Difference:
    return Difference(item, 5, "the sum is", " 42", " 43", margin, **more)


def verdict(*found: Difference, failed: int = 0) -> Verdict:
    compared = Compared(tuple(range(200)), found, 128, failed, ("HTTP 500",) * bool(failed))
    return unchanged(measured(compared, LABELS), compared)


@pytest.mark.parametrize(
    ("target", "drafted", "position"),
    [("abc", "abc", None), ("abc", "abd", 2), ("abc", "ab", 2), ("ab", "abc", 2), ("", "", None), ("xbc", "abc", 0)],
)
def test_the_first_token_that_differs_may_be_one_that_only_one_answer_has(
    target: str, drafted: str, position: int | None
) -> None:
    assert first_difference(target, drafted) == position


@pytest.mark.parametrize(
    ("margin", "more", "kind"),
    [
        (0.0, {}, "near-tie"),
        (NEAR_TIE, {}, "near-tie"),
        (-0.1, {}, "near-tie"),
        (NEAR_TIE + 0.01, {}, "defect"),
        (-2.0, {}, "defect"),
        (0.3, {"at_least": True}, "unknown"),
        (3.0, {"at_least": True}, "defect"),
        (None, {}, "unknown"),
        (None, {"cut_short": True}, "defect"),
    ],
)
def test_a_difference_is_a_near_tie_where_rounding_may_have_decided(
    margin: float | None, more: dict[str, bool], kind: str
) -> None:
    assert difference(margin=margin, **more).kind == kind


def test_a_near_tie_is_four_steps_of_bf16_logits_between_16_and_32() -> None:
    assert NEAR_TIE == 4 * 2**4 / 2**7


def test_answers_that_are_all_the_same_pass() -> None:
    told = verdict()

    assert (told.outcome, told.measured, told.required) == ("PASS", 0.0, 0.0)
    assert told.lines[1] == (
        "measured  0 of 200 answers (200 the same, 0 near-ties; up to 128 tokens each; 95% interval up to 1.8 %)"
    )


def test_a_single_defect_fails_and_is_spelt_out() -> None:
    told = verdict(difference(), *[difference(item, 0.1) for item in range(100, 150)])

    assert (told.outcome, told.reason, told.measured) == ("FAIL", "answers_changed", 1 / 200)
    assert told.lines[3:] == ("defect    question 3, token 5: 'the sum is' ' 42' -> ' 43', margin 2.00 nats",)
    assert (told.details["near_ties"], told.details["defects"], told.details["same"]) == (50, 1, 149)


def test_near_ties_alone_pass() -> None:
    assert verdict(*[difference(item, 0.1) for item in range(100)]).outcome == "PASS"


def test_a_difference_that_nobody_can_classify_is_inconclusive() -> None:
    told = verdict(difference(margin=None))

    assert (told.outcome, told.reason) == ("INCONCLUSIVE", "margin_unknown")
    assert told.lines[3].endswith("margin unknown")


def test_an_answer_that_is_cut_off_early_is_a_defect_of_its_own_kind() -> None:
    told = verdict(difference(margin=None, cut_short=True))

    assert told.outcome == "FAIL"
    assert told.lines[3].endswith("' 42' -> (end), margin none, it was cut off early")


def test_answers_that_lack_are_not_measured() -> None:
    told = verdict(failed=2)

    assert (told.outcome, told.reason) == ("NOT_MEASURED", "failed_requests")
    assert "HTTP 500" in "\n".join(told.lines)


def test_no_answers_at_all_are_no_share() -> None:
    with pytest.raises(NotMeasured, match="no answers could be compared: HTTP 500"):
        measured(Compared((), (), 0, 3, ("HTTP 500",)), LABELS)
