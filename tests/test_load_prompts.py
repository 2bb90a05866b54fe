"""Prompts: of an exact length, unique where they must be, the same for everybody; and files with their mistakes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from load_servers import workload

from fixtures.evaluate.tokens import Tokens
from fixtures.load.prompts import Prompt, Source, as_text, as_turns, from_file, length, source
from fixtures.load.workload import Named, Prompts
from thresholds.strict_yaml import InvalidFile


@pytest.fixture(scope="module")
def tokens(tiny_tokenizer: Path) -> Tokens:
    return Tokens.load(str(tiny_tokenizer))


def no_task(name: str) -> Sequence[str]:
    raise AssertionError(name)


def drawn(tokenizer: Tokens | None, seed: int = 1, *, chat: bool = False, name: str = "chat", **form: Any) -> Source:
    named = Named(name, workload(prompts=Prompts(**form)), "workloads.yaml:3", Path())
    return source(named, tokenizer, seed=seed, chat=chat, task=no_task)


def many(prompts: Source, positions: int = 50, runs: int = 2) -> list[Prompt]:
    return [prompts(position, run) for run in range(1, runs + 1) for position in range(positions)]


@pytest.mark.parametrize("size", [1, 64, 1000])
def test_prompts_of_ids_have_exactly_as_many_tokens_as_asked(tokens: Tokens, size: int) -> None:
    for prompt in many(drawn(tokens, tokens=size), 20):
        assert isinstance(prompt, list)
        assert all(isinstance(token, int) for token in prompt)
        assert length(prompt, tokens) == len(prompt) == size


@pytest.mark.parametrize("chat", [False, True])
def test_prompts_are_unique_in_every_position_and_run(tokens: Tokens, *, chat: bool) -> None:
    prompts = [json.dumps(prompt) for prompt in many(drawn(tokens, tokens=64, chat=chat))]

    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize("chat", [False, True])
def test_equal_seeds_give_equal_prompts_and_others_others(tokens: Tokens, *, chat: bool) -> None:
    one, same, other, namesake = (
        many(drawn(tokens, seed, tokens=64, chat=chat, name=name))
        for seed, name in ((1, "chat"), (1, "chat"), (2, "chat"), (1, "code"))
    )

    assert one == same
    assert all(a not in (b, c) for a, b, c in zip(one, other, namesake, strict=True))


def test_a_shared_prefix_is_shared_and_nothing_else_is(tokens: Tokens) -> None:
    prompts = [[*prompt] for prompt in many(drawn(tokens, tokens=40, shared_prefix=30))]

    assert len({json.dumps(prompt[:30]) for prompt in prompts}) == 1
    assert len({json.dumps(prompt[30:]) for prompt in prompts}) == len(prompts)
    assert {len(prompt) for prompt in prompts} == {40}


def test_without_a_shared_prefix_no_two_prompts_begin_alike(tokens: Tokens) -> None:
    prompts = [[*prompt] for prompt in many(drawn(tokens, tokens=40))]

    assert len({json.dumps(prompt[:8]) for prompt in prompts}) == len(prompts)


def test_no_prompt_holds_a_token_that_ends_a_text_or_opens_a_turn(tiny_tokenizer: Path) -> None:
    """Of the tiny tokenizer's 257 tokens, the end of a text is an ordinary word; others mark it as added."""
    from tokenizers import AddedToken

    tokens = Tokens.load(str(tiny_tokenizer))
    tokens.tokenizer.add_special_tokens([AddedToken("<|user|>")])
    turn = tokens.tokenizer.token_to_id("<|user|>")

    used = {token for prompt in many(drawn(tokens, tokens=500)) for token in prompt}

    assert used == set(range(turn + 1)) - {tokens.end, turn}


@pytest.mark.parametrize("size", [16, 200])
def test_prompts_of_text_come_near_their_length_and_never_above_it(tokens: Tokens, size: int) -> None:
    for prompt in many(drawn(tokens, tokens=size, chat=True), 10):
        assert isinstance(prompt, str)
        assert size - 12 <= (length(prompt, tokens) or 0) <= size


def test_without_a_tokenizer_a_word_stands_for_a_token() -> None:
    for prompt in many(drawn(None, tokens=30, shared_prefix=10), 5):
        assert isinstance(prompt, str)
        assert len(prompt.split()) == 30


def test_a_shared_prefix_of_text_is_shared() -> None:
    prompts = [str(prompt).split() for prompt in many(drawn(None, tokens=30, shared_prefix=10), 5)]

    assert len({" ".join(words[:10]) for words in prompts}) == 1
    assert len({" ".join(words[10:]) for words in prompts}) == 10


