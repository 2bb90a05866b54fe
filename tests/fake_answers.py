"""The fake engine's bodies that come in one piece: answers, /metrics and the other pages."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fake_script import Asked, Drafts, Script, ids_of, text_of

Body = dict[str, Any]

OWN, UNLIKELY = -0.1, -8.0
"""Log-probabilities of a token of an answer, and of one that nobody names."""

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
    drafts: int = 0
    drafted: int = 0
    accepted: Counter[int] = field(default_factory=Counter)

    def step(self, drafts: Drafts, size: int) -> None:
        """A step of the target after the first of an answer, which gave so many tokens."""
        if drafts.accepted:
            self.drafts += 1
            self.drafted += drafts.tokens
            self.accepted.update(range(size - 1))


def acceptance(drafts: Drafts | None, tokens: int) -> Body:
    """What an answer of so many tokens says of its draft, as the last part of its body; empty where it says nothing."""
    if drafts is None or not drafts.told:
        return {}
    histogram = [0] * (drafts.tokens + 1)
    for size in drafts.sizes(tokens)[1:] if drafts.accepted else []:
        histogram[size - 1] += 1
    steps = sum(histogram)
    if drafts.forgotten and histogram[drafts.forgotten]:
        histogram[drafts.forgotten] -= 1
        histogram[0] += 1
    accepted = sum(count * drafted for count, drafted in enumerate(histogram))
    told = {
        "mean_acceptance_length": 1 + accepted / steps if steps else 1.0,
        "draft_acceptance_rate": accepted / (steps * drafts.tokens) if steps else 0.0,
        "acceptance_histogram": histogram,
        "num_spec_steps": steps,
        "num_accepted_draft_tokens": accepted,
        "num_draft_tokens": steps * drafts.tokens,
        "num_spec_tokens": drafts.tokens,
    }
    return {"metrics": {"speculative_decoding": told}}


def completion(script: Script, asked: Asked, fault: str | None) -> Body:
    """The body for /v1/completions."""
    text = script.answer(asked.prompt, asked.payload)
    choice: Body = {"index": 0, "text": text, "finish_reason": script.finish_reason, "logprobs": None}
    if asked.payload.get("echo") and fault != "no_echo":
        choice["text"] = asked.prompt + "."
        ids = [*ids_of(asked.payload["prompt"]), ord(".")]
        choice["logprobs"] = _log_probabilities(script, ids, fault)
    elif asked.payload.get("logprobs"):
        choice["logprobs"] = _of_answer(script, asked, text)
    return _body(script, choice, asked, text)


def chat(script: Script, asked: Asked) -> Body:
    """The body for /v1/chat/completions."""
    text = script.answer(asked.prompt, asked.payload)
    message = {"role": "assistant", "content": text}
    return _body(script, {"message": message, "finish_reason": script.finish_reason}, asked, text)


def models(script: Script) -> str:
    """The page /v1/models."""
    root = " ".join([script.root, *sorted({fault.kind for fault in script.faults} | script.defects)])
    served = [{"id": script.model, "object": "model", "root": root, "max_model_len": script.context}]
    return json.dumps({"object": "list", "data": served})


def metrics(script: Script, counts: Counts, requests: int) -> str:
    """The page /metrics."""
    prompts, generated = (n * script.counter_error for n in (counts.prompt_tokens, counts.generated_tokens))
    rows = [
        ("gauge", "num_requests_running", counts.running),
        ("gauge", "num_requests_waiting", 0),
        ("counter", "num_preemptions", script.preemptions),
        ("counter", "prompt_tokens", prompts),
        ("counter", "generation_tokens", generated),
        ("counter", "prefix_cache_queries", counts.prompt_tokens),
        ("counter", "prefix_cache_hits", int(counts.prompt_tokens * script.cached)),
    ]
    rows += [
        ("counter", f"spec_decode_num_{name}", count) for name, count in _drafted(script, counts, requests).items()
    ]
    at = f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{engine="0",model_name="{script.model}",position='
    positions = range(script.drafts.tokens) if script.drafts else ()
    by_position = [f'{at}"{position}"}} {float(counts.accepted[position])}\n' for position in positions]
    return "".join([*(_exposed(script.model, *row) for row in rows), *by_position])


def _drafted(script: Script, counts: Counts, requests: int) -> dict[str, int]:
    told = (requests, 4 * requests, 3 * requests)
    if script.drafts is not None:
        told = (counts.drafts, counts.drafted, counts.accepted.total())
    return dict(zip(("drafts", "draft_tokens", "accepted_tokens"), told, strict=True))


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
    if script.rivals is not None:
        values[-2] = script.rivals(text_of(ids[:-2])).get(names[-2], UNLIKELY)
    tops = [None if value is None else {name: value} for name, value in zip(names, values, strict=False)]
    if script.rivals is not None:
        tops[-2] = {"the token of the answer": OWN, **(tops[-2] or {})}
    return {"tokens": names, "token_logprobs": values, "top_logprobs": tops}


def _of_answer(script: Script, asked: Asked, text: str) -> Body:
    """The tokens of an answer with the likeliest at each position, as many as were asked for."""
    tops = []
    for position, letter in enumerate(text):
        rivals = script.rivals(asked.prompt + text[:position]) if script.rivals else {}
        likeliest = sorted(rivals.items(), key=lambda one: -one[1])[: asked.payload["logprobs"] - 1]
        tops.append({letter: OWN, **dict(likeliest)})
    return {"tokens": list(text), "token_logprobs": [OWN] * len(text), "top_logprobs": tops}


def _body(script: Script, choice: Body, asked: Asked, text: str) -> Body:
    usage = {"prompt_tokens": asked.prompt_tokens, "completion_tokens": len(text.encode())}
    told = acceptance(script.drafts, usage["completion_tokens"])
    return {"id": "fake", "model": script.model, "choices": [choice], "usage": usage, **told}
