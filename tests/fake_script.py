"""What a test may say about the fake engine: how it answers, when its tokens come, and what goes wrong."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

END = 256
"""The id of the end-of-text token, after the 256 bytes."""


@dataclass
class Fault:
    """Something that goes wrong.

    Attributes:
        kind: A status ("500"), or "drop", "html", "broken_json", "no_choices", "no_echo", "wrong_length",
            "hang_before_headers", "close_after"; for streams also those that `Schedule.fault` names.
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
class Schedule:
    """When the tokens of a stream come, counted from the arrival of the whole request, and in which form.

    Attributes:
        first: Seconds until the first token.
        interval: Seconds from one token to the next.
        per_chunk: Tokens in one chunk, which is sent when its last token is due.
        stall_at: The token (0 is the first) before which everything waits once, for `stall_seconds`.
        pings: A comment line halfway before every chunk.
        role_first: A chat begins with a chunk that has a role and no token. It comes with the headers, which is
            earlier than vLLM sends it: a client that takes it for a token is found out.
        split: Everything goes out in pieces of so many bytes, with a pause after each. A pause is about 0.1 ms, in
            which nothing else is served.
        crlf: Lines end as on Windows.
        usage: Whether it honours `include_usage`.
        continuous: Whether it honours `continuous_usage_stats`.
        early_stop: The stream ends after so many tokens, whatever was asked.
        fault: At every stream: "hang_before_headers", "hang_after_headers", "endless", "close_after"; in the middle
            of it "hang_mid_stream", "reset_mid_stream", "close_mid_stream", "invalid_json", "nul_bytes",
            "error_event"; or any kind of a Fault.
    """

    first: float = 0.0
    interval: float = 0.0
    per_chunk: int = 1
    stall_at: int | None = None
    stall_seconds: float = 0.0
    pings: bool = False
    role_first: bool = True
    split: int | None = None
    crlf: bool = False
    usage: bool = True
    continuous: bool = True
    early_stop: int | None = None
    fault: str | None = None

    def due(self, token: int) -> float:
        """Seconds from the arrival of the request to a token (0 is the first)."""
        stalled = self.stall_seconds if self.stall_at is not None and token >= self.stall_at else 0.0
        return self.first + token * self.interval + stalled


@dataclass
class Drafts:
    """A planted draft: a step of the target gives one token and those that it accepts of the drafted ones.

    With it the schedule's `interval` is that of steps, and each step is one chunk.

    Attributes:
        tokens: Drafted for every step but the first of an answer.
        accepted: How many of them each of these steps accepts, from the beginning again as often as needed; nothing is
            ever drafted where it is empty.
        told: Each answer says in its `metrics` what was accepted, as vLLM can be asked to.
        forgotten: Accepted tokens that an answer does not tell of, though the counters do.
    """

    tokens: int = 4
    accepted: tuple[int, ...] = (2,)
    told: bool = False
    forgotten: int = 0

    def sizes(self, answer: int) -> list[int]:
        """Tokens of each step of an answer of so many; the last step may have accepted more than it needed."""
        found, left = [], answer
        while left > 0:
            step = len(found)
            found.append(1 + (self.accepted[(step - 1) % len(self.accepted)] if step and self.accepted else 0))
            left -= found[-1]
        return found


@dataclass
class Script:
    """How the server behaves.

    Attributes:
        answer: Prompt and payload to generated text. A stream repeats its letters, one per token, as often as needed.
        drafts: What /metrics tells of drafts, and how tokens come; by default every request counts as one draft of four
            tokens, three of them accepted, though tokens come as if there were none.
        rivals: Text so far to log-probabilities of other next tokens than the one of the answer, which has -0.1; what
            it does not name has -8.
        likes: Whether a text is likely: its tokens get twice the log-probability of one that is not.
        delay: Seconds before every answer.
        key: What a request must carry as bearer token.
        die_after: The server is gone once it has been asked so often.
        counter_error: What the token counters of /metrics are multiplied by: 1.0 is the truth.
        cached: The share of prompt tokens that count as found in the prefix cache.
        preemptions: What /metrics says of them.
        defects: Planted ones that probes should find, by their names in fake_defects.
        root: What /models says of the weights, with all that goes wrong: another for each script, so that nothing found
            of one is believed of another on the same port.
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
    schedule: Schedule = field(default_factory=Schedule)
    counter_error: float = 1.0
    cached: float = 0.0
    preemptions: int = 0
    drafts: Drafts | None = None
    rivals: Callable[[str], dict[str, float]] | None = None
    defects: frozenset[str] = frozenset()
    root: str = field(default_factory=lambda: uuid.uuid4().hex)


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

    @property
    def chat(self) -> bool:
        return self.route.startswith("chat")

    @property
    def prompt_tokens(self) -> int:
        """A token is a byte; a prompt of ids has as many as it has ids."""
        given = self.payload.get("prompt")
        return len(given) if isinstance(given, list) else len(self.prompt.encode())


def prompt_of(payload: dict[str, Any]) -> str:
    """The text that a request asks about."""
    if "messages" in payload:
        return str(payload["messages"][-1]["content"])
    return payload["prompt"] if isinstance(payload["prompt"], str) else text_of(payload["prompt"])


def ids_of(prompt: str | list[int]) -> list[int]:
    """The tokens of a prompt."""
    return list(prompt.encode()) if isinstance(prompt, str) else prompt


def text_of(ids: list[int]) -> str:
    """The text of tokens."""
    return bytes(token for token in ids if token < END).decode(errors="replace")
