"""Pairs of combinations. `python -m tests.test_statistics_pairs` prints simulated upgrades beside two other rules."""

import itertools
import math
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from thresholds.statistics.means import Samples, one_sided
from thresholds.statistics.pairs import (
    Difference,
    difference,
    item_differences,
    mcnemar,
    noninferiority_questions,
    permutation,
    pooled,
)

quick = settings(deadline=None, max_examples=50, database=None)
share = st.floats(0, 1)
level = st.floats(0.001, 0.5)


@st.composite
def pair(draw: st.DrawFn) -> tuple[list[list[float]], list[list[float]]]:
    items = draw(st.integers(1, 8))
    run = st.lists(share, min_size=items, max_size=items)
    return draw(st.lists(run, min_size=1, max_size=4)), draw(st.lists(run, min_size=1, max_size=4))


@st.composite
def found(draw: st.DrawFn) -> Difference:
    return Difference(draw(st.floats(-1, 1)), draw(st.floats(1e-6, 1)), draw(st.integers(1, 10_000)), 0, 0)


def test_a_difference_is_the_mean_over_items_with_agresti_and_mins_error() -> None:
    # d = 0, -1, 1, 1: S = 1, Q = 3, so sqrt((4 - 1 / 6) / 36).
    change = difference([[1, 0, 1, 1]], [[1, 1, 0, 0]])

    assert change == Difference(0.25, pytest.approx(math.sqrt(23 / 6 / 36)), 4, worse=1, better=2)


def test_no_change_at_all_is_not_taken_for_certainty() -> None:
    assert difference([[1, 0, 1]], [[1, 0, 1]]) == Difference(0.0, 1 / 5, 3, 0, 0)


def test_for_shares_the_error_is_that_of_a_table_with_half_an_item_more_in_each_cell() -> None:
    worse, better, both = 7.5, 3.5, 92.0
    change = difference([[0.0] * 7 + [1.0] * 3 + [1.0] * 90], [[1.0] * 7 + [0.0] * 3 + [1.0] * 90])

    of = worse + better + both - 1  # the other half items are in the cells without a change
    wald = math.sqrt(worse + better - (better - worse) ** 2 / of) / of

    assert change.error == pytest.approx(wald)


def test_numbers_of_runs_may_differ() -> None:
    assert item_differences([[1, 0], [0, 0]], [[1, 0], [1, 1], [1, 1]]).tolist() == pytest.approx([-0.5, -2 / 3])


def test_means_that_only_round_differently_are_no_change() -> None:
    assert difference([[0.1]] * 3, [[0.1]] * 2) == Difference(0.0, 1 / 3, 1, 0, 0)


