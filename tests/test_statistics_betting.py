import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from thresholds.statistics.betting import Wager, confidence_sequence

quick = settings(deadline=None, max_examples=50, database=None)
change = st.floats(-1, 1)
alpha = st.floats(0.001, 0.5)
bound = st.floats(-1, 1)


def paired(limit: float = -0.05, population: int | None = 410, level: float = 0.05) -> Wager:
    return Wager(limit, level, -1.0, 1.0, population)


def shuffled(worse: int, better: int, of: int, seed: int = 0) -> NDArray[np.float64]:
    changes = np.array([-1.0] * worse + [1.0] * better + [0.0] * (of - worse - better))
    return np.random.default_rng(seed).permutation(changes)


def test_before_the_first_value_nothing_is_known() -> None:
    wager = paired()

    assert (wager.above, wager.used, wager.decided, wager.estimate) == (None, 0, None, None)
    assert wager.evidence == pytest.approx((1.0, 1.0))


def test_no_change_is_shown_to_be_within_five_points_before_all_questions_are_asked() -> None:
    wager = paired()
    for block in np.split(shuffled(20, 20, 410), range(32, 410, 32)):
        wager.add(block)
        if wager.above is not None:
            break

    assert wager.above is True
    assert wager.decided is not None
    assert wager.decided <= wager.used < 410
    assert wager.evidence[0] >= 20


def test_a_large_drop_is_shown_to_be_below() -> None:
    wager = paired()
    wager.add(shuffled(82, 20, 410)[:256])

    assert wager.above is False
    assert wager.evidence[1] >= 20


def test_the_first_decision_stays_whatever_comes_later() -> None:
    wager = paired(population=10_000)
    wager.add([0.0] * 400)
    decided = wager.decided
    wager.add([-1.0] * 4000)

    assert (wager.above, wager.decided) == (True, decided)
    assert wager.evidence[1] > 20


def test_how_the_values_are_cut_into_blocks_changes_nothing() -> None:
    values = shuffled(20, 25, 410)
    whole, single, uneven = paired(), paired(), paired()
    whole.add(values)
    for value in values:
        single.add([value])
    for block in np.split(values, [1, 1, 50, 333]):
        uneven.add(block)

    assert whole.decided == single.decided == uneven.decided
    assert whole.evidence == pytest.approx(single.evidence)
    assert whole.evidence == pytest.approx(uneven.evidence)


def test_the_estimate_is_the_mean_of_what_was_seen() -> None:
    wager = paired()
    wager.add([1.0, 0.0])
    wager.add([-0.25])

    assert (wager.estimate, wager.used) == (0.25, 3)


@pytest.mark.parametrize(("worse", "above"), [(20, True), (21, False)])
def test_all_values_decide_by_their_mean(worse: int, above: bool) -> None:
    # 20 of 400 are exactly 5 points.
    wager = paired(population=400, level=1e-12)
    wager.add(shuffled(worse, 0, 400))

    assert wager.above is above


@pytest.mark.parametrize(("value", "above"), [(1.0, True), (0.0, False)])
def test_a_population_decides_once_the_values_left_cannot_change_it(value: float, above: bool) -> None:
    # The bound is 5 of 10: five right answers reach it, six wrong ones make it impossible.
    wager = Wager(0.5, 1e-12, population=10)
    wager.add([value] * (5 if above else 6))

    assert wager.above is above
    assert wager.decided == wager.used


def test_a_distribution_has_no_last_value() -> None:
    wager = Wager(0.5, 1e-12)
    wager.add([0.5] * 1000)

    assert wager.above is None


@pytest.mark.parametrize(("limit", "above"), [(0.0, True), (-3.0, True), (1.5, False)])
def test_a_bound_at_or_outside_the_ends_is_decided_without_a_value(limit: float, above: bool) -> None:
    wager = Wager(limit, 0.05)

    assert (wager.above, wager.decided) == (above, 0)


