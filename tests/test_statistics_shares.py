import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from thresholds.statistics.shares import exact, percentile_interval, wilson

quick = settings(deadline=None, max_examples=50, database=None)
confidence = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 500))
    return draw(st.integers(0, total)), total


@pytest.mark.parametrize(("successes", "total"), [(0, 1), (0, 50), (45, 50), (50, 50), (7, 410), (1318, 1319)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_shares_have_the_intervals_that_scipy_gives(successes: int, total: int, level: float) -> None:
    known = binomtest(successes, total)

    assert wilson(successes, total, level) == pytest.approx(known.proportion_ci(level, "wilson"), abs=1e-12)
    assert exact(successes, total, level) == pytest.approx(known.proportion_ci(level, "exact"), abs=1e-9)


@pytest.mark.parametrize("of", [wilson, exact])
@pytest.mark.parametrize(
    ("successes", "total", "level", "said"),
    [
        (0, 0, 0.95, "0 of 0 is no share"),
        (-1, 5, 0.95, "-1 of 5 is no share"),
        (6, 5, 0.95, "6 of 5 is no share"),
        (1, 5, 1.0, "confidence must lie between"),
        (1, 5, 0.0, "confidence must lie between"),
    ],
)
def test_what_is_no_share_is_refused(of: object, successes: int, total: int, level: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        of(successes, total, level)  # type: ignore[operator]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_the_exact_interval_covers_at_least_as_often_as_it_says(share: float) -> None:
    covers = [low <= share <= high for low, high in (exact(k, 40, 0.95) for k in range(41))]

    assert binom.pmf(np.arange(41), 40, share)[covers].sum() >= 0.95


def test_a_median_lies_between_the_10th_and_22nd_of_31_values() -> None:
    # P(B < 10) = P(B >= 22) = 0.0147 and P(B < 11) = 0.0354 for B ~ Binomial(31, 1/2).
    assert percentile_interval(range(1, 32), 0.5, 0.95) == (10, 22)


@pytest.mark.parametrize(
    ("count", "level", "known"), [(298, 0.9, False), (299, 0.9, True), (367, 0.95, False), (368, 0.95, True)]
)
def test_p99_needs_299_values_at_90_per_cent_and_368_at_95(count: int, level: float, known: bool) -> None:
    assert (percentile_interval(np.arange(count), 0.99, level) is not None) is known


def test_the_order_in_which_values_came_does_not_matter() -> None:
    values = np.random.default_rng(1).permutation(100)

    assert percentile_interval(values, 0.9, 0.9) == percentile_interval(np.sort(values), 0.9, 0.9)


@pytest.mark.parametrize(
    ("values", "share", "level", "said"),
    [
        ([], 0.5, 0.95, "no scores"),
        ([1.0, math.nan], 0.5, 0.95, "not a finite number"),
        ([1.0], 0.0, 0.95, "must lie between 0 and 1"),
        ([1.0], 0.5, 1.0, "must lie between 0 and 1"),
    ],
)
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float, level: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        percentile_interval(values, share, level)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_percentile_is_covered_whatever_the_distribution(share: float) -> None:
    draw, covered = np.random.default_rng(8), 0
    truth = -math.log(1 - share)
    for _ in range(1000):
        ends = percentile_interval(draw.exponential(1, 150), share, 0.95)
        assert ends is not None
        covered += ends[0] <= truth <= ends[1]

    assert covered >= 935


@quick
@given(counts(), confidence, confidence)
def test_the_interval_of_a_share_contains_it_and_widens_with_confidence(
    count: tuple[int, int], one: float, other: float
) -> None:
    less, more = sorted([one, other])
    for of in (wilson, exact):
        narrow, wide = of(*count, less), of(*count, more)
        assert 0 <= wide[0] <= narrow[0] <= count[0] / count[1] <= narrow[1] <= wide[1] <= 1


@quick
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0.01, 0.99), confidence)
def test_a_percentile_has_two_of_the_values_for_its_ends_or_no_interval(
    values: list[float], share: float, level: float
) -> None:
    ends = percentile_interval(values, share, level)
    assert ends is None or (ends[0] <= ends[1] and set(ends) <= set(values))
