"""Latency gates: a combination under load keeps every latency that its workload names below the ceiling.

Does not cover: how much it writes in all (test_throughput.py), the network between users and the engine.
"""

import pytest

pytestmark = pytest.mark.latency


def test_latency_stays_below_its_ceiling(engine, workload, latency, load, ceiling):
    loads = load(engine, workload)

    assert loads.failed_requests == 0
    assert loads[latency] <= ceiling(latency, workload)


def test_latency_holds_against_its_reference(engine, against, workload, latency, side_by_side, ceiling):
    ratios = side_by_side(engine, against, workload)

    assert ratios.failed_requests == 0
    assert ratios[latency] <= ceiling(latency, workload, against)
