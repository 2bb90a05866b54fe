"""What the tests of the load client share: loads of a few requests, and servers that say whatever a test wants.

`FakeEngine` speaks HTTP as it should be spoken; a `RawServer` is for what it cannot say.
"""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from fixtures.engines.counters import counters
from fixtures.load.connection import Trace
from fixtures.load.outcome import Outcome, outcome
from fixtures.load.run import Driven, Plan, drive
from fixtures.load.workload import Arrivals, Output, Prompts, Workload
from fixtures.protocols import Endpoint

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class Loaded:
    """A load that has ended, and how long it took."""

    driven: Driven
    outcome: Outcome
    seconds: float

    @property
    def failures(self) -> dict[str, int]:
        return dict(self.outcome.failures)

    @property
    def traces(self) -> list[Trace]:
        return self.driven.traces

    def latencies(self, name: str = "request_latency") -> list[float]:
        return list(self.outcome.latencies.get(name, []))


def workload(*, tokens: int = 4, at_most: bool = False, requests: int = 4, warm_up: int = 0, **more: Any) -> Workload:
    """A workload without ceilings; `streams` or `rate` say when requests are sent."""
    when = {"concurrency": more.pop("streams", None), "rate": more.pop("rate", None)}
    if when["rate"] is None:
        when["concurrency"] = when["concurrency"] or 1
    arrivals = Arrivals(**when, process=more.pop("process", "poisson"))
    output = Output(at_most=tokens) if at_most else Output(tokens=tokens)
    more = {"prompts": Prompts(tokens=8), "latencies": {}, **more}
    return Workload(output=output, arrivals=arrivals, requests=requests, warm_up=warm_up, **more)


def body(form: Workload, position: int, *, chat: bool = False, continuous: bool = False) -> bytes:
    asked: dict[str, Any] = {"prompt": f"{position:08}"}
    if chat:
        asked = {"messages": [{"role": "user", "content": f"{position:08}"}]}
    options = {"include_usage": True, "continuous_usage_stats": continuous}
    return json.dumps({**asked, "max_tokens": form.output.limit, "stream": True, "stream_options": options}).encode()


def plan_of(form: Workload, *, seconds: float = 5.0, chat: bool = False, continuous: bool = False) -> Plan:
    return Plan(
        route="chat/completions" if chat else "completions",
        body=lambda position: body(form, position, chat=chat, continuous=continuous),
        arrivals=form.arrivals,
        warm_up=form.before,
        requests=form.requests,
        seconds=seconds,
        seed="a test",
        tokens=form.output.limit,
    )


def load(
    url: str, form: Workload | None = None, *, counting: bool = False, key_variable: str | None = None, **more: Any
) -> Loaded:
    """Drive a load at a server and sum it up, as a session does; with `counting` its own counters are asked, too."""
    form = form or workload()
    plan, endpoint = plan_of(form, **more), Endpoint(url, "tiny", key_variable)
    before = counters(endpoint) if counting else {}
    started = time.perf_counter()
    driven = drive(endpoint, plan)
    ended = time.perf_counter()
    moved = {name: value - before.get(name, 0.0) for name, value in counters(endpoint).items()} if counting else {}
    return Loaded(driven, outcome(driven, plan, form, moved), ended - started)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(text: str = "x", finish: str | None = None, usage: Mapping[str, Any] | None = None) -> bytes:
    """One event of a completion."""
    row: dict[str, Any] = {"choices": [{"index": 0, "text": text, "finish_reason": finish}]}
    return b"data: " + json.dumps(row | ({} if usage is None else {"usage": usage})).encode() + b"\n\n"


def stream(tokens: int = 4) -> bytes:
    """The body of a whole answer of one-letter tokens."""
    usage = {"prompt_tokens": 8, "completion_tokens": tokens}
    last = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    return event() * (tokens - 1) + event(finish="length") + last + b"data: [DONE]\n\n"


def answer(tokens: int = 4) -> bytes:
    """A whole good answer, headers included."""
    return HEAD + chunk(stream(tokens)) + LAST_CHUNK


class Talk:
    """One connection of a RawServer.

    Attributes:
        number: Counts them from 1.
        head: First line and headers of the request that was heard last.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.number = number
        self.head = b""
        self.connection = connection
        self._read = b""

    def hear(self) -> bytes | None:
        """The body of the next request; None when the client is gone."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            if not self._more():
                return None
        self.head = self._read[:end]
        length = int(self.head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        while len(self._read) < end + 4 + length:
            if not self._more():
                return None
        heard, self._read = self._read[end + 4 : end + 4 + length], self._read[end + 4 + length :]
        return heard

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        """Break the connection off (RST)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _more(self) -> bool:
        data = self.connection.recv(65536)
        self._read += data
        return bool(data)


class RawServer:
    """Talks on every connection as a test says, each in a thread of its own.

    Attributes:
        connections: How many were opened.
        plain: Connections from now on are served without TLS; the address stays the same.
    """

    def __init__(self, talk: Callable[[Talk], None], tls: ssl.SSLContext | None = None, backlog: int = 128) -> None:
        self._talk = talk
        self._tls = tls
        self.plain = False
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._port}/v1"

    def stop_listening(self) -> None:
        """Refuse new connections."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def stop(self) -> None:
        """Hang up everywhere, and listen no more. Safe to call twice, and from within a talk."""
        self.stop_listening()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            if self._tls is not None and not self.plain:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                self._talk(Talk(connection, number))


def always(said: bytes) -> Callable[[Talk], None]:
    """A talk that answers every request of a connection with the same bytes."""

    def talk(one: Talk) -> None:
        while one.hear() is not None:
            one.say(said)

    return talk


def test_a_load_of_the_tests_is_answered_by_a_raw_server() -> None:
    with RawServer(always(answer())) as server:
        loaded = load(server.url, workload(streams=2, requests=6))

    assert loaded.failures == {}
    assert (loaded.outcome.requests, server.connections >= 2) == (6, True)