@pytest.mark.parametrize(
    ("candidate", "baseline", "said"),
    [
        ([[1.0, 0.0]], [[1.0]], "the candidate has 2 items and the baseline 1; pair the items that both answered"),
        ([[1.5]], [[1.0]], "must lie in 0..1"),
        ([[1.0]], [[-0.1]], "must lie in 0..1"),
        ([[math.nan]], [[1.0]], "not a finite number"),
        ([], [[1.0]], "no scores"),
        ([[1.0], [1.0, 0.0]], [[1.0]], "different numbers of items"),
    ],
)
def test_what_cannot_be_paired_is_refused(candidate: Samples, baseline: Samples, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        difference(candidate, baseline)


def test_the_error_over_sources_follows_its_formula() -> None:
    # d = 1, 1, 0, 0 about 0.5: the sources sum to 1 and -1, 2 / 1 * (1 + 1) = 4.
    change = difference([[1, 1, 1, 1]], [[0, 0, 1, 1]], clusters=["a", "a", "b", "b"])

    assert change.error == pytest.approx(math.sqrt(5) / 6)


def test_sources_that_change_as_one_widen_the_error() -> None:
    candidate, baseline = [[0.0] * 20 + [1.0] * 180], [[1.0] * 200]

    alone = difference(candidate, baseline)
    together = difference(candidate, baseline, clusters=[item // 20 for item in range(200)])

    assert together.value == alone.value
    assert together.error > 3 * alone.error


def test_sources_of_one_item_each_give_nearly_the_plain_error() -> None:
    candidate, baseline = [[0.0] * 10 + [1.0] * 190], [[1.0] * 195 + [0.0] * 5]

    plain, each = difference(candidate, baseline), difference(candidate, baseline, clusters=range(200))

    assert each.error == pytest.approx(plain.error, rel=0.01)


def test_a_single_source_is_refused() -> None:
    with pytest.raises(ValueError, match="all items share one cluster"):
        difference([[1.0, 0.0]], [[1.0, 1.0]], clusters=["a", "a"])


def test_bounds_reach_1_645_errors_and_stay_possible() -> None:
    change = Difference(-0.01, 0.01, 400, 9, 5)

    assert (change.lower(0.05), change.upper(0.05)) == pytest.approx((-0.0264485, 0.0064485), abs=1e-6)
    assert (Difference(-0.9, 0.5, 2, 1, 0).lower(0.05), Difference(0.9, 0.5, 2, 0, 1).upper(0.05)) == (-1, 1)


def test_pooling_counts_every_task_the_same() -> None:
    small, large = Difference(-0.02, 0.03, 100, 4, 2), Difference(0.0, 0.04, 1000, 10, 10)

    assert pooled([small, large]) == Difference(-0.01, pytest.approx(0.025), 1100, 14, 12)


def test_pooling_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one task"):
        pooled([])


@pytest.mark.parametrize(("worse", "better"), [(10, 3), (3, 10), (0, 5), (1, 0), (7, 7), (600, 700)])
def test_mcnemar_is_the_exact_two_sided_sign_test(worse: int, better: int) -> None:
    assert mcnemar(worse, better) == pytest.approx(binomtest(worse, worse + better).pvalue)


def test_mcnemar_without_a_changed_item_is_1() -> None:
    assert mcnemar(0, 0) == 1.0


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="-1 worse"):
        mcnemar(-1, 3)


def test_a_permutation_p_value_is_the_share_of_sign_flips_that_reach_as_far() -> None:
    changes = [0.5, 0.25, -0.1, 0.3, 0.0, 0.2, 0.05]
    signs = itertools.product((-1, 1), repeat=len(changes))
    exact = np.mean([abs(np.dot(sign, changes)) >= abs(sum(changes)) - 1e-12 for sign in signs])

    assert permutation(changes) == pytest.approx(exact, abs=0.01)


def test_a_permutation_of_answers_that_are_right_or_wrong_is_mcnemars_test() -> None:
    assert permutation([-1.0] * 20 + [1.0] * 10 + [0.0] * 70, 100_000) == pytest.approx(mcnemar(20, 10), abs=0.004)


def test_a_permutation_is_repeated_exactly_by_its_seed() -> None:
    changes = np.random.default_rng(3).normal(0.05, 0.2, 50).clip(-1, 1)

    assert permutation(changes, seed=1) == permutation(changes, seed=1) != permutation(changes, seed=2)


def test_without_a_change_every_permutation_reaches_as_far() -> None:
    assert permutation([0.0, 0.0]) == 1.0


@pytest.mark.parametrize(
    ("changes", "rounds", "said"), [([], 10, "no scores"), ([math.nan], 10, "not a finite"), ([0.5], 0, "one round")]
)
def test_a_permutation_of_nothing_is_refused(changes: list[float], rounds: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        permutation(changes, rounds)


def test_the_questions_for_non_inferiority_follow_from_the_error_that_was_measured() -> None:
    # (1.644854 + 0.841621) * 0.01 / 0.02, squared, of 410.
    assert noninferiority_questions(Difference(0.0, 0.01, 410, 5, 5), 0.02, 0.05) == 634


def test_a_candidate_that_looks_better_is_not_counted_on_to_be_so() -> None:
    better, same = Difference(0.01, 0.01, 410, 3, 7), Difference(0.0, 0.01, 410, 5, 5)

    assert noninferiority_questions(better, 0.02, 0.05) == noninferiority_questions(same, 0.02, 0.05)


def test_questions_for_a_margin_that_is_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="a margin must be a number"):
        noninferiority_questions(Difference(0.0, 0.01, 410, 5, 5), math.nan, 0.05)


@pytest.mark.parametrize("value", [-0.02, -0.02 + 1e-12, -0.5])
def test_no_number_of_questions_shows_what_is_not_so(value: float) -> None:
    assert noninferiority_questions(Difference(value, 0.01, 410, 20, 5), 0.02, 0.05) is None


@quick
@given(pair())
def test_any_scores_have_a_difference_and_an_error_above_0(
    both: tuple[list[list[float]], list[list[float]]],
) -> None:
    change = difference(*both)
    assert -1 <= change.lower(0.05) <= change.value <= change.upper(0.05) <= 1
    assert 0 < change.error <= 1
    assert change.worse + change.better <= change.questions == len(both[0][0])


@quick
@given(pair())
def test_swapping_the_sides_changes_the_sign_only(both: tuple[list[list[float]], list[list[float]]]) -> None:
    there, back = difference(*both), difference(*reversed(both))
    assert (back.value, back.error, back.worse) == pytest.approx((-there.value, there.error, there.better))


@quick
@given(pair(), st.data())
def test_any_sources_give_a_difference_or_a_refusal(
    both: tuple[list[list[float]], list[list[float]]], data: st.DataObject
) -> None:
    count = len(both[0][0])
    sources = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    if len(set(sources)) == 1:
        with pytest.raises(ValueError, match="share one cluster"):
            difference(*both, clusters=sources)
    else:
        assert 0 < difference(*both, clusters=sources).error <= math.sqrt(2)


@quick
@given(st.integers(0, 500), st.integers(0, 500))
def test_mcnemar_is_a_p_value_and_has_no_direction(worse: int, better: int) -> None:
    assert 0 < mcnemar(worse, better) == mcnemar(better, worse) <= 1


@quick
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_a_permutation_is_a_p_value_and_has_no_direction(changes: list[float]) -> None:
    p = permutation(changes, 200)
    assert 1 / 201 <= p <= 1
    assert permutation([-change for change in changes], 200) == p


@quick
@given(st.lists(found(), min_size=1, max_size=6))
def test_pooling_lies_between_the_tasks_and_is_surer_than_the_least_sure(tasks: list[Difference]) -> None:
    together = pooled(tasks)
    assert min(one.value for one in tasks) - 1e-12 <= together.value <= max(one.value for one in tasks) + 1e-12
    assert together.error <= max(one.error for one in tasks) * (1 + 1e-12)


@quick
@given(found(), level, level)
def test_less_risk_never_brings_the_bounds_closer(change: Difference, one: float, other: float) -> None:
    less, more = sorted([one, other])
    assert change.lower(less) <= change.lower(more)
    assert change.upper(more) <= change.upper(less)


@quick
@given(found(), st.floats(0.001, 1), level)
def test_the_questions_needed_would_show_it_if_nothing_changed_in_them(
    change: Difference, margin: float, alpha: float
) -> None:
    needed = noninferiority_questions(change, margin, alpha)
    if needed is None:
        assert change.value <= -margin + 1e-5
    else:
        error = change.error * math.sqrt(change.questions / needed)
        assert min(change.value, 0) - one_sided(1 - alpha) * error >= -margin * (1 + 1e-9) - 1e-12


def sessions(drop: float, count: int = 2000) -> list[tuple[Difference, float]]:
    """Upgrades of 1,319 items of which 5 % flip between identical runs, and the candidate's score minus the baseline's.

    The candidate lost a share `drop` of the items, which it would have known.
    """
    draw = np.random.default_rng(7)
    slip = (1 - math.sqrt(1 - 2 * 0.05)) / 2
    made = []
    for _ in range(count):
        known = draw.random(1319) < 0.7
        lost = known & (draw.random(1319) < drop / 0.7 / (1 - 2 * slip))
        runs = [(draw.random(1319) < np.where(who, 1 - slip, slip)).astype(float) for who in (known & ~lost, known)]
        made.append((difference(runs[:1], runs[1:]), float(runs[0].mean() - runs[1].mean())))
    return made


def passed_and_failed(drop: float) -> tuple[float, float]:
    """Shares of sessions that show the candidate less than 2 points worse, and that show it more."""
    made = [change for change, _ in sessions(drop)]
    return (
        sum(change.lower(0.05) >= -0.02 for change in made) / len(made),
        sum(change.upper(0.05) < -0.02 for change in made) / len(made),
    )


def test_an_unchanged_candidate_passes_in_92_of_100_upgrades_and_fails_in_none_of_200() -> None:
    passed, failed = passed_and_failed(0.0)

    assert passed >= 0.92
    assert failed <= 0.005


def test_a_candidate_that_is_3_points_worse_passes_in_at_most_1_of_100_upgrades() -> None:
    assert passed_and_failed(0.03)[0] <= 0.01


def test_comparing_twelve_thousand_items_in_four_runs_takes_less_than_50_ms() -> None:
    draw = np.random.default_rng(1)
    one, other = (tuple(map(tuple, (draw.random((4, 12_000)) < 0.7).astype(float).tolist())) for _ in range(2))

    def once() -> float:
        start = time.process_time()
        assert difference(one, other).questions == 12_000
        return time.process_time() - start

    assert min(once() for _ in range(3)) < 0.05


def main() -> None:
    """Print the campaign under our rule, TensorRT-LLM's (unpaired, sigma 50, alpha 0.05) and "mean >= baseline"."""
    bound = one_sided(0.05) * math.sqrt(2 * 0.5**2 / 1319)
    sys.stdout.write("2,000 upgrades, 1,319 items, 5 % flip between identical runs, margin 2.0 points\n")
    for drop in (0.0, 0.01, 0.02, 0.03, 0.05):
        passed, failed = passed_and_failed(drop)
        changes = [change for _, change in sessions(drop)]
        other, plain = (sum(change >= limit for change in changes) / len(changes) for limit in (bound, 0.0))
        sys.stdout.write(
            f"drop {100 * drop:.0f}: PASS {passed:6.1%}  FAIL {failed:6.1%}  "
            f"INCONCLUSIVE {1 - passed - failed:6.1%}   TensorRT-LLM's rule passes {other:6.1%}, "
            f"mean >= baseline passes {plain:6.1%}\n"
        )


if __name__ == "__main__":
    main()
