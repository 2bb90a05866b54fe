"""A fake engine whose next tokens are known: those of an imagined model, moved by damage and by noise."""

import itertools
import json
import math
import random
from collections import Counter
from typing import Any

from fake_engine import Asked, FakeEngine, Script
from fake_script import ids_of
from fake_wire import Connection, Request

VOCABULARY = 24
TOLD = 20
MADE = itertools.count()
"""Tells engines apart, whatever their ports."""

LAST = 16
"""Positions that differ from each other; those before are told alike, which is quicker."""


class FakeQuant(FakeEngine):
    """Answers as scripted; asked for the tokens of a prompt, it tells the 20 most likely of 24.

    Attributes:
        damage: Standard deviation of what is added to each logit, the same whenever it is asked.
        noise: Standard deviation of what is added beside it, another each time.
    """

    def __init__(self, script: Script, damage: float = 0.0, noise: float = 0.0) -> None:
        super().__init__(script)
        self.damage, self.noise = damage, noise
        self._asked: Counter[str] = Counter()
        self._own = next(MADE)

    def _whole(self, connection: Connection, request: Request, asked: Asked, fault: str | None) -> None:
        if fault is not None or asked.payload.get("logprobs") != TOLD:
            super()._whole(connection, request, asked, fault)
            return
        ids = ids_of(asked.payload["prompt"])
        tops: list[Any] = [None, *([{"token_id:0": -0.5}] * len(ids))]
        self._asked[asked.prompt] += 1
        time = self._asked[asked.prompt]
        for position in range(max(1, len(tops) - LAST), len(tops)):
            tops[position] = self._top(f"{ids[:position]}", time)
        told = {"tokens": [""] * len(tops), "token_logprobs": [None, *([-0.5] * len(ids))], "top_logprobs": tops}
        choice = {"index": 0, "text": asked.prompt, "finish_reason": "length", "logprobs": told}
        connection.answer(200, json.dumps({"choices": [choice], "usage": {"completion_tokens": 1}}))

    def _top(self, before: str, time: int) -> dict[str, float]:
        """The log-probabilities behind a text, at the so-manieth time of asking: the same in every run of the tests."""
        logits = _normal(f"model {before}", 2.0)
        for seed, size in ((f"damage {before}", self.damage), (f"noise {self._own} {time} {before}", self.noise)):
            logits = [one + more for one, more in zip(logits, _normal(seed, size), strict=True)]
        total = math.log(math.fsum(map(math.exp, logits)))
        named = {f"token_id:{token}": logit - total for token, logit in enumerate(logits)}
        return dict(sorted(named.items(), key=lambda pair: -pair[1])[:TOLD])


def _normal(seed: str, size: float) -> list[float]:
    draw = random.Random(seed)  # noqa: S311 - numbers that can be had again, no secret
    return [draw.gauss(0.0, size) if size else 0.0 for _ in range(VOCABULARY)]
