import math
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.statistics.means import (
    amount_needed,
    interval,
    item_means,
    one_sided,
    question_error,
    rerun_error,
    run_means,
    run_to_run_deviation,
    two_sided,
)

quick = settings(deadline=None, max_examples=50, database=None)
share = st.floats(0, 1)
error_size = st.floats(0, 10)
confidence = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


@st.composite
def samples(draw: st.DrawFn, least_runs: int = 1, least_items: int = 1) -> list[list[float]]:
    items = draw(st.integers(least_items, 8))
    run = st.lists(share, min_size=items, max_size=items)
    return draw(st.lists(run, min_size=least_runs, max_size=6))


def test_run_means_are_the_means_of_the_rows() -> None:
    assert run_means([[0, 1, 1, 0], [1, 1, 1, 0]]) == [0.5, 0.75]


def test_item_means_are_the_means_of_the_columns() -> None:
    assert item_means([[0, 1, 1, 0], [1, 1, 1, 0]]) == [0.5, 1.0, 1.0, 0.0]


def test_item_means_refuse_runs_of_different_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        item_means([[0, 1], [1]])


def test_run_to_run_deviation_divides_by_the_runs_less_one() -> None:
    assert run_to_run_deviation([[0.5], [0.7], [0.9]]) == pytest.approx(0.2)


def test_run_to_run_deviation_of_one_run_is_unknown_and_not_zero() -> None:
    assert run_to_run_deviation([[0.0, 1.0]]) is None


def test_run_to_run_deviation_of_equal_runs_is_zero() -> None:
    assert run_to_run_deviation([[0.0, 1.0], [1.0, 0.0]]) == 0.0


def test_rerun_error_of_one_run_is_unknown_and_not_zero() -> None:
    assert rerun_error([[0.0, 1.0, 1.0]]) is None


def test_rerun_error_follows_its_formula() -> None:
    # One of four items flips: s^2 = 0.5, so sqrt(0.5 / 2) / 4.
    assert rerun_error([[0, 1, 1, 0], [1, 1, 1, 0]]) == pytest.approx(0.125)


def test_rerun_error_of_runs_that_agree_item_by_item_is_zero() -> None:
    assert rerun_error([[0, 1, 1, 0]] * 3) == 0.0


def test_rerun_error_sees_items_that_flip_while_the_run_means_stay() -> None:
    assert run_to_run_deviation([[0, 1], [1, 0]]) == 0.0
    assert rerun_error([[0, 1], [1, 0]]) == pytest.approx(math.sqrt((0.5 + 0.5) / 2) / 2)


def test_question_error_follows_its_formula() -> None:
    # Item means 0.5, 1, 1, 0: variance 0.2291667, so sqrt(0.2291667 / 4).
    assert question_error([[0, 1, 1, 0], [1, 1, 1, 0]]) == pytest.approx(0.2393568)


def test_question_error_of_a_share_is_nearly_the_textbook_one() -> None:
    # sqrt(p (1 - p) / (n - 1)) for 60 of 100.
    assert question_error([[1.0] * 60 + [0.0] * 40]) == pytest.approx(math.sqrt(0.6 * 0.4 / 99))


def test_question_error_of_one_question_is_unknown() -> None:
    assert question_error([[1.0], [0.0]]) is None


def test_question_error_vanishes_when_the_whole_benchmark_was_asked() -> None:
    assert question_error([[0.0, 1.0, 1.0, 0.0]], population=4) == 0.0


def test_question_error_of_half_the_benchmark_shrinks_by_the_root_of_a_half() -> None:
    half = [[0.0, 1.0, 1.0, 0.0]]
    assert question_error(half, population=8) == pytest.approx(question_error(half) * math.sqrt(0.5))


def test_question_error_does_not_break_on_a_population_smaller_than_the_sample() -> None:
    assert question_error([[0.0, 1.0, 1.0]], population=2) == 0.0


@pytest.mark.parametrize(("level", "reach"), [(0.90, 1.644854), (0.95, 1.959964), (0.99, 2.575829)])
def test_two_sided_reaches_are_those_of_the_tables(level: float, reach: float) -> None:
    assert two_sided(level) == pytest.approx(reach, abs=1e-6)


@pytest.mark.parametrize(("level", "reach"), [(0.5, 0.0), (0.95, 1.644854), (0.995, 2.575829)])
def test_one_sided_reaches_are_those_of_the_tables(level: float, reach: float) -> None:
    assert one_sided(level) == pytest.approx(reach, abs=1e-6)


def test_an_interval_reaches_1_96_errors_to_both_sides() -> None:
    assert interval(0.5, 0.1, 0.95, 0, 1) == pytest.approx((0.3040036, 0.6959964))


def test_an_interval_is_cut_to_what_is_possible() -> None:
    assert interval(0.02, 0.1, 0.95, 0, 1)[0] == 0
    assert interval(0.98, 0.1, 0.95, 0, 1)[1] == 1


def test_an_interval_without_error_is_a_point() -> None:
    assert interval(0.25, 0.0, 0.95, 0, 1) == (0.25, 0.25)


def test_four_times_the_runs_show_half_the_margin() -> None:
    # 2 * (1.644854 * 0.02 / 0.01)^2 = 21.6 and four times as much.
    assert amount_needed(2, 0.02, 0.01, 0.95) == 22
    assert amount_needed(2, 0.02, 0.005, 0.95) == 87


