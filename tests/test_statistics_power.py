import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.statistics.power import (
    amount_for,
    caught,
    false_alarm,
    margin_for,
    session_error,
    smallest_effect,
)

quick = settings(deadline=None, max_examples=50, database=None)
error = st.floats(1e-6, 10)
margin = st.floats(0, 10)
rate = st.floats(0.0001, 0.5)
amount = st.integers(1, 1000)


def test_a_later_session_varies_as_its_own_mean_and_as_the_one_recorded() -> None:
    assert session_error(0.02, later=4) == pytest.approx(0.01)
    assert session_error(0.02, later=2, recorded=4) == pytest.approx(0.02 * math.sqrt(1 / 2 + 1 / 4))


@pytest.mark.parametrize(("errors_away", "alarms"), [(0.0, 0.5), (1.644854, 0.05), (2.326348, 0.01), (-1.644854, 0.95)])
def test_false_alarms_follow_from_how_many_errors_away_the_bound_is(errors_away: float, alarms: float) -> None:
    assert false_alarm(errors_away * 0.01, 0.01) == pytest.approx(alarms, abs=1e-6)


@pytest.mark.parametrize(("distance", "alarms"), [(0.01, 0.0), (0.0, 0.0), (-0.01, 1.0)])
def test_without_noise_a_bound_alarms_always_or_never(distance: float, alarms: float) -> None:
    assert false_alarm(distance, 0.0) == alarms


def test_a_drop_as_large_as_the_margin_is_caught_every_other_time() -> None:
    assert caught(0.03, 0.03, 0.01) == 0.5


def test_the_smallest_effect_lies_beyond_the_margin() -> None:
    # 0.02 + 0.841621 * 0.01 and 0.02 + 1.644854 * 0.01.
    assert smallest_effect(0.01, 0.02, 0.8) == pytest.approx(0.0284162)
    assert smallest_effect(0.01, 0.02, 0.95) == pytest.approx(0.0364485)


def test_the_margin_for_one_false_alarm_in_a_hundred_is_2_3_errors() -> None:
    assert margin_for(0.01, 0.01) == pytest.approx(0.0232635)


@pytest.mark.parametrize(
    ("recorded", "later"),
    # (2.326348 * 0.02 / 0.03)^2 = 2.405 runs; with 4 recorded 1 / (1 / 2.405 - 1 / 4) = 6.03.
    [(None, 3), (4, 7), (3, 13)],
)
def test_the_runs_that_a_margin_needs_depend_on_those_recorded(recorded: int | None, later: int) -> None:
    assert amount_for(0.03, 0.02, 0.01, recorded) == later


def test_no_later_session_makes_up_for_too_few_recorded_runs() -> None:
    assert amount_for(0.03, 0.02, 0.01, recorded=2) is None


@pytest.mark.parametrize("distance", [0.0, -0.01, 1e-9])
def test_no_amount_holds_a_bound_without_a_margin(distance: float) -> None:
    assert amount_for(distance, 0.02, 0.01) is None


def test_without_noise_one_run_is_enough() -> None:
    assert amount_for(0.01, 0.0, 0.01) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: session_error(-0.1, 2),
        lambda: session_error(math.nan, 2),
        lambda: session_error(0.1, 0),
        lambda: session_error(0.1, 2, 0),
        lambda: false_alarm(math.nan, 0.1),
        lambda: false_alarm(0.1, -0.1),
        lambda: caught(math.nan, 0.1, 0.1),
        lambda: caught(0.1, 0.1, math.nan),
        lambda: margin_for(-0.1, 0.01),
        lambda: margin_for(0.1, 0.0),
        lambda: margin_for(0.1, 0.6),
        lambda: smallest_effect(0.1, 0.1, 1.0),
        lambda: smallest_effect(math.inf, 0.1, 0.8),
        lambda: smallest_effect(0.1, math.nan, 0.8),
        lambda: amount_for(0.1, -0.1, 0.01),
        lambda: amount_for(0.1, 0.1, 0.0),
        lambda: amount_for(0.1, 0.1, 0.01, 0),
        lambda: amount_for(math.nan, 0.1, 0.01),
    ],
)
def test_what_has_no_answer_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^(no (session|chance) |.* must |.* at least one run)"):
        wrong()  # type: ignore[operator]


def test_the_rates_are_those_of_simulated_sessions() -> None:
    draw = np.random.default_rng(13)
    recorded, later = draw.normal(0.7, 0.01, (20_000, 4)).mean(axis=1), draw.normal(0.7, 0.01, (20_000, 2)).mean(axis=1)
    size = session_error(0.01, later=2, recorded=4)
    bounds = recorded - margin_for(size, 0.01)

    alarms, catches = (
        (later < bounds).mean(),
        (later - smallest_effect(size, margin_for(size, 0.01), 0.8) < bounds).mean(),
    )

    assert alarms == pytest.approx(0.01, abs=0.003)
    assert catches == pytest.approx(0.8, abs=0.01)


@quick
@given(st.floats(-10, 10), st.floats(0, 10))
def test_a_false_alarm_rate_is_a_share_and_falls_with_the_margin(distance: float, size: float) -> None:
    assert 0 <= false_alarm(distance + 0.1, size) <= false_alarm(distance, size) <= 1


@quick
@given(error, rate)
def test_the_margin_for_a_rate_has_this_rate(size: float, wanted: float) -> None:
    assert false_alarm(margin_for(size, wanted), size) == pytest.approx(wanted, rel=1e-6)


@quick
@given(error, margin, st.floats(0.5, 0.999))
def test_the_smallest_effect_is_caught_with_its_power(size: float, distance: float, power: float) -> None:
    assert caught(smallest_effect(size, distance, power), distance, size) == pytest.approx(power, abs=1e-6)


@quick
@given(margin, error, rate, st.none() | amount)
def test_the_amount_for_a_margin_is_the_smallest_that_holds_it(
    distance: float, deviation: float, wanted: float, recorded: int | None
) -> None:
    needed = amount_for(distance, deviation, wanted, recorded)
    if needed is None:
        assert false_alarm(distance, session_error(deviation, 1_100_000, recorded)) > wanted * (1 - 1e-6)
    else:
        assert false_alarm(distance, session_error(deviation, needed, recorded)) <= wanted * (1 + 1e-6)
        if needed > 1:
            fewer = false_alarm(distance, session_error(deviation, needed - 1, recorded))
            assert fewer >= wanted * (1 - 1e-6)


@quick
@given(st.floats(0, 10), amount, st.none() | amount)
def test_more_runs_never_make_a_session_less_sure(deviation: float, later: int, recorded: int | None) -> None:
    assert session_error(deviation, later + 1, recorded) <= session_error(deviation, later, recorded)
