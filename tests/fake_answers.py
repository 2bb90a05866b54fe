"""The fake engine's bodies that come in one piece: answers, /metrics and the other pages."""

import json
from dataclasses import dataclass
from typing import Any

from fake_script import Asked, Script, ids_of, text_of

Body = dict[str, Any]

NO_ANSWER = {
    "html": ("<html>Gateway of {given}</html>", "text/html"),
    "broken_json": ('{{"choices": [{given}', "application/json"),
    "no_choices": ('{{"error": null}}', "application/json"),
}
"""Fault to what comes with status 200 although nobody can use it."""


@dataclass
class Counts:
    """What the server really did, as /metrics tells it."""

    prompt_tokens: int = 0
    generated_tokens: int = 0
    running: int = 0


def completion(script: Script, asked: Asked, fault: str | None) -> Body:
    """The body for /v1/completions."""
    text = script.answer(asked.prompt, asked.payload)
    choice: Body = {"index": 0, "text": text, "finish_reason": script.finish_reason, "logprobs": None}
    if asked.payload.get("echo") and fault != "no_echo":
        choice["text"] = asked.prompt + "."
        ids = [*ids_of(asked.payload["prompt"]), ord(".")]
        choice["logprobs"] = _log_probabilities(script, ids, fault)
    return _body(script, choice, asked, text)


def chat(script: Script, asked: Asked) -> Body:
    """The body for /v1/chat/completions."""
    text = script.answer(asked.prompt, asked.payload)
    message = {"role": "assistant", "content": text}
    return _body(script, {"message": message, "finish_reason": script.finish_reason}, asked, text)


def models(script: Script) -> str:
    """The page /v1/models."""
    served = [{"id": script.model, "object": "model", "max_model_len": script.context}]
    return json.dumps({"object": "list", "data": served})


def metrics(script: Script, counts: Counts, requests: int) -> str:
    """The page /metrics; every request counts as one draft of four tokens, three of them accepted."""
    prompts, generated = (n * script.counter_error for n in (counts.prompt_tokens, counts.generated_tokens))
    rows = [
        ("gauge", "num_requests_running", counts.running),
        ("gauge", "num_requests_waiting", 0),
        ("counter", "num_preemptions", script.preemptions),
        ("counter", "prompt_tokens", prompts),
        ("counter", "generation_tokens", generated),
        ("counter", "prefix_cache_queries", counts.prompt_tokens),
        ("counter", "prefix_cache_hits", int(counts.prompt_tokens * script.cached)),
        ("counter", "spec_decode_num_drafts", requests),
        ("counter", "spec_decode_num_draft_tokens", 4 * requests),
        ("counter", "spec_decode_num_accepted_tokens", 3 * requests),
    ]
    return "".join(_exposed(script.model, *row) for row in rows)


def _exposed(model: str, kind: str, name: str, value: float) -> str:
    total = "_total" if kind == "counter" else ""
    full = f"vllm:{name}{total}"
    return f'# TYPE {full} {kind}\n{full}{{engine="0",model_name="{model}"}} {_number(float(value))}\n'


def _number(value: float) -> str:
    """Prometheus clients write exponents from a million on, which a parser must be able to read."""
    text = repr(value)
    whole, _, fraction = text.partition(".")
    if len(whole) <= 6 or "e" in text:
        return text
    digits = f"{whole[1:]}{fraction}".rstrip("0")
    return f"{whole[0]}.{digits or 0}e+{len(whole) - 1:02}"


def _log_probabilities(script: Script, ids: list[int], fault: str | None) -> Body:
    weight = 1 if script.likes(text_of(ids[:-1])) else 2
    values = [None, *(-weight * (1 + token % 7) / 8 for token in ids[1:])]
    if fault == "wrong_length":
        values.pop()
    names = [text_of([token]) for token in ids]
    tops = [None if value is None else {name: value} for name, value in zip(names, values, strict=False)]
    return {"tokens": names, "token_logprobs": values, "top_logprobs": tops}


def _body(script: Script, choice: Body, asked: Asked, text: str) -> Body:
    usage = {"prompt_tokens": asked.prompt_tokens, "completion_tokens": len(text.encode())}
    return {"id": "fake", "model": script.model, "choices": [choice], "usage": usage}
