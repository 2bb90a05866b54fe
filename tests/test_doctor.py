import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.accepted import Accepted, Noise, bound
from thresholds.agreement import NEXT_TOKEN_DIVERGENCE
from thresholds.catalogue import Catalogue, Threshold
from thresholds.doctor import Finding, examine, narrow
from thresholds.measurement import ACCURACY, Measurement, Metric
from thresholds.needs import Need
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN
from thresholds.verdict import Outcome, judge

ACCURACY_ROW: Mapping[str, Any] = {
    "model": "smol",
    "task": "gsm8k",
    "measured": 0.6,
    "noise": 0.02,
    "runs": 4,
    "samples": "400",
    "run": "r-1",
}
SPEED_ROW: Mapping[str, Any] = {
    "model": "smol",
    "workload": "chat",
    "measured": 100.0,
    "noise": 0.03,
    "runs": 5,
    "run": "r",
}
SHIPPED = Catalogue.load(Path(__file__).parents[1] / "thresholds")
EMBEDDED = [
    row
    for row in SHIPPED.rows.values()
    if row.row["model"] == "smollm2-135m-instruct" and row.metric is not NEXT_TOKEN_DIVERGENCE
]


def accuracy_row(floor: float, must: str = "hold", **keys: Any) -> Threshold:
    return Threshold(ACCURACY, floor, must, "thresholds/smol.yaml:3", {**ACCURACY_ROW, **keys})


def speed_row(value: float, metric: Metric = OUTPUT_TOKENS_PER_SECOND, must: str = "hold", **keys: Any) -> Threshold:
    return Threshold(metric, value, must, "thresholds/smol.yaml:9", {**SPEED_ROW, **keys})


def known(finding: Finding) -> tuple[float, float, tuple[float, float]]:
    """Red, FAIL and what is caught, of a row whose noise is known."""
    assert finding.red is not None
    assert finding.fails is not None
    assert finding.catches is not None
    return finding.red, finding.fails, finding.catches


def needs(row: Threshold, stated: float | None = None) -> Need:
    need = examine(row, stated=stated).need
    assert need is not None
    return need


@pytest.mark.parametrize("row", EMBEDDED, ids=lambda row: row.where.rpartition("/")[2])
def test_no_row_of_the_embedded_model_flakes_in_more_than_1_of_100_sessions(row: Threshold) -> None:
    finding = examine(row)

    assert finding.red is not None
    assert finding.red <= 0.01
    assert finding.fit


def test_a_floor_is_red_as_often_as_the_difference_of_two_noisy_means_falls_below_it() -> None:
    # 0.02 * sqrt(1/4 + 1/2) = 0.01732; a margin of 1.645 of these
    red, fails, _ = known(examine(accuracy_row(0.6 - 1.644854 * 0.0173205)))

    assert red == pytest.approx(0.05, abs=1e-4)
    # another 1.645 * 0.02 / sqrt(2) = 0.02326 below: Phi(-2.988)
    assert fails == pytest.approx(0.0014, abs=1e-4)


def test_a_floor_catches_the_drop_that_brings_the_later_mean_below_it_so_often() -> None:
    _, _, (often, mostly) = known(examine(accuracy_row(0.56)))

    assert often == pytest.approx(0.04 + 0.841621 * 0.0173205)
    assert mostly == pytest.approx(0.04 + 1.644854 * 0.0173205)


def test_a_noise_of_0_is_no_certainty_and_counts_one_question() -> None:
    # sqrt(3) * 1 / (40 sqrt(2)) = 0.030619
    red, fails, _ = known(examine(accuracy_row(0.6 - 2.326348 * 0.030619, noise=0.0, samples="40")))

    assert red == pytest.approx(0.01, abs=1e-4)
    assert fails == red


def test_more_later_runs_lower_the_false_alarms() -> None:
    rates = [known(examine(accuracy_row(0.57), later_runs=later))[0] for later in (1, 2, 8)]

    assert rates == sorted(rates, reverse=True)


def test_what_must_be_shown_is_red_more_often_and_fails_as_often() -> None:
    hold, show = (known(examine(accuracy_row(0.55, must))) for must in ("hold", "show"))

    assert show[0] > hold[0]
    assert show[1] == hold[1]
    assert show[2] < hold[2]


HOLDS = "; `floor: 0.555` would hold"
MORE = "ask more questions or make more runs"
IN_RED = "an unchanged combination is red in"


