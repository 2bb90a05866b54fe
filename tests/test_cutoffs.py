"""Answers that ended at their token limit: how many are too many, alone and beside a baseline."""

import pytest

from thresholds import cutoffs
from thresholds.error_level import ErrorLevel
from thresholds.measurement import Item, Measurement, Run
from thresholds.recovery import Score, recovery
from thresholds.upgrade import Margin, paired
from thresholds.verdict import Verdict

PRIMARY = "exact_match,none"
LEVEL = ErrorLevel(0.05)
CEILING = Margin(0.05, "here")
LABELS = {"combination": "m", "task": "gsm8k", "max_tokens": 64}


def item(number: int, *, cut: bool, right: bool, failed: str | None = None) -> Item:
    scores = {} if failed else {PRIMARY: float(right)}
    return Item(number, scores, "", "", False, ("length" if cut else "stop",), 10, 20, 0.1, failed=failed)


def runs(cut: int, of: int = 100, *, count: int = 2, right: int = 60) -> list[Run]:
    """The first are cut off, all of them wrong; so many of the others are right."""
    items = tuple(item(i, cut=i < cut, right=i >= cut and i < cut + right) for i in range(of))
    return [Run("m", "gsm8k", number + 1, PRIMARY, items, of, 1.0) for number in range(count)]


def measured(told: list[Run]) -> Measurement:
    found = cutoffs.cut_off(told, LABELS)
    assert found is not None
    return found


def judged(told: list[Run], bound: Margin = CEILING) -> Verdict:
    return cutoffs.ended_by_themselves(measured(told), bound, LEVEL)


@pytest.mark.parametrize(("cut", "outcome"), [(0, "PASS"), (5, "PASS"), (30, "FAIL")])
def test_a_share_above_its_ceiling_is_red(cut: int, outcome: str) -> None:
    assert judged(runs(cut)).outcome == outcome


def test_a_share_above_its_ceiling_within_the_noise_of_runs_is_inconclusive() -> None:
    told = judged([*runs(2, count=1), *runs(9, count=1)])

    assert (told.outcome, told.reason) == ("INCONCLUSIVE", "too_little_evidence")
    assert "raise max_tokens in the matrix, or add runs (--max-runs) or questions" in told.lines[0]


def test_accuracy_is_told_of_all_answers_and_of_those_that_finished() -> None:
    details = judged(runs(40, right=30)).details

    assert (details["answers"], details["cut_off"], details["finished"]) == (200, 80, 120)
    assert (details["accuracy"], details["finished_accuracy"]) == (0.3, 0.5)
    assert details["finished_low"] < 0.5 < details["finished_high"]


def test_a_benchmark_of_which_nothing_finished_has_no_accuracy_among_the_finished() -> None:
    told = judged(runs(100))

    assert told.details["finished_accuracy"] is None
    assert told.lines[1].endswith("accuracy 0.0, none finished")


def test_the_words_name_the_limit_or_the_tasks_own() -> None:
    own = cutoffs.cut_off(runs(50), {**LABELS, "max_tokens": None})
    assert own is not None

    assert (
        "cut off at max_tokens 64: the score speaks of the limit as much as of the model" in judged(runs(50)).lines[0]
    )
    assert "at the task's own limit" in cutoffs.ended_by_themselves(own, CEILING, LEVEL).lines[0]


def test_a_sample_is_less_sure_than_the_whole_benchmark() -> None:
    sample = [Run("m", "gsm8k", 1, PRIMARY, run.items, 10_000, 1.0) for run in runs(9)]

    assert judged(runs(9, count=4)).outcome == "FAIL"
    assert judged([*sample, *sample, *sample, *sample]).outcome == "INCONCLUSIVE"


def test_an_endpoint_that_says_of_no_answer_why_it_ended_cannot_be_measured() -> None:
    silent = Run("m", "gsm8k", 1, PRIMARY, (Item(0, {PRIMARY: 1.0}, "", "", False, (), 1, 1, 0.1),), 1, 1.0)

    assert cutoffs.cut_off([silent], LABELS) is None


def test_failed_requests_are_not_measured() -> None:
    (run,) = runs(0, count=1)
    failed = Run("m", "gsm8k", 1, PRIMARY, (*run.items, item(100, cut=False, right=False, failed="500")), 101, 1.0)

    assert judged([failed]).reason == "failed_requests"


def beside(cut: int, before: int) -> Verdict:
    candidate = measured(runs(cut))
    pair = paired(candidate, measured(runs(before)))
    whole = cutoffs.together([candidate], {**LABELS, "task": "all tasks"})
    return cutoffs.cut_off_no_more_often(whole, [pair], Margin(0.02, "--margin 2"), LEVEL)


@pytest.mark.parametrize(
    ("cut", "before", "outcome"),
    [(0, 0, "PASS"), (2, 0, "PASS"), (4, 0, "INCONCLUSIVE"), (30, 10, "FAIL"), (5, 9, "PASS")],
)
def test_a_candidate_that_is_cut_off_more_often_than_its_baseline_is_red(cut: int, before: int, outcome: str) -> None:
    assert beside(cut, before).outcome == outcome


def test_a_recovery_is_a_ratio_with_the_interval_of_the_delta_method() -> None:
    found = recovery(Score(0.72, 0.03), Score(0.8, 0.03), 0.02)

    assert found is not None
    error = (0.9 * 0.02**2 + 0.1 * (0.03**2 - 0.9 * 0.03**2)) ** 0.5 / 0.8
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.9, 0.9 - 1.96 * error, 0.9 + 1.96 * error), abs=1e-4
    )


def test_scores_that_are_not_paired_recover_with_the_error_of_a_ratio() -> None:
    found = recovery(Score(0.6, 0.02), Score(0.8, 0.03), (0.02**2 + 0.03**2) ** 0.5)

    assert found is not None
    assert found.high is not None
    error = 0.75 * ((0.02 / 0.6) ** 2 + (0.03 / 0.8) ** 2) ** 0.5
    assert found.high == pytest.approx(0.75 + 1.96 * error, abs=1e-4)


def test_a_baseline_that_scores_nothing_can_not_be_recovered() -> None:
    assert recovery(Score(0.1, 0.01), Score(0.0, 0.01), 0.01) is None


def test_a_recovery_without_a_known_error_has_no_interval() -> None:
    found = recovery(Score(0.4, None), Score(0.8, None), None)

    assert found is not None
    assert (found.value, found.low, found.high) == (0.5, None, None)
