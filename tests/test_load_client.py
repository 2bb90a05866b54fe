"""Connections: bytes are kept as they come, idle connections may close, and the request says what HTTP asks for."""

import asyncio
import socket
import time
from itertools import pairwise
from typing import Any

import pytest
from fake_engine import FakeEngine, Fault, Schedule, Script
from hypothesis import given
from hypothesis import strategies as st
from load_servers import HEAD, LAST_CHUNK, RawServer, Talk, answer, chunk, event, load, stream, workload

from fixtures.load import connection
from fixtures.load.client import Client
from fixtures.load.connection import Connection, Trace, whole_chunk
from fixtures.protocols import Endpoint

pytestmark = pytest.mark.timeout(30)

KEY = "sk-very-secret-4711"


class Owner:
    """Whose connection it is, in a test without a network."""

    seconds = 5.0

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.room = 2**20
        self.over: list[Trace] = []

    def ended(self, _: Connection, trace: Trace) -> None:
        self.over.append(trace)

    def lost(self, _: Connection) -> None: ...

    def send_again(self, _trace: Trace, _request: bytes) -> None: ...


class Wire:
    """A transport that carries nothing."""

    def get_extra_info(self, name: str) -> object:
        return name == "sslcontext" or None

    def write(self, _: bytes) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False


def received(pieces: list[bytes], answers: int = 1) -> list[Trace]:
    """What is left of answers that arrive in these pieces, on one connection."""
    owner = Owner()
    one = Connection(owner)
    one.connection_made(Wire())  # type: ignore[arg-type]
    sent = 0
    for piece in pieces:
        if one.trace is None and sent < answers:
            one.send(Trace(sent, 0.0), b"POST")
            sent += 1
        one.data_received(piece)
    owner.loop.close()
    return owner.over


@given(st.data(), st.lists(st.integers(1, 70), max_size=8))
def test_however_a_chunked_answer_is_cut_its_body_is_the_same(data: st.DataObject, sizes: list[int]) -> None:
    """Chunks are cut apart from events, and reads apart from chunks; chunks of nothing but line ends are in it, too."""
    body, rest = stream(2) + b"\r\n" * 8, stream(2) + b"\r\n" * 8
    whole = HEAD
    for size in [*sizes, len(body)]:
        part, rest = rest[:size], rest[size:]
        whole += chunk(part) if part else b""
    whole += LAST_CHUNK
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=30)))

    (trace,) = received([whole[begin:end] for begin, end in pairwise([0, *cuts, len(whole)])])

    assert b"".join(piece for _, piece in trace.pieces) == body
    assert (trace.failed, trace.status) == (None, 200)


def test_a_connection_serves_one_answer_after_the_other_chunk_by_chunk() -> None:
    one = [HEAD, chunk(event()), chunk(event(finish="stop")), LAST_CHUNK]

    traces = received([*one, *one], answers=2)

    assert [len(trace.pieces) for trace in traces] == [2, 2]


@pytest.mark.parametrize("said", [b"surprise", chunk(b"surprise")], ids=["plain", "chunk"])
def test_bytes_that_nobody_asked_for_end_the_idle_connection_and_belong_to_no_answer(said: bytes) -> None:
    owner = Owner()
    one = Connection(owner)
    one.connection_made(Wire())  # type: ignore[arg-type]
    one.send(Trace(0, 0.0), b"POST")
    one.data_received(answer())

    one.data_received(said)

    owner.loop.close()
    (trace,) = owner.over
    assert (one.transport, trace.failed) == (None, None)
    assert b"".join(piece for _, piece in trace.pieces) == stream()


@pytest.mark.parametrize(
    "data", [b"5\r\nhello", b"5;x=1\r\nhello\r\n", b"5\r\nhell\r\n", b"6\r\nhello\r\n", b"0\r\n\r\n", b"\r\n", b""]
)
def test_what_is_not_one_whole_chunk_is_left_to_the_parser(data: bytes) -> None:
    assert whole_chunk(data) == b""


@pytest.mark.parametrize("size", [b"+5", b" 5", b"5 ", b"0x5", b"0_5"])
def test_a_size_that_only_python_can_read_is_left_to_the_parser(size: bytes) -> None:
    assert whole_chunk(size + b"\r\nhello\r\n") == b""


@pytest.mark.parametrize("body", [b"0123\r\n6789", b"x", b"y" * 255, b"z" * 256, b"w" * 4000])
def test_a_whole_chunk_is_its_body(body: bytes) -> None:
    assert whole_chunk(chunk(body)) == body