def test_no_amount_shows_a_margin_of_zero() -> None:
    assert amount_needed(2, 0.02, 0.0, 0.95) is None


def test_the_amount_needed_is_more_than_what_was_made() -> None:
    assert amount_needed(5, 0.001, 0.5, 0.95) == 6


@quick
@given(samples(least_runs=2))
def test_the_rerun_error_is_never_negative_and_at_most_half_a_point_per_root_of_items(rows: list[list[float]]) -> None:
    # s_i^2 of scores in 0..1 is at most 1/2 (two runs).
    error = rerun_error(rows)
    assert error is not None
    assert 0 <= error <= math.sqrt(0.5 / len(rows) / len(rows[0])) + 1e-12


@quick
@given(samples(least_runs=2), st.randoms(use_true_random=False))
def test_errors_do_not_depend_on_the_order_of_items(rows: list[list[float]], draw: object) -> None:
    order = list(range(len(rows[0])))
    draw.shuffle(order)  # type: ignore[attr-defined]
    shuffled = [[row[i] for i in order] for row in rows]
    assert rerun_error(shuffled) == pytest.approx(rerun_error(rows))
    assert question_error(shuffled) == pytest.approx(question_error(rows))


@quick
@given(samples(), st.integers(2, 5))
def test_repeating_runs_moves_neither_item_means_nor_the_question_error(rows: list[list[float]], times: int) -> None:
    assert item_means(rows * times) == pytest.approx(item_means(rows))
    assert question_error(rows * times) == pytest.approx(question_error(rows))


@quick
@given(samples(least_items=2), st.integers(8, 1000))
def test_a_larger_benchmark_never_narrows_the_question_error(rows: list[list[float]], population: int) -> None:
    finite, larger, infinite = (question_error(rows, size) for size in (population, population + 100, None))
    assert finite is not None
    assert larger is not None
    assert infinite is not None
    assert finite <= larger <= infinite


@quick
@given(samples())
def test_the_mean_of_item_means_is_the_mean_of_run_means(rows: list[list[float]]) -> None:
    assert mean(item_means(rows)) == pytest.approx(mean(run_means(rows)))


@quick
@given(share, error_size, confidence)
def test_an_interval_contains_the_mean_and_stays_in_range(middle: float, error: float, level: float) -> None:
    low, high = interval(middle, error, level, 0, 1)
    assert 0 <= low <= middle <= high <= 1


@quick
@given(share, error_size, confidence, confidence)
def test_more_confidence_never_narrows_an_interval(middle: float, error: float, one: float, other: float) -> None:
    less, more = sorted([one, other])
    narrow, wide = interval(middle, error, less, 0, 1), interval(middle, error, more, 0, 1)
    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


@quick
@given(st.integers(1, 100), error_size, st.floats(0.001, 1), st.floats(0.001, 1), confidence)
def test_a_larger_margin_never_needs_more(amount: int, error: float, one: float, other: float, level: float) -> None:
    small, large = sorted([one, other])
    for_small, for_large = (amount_needed(amount, error, size, level) for size in (small, large))
    assert for_small is not None
    assert for_large is not None
    assert for_large <= for_small


@quick
@given(st.integers(1, 100), error_size, error_size, st.floats(0.001, 1), confidence)
def test_a_smaller_error_never_needs_more(amount: int, one: float, other: float, size: float, level: float) -> None:
    small, large = sorted([one, other])
    for_small, for_large = (amount_needed(amount, error, size, level) for error in (small, large))
    assert for_small is not None
    assert for_large is not None
    assert for_small <= for_large


@quick
@given(st.integers(1, 100), st.floats(0.001, 1), st.floats(0.001, 1), confidence)
def test_the_amount_needed_shows_the_margin(amount: int, error: float, size: float, level: float) -> None:
    needed = amount_needed(amount, error, size, level)
    assert needed is not None
    assert one_sided(level) * error * math.sqrt(amount / needed) <= size * (1 + 1e-9)


def test_the_rerun_interval_covers_the_expected_score_in_95_of_100_repetitions() -> None:
    draw = np.random.default_rng(20260117)
    expected = np.where(draw.random(200) < 0.6, 0.95, 0.05)  # known or not, and 5 % of the answers flip
    truth = float(expected.mean())
    covered = 0
    for _ in range(500):
        rows = (draw.random((4, 200)) < expected).astype(float).tolist()
        error = rerun_error(rows)
        assert error is not None
        low, high = interval(mean(run_means(rows)), error, 0.95, 0, 1)
        covered += low <= truth <= high

    assert 0.92 <= covered / 500 <= 0.98


def test_the_finite_interval_covers_the_benchmark_in_95_of_100_samples() -> None:
    draw = np.random.default_rng(7)
    benchmark = (draw.random(300) < 0.7).astype(float)
    covered = 0
    for _ in range(500):
        rows = [draw.choice(benchmark, 100, replace=False).tolist()]
        error = question_error(rows, population=300)
        assert error is not None
        low, high = interval(mean(rows[0]), error, 0.95, 0, 1)
        covered += low <= benchmark.mean() <= high

    assert 0.92 <= covered / 500 <= 0.98
