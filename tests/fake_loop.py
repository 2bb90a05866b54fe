"""An event loop in a thread of this process, the socket that it serves, and a timetable finer than its own timers."""

import asyncio
import ctypes
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Any, Protocol

import uvloop

HELPING = 0.0002
"""Seconds of work after which the loop looks again for what has arrived: arrivals must be stamped when they happen."""

Action = Callable[[], float | None]
"""What is done when it is due; says when it is due again, or that it is done."""


class Aborts(Protocol):
    """A connection, as far as its end is concerned."""

    def abort(self) -> None: ...


class Listener:
    """A listening socket of 127.0.0.1 and the loop that serves it. Port 0 chooses one.

    Attributes:
        connections: Those that are open; whoever makes them adds and removes them.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.port: int = self._socket.getsockname()[1]
        self.loop = uvloop.new_event_loop()
        self.timetable = Timetable(self.loop)
        self.turns = Turns(self.loop)
        self.connections: set[Aborts] = set()
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None

    def start(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._run, args=(protocol,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Close everything. From within the loop it takes effect at the loop's next turn."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._ended.set)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        self.loop.run_until_complete(self._serve(protocol))
        self.timetable.close()
        self.loop.close()

    async def _serve(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        server = await self.loop.create_server(protocol, sock=self._socket, backlog=4096)
        await self._ended.wait()
        server.close()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0.001)  # the loop closes sockets one turn later


class Turns:
    """Work that may wait a little, done in small helpings, so that reading goes first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._called = False

    def add(self, work: Callable[..., None], *given: Any) -> None:
        """Do it soon, after what was added before."""
        self._waiting.append((work, given))
        self._call()

    def _work(self) -> None:
        self._called = False
        enough = time.perf_counter() + HELPING
        try:
            while self._waiting and time.perf_counter() < enough:
                work, given = self._waiting.popleft()
                work(*given)
        finally:
            self._call()

    def _call(self) -> None:
        if self._waiting and not self._called:
            self._called = True
            self._loop.call_soon(self._work)


class Timetable:
    """Calls actions when they are due, in their order, at times of time.perf_counter().

    uvloop counts timers in whole milliseconds; the kernel's timer, which this one uses, is good to a tenth of that.
    All actions share it, so that a thousand streams cost no more timers than one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._library = ctypes.CDLL(None, use_errno=True)
        self._timer: int = self._library.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._number = count()
        self._due: list[tuple[float, int, Action]] = []
        self._called = False
        loop.add_reader(self._timer, self._rings)

    def at(self, when: float, action: Action) -> None:
        """Do it then; at once if that has passed."""
        entry = (when, next(self._number), action)
        heappush(self._due, entry)
        if self._due[0] is entry:
            self._set(when)

    def close(self) -> None:
        """Forget everything. The loop must have ended."""
        self._due.clear()
        os.close(self._timer)

    def _set(self, when: float) -> None:
        seconds, fraction = divmod(max(when, 1e-6), 1)  # a timer set to 0 would never ring
        times = (ctypes.c_long * 4)(0, 0, int(seconds), int(fraction * 1e9))
        self._library.timerfd_settime(self._timer, 1, times, None)

    def _rings(self) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return
        self._act()

    def _act(self) -> None:
        self._called = False
        due, clock = self._due, time.perf_counter
        now = clock()
        enough = now + HELPING
        while due and due[0][0] <= now < enough:
            when, _, action = due[0]
            again = action()
            if again is None:
                heappop(due)
            else:  # never before what was due now, so this is still the first entry
                heapreplace(due, (max(again, when), next(self._number), action))
            now = clock()
        if not due:
            return
        if due[0][0] > now:
            self._set(due[0][0])
        elif not self._called:
            self._called = True
            self._loop.call_soon(self._act)
