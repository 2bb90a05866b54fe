"""HTTP/1.1 as the fake engine speaks it: requests come in with the time of their arrival, bytes go out at once."""

import asyncio
import os
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httptools
from fake_loop import Listener

PAUSE = 0.00002
CLOSES_AFTER = 0.005


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived, and when its last byte was read."""

    method: str
    path: str
    key: str
    body: bytes
    received: float


class Takes(Protocol):
    """Whoever answers requests."""

    def take(self, connection: "Connection", request: Request) -> None: ...


class Connection(asyncio.Protocol):
    """One client.

    Requests are stamped while they are read and understood a little later: a thousand that come together do not wait
    for each other's JSON before their clocks start. A client sends its next request after the answer to the last.

    Attributes:
        lost: The client is gone, or has been sent away.
        leave: Called once, when the answer under way ends or the client goes.
        closes: Whether the connection is closed shortly after the answer, without having said so.
    """

    def __init__(self, listener: Listener, server: Takes) -> None:
        self.lost = False
        self.closes = False
        self.leave: Callable[[], None] | None = None
        self._listener = listener
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._clogged = False
        self._whole = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._listener.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        self._listener.connections.discard(self)
        self.finished()

    def data_received(self, data: bytes) -> None:
        self._listener.turns.add(self._understand, data, time.perf_counter())

    def on_message_begin(self) -> None:
        self._path, self._key, self._body = b"", "nothing", b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._key = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._whole = True

    def send(self, data: bytes) -> None:
        """Write at once, as far as the socket takes it; the transport would wait for the end of the loop's turn."""
        if self.lost:
            return
        if self._clogged and self._transport.get_write_buffer_size():
            self._transport.write(data)
            return
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        self._clogged = sent < len(data)
        if self._clogged:
            self._transport.write(data[sent:])

    def send_in_pieces(self, data: bytes, size: int) -> None:
        """Write with a pause after every few bytes, so that the client reads them apart."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            time.sleep(PAUSE)

    def answer(self, status: int, text: str, kind: str = "application/json") -> None:
        """Send an answer in one piece."""
        body = text.encode()
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not so'}", f"Content-Length: {len(body)}"]
        lines += ["Retry-After: 1"] * (status == 429)
        self.finished()
        self.send("\r\n".join([*lines, f"Content-Type: {kind}", "", ""]).encode() + body)

    def finished(self) -> None:
        """The answer under way is about to end: said before its last bytes, lest the next request count beside it."""
        leave, self.leave = self.leave, None
        if leave is not None:
            leave()
            if self.closes and not self.lost:
                self._listener.loop.call_later(CLOSES_AFTER, self.close)

    def close(self) -> None:
        """End the connection in order (FIN)."""
        self._part(self._transport.close)

    def abort(self) -> None:
        """Leave at once; what the client does not read any more is lost."""
        self._part(self._transport.abort)

    def reset(self) -> None:
        """Break the connection off (RST)."""
        linger = struct.pack("ii", 1, 0)
        with socket.socket(fileno=os.dup(self._descriptor)) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()

    def attempt(self, work: Callable[..., None], *given: Any) -> None:
        """A mistake in a test's script must be seen, and must not leave its client waiting."""
        try:
            work(*given)
        except Exception:  # noqa: BLE001
            traceback.print_exc(file=sys.stderr)
            self.abort()

    def _part(self, how: Callable[[], None]) -> None:
        if not self.lost:
            self.lost = True
            how()

    def _understand(self, data: bytes, arrived: float) -> None:
        if self.lost:
            return
        self.attempt(self._feed, data, arrived)

    def _feed(self, data: bytes, arrived: float) -> None:
        self._parser.feed_data(data)
        if self._whole:
            self._whole = False
            method = self._parser.get_method().decode()
            self._server.take(self, Request(method, self._path.decode(), self._key, self._body, arrived))
