"""The error rates that the gates promise, by simulation with fixed seeds; `python -m tests.campaigns` prints all."""

import pytest

from tests.campaigns import floor_rates, spending, upgrade_rates
from thresholds.verdict import Outcome


def test_an_unchanged_candidate_passes_and_hardly_ever_fails() -> None:
    ours = upgrade_rates(2000, 0.0)["ours"]

    assert ours[Outcome.PASS] >= 0.92
    assert ours[Outcome.FAIL] <= 0.005


def test_a_candidate_that_is_three_points_worse_hardly_ever_passes() -> None:
    rates = upgrade_rates(2000, 0.03)

    assert rates["ours"][Outcome.PASS] <= 0.01
    assert rates["TensorRT"][Outcome.PASS] > 0.5


def test_one_of_twelve_gates_still_lets_an_unchanged_candidate_pass() -> None:
    ours = upgrade_rates(1000, 0.0, gates=12)["ours"]

    assert ours[Outcome.PASS] >= 0.92
    assert ours[Outcome.FAIL] <= 0.005


def test_a_floor_hardly_ever_fails_an_unchanged_combination() -> None:
    ours = floor_rates(1000)["ours"]

    assert ours[Outcome.FAIL] <= 0.01
    assert ours[Outcome.PASS] >= 0.98


def test_a_floor_catches_three_points() -> None:
    assert floor_rates(500, 0.03)["ours"][Outcome.PASS] <= 0.01


@pytest.mark.parametrize(("questions", "most"), [(410, 0.45), (1319, 0.25), (10_042, 0.06)])
def test_an_unchanged_candidate_needs_a_part_of_the_questions(questions: int, most: float) -> None:
    spent = spending(200, questions, 0.0)

    assert spent.used <= most
    assert spent.wrong <= 0.02


@pytest.mark.parametrize(("questions", "most"), [(410, 0.26), (1319, 0.10), (10_042, 0.02)])
def test_a_large_drop_is_found_after_a_few_questions(questions: int, most: float) -> None:
    spent = spending(200, questions, 0.15)

    assert spent.used <= most
    assert spent.wrong <= 0.02
