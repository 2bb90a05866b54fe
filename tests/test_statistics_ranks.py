import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.statistics.pairs import difference
from thresholds.statistics.ranks import Rank, compared, holm, p_values_of, ranks

quick = settings(deadline=None, max_examples=50, database=None)
NAMES = ("a", "b", "c", "d")
values = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1), min_size=1)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    scores = draw(values)
    pairs = [pair for pair in itertools.combinations(sorted(scores), 2) if draw(st.booleans())]
    return scores, {pair: draw(st.floats(0, 1)) for pair in pairs}


def test_every_pair_is_compared_as_a_pair_alone_is() -> None:
    rows = np.random.default_rng(2).integers(0, 5, (4, 60)) / 4
    differences, errors = compared(rows)

    for i, j in itertools.permutations(range(4), 2):
        alone = difference(rows[i : i + 1], rows[j : j + 1])
        assert (differences[i, j], errors[i, j]) == pytest.approx((alone.value, alone.error))


def test_a_combination_does_not_differ_from_itself() -> None:
    differences, errors = compared([[0.0, 1.0], [1.0, 1.0]])

    assert np.diag(differences).tolist() == np.diag(errors).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("rows", "said"), [([], "no scores"), ([[0.5], [0.5, 1.0]], "different numbers"), ([[math.nan]], "not a finite")]
)
def test_scores_that_cannot_be_compared_are_refused(rows: list[list[float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compared(rows)


def test_p_values_are_two_sided_and_normal() -> None:
    differences = np.array([[0.0, 0.0196, 0.0], [-0.0196, 0.0, -0.0196], [0.0, 0.0196, 0.0]])

    p_values = p_values_of(differences, np.full((3, 3), 0.01), ["x", "y", "z"])

    assert p_values == pytest.approx({("x", "y"): 0.05, ("x", "z"): 1.0, ("y", "z"): 0.05}, abs=1e-4)


def test_a_difference_without_an_error_is_certain() -> None:
    certain = p_values_of(np.array([[0.0, 0.1], [-0.1, 0.0]]), np.zeros((2, 2)), ["x", "y"])
    none = p_values_of(np.zeros((2, 2)), np.zeros((2, 2)), ["x", "y"])

    assert (certain, none) == ({("x", "y"): 0.0}, {("x", "y"): 1.0})


@pytest.mark.parametrize(
    ("differences", "said"), [(np.zeros((3, 3)), "2 names need"), (np.full((2, 2), math.nan), "not a finite number")]
)
def test_matrices_that_do_not_fit_their_names_are_refused(differences: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        p_values_of(differences, np.ones_like(differences), ["x", "y"])


def test_holm_multiplies_the_smallest_p_most_and_keeps_their_order() -> None:
    raw = {("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03, ("c", "d"): 0.005}

    # 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1 raised to the one before it.
    assert holm(raw) == pytest.approx({("c", "d"): 0.02, ("a", "b"): 0.03, ("b", "c"): 0.06, ("a", "c"): 0.06})


def test_a_ranking_names_its_ties_and_the_ranks_that_are_possible() -> None:
    scores = {"low": 0.5, "high": 0.9, "middle": 0.6}
    p_values = {("low", "high"): 0.001, ("high", "middle"): 0.002, ("middle", "low"): 0.4}

    assert ranks(scores, p_values) == {
        "low": Rank(rank=3, best=2, worst=3, ties=("middle",)),
        "high": Rank(rank=1, best=1, worst=1, ties=()),
        "middle": Rank(rank=2, best=2, worst=3, ties=("low",)),
    }


def test_equal_values_share_a_rank_even_where_a_p_value_says_otherwise() -> None:
    assert ranks({"x": 0.5, "y": 0.5}, {("x", "y"): 0.0}) == {
        "x": Rank(1, 1, 2, ("y",)),
        "y": Rank(1, 1, 2, ("x",)),
    }


def test_what_was_not_compared_cannot_be_told_apart() -> None:
    assert ranks({"x": 0.1, "y": 0.9}, {})["x"] == Rank(2, 1, 2, ("y",))


def test_a_chance_find_among_many_pairs_is_no_difference() -> None:
    scores = dict.fromkeys("abcdefgh", 0.5) | {"a": 0.6}
    p_values = dict.fromkeys(itertools.combinations("abcdefgh", 2), 0.9) | {("a", "b"): 0.04}

    assert ranks(scores, p_values)["a"].worst == 8


@pytest.mark.parametrize(
    ("scores", "p_values", "said"),
    [
        ({"x": math.nan}, {}, "only finite values"),
        ({"x": 0.5, "y": 0.6}, {("x", "y"): 1.5}, "p-values must be numbers in 0..1"),
        ({"x": 0.5, "y": 0.6}, {("x", "y"): math.nan}, "p-values must be numbers in 0..1"),
        ({"x": 0.5}, {("x", "y"): 0.5}, "the pair 'x', 'y' has a name without a value"),
        ({"x": 0.5, "y": 0.6}, {("x", "y"): 0.5, ("y", "x"): 0.5}, "is given twice"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    scores: dict[str, float], p_values: dict[tuple[str, str], float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        ranks(scores, p_values)


@quick
@given(rankings(), st.floats(0.001, 0.5))
def test_a_rank_lies_within_what_is_possible_and_leaves_room_for_its_ties(
    ranking: tuple[dict[str, float], dict[tuple[str, str], float]], alpha: float
) -> None:
    scores, p_values = ranking
    for name, place in ranks(scores, p_values, alpha).items():
        assert 1 <= place.best <= place.rank <= place.worst <= len(scores)
        assert place.worst - place.best == len(place.ties)
        assert name not in place.ties


@quick
@given(rankings())
def test_ties_are_mutual(ranking: tuple[dict[str, float], dict[tuple[str, str], float]]) -> None:
    places = ranks(*ranking)
    assert all(name in places[other].ties for name, place in places.items() for other in place.ties)


@quick
@given(rankings())
def test_correcting_for_many_pairs_never_makes_a_p_value_smaller(
    ranking: tuple[dict[str, float], dict[tuple[str, str], float]],
) -> None:
    adjusted = holm(ranking[1])
    assert all(p <= adjusted[pair] <= 1 for pair, p in ranking[1].items())


@quick
@given(st.data(), st.integers(1, 5), st.integers(1, 6))
def test_any_scores_give_errors_above_0_and_valid_p_values(data: st.DataObject, count: int, items: int) -> None:
    row = st.lists(st.floats(0, 1), min_size=items, max_size=items)
    rows = data.draw(st.lists(row, min_size=count, max_size=count))
    differences, errors = compared(rows)
    assert (errors[~np.eye(count, dtype=bool)] > 0).all()
    assert np.abs(differences + differences.T).max() < 1e-12
    assert all(0 <= p <= 1 for p in p_values_of(differences, errors, list("abcde"[:count])).values())


def test_of_equal_combinations_none_is_told_apart_in_95_of_100_sessions() -> None:
    draw, names, told = np.random.default_rng(4), [f"c{number}" for number in range(10)], 0
    for _ in range(300):
        easy = draw.random(400)
        rows = (draw.random((10, 400)) < easy).astype(float)
        places = ranks(dict(zip(names, rows.mean(axis=1).tolist(), strict=True)), p_values_of(*compared(rows), names))
        told += any(len(place.ties) < 9 for place in places.values())

    assert told <= 24


def test_ranking_100_combinations_over_6_tasks_takes_less_than_a_second() -> None:
    draw, names = np.random.default_rng(1), [f"c{number}" for number in range(100)]
    tasks = [(draw.random((100, items)) < 0.7).astype(float) for items in (410, 1172, 1267, 1319, 10_042, 12_032)]

    def once() -> float:
        start = time.thread_time()  # the threads of the matrix product wait by spinning on a busy machine
        parts = [compared(rows) for rows in tasks]
        mean = sum(part[0] for part in parts) / 6
        error = np.sqrt(sum(part[1] ** 2 for part in parts)) / 6
        places = ranks(dict(zip(names, mean.mean(axis=1).tolist(), strict=True)), p_values_of(mean, error, names))
        assert len(places) == 100
        return time.thread_time() - start

    assert min(once() for _ in range(3)) < 1
