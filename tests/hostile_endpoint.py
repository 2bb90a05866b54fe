"""Endpoints that mean harm, or are as broken as if they did: each talk is one way, for every request that is heard.

`with RawServer(ENDLESS) as server` (of load_servers) serves it; `Sent` counts what the server got rid of, which is all
that a client can hold.
"""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from load_servers import Talk

KEY = "sk-very-secret-4711-abcdef"
HELD = 2**16
PIECE = b"a" * HELD
JSON = b"content-type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + JSON

Talks = Callable[[Talk], None]


def pieces(head: bytes, body: Callable[[], Iterator[bytes]]) -> Talks:
    """Answers every request with a head, and with pieces for as long as there are any."""

    def talk(one: Talk) -> None:
        while one.hear() is not None:
            one.say(head)
            for piece in body():
                one.say(piece)

    return talk


def repeated(piece: bytes, pause: float = 0.0) -> Callable[[], Iterator[bytes]]:
    """The same piece for ever."""

    def body() -> Iterator[bytes]:
        while True:
            yield piece
            time.sleep(pause)

    return body


def sized(body: bytes, head: bytes = OK) -> Talks:
    """One whole answer."""
    return pieces(head + b"content-length: %d\r\n\r\n" % len(body), lambda: iter([body]))


def said(body: Any) -> Talks:
    """One whole answer in JSON."""
    return sized(json.dumps(body).encode())


def chunked(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


TEN_GIGABYTES = pieces(OK + b"content-length: 10000000000\r\n\r\n", repeated(PIECE))
ENDLESS = pieces(OK + b"transfer-encoding: chunked\r\n\r\n", repeated(chunked(PIECE)))
ENDLESS_STREAM = pieces(
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    repeated(chunked(b'data: {"choices": [{"text": "a"}]}\n\n' * 1000)),
)
ONE_BYTE_CHUNKS = pieces(
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    repeated(chunked(b"a") * 10_000),
)
ENDLESS_ERROR = pieces(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", repeated(chunked(PIECE)))
MANY_HEADERS = pieces(b"HTTP/1.1 200 OK\r\n", repeated(b"x-more: and more\r\n" * 1000))
LONG_HEADER = pieces(b"HTTP/1.1 200 OK\r\nx-long: ", repeated(PIECE))
LONG_STATUS = pieces(b"HTTP/1.1 200 ", repeated(PIECE))
DRIP = pieces(OK + b"content-length: 100000\r\n\r\n", repeated(b" ", 0.02))
DRIPPING_HEADERS = pieces(b"HTTP/1.1 200 OK\r\n", repeated(b"x: y\r\n", 0.02))
INFORMING = pieces(b"", repeated(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", 0.002))
BOMB = sized(gzip.compress(b"[" + b" " * 10**8 + b"]", 9), OK + b"content-encoding: gzip\r\n")
DEEP = sized(b"[" * 10**5)
NO_HTTP = pieces(b"SSH-2.0-OpenSSH_9.9\r\n", repeated(PIECE))


def redirect(to: str) -> Talks:
    """Sends everybody elsewhere, in the way that asks to repeat a POST."""
    return sized(b"{}", b"HTTP/1.1 307 Elsewhere\r\nlocation: %b\r\n" % to.encode())


BROKEN_SIZE = pieces(OK + b"transfer-encoding: chunked\r\n\r\n", lambda: iter([f"{KEY}\r\n\r\n".encode()]))
BROKEN_STATUS = pieces(f"{KEY} HTTP/1.1 200 OK\r\n\r\n".encode(), lambda: iter([]))

ECHOES: dict[str, Talks] = {
    "in an error": sized(f'{{"error": "wrong key: {KEY}"}}'.encode(), b"HTTP/1.1 401 No\r\n" + JSON),
    "beyond the cut of an error": sized(f"{'x' * 280} {KEY}".encode(), b"HTTP/1.1 500 No\r\n"),
    "in the reason": sized(b"{}", f"HTTP/1.1 418 {KEY}\r\n".encode() + JSON),
    "in the content type": sized(b"no", f"HTTP/1.1 200 OK\r\ncontent-type: text/{KEY}\r\n".encode()),
    "in the wait": sized(b"{}", f"HTTP/1.1 429 Later\r\nretry-after: {KEY}\r\n".encode()),
    "in a redirect": redirect(f"http://127.0.0.1:1/?key={KEY}"),
    "in no JSON": sized(f'{{"choices": [{KEY}'.encode()),
    "in a broken chunk": BROKEN_SIZE,
    "in a broken first line": BROKEN_STATUS,
    "in a long header": pieces(f"HTTP/1.1 200 OK\r\nx-{KEY}: ".encode(), repeated(KEY.encode() * 1000)),
}
"""Where a server may repeat the key in an answer that nobody can use."""


class Sent:
    """A talk whose bytes are counted."""

    def __init__(self, talk: Talks) -> None:
        self.bytes = 0
        self._talk = talk

    def __call__(self, one: Talk) -> None:
        say = one.say

        def counted(data: bytes) -> None:
            say(data)
            self.bytes += len(data)

        one.say = counted  # type: ignore[method-assign]
        self._talk(one)
