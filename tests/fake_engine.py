"""A small OpenAI-compatible server that does what a test scripts.

In a thread: `with FakeEngine(Script(...)) as fake`. As a process: `python tests/fake_engine.py --port N --delay 1`.
A token id is a byte (see `tiny_tokenizer` in conftest.py), so prompts of ids are read as text without a tokenizer.
Standard library only: a process is ready in a tenth of a second.
"""

import argparse
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

END = 256
"""The id of the end-of-text token, after the 256 bytes."""

METRICS = """# TYPE vllm:spec_decode_num_drafts counter
vllm:spec_decode_num_drafts_total{{engine="0",model_name="{model}"}} {drafts}.0
vllm:spec_decode_num_draft_tokens_total{{engine="0",model_name="{model}"}} {drafted}.0
vllm:spec_decode_num_accepted_tokens_total{{engine="0",model_name="{model}"}} {accepted}.0
"""


@dataclass
class Fault:
    """Something that goes wrong.

    Attributes:
        kind: A status ("500"), or "drop", "html", "broken_json", "no_choices", "no_echo", "wrong_length".
        every: At every k-th request that matches.
        times: So often at most.
        where: Which requests match; all, unless a test says so.
    """

    kind: str
    every: int = 1
    times: int | None = None
    where: "Callable[[Asked], bool]" = lambda _asked: True
    _matched: int = 0
    _done: int = 0

    def strikes(self, asked: "Asked") -> bool:
        """Whether this request is one that goes wrong; counts it."""
        if self._done == self.times or not self.where(asked):
            return False
        self._matched += 1
        hit = self._matched % self.every == 0
        self._done += hit
        return hit


@dataclass
class Script:
    """How the server behaves.

    Attributes:
        answer: Prompt and payload to generated text.
        likes: Whether a text is likely: its tokens get twice the log-probability of one that is not.
        delay: Seconds before every answer.
        key: What a request must carry as bearer token.
        die_after: The server is gone once it has been asked so often.
    """

    answer: Callable[[str, dict[str, Any]], str] = lambda _prompt, _payload: "the answer is (A)"
    likes: Callable[[str], bool] = lambda _text: True
    model: str = "tiny"
    context: int = 8192
    delay: float = 0.0
    key: str | None = None
    finish_reason: str = "stop"
    die_after: int | None = None
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A request that arrived."""

    route: str
    prompt: str
    payload: dict[str, Any]

    @property
    def seed(self) -> int:
        """The seed that it carried."""
        return int(self.payload["seed"])


class FakeEngine:
    """The server, in threads of this process.

    Attributes:
        requests: Every POST, in the order of arrival.
        asked: How often each prompt arrived.
        busiest: The most requests that were under way at once.
    """

    def __init__(self, script: Script | None = None, port: int = 0, die: Callable[[], None] | None = None) -> None:
        self.script = script or Script()
        self.requests: list[Asked] = []
        self.asked: Counter[str] = Counter()
        self.busiest = 0
        self.gone = False
        self._die = die or self.stop
        self._busy = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """What a matrix names as `url:`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def stop(self) -> None:
        """Answer nothing any more. Safe to call twice."""
        if not self.gone:
            self.gone = True
            self._server.shutdown()
            self._server.server_close()

    def receive(self, asked: Asked) -> str | None:
        """Count a request; the kind of the fault that strikes it, if any."""
        with self._lock:
            self.requests.append(asked)
            self.asked[asked.prompt] += 1
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            struck = next((fault.kind for fault in self.script.faults if fault.strikes(asked)), None)
            dies = len(self.requests) == self.script.die_after
        if dies:
            self._die()
        time.sleep(self.script.delay)
        with self._lock:
            self._busy -= 1
        return struck

    def completion(self, asked: Asked, fault: str | None) -> dict[str, Any]:
        """The body for /v1/completions. A streaming form would be a second method beside this one."""
        payload = asked.payload
        text = self.script.answer(asked.prompt, payload)
        choice: dict[str, Any] = {
            "index": 0,
            "text": text,
            "finish_reason": self.script.finish_reason,
            "logprobs": None,
        }
        if payload.get("echo") and fault != "no_echo":
            choice["text"] = asked.prompt + "."
            choice["logprobs"] = self._log_probabilities([*_ids(payload["prompt"]), ord(".")], fault)
        return self._body(choice, asked.prompt, text)

    def chat(self, asked: Asked) -> dict[str, Any]:
        """The body for /v1/chat/completions."""
        text = self.script.answer(asked.prompt, asked.payload)
        message = {"role": "assistant", "content": text}
        return self._body({"message": message, "finish_reason": self.script.finish_reason}, asked.prompt, text)

    def page(self, path: str) -> str | None:
        """The body for a GET."""
        drafts = len(self.requests)
        served = [{"id": self.script.model, "object": "model", "max_model_len": self.script.context}]
        return {
            "/health": "",
            "/v1/models": json.dumps({"object": "list", "data": served}),
            "/metrics": METRICS.format(model=self.script.model, drafts=drafts, drafted=4 * drafts, accepted=3 * drafts),
        }.get(path)

    def _log_probabilities(self, ids: list[int], fault: str | None) -> dict[str, Any]:
        weight = 1 if self.script.likes(_text(ids[:-1])) else 2
        values = [None, *(-weight * (1 + token % 7) / 8 for token in ids[1:])]
        if fault == "wrong_length":
            values.pop()
        names = [_text([token]) for token in ids]
        tops = [None if value is None else {name: value} for name, value in zip(names, values, strict=False)]
        return {"tokens": names, "token_logprobs": values, "top_logprobs": tops}

    def _body(self, choice: dict[str, Any], prompt: str, text: str) -> dict[str, Any]:
        usage = {"prompt_tokens": len(prompt.encode()), "completion_tokens": len(text.encode())}
        return {"id": "fake", "model": self.script.model, "choices": [choice], "usage": usage}


