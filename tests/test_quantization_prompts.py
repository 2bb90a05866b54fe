"""Which prompts and which tasks quantization gates ask about."""

import json
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine

from fixtures import matrix
from fixtures.evaluate.generating import generates
from fixtures.evaluate.tokens import Tokens
from fixtures.pool import Running
from fixtures.protocols import Endpoint, Lease
from fixtures.quantization.next_tokens import ask, chosen
from thresholds.measurement import NotMeasured

PROMPTS = {"long": [f"question {number}" for number in range(500)], "short": ["a", "b", "c"]}


def test_every_task_gives_as_many_prompts_as_it_can() -> None:
    found = chosen(PROMPTS, seed=0, count=9)

    assert sum(text.startswith("question") for text in found) == 5
    assert set(PROMPTS["short"]) < set(found)


def test_the_same_seed_gives_the_same_prompts_to_every_engine() -> None:
    assert chosen(PROMPTS, seed=3) == chosen(PROMPTS, seed=3)
    assert chosen(PROMPTS, seed=3) != chosen(PROMPTS, seed=4)


@pytest.mark.parametrize(
    ("task", "does"),
    [
        ("embedded_gsm8k", True),
        ("embedded_mmlu_pro_computer_science", True),
        ("embedded_winogrande", False),
        ("embedded_truthfulqa_mc2", False),
        ("gsm8k", True),
        ("arc_challenge", False),
        ("no_such_task", True),
    ],
)
def test_the_file_of_a_task_says_whether_it_generates(task: str, does: bool) -> None:
    assert generates(task) is does


def running(fake: FakeEngine, folder: Path, tokenizer: Path, engine: str) -> Running:
    """An engine whose answers are asked for in chat turns."""
    path, url = folder / "m.yaml", {} if engine == "vllm" else {"url": fake.url}
    models = {"tiny": {"weights": {"none": str(folder)}, "tokenizer": str(tokenizer)}}
    block = {"model": "tiny", "engine": engine, "chat": True, **url}
    path.write_text(json.dumps({"models": models, "tasks": ["gsm8k"], "combinations": [block]}), encoding="utf-8")
    (combination,) = matrix.load(path).combinations
    stub: Any = type("Stub", (), {"failure": lambda _: None})()
    tokens = Tokens.load(str(tokenizer))
    return Running(combination, stub, Endpoint(fake.url, "tiny"), Lease({}, "here"), 8192, tokens, 0.0)


def test_an_engine_of_ours_tells_next_tokens_though_its_answers_are_chat_turns(
    fake_engine: FakeEngine, tmp_path: Path, tiny_tokenizer: Path
) -> None:
    told = ask(running(fake_engine, tmp_path, tiny_tokenizer, "vllm"), ["what comes next, after all of this?"])

    assert [len(one) for one in told] == [16]


def test_somebody_elses_chat_endpoint_is_not_asked_for_next_tokens(
    fake_engine: FakeEngine, tmp_path: Path, tiny_tokenizer: Path
) -> None:
    with pytest.raises(NotMeasured, match="chat turns have no prompt log-probabilities"):
        ask(running(fake_engine, tmp_path, tiny_tokenizer, "remote"), ["what comes next?"])
