"""The fake engine's own promises: its schedule, its record, and the ways in which its streams go wrong."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine, Fault, Schedule
from slow_proxy import SlowProxy

STEADY = Schedule(first=0.05, interval=0.01)
USAGE = {"include_usage": True}


@dataclass
class Read:
    """What a plain client saw of one stream; `failed` is the exception that ended it."""

    status: int
    headers: dict[str, str]
    body: bytes
    times: list[float]
    failed: str | None = None

    @property
    def events(self) -> list[Any]:
        """The decoded events before [DONE]."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def text(self) -> str:
        return "".join(choice.get("text") or "" for event in self.events for choice in event["choices"])


def ask(url: str, *, chat: bool = False, seconds: float = 5, **more: Any) -> Read:
    """Send one request and read its answer as it comes, chunk by chunk."""
    host, _, path = url.removeprefix("http://").partition("/")
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]} if chat else {"prompt": "hello"}
    connection = http.client.HTTPConnection(host, timeout=seconds)
    read = Read(0, {}, b"", [])
    try:
        route = "chat/completions" if chat else "completions"
        connection.request("POST", f"/{path}/{route}", json.dumps({"stream": True, "max_tokens": 6, **asked, **more}))
        response = connection.getresponse()
        read.status, read.headers = response.status, {name.lower(): value for name, value in response.getheaders()}
        while piece := response.read1():
            read.body += piece
            read.times.append(time.perf_counter())
    except (OSError, http.client.HTTPException) as error:
        read.failed = type(error).__name__
    finally:
        connection.close()
    return read