class _Server(ThreadingHTTPServer):
    fake: FakeEngine
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the name service first

    def handle_error(self, *client: Any) -> None:
        """A client that went away is nothing to report; a mistake in a test's script is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*client)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Keep the log for what a test looks for."""

    def do_GET(self) -> None:
        page = self.server.fake.page(self.path)
        self._send(404 if page is None else 200, page or "")

    def do_POST(self) -> None:
        fake = self.server.fake
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = Asked(self.path.removeprefix("/v1/"), _prompt(payload), payload)
        fault = fake.receive(asked)
        given = self.headers.get("Authorization", "nothing")
        if fake.gone or fault == "drop":
            self.close_connection = True
        elif fake.script.key is not None and given != f"Bearer {fake.script.key}":
            self._send(401, f"wrong key: {given}")
        elif fault is not None and fault.isdigit():
            self._send(int(fault), f"it went wrong; you sent {given}")
        elif fault == "html":
            self._send(200, f"<html>Gateway of {given}</html>")
        elif fault == "broken_json":
            self._send(200, f'{{"choices": [{given}')
        elif fault == "no_choices":
            self._send(200, '{"error": null}')
        else:
            body = fake.chat(asked) if asked.route.startswith("chat") else fake.completion(asked, fault)
            self._send(200, json.dumps(body))

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not so'}\r\nContent-Length: {len(body)}\r\n"
        self.wfile.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)


def _prompt(payload: dict[str, Any]) -> str:
    if "messages" in payload:
        return str(payload["messages"][-1]["content"])
    return payload["prompt"] if isinstance(payload["prompt"], str) else _text(payload["prompt"])


def _ids(prompt: str | list[int]) -> list[int]:
    return list(prompt.encode()) if isinstance(prompt, str) else prompt


def _text(ids: list[int]) -> str:
    return bytes(token for token in ids if token < END).decode(errors="replace")


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--die-after", type=int, metavar="K", help="end with an error at the K-th request")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND[:EVERY]")
    parser.add_argument("--daughter", action="store_true", help="start a process that leaves the process group")
    parser.add_argument("--stubborn", action="store_true", help="do not end when asked to")
    given = parser.parse_args()
    if given.daughter:
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(words, start_new_session=True)
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faults = [Fault(kind, int(every or 1)) for kind, _, every in (text.partition(":") for text in given.fault)]
    script = Script(model=given.model, die_after=given.die_after, delay=given.delay, faults=faults)

    def die() -> None:
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)  # noqa: T201
        os._exit(1)

    with FakeEngine(script, given.port, die):
        print(f"serving on {given.port}", flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
