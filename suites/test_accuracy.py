"""Accuracy gates: a combination answers at least as well as its floor.

Does not cover: speed, long context, safety.
"""

import pytest

pytestmark = pytest.mark.accuracy


def test_accuracy_reaches_its_floor(engine, task, evaluate, floor):
    score = evaluate(engine, task)

    assert score.failed_requests == 0
    assert score >= floor("accuracy", task)
