"""Endpoints that misbehave: each failure is counted by its cause, bounded in time, and never in a latency."""

import json
import threading
import time

import pytest
from fake_engine import FakeEngine, Fault, Schedule
from load_servers import (
    HEAD,
    LAST_CHUNK,
    RawServer,
    Talk,
    always,
    answer,
    chunk,
    event,
    load,
    plan_of,
    stream,
    workload,
)

from fixtures.engines import reading
from fixtures.load.run import drive
from fixtures.protocols import Endpoint

pytestmark = pytest.mark.timeout(30)

LIMIT = 0.4
"""Seconds that a request may take in these tests."""


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("hang_before_headers", "timeout_before_headers"),
        ("hang_after_headers", "timeout_after_headers"),
        ("hang_mid_stream", "timeout_mid_stream"),
        ("drop", "connection_closed"),
        ("close_mid_stream", "connection_closed"),
        ("reset_mid_stream", "connection_reset"),
        ("429", "http_429 (Retry-After: 1)"),
        ("500", "http_500"),
        ("html", "no_event_stream (text/html)"),
        ("broken_json", "no_event_stream (application/json)"),
        ("invalid_json", "invalid_json"),
        ("nul_bytes", "nul_bytes"),
        ("error_event", "error_event"),
    ],
)
def test_a_failure_is_counted_by_its_cause_and_is_in_no_latency(
    fake_engine: FakeEngine, fault: str, cause: str
) -> None:
    fake_engine.script.schedule = Schedule(first=0.005, interval=0.002, fault=fault)

    loaded = load(fake_engine.url, workload(streams=2, requests=2), seconds=LIMIT)

    assert set(loaded.failures) == {cause}
    assert loaded.failures[cause] >= 2
    assert (loaded.outcome.requests, loaded.latencies(), loaded.outcome.numbers.values) == (0, [], {})
    assert loaded.outcome.invalid is not None
    assert loaded.outcome.invalid[0] == "no_answers"
    assert cause in loaded.outcome.invalid[1]
    assert loaded.seconds < 4 * LIMIT + 5


@pytest.mark.parametrize("fault", ["500", "hang_before_headers", "close_mid_stream", "nul_bytes"])
def test_every_fourth_request_fails_while_the_others_are_measured(fake_engine: FakeEngine, fault: str) -> None:
    fake_engine.script.schedule = Schedule(first=0.02, interval=0.002)
    fake_engine.script.faults = [Fault(fault, every=4)]

    loaded = load(fake_engine.url, workload(streams=3, requests=16), seconds=LIMIT)

    (failed,) = loaded.failures.values()
    answered = [trace for trace in loaded.traces if trace.failed is None]
    assert failed == len(fake_engine.requests) // 4
    assert loaded.outcome.requests + failed >= 16
    assert len(loaded.latencies()) == loaded.outcome.requests
    assert max(loaded.latencies()) < LIMIT
    assert len(answered) >= loaded.outcome.requests
    assert loaded.outcome.numbers.values["time_to_first_token.mean"] >= 0.02


