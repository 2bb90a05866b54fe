"""Throughput gates: a combination under load writes at least as many tokens a second as its floor.

Does not cover: what the tokens say (test_accuracy.py), how long one request waits (test_latency.py), cost.
"""

import pytest

pytestmark = pytest.mark.throughput


def test_throughput_reaches_its_floor(engine, workload, load, floor):
    loads = load(engine, workload)

    assert loads.failed_requests == 0
    assert loads["output_tokens_per_second"] >= floor("output_tokens_per_second", workload)


def test_throughput_holds_against_its_reference(engine, against, workload, side_by_side, floor):
    ratios = side_by_side(engine, against, workload)

    assert ratios.failed_requests == 0
    assert ratios["output_tokens_per_second"] >= floor("output_tokens_per_second", workload, against)