@pytest.mark.parametrize(
    ("floor", "keys", "wrong", "said"),
    [
        (0.61, {}, "above_measured", f"its floor of 61.0 lies above the 60.0 that was measured{HOLDS}"),
        (0.0, {}, "never_fails", f"a floor of 0.0 can never fail{HOLDS}"),
        (0.2, {"chance": 0.25}, "below_chance", f"a guess reaches 25.0, which its floor of 20.0 lets pass{HOLDS}"),
        (
            0.59,
            {},
            "flakes",
            f"{IN_RED} 28.2 % of the sessions: its margin of 1.0 points is below the noise of 1.7{HOLDS}",
        ),
        (
            0.565,
            {},
            "flakes",
            f"{IN_RED} 2.2 % of the sessions: its margin of 3.5 points is too near the noise of 1.7{HOLDS}",
        ),
        (
            0.0,
            {"noise": 0.5},
            "never_fails",
            f"a floor of 0.0 can never fail; no floor would hold that could fail; {MORE}",
        ),
        (
            0.2,
            {"noise": 0.3, "chance": 0.25},
            "below_chance",
            f"a guess reaches 25.0, which its floor of 20.0 lets pass; no floor above chance would hold; {MORE}",
        ),
        (
            0.61,
            {"noise": None},
            "above_measured",
            "its floor of 61.0 lies above the 60.0 that was measured; its noise is not known; record it again",
        ),
    ],
)
def test_a_floor_that_cannot_work_is_named_with_what_would_hold(
    floor: float, keys: Mapping[str, Any], wrong: str, said: str
) -> None:
    finding = examine(accuracy_row(floor, **keys))

    assert (finding.wrong, finding.said) == (wrong, said)
    assert not finding.fit


def test_the_floor_of_a_rate_that_cannot_work_is_named_with_what_would_hold() -> None:
    above, flaky = examine(speed_row(101.0)), examine(speed_row(98.0))

    assert (
        above.said
        == "its floor of 101 tokens/s lies above the 100 tokens/s that was measured; `floor: 88.7` would hold"
    )
    assert flaky.said == (
        f"{IN_RED} 20.6 % of the sessions: its margin of 2.0 % is below the noise of 2.2 %; `floor: 88.7` would hold"
    )


def test_the_ceiling_of_a_latency_that_cannot_work_is_named_with_what_would_hold() -> None:
    finding = examine(speed_row(0.099, TIME_TO_FIRST_TOKEN, measured=0.1))

    assert finding.said == "its ceiling of 99 ms lies below the 100 ms that was measured; `ceiling: 0.112` would hold"


def test_the_floor_that_would_hold_does() -> None:
    for row in (accuracy_row(0.59), accuracy_row(0.59, "show"), speed_row(99.0), speed_row(99.0, must="show")):
        holds = examine(row).holds
        assert holds is not None
        assert examine(Threshold(row.metric, holds, row.must, row.where, row.row)).fit


def test_the_bound_of_a_speed_that_never_varied_never_flakes() -> None:
    assert known(examine(speed_row(99.0, noise=0.0)))[:2] == (0.0, 0.0)
    assert known(examine(speed_row(101.0, noise=0.0)))[:2] == (1.0, 1.0)


def test_a_bound_that_is_nearer_than_another_start_may_be_is_told() -> None:
    assert narrow(examine(speed_row(96.0, noise=0.001)))
    assert not narrow(examine(speed_row(95.0, noise=0.001)))
    assert not narrow(examine(accuracy_row(0.599)))


@pytest.mark.parametrize("keys", [{"noise": None}, {"noise": 0.0, "samples": "all"}])
def test_without_noise_nothing_is_said_of_the_chances(keys: Mapping[str, Any]) -> None:
    finding = examine(accuracy_row(0.56, **keys))

    assert (finding.red, finding.fails, finding.catches, finding.need, finding.holds) == (None,) * 5
    assert finding.fit


def test_noise_that_was_measured_elsewhere_is_pooled_by_its_runs() -> None:
    finding = examine(accuracy_row(0.56), [Noise(0.04, 3)])

    assert finding.base.noise is not None
    assert finding.base.noise.deviation == pytest.approx(((3 * 0.02**2 + 3 * 0.04**2) / 6) ** 0.5)
    assert finding.base.noise.degrees == 6
    assert known(finding)[0] > known(examine(accuracy_row(0.56)))[0]


def test_noise_from_elsewhere_examines_a_row_that_knows_none() -> None:
    assert examine(accuracy_row(0.56, noise=None), [Noise(0.02, 3)]).red is not None


def test_a_sample_needs_questions_and_all_questions_need_runs() -> None:
    asked, whole = needs(accuracy_row(0.56)), needs(accuracy_row(0.56, samples="all", questions=400))

    both = 2.575829 + 0.841621
    assert (asked.amount, asked.unit) == (math.ceil(400 * (both * 0.0173205 / 0.02) ** 2), "questions")
    assert (whole.amount, whole.unit) == (math.ceil(2 * (both * 0.02 / 0.02) ** 2), "runs")


def test_a_smaller_drop_needs_more_and_a_larger_one_is_caught_already() -> None:
    wanted = [needs(accuracy_row(0.56), stated=drop) for drop in (0.01, 0.02, 0.1)]

    amounts = [need.amount or 0 for need in wanted]
    assert amounts == sorted(amounts, reverse=True)
    assert [need.enough for need in wanted] == [False, False, True]


def test_no_number_of_runs_shows_a_hair_of_a_noisy_speed() -> None:
    need = needs(speed_row(80.0, noise=1.0), stated=1e-4)

    assert need.amount is None
    assert not need.enough


