"""Upgrade gates: a candidate is no worse than its baseline, question by question, and neither slower nor longer.

Does not cover: whether either is good enough (test_accuracy.py, test_throughput.py, test_latency.py).
"""

import pytest

pytestmark = pytest.mark.upgrade


def test_answers_are_no_worse(baseline, engine, task, evaluate, floor):
    score = evaluate(engine, task)

    assert score.failed_requests == 0
    assert score >= floor("accuracy", task, baseline)


def test_answers_are_no_worse_over_all_tasks(baseline, engine, evaluate_all, floor):
    scores = evaluate_all(engine)

    assert scores.failed_requests == 0
    assert scores >= floor("accuracy", "all tasks", baseline)


def test_answers_are_no_longer(baseline, engine, answer_length, ceiling):
    assert answer_length(engine) <= ceiling("output_tokens", "all tasks", baseline)


def test_throughput_is_no_lower(baseline, engine, workload, load_beside, floor):
    loads = load_beside(engine, baseline, workload)

    assert loads.failed_requests == 0
    assert loads["output_tokens_per_second"] >= floor("output_tokens_per_second", workload, baseline)


def test_latency_is_no_higher(baseline, engine, workload, latency, load_beside, ceiling):
    loads = load_beside(engine, baseline, workload)

    assert loads.failed_requests == 0
    assert loads[latency] <= ceiling(latency, workload, baseline)