def test_a_stream_that_never_ends_ends_with_its_bytes(fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LEAST_BYTES", 80_000)
    fake_engine.script.schedule = Schedule(interval=0.0001, fault="endless")

    loaded = load(fake_engine.url, workload(requests=2), seconds=20)

    assert set(loaded.failures) == {"endless"}
    assert loaded.seconds < 15
    assert max(sum(len(piece) for _, piece in trace.pieces) for trace in loaded.traces) <= 100_000


def test_a_stream_that_trickles_for_ever_ends_with_its_time(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(interval=0.02, fault="endless")

    loaded = load(fake_engine.url, workload(requests=2), seconds=LIMIT)

    assert loaded.failures == {"timeout_mid_stream": 2}


def test_nobody_listens() -> None:
    with RawServer(always(answer())) as server:
        url = server.url

    with pytest.raises(ConnectionRefusedError):
        load(url)


@pytest.mark.parametrize("rate", [None, 200.0])
def test_a_server_that_dies_in_the_middle_ends_the_load_early_and_the_unsent_are_counted(rate: float | None) -> None:
    dies = threading.Event()

    def talk(one: Talk) -> None:
        while one.hear() is not None and not dies.is_set():
            one.say(answer())
            if one.number % 2 and len(heard) >= 20:
                dies.set()
                server.stop()
            heard.append(1)

    heard: list[int] = []
    with RawServer(talk) as server:
        loaded = load(server.url, workload(streams=None if rate else 2, rate=rate, requests=400))

    failures = loaded.failures
    assert failures.pop("not_sent (too many failures in a row)") + len(loaded.traces) == 400
    assert set(failures) <= {"connection_closed", "connection_reset", "connection_refused"}
    assert failures["connection_refused"] > 0
    assert sum(failures.values()) >= 8
    assert 15 <= loaded.outcome.requests < 350
    assert max(loaded.latencies()) < 4


def test_too_many_failures_in_a_row_end_the_load_early(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("500")]

    loaded = load(fake_engine.url, workload(streams=2, requests=500))

    assert loaded.driven.gave_up
    assert loaded.failures["http_500"] == len(fake_engine.requests) < 20
    assert loaded.failures["not_sent (too many failures in a row)"] == 500 - len(fake_engine.requests)


@pytest.mark.parametrize("rate", [None, 100.0])
def test_a_server_that_recovers_after_the_load_gave_up_does_not_keep_it_running(rate: float | None) -> None:
    """The streams that were under way when it gave up still end well, and must not be followed by others for ever."""
    recovered = threading.Event()

    def talk(one: Talk) -> None:
        while (asked := one.hear()) is not None:
            if int(json.loads(asked)["prompt"]) < 3:
                one.say(HEAD + chunk(event()))
                time.sleep(0.5)
                recovered.set()
                one.say(chunk(stream(3)) + LAST_CHUNK)
            else:
                one.say(answer() if recovered.is_set() else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    with RawServer(talk) as server:
        loaded = load(server.url, workload(streams=None if rate else 4, rate=rate, requests=200))

    assert loaded.driven.gave_up
    assert len(loaded.traces) < 40
    assert loaded.outcome.requests == 3


@pytest.mark.parametrize("streams", [1, 4])
def test_fillers_that_fail_do_not_keep_the_load_running(streams: int) -> None:
    """Requests after the last measured one only keep the load up; here all of them are refused while it still runs."""

    def talk(one: Talk) -> None:
        while (asked := one.hear()) is not None:
            position = int(json.loads(asked)["prompt"])
            if position == 7:
                time.sleep(0.3)
            one.say(answer() if position <= 7 else b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    with RawServer(talk) as server:
        loaded = load(server.url, workload(streams=streams, requests=8))

    assert loaded.outcome.requests == 8
    assert loaded.failures == ({"http_500": streams - 1} if streams > 1 else {})
    assert loaded.seconds < 5


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"\x00" * 300, "broken_http"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "broken_http"),
        (HEAD + b"zz\r\n", "broken_http"),
        (HEAD + LAST_CHUNK, "ended_early"),
        (HEAD + chunk(b"data: [DONE]\n\n") + LAST_CHUNK, "no_tokens"),
        (HEAD + chunk(event() * 3) + LAST_CHUNK, "ended_early"),
        (HEAD + chunk(b"data: [1, 2]\n\n") + LAST_CHUNK, "unexpected_form"),
        (HEAD + chunk(b'data: {"choices": [{"text": "\xff"}]}\n\n') + LAST_CHUNK, "invalid_json"),
        (HEAD + chunk(b'data: {"usage": ' + b"[" * 100_000 + b"\n\n") + LAST_CHUNK, "invalid_json"),
        (HEAD + chunk(event(finish="stop", usage={"completion_tokens": "4"})) + LAST_CHUNK, "unexpected_form"),
        (HEAD + chunk(event(finish="stop", usage={"completion_tokens": -4})) + LAST_CHUNK, "unexpected_form"),
        (
            HEAD + chunk(event(finish="stop", usage={"completion_tokens": 4, "prompt_tokens": "8"})) + LAST_CHUNK,
            "unexpected_form",
        ),
        (
            HEAD + chunk(event(usage={"completion_tokens": 4}) + event(usage={"completion_tokens": 2})) + LAST_CHUNK,
            "unexpected_form",
        ),
        (b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "http_307"),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", "http_204"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no_event_stream (no content type)"),
    ],
)
def test_bytes_that_are_no_answer_are_counted_by_what_is_wrong_with_them(said: bytes, cause: str) -> None:
    with RawServer(always(said)) as server:
        loaded = load(server.url, workload(requests=2, at_most=True), seconds=LIMIT)

    assert loaded.failures == {cause: 2}


def test_bytes_that_nobody_asked_for_cost_no_request() -> None:
    """They come while the connection is idle: between two requests lies a quarter of a second."""

    def talk(one: Talk) -> None:
        while one.hear() is not None:
            one.say(answer())
            time.sleep(0.05)
            one.say(b"surprise")

    with RawServer(talk) as server:
        loaded = load(server.url, workload(rate=4, process="constant", requests=3))

    assert (loaded.outcome.requests, loaded.failures) == (3, {})


@pytest.mark.parametrize("rate", [None, 100.0])
def test_an_exception_of_ours_in_the_middle_ends_the_load_with_it(fake_engine: FakeEngine, rate: float | None) -> None:
    def breaks() -> None:
        raise LookupError("no telemetry")

    with pytest.raises(LookupError, match="no telemetry"):
        drive(Endpoint(fake_engine.url, "tiny"), plan_of(workload(rate=rate, requests=4, warm_up=2)), breaks)


def test_a_server_that_takes_some_connections_only_leaves_none_of_them_open() -> None:
    taken: list[Talk] = []

    def talk(one: Talk) -> None:
        taken.append(one)
        if len(taken) == 2:
            server.stop_listening()
        one.hear()
        closed.set()

    closed = threading.Event()
    with RawServer(talk, backlog=1) as server, pytest.raises(OSError, match=r"refused|reset"):
        drive(Endpoint(server.url, "tiny"), plan_of(workload(streams=200, requests=200)))

    assert closed.wait(5)