def test_prompts_of_a_benchmark_are_its_own_in_a_drawn_order_and_begin_anew_at_the_end() -> None:
    questions = [f"question {number}" for number in range(20)]
    named = Named("chat", workload(prompts=Prompts(task="gsm8k")), "", Path())

    prompts = source(named, None, seed=1, chat=False, task={"gsm8k": questions}.__getitem__)

    told = [prompts(position, 1) for position in range(40)]
    assert told[:20] == told[20:] != questions
    assert sorted(map(str, told[:20])) == sorted(questions)


def written(folder: Path, text: str) -> Path:
    (folder / "p.jsonl").write_text(text, encoding="utf-8")
    return folder / "p.jsonl"


def refusal(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(InvalidFile) as refused:
        from_file(path)
    return str(refused.value).removeprefix(f"{folder}/")


def test_a_file_of_lines_holds_prompts_or_conversations(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why?"}]
    text = f'{{"prompt": "one"}}\n\n{json.dumps({"messages": turns})}\r\n{{"prompt": "three"}}'

    assert from_file(written(tmp_path, text)) == ["one", turns, "three"]


def test_a_line_may_hold_what_only_unicode_takes_for_the_end_of_a_line(tmp_path: Path) -> None:
    said = "one\u2028two\u0085three\u2029"

    assert from_file(written(tmp_path, json.dumps({"prompt": said}, ensure_ascii=False) + "\n")) == [said]


def test_a_list_of_sharegpt_is_read_up_to_the_last_question(tmp_path: Path) -> None:
    said = [("human", "a"), ("gpt", "b"), ("human", "c"), ("gpt", "d")]
    row = {"id": "x", "conversations": [{"from": who, "value": words} for who, words in said]}

    (prompt,) = from_file(written(tmp_path, json.dumps([row], indent=1)))

    assert prompt == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]


WANTED = "holds no prompt; write `prompt` (text), `messages` or `conversations` (ShareGPT)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p.jsonl: holds no prompt"),
        ("\n  \n", "p.jsonl: holds no prompt"),
        ("[]", "p.jsonl: holds no prompt"),
        ('{"prompt": "a"}\n{"prompt": \n', "p.jsonl:2: is no JSON: Expecting value: line 1 column 12 (char 11)"),
        ('{"prompt": "a"}\n\n\nplain words\n', "p.jsonl:4: is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ('[\n {"prompt": "a"},\n {"prompt": "b"\n]', "p.jsonl:4: is no JSON: Expecting ',' delimiter"),
        ('{"prompt": "a"}\n{"text": "b"}\n', f"p.jsonl:2: {WANTED}"),
        ('{"prompt": ""}\n', f"p.jsonl:1: {WANTED}"),
        ('{"prompt": [1, 2]}\n', f"p.jsonl:1: {WANTED}"),
        ('"just text"\n', f"p.jsonl:1: {WANTED}"),
        ('{"messages": []}\n', f"p.jsonl:1: {WANTED}"),
        ('{"messages": "hello"}\n', f"p.jsonl:1: {WANTED}"),
        ('{"messages": ["hello"]}\n', f"p.jsonl:1: {WANTED}"),
        ('{"messages": [{"role": "user", "content": null}]}\n', f"p.jsonl:1: {WANTED}"),
        ('{"messages": [{"role": "wizard", "content": "x"}]}\n', f"p.jsonl:1: {WANTED}"),
        ('{"conversations": [{"from": "gpt", "value": "x"}]}\n', f"p.jsonl:1: {WANTED}"),
        ('[{"prompt": "a"}, 3]', f"p.jsonl: entry 2: {WANTED}"),
    ],
)
def test_what_is_no_prompt_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text) == said


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InvalidFile, match="cannot be read: 'utf-8' codec"):
        from_file(tmp_path / "p.jsonl")


def test_a_conversation_is_text_where_nobody_chats_and_text_is_one_turn_where_somebody_does() -> None:
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why?"}]

    assert as_text(turns) == "be brief\n\nwhy?"
    assert as_turns("why?") == [{"role": "user", "content": "why?"}]
    assert as_turns(turns) == turns


def test_the_length_of_a_conversation_is_that_of_its_words(tokens: Tokens) -> None:
    assert length([{"role": "user", "content": "why?"}], tokens) == 4
    assert length("why?", None) is None
