"""A complete engine in the small, which answers the requests of probes, and the defects that a script may plant in it.

It stands beside the scripted answers: its next token is drawn from the text before it, so that log-probabilities of a
prompt are those of the same tokens when they were written, seeds draw, and answers go on for as long as they are asked.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fake_script import Asked, Script, ids_of, text_of
from fake_stream import wanted

PROBES = ("The three most important inventions of", "On a cold morning in the north", "A prompt that is too long:")
"""What prompts of probes begin with; a process of its own has nothing of ours to import, and a test compares."""

DEFECTS = {
    "no_echo": "`echo` is ignored",
    "shifted": "prompt log-probabilities stand one token too late",
    "no_usage": "no `usage`",
    "usage_off_by_one": "`usage` counts one token of an answer too few",
    "no_stream_usage": "no `usage` in streams: there are only chunks to count",
    "max_tokens_one_more": "answers have one token more than was asked for",
    "max_tokens_one_fewer": "answers have one token fewer",
    "doubled_bos": "one more BOS is put before every prompt",
    "other_template": "a system prompt is put before every chat",
    "ignores_stop": "stop strings are ignored",
    "keeps_stop": "the stop string stays in the answer",
    "no_seed": "the seed is ignored",
    "cuts": "a prompt that is too long is cut",
    "no_chat": "there is no route for chats",
    "no_completions": "there is no route for completions",
    "overloaded": "every request is answered with 503",
}

WORDS = ["stone", "river", "light", "paper", "winter", "garden", "silver", "window"]
SYSTEM = "You are helpful."
CAN_BE_KNOWN = 8
"""Bytes before a token that it depends on."""

drawn = 0


def is_probe(asked: Asked) -> bool:
    """Whether it is a request of ours that asks what the endpoint can."""
    return asked.prompt.startswith(PROBES)


def respond(script: Script, asked: Asked) -> tuple[int, str, str]:
    """Status, body and content type."""
    planted, size = script.defects, asked.prompt_tokens
    if "overloaded" in planted:
        return 503, "busy", "text/plain"
    if ("no_chat" if asked.chat else "no_completions") in planted:
        return 404, "no such route", "text/plain"
    if size >= script.context and "cuts" not in planted:
        return 400, f"a prompt of {size} tokens does not fit into {script.context}", "text/plain"
    asked_for = wanted(asked.payload)
    limit = asked_for + ("max_tokens_one_more" in planted) - ("max_tokens_one_fewer" in planted)
    text, finish = _stopped(script, asked, written(script, asked, limit))
    usage = {
        "prompt_tokens": min(size, script.context - 1) + _added(script, asked),
        "completion_tokens": len(text.encode()) - ("usage_off_by_one" in planted),
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    if asked.payload.get("stream"):
        return 200, _streamed(script, asked, text, finish, usage), "text/event-stream"
    choice = {"index": 0, "finish_reason": finish, **_said(script, asked, text)}
    told = {} if "no_usage" in planted else {"usage": usage}
    return 200, json.dumps({"id": "fake", "model": script.model, "choices": [choice], **told}), "application/json"


def written(script: Script, asked: Asked, limit: int) -> str:
    """An answer of so many bytes: words, each of which follows from what stands before it."""
    global drawn  # noqa: PLW0603 - a server that ignores the seed draws anew
    drawn += 1
    temperature = asked.payload.get("temperature")
    seed = "" if not temperature else drawn if "no_seed" in script.defects else asked.payload.get("seed")
    text = ""
    while len(text) < limit:
        number = _number(f"{asked.prompt[-CAN_BE_KNOWN:]} {text[-CAN_BE_KNOWN:]} {seed}")
        text += f" {WORDS[number % len(WORDS)]}"
    return text[:limit]


def log_probability(before: Sequence[int], token: int) -> float:
    """Of a token after others, whoever wrote it."""
    return -(1 + _number(f"{before[-CAN_BE_KNOWN:]} {token}") % 97) / 32


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def _stopped(script: Script, asked: Asked, text: str) -> tuple[str, str]:
    for word in asked.payload.get("stop") or []:
        if word in text and "ignores_stop" not in script.defects:
            return text[: text.index(word) + len(word) * ("keeps_stop" in script.defects)], "stop"
    return text, "length"


def _added(script: Script, asked: Asked) -> int:
    """Tokens that are put before the prompt."""
    return ("doubled_bos" in script.defects) + len(SYSTEM) * (asked.chat and "other_template" in script.defects)


def _said(script: Script, asked: Asked, text: str) -> dict[str, Any]:
    """The answer and its log-probabilities, in the form of its route."""
    if asked.chat:
        return {"message": {"role": "assistant", "content": text}, "logprobs": None}
    before = ids_of(asked.payload["prompt"])
    if not asked.payload.get("echo") or "no_echo" in script.defects or any(f.kind == "no_echo" for f in script.faults):
        return {"text": text, "logprobs": _beside(before, list(text.encode()))}
    twice = 1 + isinstance(asked.payload["prompt"], str)  # a text gets its own BOS, too
    ids = [*[32] * (twice * _added(script, asked)), *before, *text.encode()]
    told = _beside([], ids)
    told["token_logprobs"][0] = None
    if "shifted" in script.defects:
        told["token_logprobs"] = [None, -0.5, *told["token_logprobs"][1:-1]]
    return {"text": asked.prompt + text, "logprobs": told}


def _beside(before: list[int], ids: list[int]) -> dict[str, Any]:
    whole = [*before, *ids]
    values = [log_probability(whole[:place], whole[place]) for place in range(len(before), len(whole))]
    names = [text_of([token]) for token in ids]
    return {"tokens": names, "token_logprobs": values, "top_logprobs": [None] * len(ids)}


def _streamed(script: Script, asked: Asked, text: str, finish: str, usage: dict[str, Any]) -> str:
    chunks: list[Any] = [{"role": "assistant", "content": ""}] if asked.chat else []
    chunks += [{"content": letter} if asked.chat else letter for letter in text]
    last = len(chunks) - 1
    events: list[dict[str, Any]] = [
        {"choices": [{("delta" if asked.chat else "text"): chunk, "finish_reason": finish if place == last else None}]}
        for place, chunk in enumerate(chunks)
    ]
    if not script.defects & {"no_usage", "no_stream_usage"}:
        events.append({"choices": [], "usage": usage})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