def get(fake: FakeEngine, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{fake.port}{path}", timeout=5) as response:
        return str(response.read().decode())


def counter(fake: FakeEngine, name: str) -> float:
    """A value of /metrics."""
    found = re.search(rf'^vllm:{name}{{engine="0",model_name="tiny"}} (\S+)$', get(fake, "/metrics"), re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_a_stream_keeps_its_schedule_within_milliseconds_and_does_not_drift(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = STEADY

    ask(fake_engine.url, max_tokens=50)

    (stream,) = fake_engine.streams
    ends = accumulate(tokens for _, tokens in stream.writes)
    late = [at - stream.received - STEADY.due(end - 1) for end, (at, _) in zip(ends, stream.writes, strict=True)]
    assert sum(tokens for _, tokens in stream.writes) == 50
    assert min(late) >= 0
    assert sorted(late)[len(late) // 2] < 0.002


def test_its_record_says_when_tokens_were_written(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, interval=0.04)
    before = time.perf_counter()

    read = ask(fake_engine.url, max_tokens=3)

    (stream,) = fake_engine.streams
    first, second, third = (at for at, _ in stream.writes)
    assert before < stream.received < first < read.times[0] < second < read.times[1] < third < read.times[-1]


def test_a_chunk_of_several_tokens_comes_when_its_last_token_is_due(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, per_chunk=4)

    read = ask(fake_engine.url, max_tokens=6, stream_options=USAGE | {"continuous_usage_stats": True})

    (stream,) = fake_engine.streams
    assert [tokens for _, tokens in stream.writes] == [4, 2]
    assert [at - stream.received for at, _ in stream.writes] == pytest.approx([0.08, 0.1], abs=0.008)
    assert [event["usage"]["completion_tokens"] for event in read.events] == [4, 6, 6]


def test_a_stall_holds_up_everything_after_it_once(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, stall_at=2, stall_seconds=0.1)

    ask(fake_engine.url, max_tokens=4)

    gaps = [after - before for (before, _), (after, _) in pairwise(fake_engine.streams[0].writes)]
    assert gaps == pytest.approx([0.01, 0.11, 0.01], abs=0.008)


def test_a_completion_streams_the_script_s_answer_in_the_form_of_vllm(fake_engine: FakeEngine) -> None:
    fake_engine.script.answer = lambda prompt, _: f'"{prompt}" \u00e9'

    read = ask(fake_engine.url, max_tokens=9, stream_options=USAGE)

    *tokens, usage = read.events
    assert read.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert read.text == '"hello" \u00e9'
    assert [event["choices"][0]["finish_reason"] for event in tokens] == [None] * 8 + ["length"]
    assert {event["object"] for event in tokens} == {"text_completion"}
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    assert read.body.endswith(b"data: [DONE]\n\n")


def test_a_chat_begins_with_a_role_that_is_no_token(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, first=0.1)

    read = ask(fake_engine.url, chat=True, max_tokens=2)

    deltas = [event["choices"][0]["delta"] for event in read.events]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "t"}, {"content": "h"}]
    assert len(fake_engine.streams[0].writes) == 2
    assert read.times[0] < fake_engine.streams[0].writes[0][0]


def test_a_server_may_refuse_usage_and_stop_early(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(usage=False, early_stop=3)

    read = ask(fake_engine.url, max_tokens=9, stream_options=USAGE)

    assert [event["choices"][0]["finish_reason"] for event in read.events] == [None, None, "stop"]
    assert b"usage" not in read.body


@pytest.mark.parametrize("form", [{"split": 7}, {"crlf": True}, {"pings": True}], ids=str)
def test_the_form_of_the_bytes_does_not_change_what_is_said(fake_engine: FakeEngine, form: dict[str, Any]) -> None:
    fake_engine.script.schedule = replace(STEADY, **form)

    read = ask(fake_engine.url, max_tokens=4)

    assert read.text == "the "
    assert (read.body.count(b": ping - "), read.body.count(b"\r\n\r\n")) == (
        4 if "pings" in form else 0,
        5 if "crlf" in form else 0,
    )
    assert len(read.times) > 8 or "split" not in form  # six where each chunk comes in one piece


@pytest.mark.parametrize(
    ("kind", "failed", "tokens"),
    [
        ("hang_before_headers", "TimeoutError", 0),
        ("hang_after_headers", "TimeoutError", 0),
        ("hang_mid_stream", "TimeoutError", 3),
        ("reset_mid_stream", "ConnectionResetError", 3),
        ("close_mid_stream", "IncompleteRead", 3),
        ("error_event", None, 3),
        ("invalid_json", None, 6),
        ("nul_bytes", None, 6),
        ("endless", "TimeoutError", None),
    ],
)
def test_a_stream_goes_wrong_as_scripted(
    fake_engine: FakeEngine, kind: str, failed: str | None, tokens: int | None
) -> None:
    fake_engine.script.schedule = Schedule(interval=0.02, fault=kind)
    threading.Timer(0.5, fake_engine.stop).start() if kind == "endless" else None

    read = ask(fake_engine.url, seconds=0.3)

    assert read.failed == failed or kind == "endless"
    written = [count for stream in fake_engine.streams for _, count in stream.writes]
    assert sum(written) == tokens or (tokens is None and sum(written) > 10)
    assert (b'data: {"error"' in read.body) == (kind == "error_event")
    assert (b"\0" in read.body) == (kind == "nul_bytes")
    assert (b'data: {"choices": [\n\n' in read.body) == (kind == "invalid_json")
    assert (read.status == 0) == (kind == "hang_before_headers")


def test_every_third_stream_is_refused_with_the_time_to_wait(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("429", every=3)]

    reads = [ask(fake_engine.url) for _ in range(6)]

    assert [read.status for read in reads] == [200, 200, 429] * 2
    assert [read.headers.get("retry-after") for read in reads] == [None, None, "1"] * 2


def test_a_kept_connection_is_closed_after_the_answer_without_a_word(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule.fault = "close_after"
    connection = http.client.HTTPConnection("127.0.0.1", fake_engine.port, timeout=5)
    connection.request("POST", "/v1/completions", json.dumps({"prompt": "x", "stream": True}))
    response = connection.getresponse()
    response.read()

    assert response.headers.get("connection") is None
    assert connection.sock.recv(1) == b""
    connection.close()


def test_its_counters_tell_what_it_streamed_and_lie_when_told_to(fake_engine: FakeEngine) -> None:
    ask(fake_engine.url, max_tokens=6)
    ask(fake_engine.url, max_tokens=4, prompt=[7] * 20)

    honest = [counter(fake_engine, name) for name in ("prompt_tokens_total", "generation_tokens_total")]
    fake_engine.script.counter_error = 1.5

    assert honest == [25, 10]
    assert counter(fake_engine, "generation_tokens_total") == 15
    assert counter(fake_engine, "prefix_cache_queries_total") == 25
    assert counter(fake_engine, "num_requests_running") == 0


def test_a_mistake_in_a_script_ends_the_connection_and_is_seen(
    fake_engine: FakeEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_engine.script.answer = lambda _prompt, payload: str(payload["nothing of this name"])

    read = ask(fake_engine.url)

    assert read.status == 0
    assert "KeyError: 'nothing of this name'" in capfd.readouterr().err
    assert counter(fake_engine, "num_requests_running") == 0


@pytest.fixture
def process() -> Iterator[FakeEngine]:
    """The fake engine as a process of its own, as far as `get` needs it."""
    words = [sys.executable, str(Path(__file__).with_name("fake_engine.py")), "--port", "0", "--interval", "0.01"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        port = int(started.stdout.readline().removeprefix("serving on "))
        yield type("Remote", (), {"port": port, "url": f"http://127.0.0.1:{port}/v1"})
        started.terminate()


def test_a_process_shows_its_record_in_the_same_clock_and_forgets_it_when_asked(process: FakeEngine) -> None:
    before = time.perf_counter()
    ask(process.url, max_tokens=3)

    (stream,) = json.loads(get(process, "/record"))["streams"]
    request = urllib.request.Request(f"http://127.0.0.1:{process.port}/record", method="DELETE")
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

    assert before < stream["received"] < stream["writes"][0][0] < stream["writes"][2][0] < time.perf_counter()
    assert json.loads(get(process, "/record")) == {"streams": []}


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_a_slow_proxy_stretches_every_answer_by_its_factor(fake_engine: FakeEngine, factor: float) -> None:
    fake_engine.script.schedule = replace(STEADY, interval=0.04)

    with SlowProxy(fake_engine.url, factor) as proxy:
        reads = [ask(proxy.url, max_tokens=5) for _ in range(2)]

    for read, stream in zip(reads, fake_engine.streams, strict=True):
        seen = [at - stream.received for at in read.times[:5]]
        assert seen == pytest.approx([factor * (at - stream.received) for at, _ in stream.writes], abs=0.008)
        assert read.text == "the a"


def test_a_slow_proxy_passes_a_broken_connection_on(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = Schedule(interval=0.01, fault="reset_mid_stream")

    with SlowProxy(fake_engine.url, 1.1) as proxy:
        read = ask(proxy.url)

    assert read.failed is not None
    assert read.body.count(b"data: ") == 3
