"""A provider as strangers run them: chat only, strict about parameters, with limits, prices and versions of its own."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

OPENAI = frozenset(
    {
        *("model", "messages", "max_completion_tokens", "temperature", "top_p", "seed", "stop"),
        *("stream", "stream_options"),
    }
)
"""What the provider takes; anything else is refused with 400."""


Trouble = tuple[int, Mapping[str, str]] | tuple[int, Mapping[str, str], Any]
NOT_NOW = {"error": {"message": "not now"}}


@dataclass(frozen=True)
class Asked:
    """One request: path with its query, headers, and what it carried."""

    path: str
    headers: Mapping[str, str]
    payload: Mapping[str, Any]


@dataclass
class Provider:
    """The server, in threads of this process: `with Provider(…) as provider`.

    Attributes:
        answer: The text for a prompt.
        takes: Parameters that it knows.
        troubles: What the next requests come to instead of an answer: status, headers and perhaps a body, used up in
            order; None is no trouble.
        version: Of the model, by the number of the answer.
        usage: What an answer of a prompt says of its tokens.
        asked: Every POST, in the order of arrival.
        busiest: The most requests that were under way at once.
    """

    answer: Callable[[str], str] = lambda _prompt: "the answer is (A)"
    takes: frozenset[str] = OPENAI
    troubles: list[Trouble | None] = field(default_factory=list)
    version: Callable[[int], str] = lambda _number: "tiny-2026-11-01"
    fingerprint: Callable[[int], str | None] = lambda _number: None
    usage: Callable[[str], dict[str, Any]] = lambda _prompt: {"prompt_tokens": 100, "completion_tokens": 10}
    asked: list[Asked] = field(default_factory=list)
    busiest: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, answer = provider.take(Asked(self.path, dict(self.headers), json.loads(body)))
                said = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def do_GET(self) -> None:
                said = json.dumps({"data": [{"id": "tiny"}]}).encode()
                self.send_response(200 if self.path.partition("?")[0].endswith("/models") else 404)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What a matrix names as `url:`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def take(self, asked: Asked) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers and body of what comes back."""
        with self._lock:
            self.asked.append(asked)
            self._under_way += 1
            self.busiest = max(self.busiest, self._under_way)
            trouble = self.troubles.pop(0) if self.troubles else None
            number = len(self.asked)
        try:
            if trouble is not None:
                return trouble[0], trouble[1], trouble[2] if len(trouble) > 2 else NOT_NOW
            unknown = sorted(set(asked.payload) - self.takes)
            if unknown:
                return 400, {}, {"error": {"message": f"Unrecognized request argument supplied: '{unknown[0]}'"}}
            return 200, {}, self._body(asked, number)
        finally:
            with self._lock:
                self._under_way -= 1

    def _body(self, asked: Asked, number: int) -> dict[str, Any]:
        prompt = str(asked.payload["messages"][-1]["content"])
        usage = self.usage(prompt)
        if usage:
            usage.setdefault("total_tokens", usage["prompt_tokens"] + usage["completion_tokens"])
        fingerprint = self.fingerprint(number)
        return {
            "model": self.version(number),
            **({"system_fingerprint": fingerprint} if fingerprint else {}),
            "choices": [{"message": {"role": "assistant", "content": self.answer(prompt)}, "finish_reason": "stop"}],
            "usage": usage,
        }
