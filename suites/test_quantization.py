"""Quantization gates: a quant, of weights or KV cache, keeps the answers of what it was made from, and its speed.

Does not cover: whether either is good enough (test_accuracy.py, test_throughput.py, test_latency.py); how much memory a
quant must save, which the report tells.
"""

import pytest

pytestmark = pytest.mark.quantization


def test_next_tokens_stay_near(unquantized, divergence, engine, ceiling):
    assert divergence(engine) <= ceiling("next_token_divergence", "all tasks", unquantized)


def test_answers_are_recovered(unquantized, engine, task, evaluate, floor):
    score = evaluate(engine, task)

    assert score.failed_requests == 0
    assert score >= floor("accuracy", task, unquantized)


def test_answers_are_recovered_over_all_tasks(unquantized, engine, evaluate_all, floor):
    scores = evaluate_all(engine)

    assert scores.failed_requests == 0
    assert scores >= floor("accuracy", "all tasks", unquantized)


def test_answers_are_no_longer(unquantized, engine, answer_length, ceiling):
    assert answer_length(engine) <= ceiling("output_tokens", "all tasks", unquantized)


def test_answers_are_cut_off_no_more_often(unquantized, engine, cut_off_in_all, ceiling):
    assert cut_off_in_all(engine) <= ceiling("cut_off", "all tasks", unquantized)


def test_it_writes_no_slower(unquantized, engine, workload, load_beside, floor):
    loads = load_beside(engine, unquantized, workload)

    assert loads.failed_requests == 0
    assert loads["output_tokens_per_second"] >= floor("output_tokens_per_second", workload, unquantized)


def test_it_keeps_nobody_waiting_longer(unquantized, engine, workload, latency, load_beside, ceiling):
    loads = load_beside(engine, unquantized, workload)

    assert loads.failed_requests == 0
    assert loads[latency] <= ceiling(latency, workload, unquantized)
