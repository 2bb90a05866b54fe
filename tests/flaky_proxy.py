"""An HTTP proxy that does not pass every request on: a known share gets an error, or no answer at all.

`with FlakyProxy(url) as proxy: proxy.url`. Which requests are struck is fixed by their order of arrival.
"""

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

from load_servers import RawServer, Talk

EVERY = 5
KINDS = ("429", "500", "hang")
HANG = "hang"


class FlakyProxy:
    """The proxy, in threads of this process.

    Attributes:
        strikes: Which bodies of requests may be struck; of these every fifth is, in turn by each of `kinds`.
        struck: How often, by kind.
        asked: How many requests might have been.
    """

    def __init__(
        self, target: str, strikes: Callable[[bytes], bool] = bool, kinds: tuple[str, ...] = KINDS, every: int = EVERY
    ) -> None:
        parts = urlsplit(target)
        self._target, self._path = str(parts.netloc), parts.path
        self._server = RawServer(self._talk)
        self._lock = threading.Lock()
        self._kinds, self._every = kinds, every
        self.strikes = strikes
        self.asked = 0
        self.struck: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The target's URL, at this port."""
        return self._server.url

    def _talk(self, one: Talk) -> None:
        with contextlib.closing(http.client.HTTPConnection(self._target)) as upstream:
            while (body := one.hear()) is not None:
                kind = self._fate(body)
                if kind == HANG:
                    one.hear()  # nothing comes until the client is gone
                    return
                one.say(_refusal(kind) if kind else _passed(upstream, one.head, body))

    def _fate(self, body: bytes) -> str | None:
        with self._lock:
            if not self.strikes(body):
                return None
            self.asked += 1
            if self.asked % self._every:
                return None
            kind = self._kinds[self.struck.total() % len(self._kinds)]
            self.struck[kind] += 1
            return kind


def _refusal(kind: str) -> bytes:
    later = b"Retry-After: 0\r\n" if kind == "429" else b""
    return b"HTTP/1.1 %b Not now\r\n%bContent-Length: 9\r\n\r\ntry later" % (kind.encode(), later)


def _passed(upstream: http.client.HTTPConnection, head: bytes, body: bytes) -> bytes:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    fields = dict(line.split(": ", 1) for line in lines)
    upstream.request(method, path, body or None, {name: fields[name] for name in fields if name != "Host"})
    response = upstream.getresponse()
    answer = response.read()
    kind = response.headers.get("Content-Type", "")
    said = f"HTTP/1.1 {response.status} Passed on\r\nContent-Type: {kind}\r\nContent-Length: {len(answer)}\r\n\r\n"
    return said.encode() + answer
