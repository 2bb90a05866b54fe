"""A small OpenAI-compatible server that does what a test scripts, streams included.

In a thread: `with FakeEngine(Script(...)) as fake`. As a process: `python tests/fake_engine.py --port N --delay 1`;
port 0 chooses one, which its first line names. One event loop serves everything: a script's `answer` must not wait.
A token id is a byte (see `tiny_tokenizer` in conftest.py), so prompts of ids are read as text without a tokenizer.
What it did is on record: `fake.streams`, or GET /record of a process (DELETE /record forgets).
"""

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from argparse import BooleanOptionalAction
from collections import Counter
from collections.abc import Callable
from typing import Self

import fake_answers
import fake_defects
from fake_answers import Counts
from fake_loop import Listener
from fake_script import END, Asked, Drafts, Fault, Schedule, Script, prompt_of
from fake_stream import Events, Stream, Streamed
from fake_wire import Connection, Request

__all__ = ["END", "Asked", "Drafts", "FakeEngine", "Fault", "Schedule", "Script", "Streamed"]


class FakeEngine:
    """The server, in a thread of this process.

    Attributes:
        requests: Every POST, in the order of arrival.
        probed: The same for those of probes, which count nowhere else: a complete engine answers them, whatever the
            script has for others; see fake_defects.
        asked: How often each prompt arrived.
        busiest: The most requests that were under way at once.
        streams: What was streamed and when, in the order of arrival.
    """

    def __init__(self, script: Script | None = None, port: int = 0, die: Callable[[], None] | None = None) -> None:
        self.script = script or Script()
        self.requests: list[Asked] = []
        self.probed: list[Asked] = []
        self.asked: Counter[str] = Counter()
        self.busiest = 0
        self.streams: list[Streamed] = []
        self.gone = False
        self._die = die or self.stop
        self._counts = Counts()
        self._listener = Listener(port)
        self._listener.start(lambda: Connection(self._listener, self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        """What a matrix names as `url:`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self) -> None:
        """Answer nothing any more. Safe to call twice."""
        self.gone = True
        self._listener.end()

    def take(self, connection: Connection, request: Request) -> None:
        """Answer a request that has arrived as a whole."""
        if self.gone:
            connection.close()
        elif request.method == "POST":
            self._ask(connection, request)
        elif request.method == "DELETE" and request.path == "/record":
            self.streams.clear()
            connection.answer(200, "")
        else:
            page = self._page(request.path)
            connection.answer(404 if page is None else 200, page or "")

    def _ask(self, connection: Connection, request: Request) -> None:
        payload = json.loads(request.body)
        asked = Asked(request.path.removeprefix("/v1/"), prompt_of(payload), payload)
        if fake_defects.is_probe(asked):
            self._probe(connection, request, asked)
            return
        self.requests.append(asked)
        self.asked[asked.prompt] += 1
        connection.leave = self._left
        self._counts.running += 1
        self.busiest = max(self.busiest, self._counts.running)
        fault = next((fault.kind for fault in self.script.faults if fault.strikes(asked)), None)
        if len(self.requests) == self.script.die_after:
            self._die()
        if self.script.delay:
            delayed = (self._listener.turns.add, connection.attempt, self._reply, connection, request, asked, fault)
            self._listener.loop.call_later(self.script.delay, *delayed)
        else:
            self._reply(connection, request, asked, fault)

    def _probe(self, connection: Connection, request: Request, asked: Asked) -> None:
        self.probed.append(asked)
        if self.script.key is not None and request.key != f"Bearer {self.script.key}":
            connection.answer(401, f"wrong key: {request.key}")
        else:
            connection.answer(*fake_defects.respond(self.script, asked))

    def _left(self) -> None:
        self._counts.running -= 1

    def _reply(self, connection: Connection, request: Request, asked: Asked, fault: str | None) -> None:
        streams = bool(asked.payload.get("stream"))
        fault = fault or (self.script.schedule.fault if streams else None)
        connection.closes = fault == "close_after"
        if self.gone or fault == "drop":
            connection.close()
        elif self.script.key is not None and request.key != f"Bearer {self.script.key}":
            connection.answer(401, f"wrong key: {request.key}")
        elif fault is not None and fault.isdigit():
            connection.answer(int(fault), f"it went wrong; you sent {request.key}")
        elif fault in fake_answers.NO_ANSWER:
            text, kind = fake_answers.NO_ANSWER[fault]
            connection.answer(200, text.format(given=request.key), kind)
        elif fault != "hang_before_headers":
            self._counts.prompt_tokens += asked.prompt_tokens
            (self._stream if streams else self._whole)(connection, request, asked, fault)

    def _whole(self, connection: Connection, _request: Request, asked: Asked, fault: str | None) -> None:
        body = (
            fake_answers.chat(self.script, asked) if asked.chat else fake_answers.completion(self.script, asked, fault)
        )
        tokens = body["usage"]["completion_tokens"]
        self._counts.generated_tokens += tokens
        if self.script.drafts is not None:
            for size in self.script.drafts.sizes(tokens)[1:]:
                self._counts.step(self.script.drafts, size)
        connection.answer(200, json.dumps(body))

    def _stream(self, connection: Connection, request: Request, asked: Asked, fault: str | None) -> None:
        record = Streamed(request.received)
        self.streams.append(record)
        stream = Stream(connection, self.script, asked, record, self._counts)
        events = Events(self.script, asked, len(self.requests))
        stream.begin(events, fault, self._listener.timetable, chat=asked.chat)

    def _page(self, path: str) -> str | None:
        """The body for a GET."""
        if path == "/record":
            return json.dumps({"streams": [{"received": s.received, "writes": s.writes} for s in self.streams]})
        if path == "/metrics":
            return fake_answers.metrics(self.script, self._counts, len(self.requests))
        return {"/health": "", "/v1/models": fake_answers.models(self.script)}.get(path)


def arguments() -> argparse.ArgumentParser:
    """The command line: the script's fields, as far as they are numbers and words."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True, help="0 chooses one, which the first line names")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--die-after", type=int, metavar="K", help="end with an error at the K-th request")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND[:EVERY]")
    parser.add_argument("--counter-error", type=float, default=1.0, metavar="FACTOR")
    parser.add_argument("--daughter", action="store_true", help="start a process that leaves the process group")
    parser.add_argument("--renamed", action="store_true", help="start a process that has lost its environment")
    parser.add_argument("--stubborn", action="store_true", help="do not end when asked to")
    streams = parser.add_argument_group("streams, as in fake_script.Schedule")
    for name in ("--first", "--interval", "--stall-seconds"):
        streams.add_argument(name, type=float, default=0.0, metavar="SECONDS")
    streams.add_argument("--per-chunk", type=int, default=1, metavar="TOKENS")
    for name in ("--stall-at", "--early-stop", "--split"):
        streams.add_argument(name, type=int, metavar="K")
    for name in ("--pings", "--crlf"):
        streams.add_argument(name, action="store_true")
    for name in ("--role-first", "--usage", "--continuous"):
        streams.add_argument(name, action=BooleanOptionalAction, default=True)
    return parser


def scripted(given: argparse.Namespace) -> Script:
    """The script that a command line asks for."""
    schedule = Schedule(
        **{name: getattr(given, name) for name in Schedule.__dataclass_fields__ if name != "fault"},
    )
    return Script(
        model=given.model,
        die_after=given.die_after,
        delay=given.delay,
        faults=[Fault(kind, int(every or 1)) for kind, _, every in (text.partition(":") for text in given.fault)],
        schedule=schedule,
        counter_error=given.counter_error,
    )


def main() -> None:
    """Serve until ended."""
    given = arguments().parse_args()
    if given.daughter:
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(words, start_new_session=True)
    if given.renamed:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={})
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def die() -> None:
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)  # noqa: T201
        os._exit(1)

    with FakeEngine(scripted(given), given.port, die) as fake:
        gc.freeze()
        gc.disable()  # a collection over the record would hold up a thousand streams
        print(f"serving on {fake.port}", flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
