"""How often speeds of identical combinations are told apart, and slower ones found. `python -m …speeds` prints both."""

import math
import sys
from itertools import product

import numpy as np
import pytest
from scipy.stats import ttest_ind

from thresholds.accepted import BETWEEN_STARTS
from thresholds.statistics.ranks import ranks
from thresholds.statistics.runs import LEAST_RUNS
from thresholds.statistics.speeds import p_values_of_runs, ratio_interval

TABLES = 500
NOISE = (0.005, 0.02, 0.1)
"""Standard deviation from run to run, as a share."""
STARTS = (0.0, math.log1p(BETWEEN_STARTS) / 1.96 / math.sqrt(2))
"""The same from start to start: none, and as much as makes two starts differ by 5 % at most 95 % of the time."""
CELLS = list(product((2, 8), (LEAST_RUNS, 5), NOISE, STARTS))


def told_apart(combinations: int, runs: int, noise: float, starts: float, slower: float = 0.0) -> float:
    """Share of tables in which any two are; where the first is slower, the mean share of those it is told from."""
    draw = np.random.default_rng(20261126)
    found = 0.0
    for _ in range(TABLES):
        speeds = np.exp(draw.normal(0, starts, (combinations, 1)) + draw.normal(0, noise, (combinations, runs)))
        speeds[0] *= 1 - slower
        of = {str(number): one.tolist() for number, one in enumerate(speeds)}
        places = ranks({name: float(np.mean(one)) for name, one in of.items()}, p_values_of_runs(of, BETWEEN_STARTS))
        apart = [combinations - 1 - len(place.ties) for place in places.values()]
        found += apart[0] / (combinations - 1) if slower else any(apart)
    return found / TABLES


@pytest.mark.parametrize(("combinations", "runs", "noise", "starts"), CELLS)
def test_identical_combinations_are_told_apart_in_at_most_5_percent_of_tables(
    combinations: int, runs: int, noise: float, starts: float
) -> None:
    by_chance = 3 * math.sqrt(0.05 * 0.95 / TABLES)

    assert told_apart(combinations, runs, noise, starts) <= 0.05 + by_chance


@pytest.mark.parametrize("combinations", [2, 5])
def test_a_slowdown_of_15_percent_is_told_apart_in_nearly_all_tables_of_3_runs(combinations: int) -> None:
    assert told_apart(combinations, LEAST_RUNS, 0.02, 0.0, slower=0.15) >= 0.98


@pytest.mark.parametrize("runs", [2, 3, 10])
@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_the_ratio_of_a_few_runs_is_covered_in_95_of_100_sessions(runs: int, starts: float, noise: float) -> None:
    draw, covered = np.random.default_rng(6), 0
    for _ in range(600):
        sides = [mean * np.exp(draw.normal(0, starts) + draw.normal(0, noise, runs)) for mean in (120, 100)]
        ends = ratio_interval(sides[0].tolist(), sides[1].tolist(), BETWEEN_STARTS, 0.95)
        assert ends is not None
        covered += ends[0] <= 1.2 <= ends[1]

    assert covered / 600 >= 0.92


def test_without_starts_a_ratio_has_welchs_interval() -> None:
    draw = np.random.default_rng(3)
    candidate, baseline = draw.normal(120, 2, 8).tolist(), draw.normal(100, 2, 8).tolist()

    ends = ratio_interval(candidate, baseline, 0.0, 0.95)
    known = ttest_ind(np.log(candidate), np.log(baseline), equal_var=False).confidence_interval(0.95)

    assert ends is not None
    assert np.log(ends).tolist() == pytest.approx(list(known), rel=0.02)


def test_swapping_the_sides_turns_the_ratio_over() -> None:
    one, other = [10.0, 11.0, 12.0, 10.5], [20.0, 21.0, 19.0]
    there, back = (ratio_interval(*sides, BETWEEN_STARTS, 0.95) for sides in ((one, other), (other, one)))

    assert there is not None
    assert back is not None
    assert (1 / back[1], 1 / back[0]) == pytest.approx(there)


