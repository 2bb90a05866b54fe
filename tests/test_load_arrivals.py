"""When requests are sent, from when their latencies count, and which of them are measured."""

import time
from collections.abc import Iterator
from itertools import islice, pairwise
from statistics import fmean, pstdev

import pytest
from fake_engine import FakeEngine, Schedule
from load_servers import RawServer, Talk, always, answer, load, plan_of, workload

from fixtures.load.arrivals import TICK, due_times
from fixtures.load.metrics import samples
from fixtures.load.run import drive, in_flight
from fixtures.load.transcript import Transcript, read
from fixtures.protocols import Endpoint

pytestmark = pytest.mark.timeout(30)


def gaps(times: Iterator[float], count: int = 4000) -> list[float]:
    return [after - before for before, after in pairwise(islice(times, count))]


def test_constant_arrivals_are_equally_far_apart() -> None:
    assert gaps(due_times(20, "constant", "x")) == pytest.approx([0.05] * 3999)


@pytest.mark.parametrize("rate", [3.0, 7.0, 333.0])
def test_constant_arrivals_keep_their_rate_although_it_does_not_fit_the_ticks(rate: float) -> None:
    assert fmean(gaps(due_times(rate, "constant", "x"))) == pytest.approx(1 / rate, rel=0.001)


def test_poisson_arrivals_have_the_mean_and_the_spread_of_their_rate() -> None:
    """The standard error of the mean of 4,000 gaps is 1.6 %."""
    drawn = gaps(due_times(20, "poisson", "x"))

    assert fmean(drawn) == pytest.approx(0.05, rel=0.06)
    assert pstdev(drawn) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("process", ["constant", "poisson"])
def test_arrivals_begin_at_once_never_go_back_and_are_on_ticks(process: str) -> None:
    times = list(islice(due_times(37, process, "x"), 500))

    assert times[0] == 0
    assert times == sorted(times)
    assert [at / TICK for at in times] == pytest.approx([round(at / TICK) for at in times], abs=1e-6)


def test_equal_seeds_give_equal_times_and_others_others() -> None:
    one, same, other = (list(islice(due_times(20, "poisson", seed), 50)) for seed in ("chat 1", "chat 1", "chat 2"))

    assert one == same
    assert one != other


def test_a_closed_loop_keeps_its_concurrency_and_no_more(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(first=0.05, interval=0.005)

    loaded = load(fake_engine.url, workload(streams=8, requests=40, warm_up=8))

    assert fake_engine.busiest == 8
    assert loaded.outcome.details["streams_reached"] == pytest.approx(8, rel=0.1)


def test_a_closed_loop_sends_the_next_request_when_one_has_ended(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(first=0.03)

    loaded = load(fake_engine.url, workload(streams=1, requests=5))

    assert all(before.ended <= after.sent for before, after in pairwise(loaded.traces))


@pytest.mark.parametrize("rate", [None, 50.0])
def test_warm_up_and_drain_are_not_measured(fake_engine: FakeEngine, rate: float | None) -> None:
    fake_engine.script.schedule = Schedule(first=0.1)

    loaded = load(fake_engine.url, workload(streams=None if rate else 3, rate=rate, requests=9, warm_up=6))

    told = [position for position in range(len(loaded.traces)) if 6 <= position < 15]
    assert len(loaded.traces) > 15
    assert loaded.outcome.requests == len(loaded.latencies()) == len(told) == 9
    assert loaded.outcome.seconds == pytest.approx(
        max(loaded.traces[position].ended for position in told) - min(loaded.traces[position].due for position in told)
    )


def test_fillers_keep_the_load_up_until_the_last_measured_request_has_ended() -> None:
    """One measured request is slow: meanwhile the other stream goes on, and the window is full to its end."""

    def talk(one: Talk) -> None:
        while (asked := one.hear()) is not None:
            time.sleep(0.5 if b'"00000002"' in asked else 0.05)
            one.say(answer())

    with RawServer(talk) as server:
        loaded = load(server.url, workload(streams=2, requests=4))

    assert loaded.outcome.requests == 4
    assert len(loaded.traces) >= 8
    assert loaded.outcome.details["streams_reached"] == pytest.approx(2, rel=0.1)


def test_telemetry_runs_from_the_first_measured_request_to_the_end_of_the_last(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(first=0.05)
    plan, told = plan_of(workload(streams=2, requests=6, warm_up=4)), []

    driven = drive(
        Endpoint(fake_engine.url, "tiny"),
        plan,
        lambda: told.append(("begin", len(fake_engine.requests), time.perf_counter())),
        lambda: told.append(("end", len(fake_engine.requests), time.perf_counter())),
    )

    measured = [trace for trace in driven.traces if plan.measures(trace.position)]
    assert [what for what, _, _ in told] == ["begin", "end"]
    assert told[0][2] <= min(trace.sent for trace in measured)
    assert told[1][2] == pytest.approx(max(trace.ended for trace in measured), abs=0.03)


@pytest.mark.parametrize("process", ["constant", "poisson"])
def test_an_open_loop_sends_on_schedule_whatever_the_answers_do(fake_engine: FakeEngine, process: str) -> None:
    """An answer takes 0.3 s, an arrival comes every 0.01 s: 30 are under way at once."""
    fake_engine.script.schedule = Schedule(first=0.3)

    loaded = load(fake_engine.url, workload(rate=100, process=process, requests=40))

    start = loaded.traces[0].due
    planned = list(islice(due_times(100, process, "a test"), len(loaded.traces)))
    assert [trace.due - start for trace in loaded.traces] == pytest.approx(planned, abs=1e-6)
    assert fake_engine.busiest > 10
    assert loaded.failures == {}


def test_latencies_of_an_open_loop_count_from_the_scheduled_time() -> None:
    """The client stands still for 0.5 s before the first request; those that were due meanwhile have waited."""
    plan = plan_of(workload(rate=20, process="constant", requests=12))
    with RawServer(always(answer())) as server:
        driven = drive(Endpoint(server.url, "tiny"), plan, lambda: time.sleep(0.5))

    replies = [reply for trace in driven.traces[:12] if isinstance(reply := read(trace), Transcript)]
    latencies = samples(replies)["time_to_first_token"]
    assert latencies[1] > 0.35
    assert latencies[1] > latencies[5] > latencies[9]
    assert [trace.due for trace in driven.traces[:2]] == [reply.due for reply in replies[:2]]


def test_more_requests_than_connections_wait_for_nobody(fake_engine: FakeEngine) -> None:
    """An open loop starts with few connections and opens more before they are needed."""
    fake_engine.script.schedule = Schedule(first=0.4)

    loaded = load(fake_engine.url, workload(rate=500, process="constant", requests=120))

    assert fake_engine.busiest > 80
    assert loaded.outcome.details["reconnects"] == 0


def test_requests_in_flight_are_counted_by_their_share_of_the_window(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(first=0.05)
    traces = load(fake_engine.url, workload(streams=2, requests=2)).traces[:2]
    for trace, (sent, ended) in zip(traces, [(0.0, 2.0), (1.0, 5.0)], strict=True):
        trace.sent, trace.ended = sent, ended

    assert in_flight(traces, 1.0, 3.0) == pytest.approx((1 + 2) / 2)
