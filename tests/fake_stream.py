"""Streams of the fake engine: tokens as server-sent events, on a schedule, with a record of when they were written."""

import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from fake_answers import Counts, acceptance
from fake_loop import Timetable
from fake_script import Asked, Schedule, Script
from fake_wire import Connection

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
TOGETHER = 16
"""So many chunks go out in one write when they are all due: a machine that is too slow catches up."""

MID_STREAM = {
    "hang_mid_stream",
    "reset_mid_stream",
    "close_mid_stream",
    "invalid_json",
    "nul_bytes",
    "error_event",
}


@dataclass(slots=True)
class Streamed:
    """What the server knows of one stream; times are those of time.perf_counter().

    Attributes:
        received: When the request had arrived as a whole.
        writes: Of each write that carried tokens its time and how many they were.
    """

    received: float
    writes: list[tuple[float, int]] = field(default_factory=list)


def framed(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Events:
    """The events of one stream in vLLM's form, made once where they repeat."""

    def __init__(self, script: Script, asked: Asked, number: int) -> None:
        kind, name = ("chat.completion.chunk", "chatcmpl") if asked.chat else ("text_completion", "cmpl")
        self._head = (
            f'data: {{"id":"{name}-{number}","object":"{kind}","created":{int(time.time())},'
            f'"model":{json.dumps(script.model)},"choices":['
        )
        self._end = "\r\n\r\n" if script.schedule.crlf else "\n\n"
        self._before, self._after = ('"delta":{"content":', "}") if asked.chat else ('"text":', "")
        options = asked.payload.get("stream_options") or {}
        self.usage = bool(script.schedule.usage and options.get("include_usage"))
        self.continuous = self.usage and script.schedule.continuous and bool(options.get("continuous_usage_stats"))
        self._prompt_tokens = asked.prompt_tokens
        self._made: dict[str, bytes] = {}

    def role(self) -> bytes:
        """The beginning of a chat: a role and no token."""
        choice = '{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
        return self._framed(f"{choice}{self._so_far(0)}")

    def tokens(self, text: str, produced: int, finish: str | None) -> bytes:
        """New text, after which so many tokens have been produced."""
        made = self._made.get(text)
        if made is not None and finish is None:
            return made
        words = json.dumps(text, ensure_ascii=False)
        choice = (
            f'{{"index":0,{self._before}{words}{self._after},"logprobs":null,"finish_reason":{json.dumps(finish)}}}]'
        )
        made = self._framed(f"{choice}{self._so_far(produced)}")
        if finish is None and not self.continuous:
            self._made[text] = made
        return made

    def end(self, produced: int, told: str = "") -> bytes:
        """What follows the last token; `told` is what the answer says of its draft beside its usage."""
        usage = self._framed(f"]{self._usage(produced)}{told}") if self.usage else b""
        return usage + self.data("[DONE]") + LAST_CHUNK

    def data(self, text: str) -> bytes:
        """Any other event."""
        return framed(f"data: {text}{self._end}".encode())

    def ping(self) -> bytes:
        """A comment, as servers and proxies send them to keep a connection open."""
        return framed(f": ping - {time.time():.3f}{self._end}".encode())

    def _framed(self, rest: str) -> bytes:
        return framed(f"{self._head}{rest}}}{self._end}".encode())

    def _so_far(self, produced: int) -> str:
        return self._usage(produced) if self.continuous else ""

    def _usage(self, produced: int) -> str:
        prompt = self._prompt_tokens
        return (
            f',"usage":{{"prompt_tokens":{prompt},"total_tokens":{prompt + produced},"completion_tokens":{produced}}}'
        )


class Stream:
    """One answer, token by token, each at its time from the arrival of the request: lateness never adds up."""

    def __init__(self, connection: Connection, script: Script, asked: Asked, record: Streamed, counts: Counts) -> None:
        self._connection = connection
        self._schedule: Schedule = script.schedule
        self._record = record
        self._counts = counts
        self._letters = script.answer(asked.prompt, asked.payload) or " "
        self._wanted = wanted(asked.payload)
        self._tokens = min(self._wanted, script.schedule.early_stop or self._wanted)
        self._sent = 0
        self._steps = 0
        self._drafts = script.drafts
        self._sizes = [1] if script.drafts is None else script.drafts.sizes(self._tokens)
        self._pinged = not script.schedule.pings
        self._fault: str | None = None

    def begin(self, events: Events, fault: str | None, timetable: Timetable, *, chat: bool) -> None:
        """Send the headers, and plan the first token."""
        self._events = events
        if fault == "endless":
            self._tokens = sys.maxsize
        self._fault = fault if fault in MID_STREAM else None
        self._middle = self._tokens // 2
        self._send(HEAD)
        if fault == "hang_after_headers":
            return
        if chat and self._schedule.role_first:
            self._send(self._events.role())
        form = self._schedule
        plain = form.per_chunk == 1 and not form.pings and form.split is None and self._fault is None
        plain = plain and self._drafts is None
        timetable.at(self._next(), self._plain_step if plain else self._step)

    def _plain_step(self) -> float | None:
        """As `_step`, where no more is to be looked at: this runs up to a hundred thousand times a second."""
        connection, start = self._connection, self._sent
        end = start + 1
        if connection.lost or end >= self._tokens:
            return self._step()
        letters, record, schedule = self._letters, self._record, self._schedule
        data = self._events.tokens(letters[start % len(letters)], end, None)
        now, due = time.perf_counter(), record.received + schedule.due(end)
        while due <= now and end < min(self._tokens - 1, start + TOGETHER):
            data += self._events.tokens(letters[end % len(letters)], end + 1, None)
            end += 1
            due = record.received + schedule.due(end)
        self._sent = end
        self._counts.generated_tokens += end - start
        record.writes.append((now, end - start))
        connection.send(data)
        return due

    def _step(self) -> float | None:
        """Send what is due; when the next is, or that there is none."""
        if self._connection.lost:
            return None
        if not self._pinged:
            self._pinged = True
            self._send(self._events.ping())
            return self._next()
        if self._fault is not None and self._sent >= self._middle and not self._goes_on():
            return None
        start, end = self._sent, self._chunk_end()
        finish = None if end < self._tokens else ("length" if end == self._wanted else "stop")
        if self._drafts is not None and self._steps:
            self._counts.step(self._drafts, self._sizes[self._steps])
        self._sent, self._steps = end, self._steps + 1
        self._send(self._events.tokens(self._text(start, end), end, finish), end - start)
        if finish is not None:
            self._connection.finished()
            told = "".join(f',"{name}":{json.dumps(one)}' for name, one in acceptance(self._drafts, end).items())
            self._send(self._events.end(end, told))
            return None
        self._pinged = not self._schedule.pings
        return self._next()

    def _next(self) -> float:
        due = self._record.received + self._due(self._chunk_end())
        if self._pinged:
            return due
        before = self._record.received + (self._due(self._sent) if self._sent else 0.0)
        return (before + due) / 2

    def _due(self, end: int) -> float:
        """When the chunk that ends here is due: with a draft the interval is that of steps."""
        if self._drafts is None:
            return self._schedule.due(end - 1)
        return self._schedule.due(self._steps - (end == self._sent))

    def _chunk_end(self) -> int:
        size = self._schedule.per_chunk if self._drafts is None else self._sizes[self._steps]
        return min(self._sent + size, self._tokens)

    def _text(self, start: int, end: int) -> str:
        letters = self._letters
        if end - start == 1:
            return letters[start % len(letters)]
        return "".join(letters[token % len(letters)] for token in range(start, end))

    def _send(self, data: bytes, tokens: int = 0) -> None:
        """Write, and record the moment at which the last of it goes out."""
        connection, size = self._connection, self._schedule.split
        if size is not None:
            cut = max(0, len(data) - size)
            connection.send_in_pieces(data[:cut], size)
            data = data[cut:]
        if tokens:
            self._record.writes.append((time.perf_counter(), tokens))
            self._counts.generated_tokens += tokens
        connection.send(data)

    def _goes_on(self) -> bool:
        """The fault of this stream strikes; whether tokens follow it."""
        fault, self._fault = self._fault, None
        if fault == "invalid_json":
            self._send(self._events.data('{"choices": ['))
            return True
        if fault == "nul_bytes":
            self._send(framed(bytes(64)))
            return True
        if fault == "reset_mid_stream":
            self._connection.reset()
        elif fault == "close_mid_stream":
            self._connection.close()
        elif fault == "error_event":
            error = {"error": {"message": "the engine is not well", "type": "InternalServerError", "code": 500}}
            self._connection.finished()
            self._send(self._events.data(json.dumps(error)) + self._events.data("[DONE]") + LAST_CHUNK)
        return False


def wanted(payload: dict[str, Any]) -> int:
    """How many tokens a request asks for; at least one, and 16 where it says nothing, as vLLM has it."""
    asked = payload.get("max_tokens") or payload.get("max_completion_tokens")
    return max(1, 16 if asked is None else int(asked))
