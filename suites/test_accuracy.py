"""Accuracy gates: a combination answers at least as well as its floor, and comes to an end before its token limit.

Does not cover: speed, long context, safety.
"""

import pytest

pytestmark = pytest.mark.accuracy


def test_accuracy_reaches_its_floor(engine, task, evaluate, floor):
    score = evaluate(engine, task)

    assert score.failed_requests == 0
    assert score >= floor("accuracy", task)


def test_answers_are_not_cut_off(engine, task, cut_off, ceiling):
    assert cut_off(engine, task) <= ceiling("cut_off", task)