def test_a_good_guess_saves_values() -> None:
    values = (np.random.default_rng(5).random(1319) < 0.8).astype(float)
    guessed, not_guessed = Wager(0.75, 0.05, population=1319, guess=0.8), Wager(0.75, 0.05, population=1319)
    guessed.add(values)
    not_guessed.add(values)

    assert guessed.decided is not None
    assert not_guessed.decided is not None
    assert guessed.decided < not_guessed.decided


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.5, 0.0), "alpha must lie between 0 and 1"),
        ((0.5, 1.0), "alpha must lie between 0 and 1"),
        ((0.5, math.nan), "alpha must lie between 0 and 1"),
        ((math.nan, 0.05), "the bound of a wager must be a finite number"),
        ((0.5, 0.05, 1.0, 1.0), "the range of a mean needs finite ends"),
        ((0.5, 0.05, 0.0, math.inf), "the range of a mean needs finite ends"),
        ((0.5, 0.05, 0.0, 1.0, 0), "a population needs at least one value"),
    ],
)
def test_what_is_no_wager_is_refused(arguments: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Wager(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "said"),
    [([0.5, 1.5], "values must be numbers in"), ([math.nan], "values must be numbers in"), ([0.5] * 4, "4 values are")],
)
def test_values_that_cannot_be_are_refused_and_change_nothing(values: list[float], said: str) -> None:
    wager = Wager(0.5, 0.05, population=3)
    with pytest.raises(ValueError, match=said):
        wager.add(values)

    assert wager.used == 0


@pytest.mark.parametrize(
    "values", [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.1, 0.9, 0.2, 0.8, 0.5, 0.6], [1.0, 1.0, 1.0, 0.5, 1.0, 0.0]]
)
def test_over_all_orders_nobody_gains_on_average_when_the_mean_is_the_bound(values: list[float]) -> None:
    for seen in range(1, 6):
        evidence = []
        for order in itertools.permutations(values):
            wager = Wager(math.fsum(values) / 6, 0.05, population=6, guess=0.9)
            wager.add(order[:seen])
            evidence.append(wager.evidence)
        assert np.mean(evidence, axis=0).tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("share", "limit"), [(0.5, 0.5), (0.05, 0.05), (0.99, 0.99)])
def test_over_all_paths_nobody_gains_on_average_when_the_expectation_is_the_bound(share: float, limit: float) -> None:
    expected = np.zeros(2)
    for path in itertools.product([0.0, 1.0], repeat=8):
        wager = Wager(limit, 0.05)
        wager.add(path)
        expected += share ** sum(path) * (1 - share) ** (8 - sum(path)) * np.array(wager.evidence)

    assert expected.tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("worse", "better"), [(33, 0), (53, 20), (83, 50)])
def test_a_population_just_below_the_bound_is_called_above_in_at_most_5_of_100_orders(worse: int, better: int) -> None:
    wrong = 0
    for seed in range(1000):
        wager = paired(limit=-32.5 / 650, population=650)
        wager.add(shuffled(worse, better, 650, seed))
        wrong += wager.above is True

    assert wrong <= 60


def test_scores_whose_expectation_is_the_floor_are_decided_in_at_most_5_of_100_runs_to_a_side() -> None:
    draw, sides = np.random.default_rng(9), [0, 0]
    for _ in range(600):
        wager = Wager(0.7, 0.05)
        wager.add((draw.random(2000) < 0.7).astype(float))
        if wager.above is not None:
            sides[wager.above] += 1

    assert max(sides) <= 42


@quick
@given(st.lists(change, max_size=30), bound, alpha, st.floats(-2, 2) | st.none())
def test_any_population_is_decided_by_its_last_value(
    values: list[float], limit: float, level: float, guess: float | None
) -> None:
    wager = Wager(limit, level, -1.0, 1.0, max(1, len(values)), guess=guess)
    wager.add(values)
    assert wager.used == len(values)
    if values:
        assert wager.above is not None
        assert wager.decided is not None
        assert wager.decided <= len(values)
    assert all(0 <= size < math.inf for size in wager.evidence)


