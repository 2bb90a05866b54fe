"""A TCP proxy that plants a known slowdown: whatever comes back is later by a factor, from the request's arrival on.

In a thread: `with SlowProxy(url, 1.1) as proxy: proxy.url`. As a process:
`python tests/slow_proxy.py --target http://127.0.0.1:N --factor 1.1 --port 0`, whose first line names the port.
Requests pass at once; factor 1.0 holds nothing back.
"""

import argparse
import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from fake_loop import Listener


class SlowProxy:
    """The proxy, in a thread of this process."""

    def __init__(self, target_url: str, factor: float, port: int = 0) -> None:
        parts = urlsplit(target_url)
        self._path = parts.path
        self._listener = Listener(port)
        target = (str(parts.hostname), int(parts.port or 80))
        self._listener.start(lambda: _Client(self._listener, target, factor))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        """The target's URL, at this port."""
        return f"http://127.0.0.1:{self.port}{self._path}"

    def stop(self) -> None:
        """Pass nothing any more. Safe to call twice."""
        self._listener.end()


class _Client(asyncio.Protocol):
    """The side that asks: its bytes pass at once, those for it when they are due."""

    def __init__(self, listener: Listener, target: tuple[str, int], factor: float) -> None:
        self._listener = listener
        self._address = target
        self._factor = factor
        self._early: list[bytes] = []
        self._target: Any = None
        self._asked = 0.0
        self._last = 0.0
        self._gone = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._listener.connections.add(self)
        self._opening = self._listener.loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            self._target, _ = await self._listener.loop.create_connection(lambda: _Target(self), *self._address)
        except OSError:
            self.abort()
            return
        self._target.write(b"".join(self._early))
        if self._gone:
            self._target.abort()

    def data_received(self, data: bytes) -> None:
        self._asked = time.perf_counter()
        if self._target is None:
            self._early.append(data)
        else:
            self._target.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._gone = True
        self._listener.connections.discard(self)
        if self._target is not None:
            self._target.abort()

    def abort(self) -> None:
        self._transport.abort()
        if self._target is not None:
            self._target.abort()

    def answered(self, data: bytes) -> None:
        """Bytes of the target, for the client."""
        self._later(lambda: self._transport.write(data))

    def ended(self, error: Exception | None) -> None:
        """The target has closed the connection, or broken it off."""
        self._later(self._transport.close if error is None else self._transport.abort)

    def _later(self, act: Callable[[], None]) -> None:
        if self._factor == 1.0:
            act()
            return
        passed = time.perf_counter() - self._asked
        self._last = max(self._last, self._asked + self._factor * passed)  # in order, whatever the next request does

        def due() -> None:
            if not self._gone:
                act()

        self._listener.timetable.at(self._last, due)


class _Target(asyncio.Protocol):
    """The side that answers."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.ended(error)


def main() -> None:
    """Pass on until ended."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--target", required=True, metavar="URL")
    parser.add_argument("--factor", type=float, required=True)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with SlowProxy(given.target, given.factor, given.port) as proxy:
        gc.freeze()
        print(f"serving on {proxy.port}", flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