@pytest.mark.parametrize("data", [b"0A\r\n0123456789\r\n", b"00a\r\n0123456789\r\n", chunk(b"v" * 5000)])
def test_a_chunk_that_is_written_unusually_or_is_long_is_left_to_the_parser(data: bytes) -> None:
    assert whole_chunk(data) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
    ],
    ids=["until the end", "1.0", "close"],
)
def test_a_server_without_keep_alive_is_measured_all_the_same(head: bytes) -> None:
    body = stream(4)

    def talk(one: Talk) -> None:
        one.hear()
        one.say((head % len(body) if b"%d" in head else head) + body)

    with RawServer(talk) as server:
        loaded = load(server.url, workload(streams=2, requests=10))

    assert loaded.failures == {}
    assert loaded.outcome.requests == 10
    assert server.connections >= 10
    assert loaded.driven.reconnects > 0


def test_connections_closed_between_requests_are_opened_anew_and_nothing_fails(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(first=0.002, fault="close_after")

    loaded = load(fake_engine.url, workload(rate=100, process="constant", requests=80))

    assert loaded.failures == {}
    assert loaded.outcome.requests == 80
    assert loaded.driven.reconnects >= 20
    assert sorted(loaded.latencies())[40] < 0.1


def test_a_request_that_meets_a_closing_connection_is_sent_again_and_its_clock_starts_anew() -> None:
    """The server closes each connection 0.2 s after its first answer, just when the second request has come."""
    heard: list[bytes] = []

    def talk(one: Talk) -> None:
        heard.append(one.hear() or b"")
        one.say(answer())
        if one.hear() is not None:
            time.sleep(0.2)

    with RawServer(talk) as server:
        loaded = load(server.url, workload(requests=4))

    again = [trace for trace in loaded.traces if trace.again]
    assert loaded.failures == {}
    assert len(again) == loaded.driven.reconnects == 3
    assert len({*heard} - {b""}) == 4
    assert sorted(loaded.latencies())[2] < 0.15


def test_a_request_is_sent_again_only_once(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("drop", where=lambda asked: asked.prompt != "00000000")]

    loaded = load(fake_engine.url, workload(requests=3))

    assert loaded.failures == {"connection_closed": 2}
    assert fake_engine.asked["00000001"] == 2


def test_a_server_that_hangs_up_long_after_the_request_had_taken_it(
    fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSING_SECONDS", 0.05)
    fake_engine.script = Script(delay=0.2, faults=[Fault("drop", where=lambda asked: asked.prompt == "00000001")])

    loaded = load(fake_engine.url, workload(requests=3))

    assert loaded.failures == {"connection_closed": 1}
    assert loaded.driven.reconnects == 1
    assert fake_engine.asked["00000001"] == 1


def test_connections_stand_ready_before_the_first_request() -> None:
    """Three requests a quarter of a second apart could all do with one connection."""
    first: list[float] = []
    begun: list[float] = []

    def talk(one: Talk) -> None:
        begun.append(time.perf_counter())
        while one.hear() is not None:
            first.append(time.perf_counter())
            one.say(answer())

    with RawServer(talk) as server:
        load(server.url, workload(rate=4, process="constant", requests=3))

    assert len([at for at in begun if at < first[1]]) >= 3


def head(url: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> list[str]:
    monkeypatch.setenv("WEIGHBRIDGE_TEST_KEY", f" {KEY}\n")

    async def made() -> bytes:
        return Client(Endpoint(url, "tiny", **more), 1.0, 0, lambda _: None).request("completions", b"{}")

    return asyncio.run(made()).decode().split("\r\n")


def test_a_request_is_a_post_with_its_length_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = head("http://gpu.example:8000/v1", monkeypatch, key_variable="WEIGHBRIDGE_TEST_KEY")

    assert lines[0] == "POST /v1/completions HTTP/1.1"
    assert {"Host: gpu.example:8000", "Content-Length: 2", f"Authorization: Bearer {KEY}"} <= set(lines)
    assert lines[-2:] == ["", "{}"]


def test_an_address_of_version_6_keeps_its_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Host: [::1]:8000" in head("http://[::1]:8000/v1", monkeypatch)


def test_a_name_that_nobody_knows_is_no_endpoint() -> None:
    with pytest.raises(socket.gaierror):
        load("http://nowhere.invalid:8000/v1")