@quick
@given(st.lists(change, min_size=1, max_size=30), bound)
def test_hardly_any_risk_leaves_the_decision_to_the_whole_mean(values: list[float], limit: float) -> None:
    wager = Wager(limit, 1e-280, -1.0, 1.0, len(values))
    wager.add(values)
    if abs(math.fsum(values) / len(values) - limit) > 1e-9:
        assert wager.above is (math.fsum(values) / len(values) > limit)


@quick
@given(st.lists(change, max_size=40), bound, st.integers(0, 40))
def test_any_cut_into_two_blocks_gives_the_same_evidence(values: list[float], limit: float, cut: int) -> None:
    whole, parts = Wager(limit, 0.05, -1.0, 1.0, 50), Wager(limit, 0.05, -1.0, 1.0, 50)
    whole.add(values)
    parts.add(values[:cut])
    parts.add(values[cut:])
    assert np.log1p(parts.evidence).tolist() == pytest.approx(np.log1p(whole.evidence).tolist(), rel=1e-6, abs=1e-9)


@quick
@given(st.lists(change, max_size=30), alpha, st.integers(30, 60) | st.none())
def test_a_confidence_sequence_lies_in_the_range_and_never_widens_until_it_is_a_point(
    values: list[float], level: float, population: int | None
) -> None:
    last = (-1.0, 1.0)
    for seen in range(len(values) + 1):
        low, high = confidence_sequence(values[:seen], level, -1.0, 1.0, population)
        assert -1 <= low <= high <= 1
        if low == high:
            break
        assert last[0] - 1e-9 <= low
        assert high <= last[1] + 1e-9
        last = low, high


def test_the_confidence_sequence_before_the_first_value_is_the_whole_range() -> None:
    assert confidence_sequence([], 0.05, -1.0, 1.0) == (-1.0, 1.0)


def test_the_confidence_sequence_of_a_whole_population_is_a_point() -> None:
    assert confidence_sequence([0.0, 1.0, 0.5, 0.5], 0.05, population=4) == (0.5, 0.5)


def test_a_confidence_sequence_holds_what_the_values_left_can_still_make_of_the_mean() -> None:
    low, high = confidence_sequence([1.0, 1.0, 1.0, 0.0], 1e-9, population=5)
    assert (low, high) == pytest.approx((0.6, 0.8))


def test_without_replacement_the_interval_is_narrower() -> None:
    values = shuffled(20, 20, 400)[:300]
    finite, infinite = (confidence_sequence(values, 0.05, -1.0, 1.0, population) for population in (400, None))

    assert infinite[0] < finite[0] < finite[1] < infinite[1]


@pytest.mark.parametrize("population", [None, 500])
def test_the_interval_holds_the_mean_at_every_moment_in_95_of_100_runs(population: int | None) -> None:
    draw, covered = np.random.default_rng(12), 0
    whole = shuffled(40, 20, 500)
    for _ in range(200):
        values = draw.permutation(whole) if population else draw.choice(whole, 500)
        low, high = confidence_sequence(values[:400], 0.05, -1.0, 1.0, population)
        covered += low <= -0.04 <= high  # the interval is the intersection of all before it

    assert covered >= 186


@pytest.mark.parametrize(
    ("values", "level", "population", "said"),
    [([2.0], 0.05, None, "numbers in"), ([0.5], 0.0, None, "alpha"), ([0.5, 0.5], 0.05, 1, "2 values are more")],
)
def test_a_confidence_sequence_of_what_cannot_be_is_refused(
    values: list[float], level: float, population: int | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        confidence_sequence(values, level, population=population)


def test_a_block_takes_less_than_10_ms_after_ten_thousand_questions() -> None:
    values = shuffled(500, 500, 10_042)
    wager = paired(population=10_042)
    wager.add(values[:10_000])

    def once(start: int) -> float:
        begun = time.process_time()
        wager.add(values[start : start + 8])
        return time.process_time() - begun

    assert min(once(start) for start in (10_000, 10_008, 10_016)) < 0.01
    assert wager.used == 10_024
