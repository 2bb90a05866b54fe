import math
import time
from collections.abc import Callable
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.statistics.means import (
    UNSEEN,
    Samples,
    amount_needed,
    flip_rate,
    interval,
    item_means,
    one_sided,
    question_error,
    rerun_error,
    run_means,
    run_to_run_deviation,
    two_sided,
)
from thresholds.statistics.shares import wilson

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


@pytest.mark.parametrize("of", [run_means, item_means, run_to_run_deviation, flip_rate, rerun_error, question_error])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[0.0, 1.0], [1.0]], "different numbers of items"),
        ([], "no scores"),
        ([[]], "no scores"),
        ([[0.5, math.nan]], "not a finite number"),
        ([[0.5, math.inf]], "not a finite number"),
    ],
)
def test_what_is_no_table_of_scores_is_refused(of: Callable[[Samples], object], rows: Samples, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        of(rows)


@pytest.mark.parametrize("of", [run_means, item_means, run_to_run_deviation, flip_rate, rerun_error, question_error])
def test_arrays_and_nested_sequences_are_the_same_to_every_function(of: Callable[[Samples], object]) -> None:
    rows = ((0.0, 1.0, 0.25), (1.0, 1.0, 0.5))

    assert of(np.array(rows)) == of(rows)


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


def test_rerun_error_of_equal_scores_is_zero_however_they_round() -> None:
    assert rerun_error([[0.1, 0.7]] * 3) == 0.0


def test_rerun_error_can_allow_for_flips_that_were_not_seen() -> None:
    assert rerun_error([[0, 1, 1, 0]] * 2, UNSEEN) == pytest.approx(math.sqrt(0.25 / 2) / 4)


def test_flip_rate_of_two_runs_is_the_share_of_items_that_differ() -> None:
    assert flip_rate([[0, 1, 1, 0], [1, 1, 1, 0]]) == 0.25


def test_flip_rate_of_several_runs_is_the_mean_over_their_pairs() -> None:
    # The first item differs in 2 of 3 pairs, the second in all, the third in none.
    assert flip_rate([[0, 0.1, 1], [1, 0.2, 1], [1, 0.3, 1]]) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_flip_rate_of_one_run_is_unknown() -> None:
    assert flip_rate([[0.0, 1.0]]) is None


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


def test_question_error_over_sources_follows_its_formula() -> None:
    # Mean 0.5; the sources sum to 0.5 + 0.5 and -0.5 - 0.5 around it: sqrt(2 / 1 * (1 + 1)) / 4.
    assert question_error([[1, 1, 0, 0]], clusters=["a", "a", "b", "b"]) == pytest.approx(0.5)


def test_question_error_over_sources_of_one_item_each_is_that_of_the_items() -> None:
    rows = [[0.0, 1.0, 1.0, 0.5]]
    assert question_error(rows, clusters=["a", "b", "c", "d"]) == pytest.approx(question_error(rows))


def test_items_that_repeat_one_another_do_not_narrow_the_error_over_sources() -> None:
    once, thrice = [[0.0, 1.0, 1.0, 0.0, 1.0]], [[0.0, 1.0, 1.0, 0.0, 1.0] * 3]
    assert question_error(thrice, clusters=list("abcde") * 3) == pytest.approx(question_error(once))


def test_question_error_of_one_source_is_unknown() -> None:
    assert question_error([[0.0, 1.0, 1.0]], clusters=["a", "a", "a"]) is None


def test_every_item_needs_its_source() -> None:
    with pytest.raises(ValueError, match="2 cluster names were given for 3 items"):
        question_error([[0.0, 1.0, 1.0]], clusters=["a", "b"])


def test_question_error_can_allow_for_wrong_items_that_were_not_seen() -> None:
    # Item means 0.5, 1, 1, 0: sum of squares 0.6875 of at most 4 * 0.625 * 0.375, so 0.2667 of 0.25 is added.
    assert question_error([[0, 1, 1, 0], [1, 1, 1, 0]], unseen=UNSEEN) == pytest.approx(math.sqrt(0.754167 / 3 / 4))


def test_answers_of_a_single_run_are_as_far_apart_as_can_be_and_nothing_is_added() -> None:
    rows = [[0.0, 1.0, 1.0, 0.0, 1.0]]
    assert question_error(rows, unseen=UNSEEN) == pytest.approx(question_error(rows))


@pytest.mark.parametrize("rows", [[[1.0] * 50], [[0.0] * 50], [[0.3] * 50] * 2])
def test_equal_scores_are_no_certainty_about_other_questions(rows: list[list[float]]) -> None:
    error = question_error(rows)
    assert error is not None
    assert error > 0.02


@pytest.mark.parametrize(("level", "reach"), [(0.90, 1.644854), (0.95, 1.959964), (0.99, 2.575829)])
def test_two_sided_reaches_are_those_of_the_tables(level: float, reach: float) -> None:
    assert two_sided(level) == pytest.approx(reach, abs=1e-6)


@pytest.mark.parametrize(("level", "reach"), [(0.5, 0.0), (0.95, 1.644854), (0.995, 2.575829)])
def test_one_sided_reaches_are_those_of_the_tables(level: float, reach: float) -> None:
    assert one_sided(level) == pytest.approx(reach, abs=1e-6)


def test_an_interval_far_from_the_ends_reaches_1_96_errors_to_both_sides() -> None:
    assert interval(0.5, 0.001, 0.95, 0, 1) == pytest.approx((0.49804, 0.50196), abs=1e-6)


def test_an_interval_is_wilsons_for_as_many_answers_as_have_this_error() -> None:
    # 45 of 50; statsmodels and Newcombe (1998) give 0.7864 to 0.9565.
    error = math.sqrt(0.9 * 0.1 / 50)
    assert interval(0.9, error, 0.95, 0, 1) == pytest.approx((0.78640, 0.95652), abs=1e-5)


@pytest.mark.parametrize("right", [0, 50])
def test_the_interval_of_answers_that_are_all_alike_is_wilsons_too(right: int) -> None:
    error = question_error([[1.0] * right + [0.0] * (50 - right)])
    assert error is not None
    assert interval(right / 50, error, 0.95, 0, 1) == pytest.approx(wilson(right, 50, 0.95), abs=1e-9)


def test_an_interval_stays_within_what_is_possible() -> None:
    assert 0 < interval(0.02, 0.1, 0.95, 0, 1)[0] < 0.02
    assert 0.98 < interval(0.98, 0.1, 0.95, 0, 1)[1] < 1


def test_the_interval_of_a_range_is_that_of_the_share_of_the_range() -> None:
    low, high = interval(0.7, 0.05, 0.95, 0, 1)
    assert interval(40, 10, 0.95, -100, 100) == pytest.approx((200 * low - 100, 200 * high - 100))


def test_an_interval_without_an_upper_end_is_the_normal_one() -> None:
    assert interval(10.0, 1.0, 0.95, 0.0, math.inf) == pytest.approx((8.04, 11.96), abs=1e-3)


def test_an_interval_without_error_is_a_point() -> None:
    assert interval(0.25, 0.0, 0.95, 0, 1) == (0.25, 0.25)


@pytest.mark.parametrize(
    "arguments",
    [(math.nan, 0.1, 0.95, 0, 1), (0.5, math.nan, 0.95, 0, 1), (0.5, -0.1, 0.95, 0, 1), (1.5, 0.1, 0.95, 0, 1)],
)
def test_what_has_no_interval_is_refused(arguments: tuple[float, float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no interval follows from a mean of"):
        interval(*arguments)


@pytest.mark.parametrize("reach", [one_sided, two_sided])
@pytest.mark.parametrize("level", [1.0, 1.5, -1.0, math.nan])
def test_a_confidence_lies_between_0_and_1(reach: Callable[[float], float], level: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        reach(level)


@pytest.mark.parametrize(("error", "margin"), [(math.nan, 0.1), (0.1, math.nan), (-0.1, 0.1)])
def test_no_amount_follows_from_what_is_no_number(error: float, margin: float) -> None:
    with pytest.raises(ValueError, match="no amount follows"):
        amount_needed(2, error, margin, 0.95)


def test_four_times_the_runs_show_half_the_margin() -> None:
    # 2 * (1.644854 * 0.02 / 0.01)^2 = 21.6 and four times as much.
    assert amount_needed(2, 0.02, 0.01, 0.95) == 22
    assert amount_needed(2, 0.02, 0.005, 0.95) == 87


@pytest.mark.parametrize("margin", [0.0, 1e-300, 1e-9])
def test_no_amount_shows_a_margin_of_nearly_zero(margin: float) -> None:
    assert amount_needed(2, 0.02, margin, 0.95) is None


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
@given(samples(least_items=2), st.data())
def test_an_error_over_sources_is_a_finite_number_or_unknown(rows: list[list[float]], data: st.DataObject) -> None:
    sources = data.draw(st.lists(st.integers(0, 3), min_size=len(rows[0]), max_size=len(rows[0])))
    error = question_error(rows, None, sources)
    assert (error is None) == (len(set(sources)) == 1)
    assert error is None or 0 <= error <= 2


@quick
@given(samples())
def test_a_flip_rate_is_a_share_and_unknown_for_one_run(rows: list[list[float]]) -> None:
    rate = flip_rate(rows)
    assert (rate is None) == (len(rows) == 1)
    assert rate is None or 0 <= rate <= 1


@quick
@given(samples(least_runs=2))
def test_nothing_flips_exactly_when_the_runs_agree(rows: list[list[float]]) -> None:
    assert (flip_rate(rows) == 0) == all(row == rows[0] for row in rows)


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
@given(share, st.floats(1e-9, 10), confidence)
def test_only_an_interval_without_error_is_a_point(middle: float, error: float, level: float) -> None:
    low, high = interval(middle, error, level, 0, 1)
    assert low < high


@quick
@given(share, error_size, confidence, confidence)
def test_more_confidence_never_narrows_an_interval(middle: float, error: float, one: float, other: float) -> None:
    less, more = sorted([one, other])
    narrow, wide = interval(middle, error, less, 0, 1), interval(middle, error, more, 0, 1)
    assert wide[0] <= narrow[0] + 1e-12
    assert narrow[1] <= wide[1] + 1e-12


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


def test_twelve_thousand_items_in_four_runs_take_less_than_50_ms() -> None:
    draw = np.random.default_rng(1)
    rows = tuple(tuple(row) for row in (draw.random((4, 12_000)) < 0.7).astype(float).tolist())

    def once() -> float:
        start = time.process_time()
        for of in (run_means, item_means, run_to_run_deviation, flip_rate, rerun_error, question_error):
            assert of(rows)
        return time.process_time() - start

    assert min(once() for _ in range(3)) < 0.05
