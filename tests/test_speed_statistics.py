import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.statistics.runs import later_reach, mean_reach, runs_needed, student_reach

quick = settings(deadline=None, max_examples=50, database=None)
confidence = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


@pytest.mark.parametrize(
    ("level", "degrees", "reach"),
    [(0.95, 1, 6.313752), (0.95, 2, 2.919986), (0.975, 4, 2.776445), (0.995, 2, 9.924843), (0.95, 1000, 1.646379)],
)
def test_student_reaches_are_those_of_the_tables(level: float, degrees: int, reach: float) -> None:
    assert student_reach(level, degrees) == pytest.approx(reach, abs=1e-6)


def test_the_reach_of_a_mean_follows_its_formula() -> None:
    assert mean_reach(4, 2.0, 0.95) == pytest.approx(2.353363 * 2 / 2, abs=1e-6)


def test_a_later_mean_reaches_further_than_the_truth() -> None:
    assert later_reach(4, 2.0, 4, 0.95) == pytest.approx(mean_reach(4, 2.0, 0.95) * math.sqrt(2))


def test_the_runs_needed_are_the_first_whose_reach_is_within_the_margin() -> None:
    assert mean_reach(12, 2.0, 0.95) > 1.0 >= mean_reach(13, 2.0, 0.95)
    assert runs_needed(3, 2.0, 1.0, 0.95) == 13


@pytest.mark.parametrize("margin", [0.0, 1e-300, 0.01])
def test_no_number_of_runs_that_anybody_would_make_shows_a_tiny_margin(margin: float) -> None:
    assert runs_needed(3, 1.0, margin, 0.95) is None


def test_runs_without_noise_need_one_more() -> None:
    assert runs_needed(3, 0.0, 0.1, 0.95) == 4


@quick
@given(st.integers(3, 20), st.floats(0.01, 5), st.floats(0.2, 10), confidence)
def test_the_runs_needed_show_the_margin(runs: int, deviation: float, size: float, level: float) -> None:
    needed = runs_needed(runs, deviation, size, level)
    assert needed is not None
    assert needed > runs
    assert mean_reach(needed, deviation, level) <= size


def test_the_mean_of_three_later_runs_lies_within_its_reach_in_995_of_1000_sessions() -> None:
    draw = np.random.default_rng(11)
    recorded, later = draw.normal(0, 1, (4000, 5)), draw.normal(0, 1, (4000, 3)).mean(axis=1)
    reaches = [later_reach(5, float(one.std(ddof=1)), 3, 0.995) for one in recorded]

    outside = sum(recorded.mean(axis=1) - later > reaches)

    assert 0.002 <= outside / 4000 <= 0.008