def test_runs_that_agree_to_the_last_digit_have_a_ratio_as_sure_as_starts_leave_it() -> None:
    assert ratio_interval([3.0, 3.0], [2.0, 2.0], 0.05, 0.95) == pytest.approx((1.5 / 1.05, 1.5 * 1.05))


@pytest.mark.parametrize(
    ("candidate", "baseline"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([0.0, 0.0], [1.0, 2.0])]
)
def test_a_single_run_and_a_speed_of_0_have_no_ratio(candidate: list[float], baseline: list[float]) -> None:
    assert ratio_interval(candidate, baseline, BETWEEN_STARTS, 0.95) is None


def test_an_interval_leaves_out_1_where_the_two_alone_are_told_apart() -> None:
    draw = np.random.default_rng(8)
    for _ in range(200):
        sides = {name: np.exp(draw.normal(mean, 0.02, 3)).tolist() for name, mean in (("one", 0.0), ("other", 0.07))}
        ends = ratio_interval(sides["one"], sides["other"], BETWEEN_STARTS, 0.95)
        assert ends is not None
        if p_values_of_runs(sides, BETWEEN_STARTS)["one", "other"] < 0.05:
            assert not ends[0] <= 1 <= ends[1]


def test_runs_that_agree_to_the_last_digit_are_not_told_apart_by_less_than_starts_explain() -> None:
    near = p_values_of_runs({"one": (100.0, 100.0, 100.0), "other": (103.0, 103.0, 103.0)}, BETWEEN_STARTS)
    far = p_values_of_runs({"one": (100.0, 100.0, 100.0), "other": (108.0, 108.0, 108.0)}, BETWEEN_STARTS)

    assert near["one", "other"] > 0.05 > far["one", "other"]


def test_a_spread_that_is_small_by_luck_counts_as_that_of_all_together() -> None:
    alone = {"lucky": (100.0, 100.0, 100.1), "also": (115.0, 115.1, 115.0)}
    beside = {**alone, "noisy": (80.0, 100.0, 120.0)}

    pair = "lucky", "also"
    assert p_values_of_runs(alone, BETWEEN_STARTS)[pair] < 0.001 < p_values_of_runs(beside, BETWEEN_STARTS)[pair]


def test_equal_speeds_have_a_p_value_of_1_and_unequal_ones_without_any_noise_0() -> None:
    speeds = {"one": (5.0, 5.0), "same": (5.0, 5.0), "other": (6.0, 6.0)}

    found = p_values_of_runs(speeds, 0.0)
    assert found == {("one", "same"): 1.0, ("one", "other"): 0.0, ("same", "other"): 0.0}


def test_a_single_run_and_a_speed_of_0_are_compared_with_nothing() -> None:
    speeds = {"one": (5.0, 5.1), "other": (6.0, 6.1), "single": (9.0,), "still": (0.0, 0.0), "unknown": ()}

    assert list(p_values_of_runs(speeds, BETWEEN_STARTS)) == [("one", "other")]


@pytest.mark.parametrize(("speeds", "starts"), [((1.0, -1.0), 0.05), ((1.0, math.inf), 0.05), ((1.0, 1.0), -0.1)])
def test_what_is_no_speed_is_refused(speeds: tuple[float, ...], starts: float) -> None:
    with pytest.raises(ValueError, match=r"number|share"):
        p_values_of_runs({"one": speeds, "other": (1.0, 1.0)}, starts)
    with pytest.raises(ValueError, match=r"number|share"):
        ratio_interval(speeds, (1.0, 1.0), starts, 0.95)


def main() -> None:
    """Print the table."""
    sys.stdout.write("combinations  runs  noise  starts   any two told apart   15 % slower told apart\n")
    for combinations, runs, noise, starts in CELLS:
        shares = [told_apart(combinations, runs, noise, starts, slower) for slower in (0.0, 0.15)]
        about = f"{combinations:12d}  {runs:4d}  {noise:5.1%}  {starts:6.1%}"
        sys.stdout.write(f"{about}  {shares[0]:19.1%}  {shares[1]:21.1%}\n")


if __name__ == "__main__":
    main()
