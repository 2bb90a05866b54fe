from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.catalogue import Threshold
from thresholds.measurement import Measurement, Metric
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN
from thresholds.verdict import Outcome, judge

quick = settings(deadline=None, max_examples=50, database=None)

LABELS = {"combination": "smol-vllm-unquantized", "workload": "chat"}


def speed_of(values: Iterable[float], metric: Metric) -> Measurement:
    return Measurement(metric, tuple((value,) for value in values), LABELS, 1)


def outcome(values: Iterable[float], bound: float, metric: Metric, must: str = "hold") -> Outcome:
    row = {"measured": 1.0, "run": "20260117-093000-ab12"}
    return judge(speed_of(values, metric), Threshold(metric, bound, must, "thresholds/smol.yaml:14", row)).outcome


strictness = {Outcome.PASS: 0, Outcome.INCONCLUSIVE: 1, Outcome.FAIL: 2}
speeds = st.lists(st.floats(0.1, 1000), min_size=1, max_size=6)


@quick
@given(speeds, st.floats(0.1, 1000), st.floats(0.1, 1000), st.sampled_from(["hold", "show"]))
def test_a_higher_floor_and_a_lower_ceiling_are_never_easier(
    values: list[float], one: float, other: float, must: str
) -> None:
    low, high = sorted([one, other])
    floors = [outcome(values, at, OUTPUT_TOKENS_PER_SECOND, must) for at in (low, high)]
    ceilings = [outcome(values, at, TIME_TO_FIRST_TOKEN, must) for at in (high, low)]

    assert strictness[floors[0]] <= strictness[floors[1]]
    assert strictness[ceilings[0]] <= strictness[ceilings[1]]


@quick
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(1, 1000), st.sampled_from(["hold", "show"]))
def test_a_ceiling_is_the_mirror_image_of_a_floor(values: list[int], at: int, must: str) -> None:
    """v below f by so much is judged like 2000 - v above 2000 - f."""
    mirrored = [2000 - value for value in values]

    of_floor = outcome(values, at, OUTPUT_TOKENS_PER_SECOND, must)

    assert of_floor is outcome(mirrored, 2000 - at, TIME_TO_FIRST_TOKEN, must)


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize(("metric", "side"), [(OUTPUT_TOKENS_PER_SECOND, 1), (TIME_TO_FIRST_TOKEN, -1)])
def test_an_unchanged_engine_fails_a_bound_at_its_true_mean_in_at_most_5_of_100_sessions(
    metric: Metric, side: int, runs: int
) -> None:
    draw = np.random.default_rng(20260117)
    sessions = 100 + side * draw.normal(0, 3, (2000, runs))

    failed = sum(outcome(one, 100, metric) is Outcome.FAIL for one in sessions)

    assert 0.035 <= failed / 2000 <= 0.065


@pytest.mark.parametrize(
    ("metric", "changed", "bound"), [(OUTPUT_TOKENS_PER_SECOND, 90, 95), (TIME_TO_FIRST_TOKEN, 110, 105)]
)
def test_a_slowdown_of_10_per_cent_at_1_per_cent_noise_always_fails_a_margin_of_5(
    metric: Metric, changed: float, bound: float
) -> None:
    draw = np.random.default_rng(7)
    sessions = draw.normal(changed, 1, (1000, 5))

    outcomes = {outcome(one, bound, metric) for one in sessions}

    assert outcomes == {Outcome.FAIL}