@pytest.mark.parametrize(
    "keys", [{"later_runs": 0}, {"later_runs": -1}, {"stated": 0.0}, {"stated": float("nan")}, {"alpha": 0.0}]
)
def test_what_nobody_can_ask_is_an_error(keys: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="a session has at least 1 run, a drop is positive"):
        examine(accuracy_row(0.56), **keys)


def test_the_rates_of_an_accuracy_are_those_of_simulated_sessions() -> None:
    draw = np.random.default_rng(20260117)
    chances = np.where(np.arange(200) < 40, 0.5, np.arange(200) % 2)  # a fifth of the answers are tosses
    deviation = float(np.sqrt((chances * (1 - chances)).sum()) / 200)
    sessions = 20_000
    recorded = draw.binomial(4, chances, (sessions, 200)).mean(1) / 4
    later = draw.binomial(1, chances, (2, sessions, 200)).astype(float)
    floors = recorded - 0.02
    own = np.sqrt(later.var(0, ddof=1).sum(1) / 2) / 200
    red = (later.mean((0, 2)) < floors).mean()
    fails = (later.mean((0, 2)) + 1.644854 * own < floors).mean()

    finding = known(examine(accuracy_row(0.58, noise=deviation, samples="200")))

    assert finding[0] == pytest.approx(red, abs=0.015)
    assert finding[1] == pytest.approx(fails, abs=0.005)


def test_the_rates_of_a_speed_are_those_of_simulated_sessions_each_with_a_row_of_its_own() -> None:
    draw = np.random.default_rng(20260117)
    labels = {"combination": "smol", "workload": "chat"}
    outcomes = []
    for recorded, later in zip(draw.normal(100, 3, (1500, 5)), draw.normal(100, 3, (1500, 3)), strict=True):
        spread = recorded.std(ddof=1)
        row = speed_row(recorded.mean() - 1.2 * spread, measured=recorded.mean(), noise=spread / recorded.mean())
        values = Measurement(OUTPUT_TOKENS_PER_SECOND, tuple((value,) for value in later), labels, 1)
        outcomes.append(judge(values, row).outcome)

    red, fails, _ = known(examine(row))  # the same for every row: each lies 1.2 of its own deviations away
    assert np.mean([one is not Outcome.PASS for one in outcomes]) == pytest.approx(red, abs=0.015)
    assert np.mean([one is Outcome.FAIL for one in outcomes]) == pytest.approx(fails, abs=0.005)
    assert red == pytest.approx(0.088, abs=0.001)


shares = st.floats(0, 1)
rows = st.builds(
    accuracy_row,
    shares,
    st.sampled_from(["hold", "show"]),
    measured=shares,
    noise=st.none() | shares,
    runs=st.integers(1, 10**6),
    samples=st.sampled_from(["all", "40", "first 7", "seed -3: 1"]),
    questions=st.none() | st.integers(1, 10**6),
    chance=st.none() | shares,
) | st.builds(
    speed_row,
    st.floats(1e-9, 1e9),
    st.sampled_from([OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN]),
    st.sampled_from(["hold", "show"]),
    measured=st.floats(1e-9, 1e9),
    noise=st.none() | st.floats(0, 100),
    runs=st.integers(3, 10**6),
)
noises = st.lists(st.builds(Noise, st.floats(0, 100), st.integers(1, 100)), max_size=3)


@settings(deadline=None, max_examples=300, database=None)
@given(rows, noises, st.none() | st.integers(1, 100), st.none() | st.floats(1e-6, 1e6), st.floats(1e-6, 0.5))
def test_whatever_a_row_says_its_finding_is_one_that_can_be_believed(
    row: Threshold, measured: list[Noise], later: int | None, stated: float | None, alpha: float
) -> None:
    finding = examine(row, measured, later, stated=stated, alpha=alpha)

    if finding.red is not None and finding.fails is not None:
        assert 0 <= finding.fails <= finding.red <= 1
    if finding.catches is not None:
        assert 0 <= finding.catches[0] <= finding.catches[1]
    assert bool(finding.said) is not finding.fit
    assert finding.need is None or finding.need.amount is None or finding.need.amount >= 1


@settings(deadline=None, max_examples=200, database=None)
@given(shares, shares, st.floats(0, 0.3), st.integers(2, 10), st.integers(2, 2000))
def test_the_floor_that_recording_sets_at_a_noise_is_fit_at_that_noise(
    one: float, other: float, noise: float, runs: int, questions: int
) -> None:
    low, high = sorted([one, other])
    base = Accepted(ACCURACY, high, runs, Noise(noise, runs - 1), questions)
    keys = {"measured": high, "noise": noise, "runs": runs, "samples": str(questions)}
    finding = examine(accuracy_row(bound(base), **keys))
    lower, higher = (known(examine(accuracy_row(floor, **keys))) for floor in (low / 2 + 0.001, low / 2 + 0.01))

    assert finding.wrong in {None, "never_fails"}
    assert lower[0] <= higher[0]
    assert lower[2][0] >= higher[2][0]
