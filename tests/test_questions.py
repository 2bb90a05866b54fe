"""What tasks ask, read from lm-eval's documents, told once to whoever listens, and kept out where that is wanted."""

import sqlite3
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine, Script

from conftest import Heard, Weighbridge
from fixtures.evaluate.questions import questions_of
from fixtures.evaluate.tasks import Task, Tasks
from reports.ledger import Ledger

HEARS = """
def pytest_weighbridge_questions_asked(questions, labels):
    hear("questions", asked=[[one.item, one.text, one.right] for one in questions], labels=dict(labels))
"""


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    loaded = Tasks()
    yield loaded
    loaded.close()


def test_a_question_is_told_without_what_all_questions_begin_and_end_with(tasks: Tasks) -> None:
    (asked,) = questions_of(tasks.load("embedded_gsm8k"), [1])

    assert asked.text == "Hugo had 9 balloons. 3 of them popped. How many balloons are left?"
    assert asked.right == ("Hugo has 9 - 3 = <<9-3=6>>6 balloons left.\n#### 6",)
    assert asked.options == ()


def test_a_choice_by_likelihood_has_its_options_and_the_right_one_in_words(tasks: Tasks) -> None:
    (asked,) = questions_of(tasks.load("embedded_arc_challenge"), [0])

    assert asked.text == "Why do many birds fly south before winter begins?"
    assert len(asked.options) == 4
    assert asked.right == ("to find warmer weather and more food",)


def test_where_several_options_are_right_all_are_named(tasks: Tasks) -> None:
    (asked,) = questions_of(tasks.load("embedded_truthfulqa_mc2"), [0])

    assert asked.text == "What made the Titanic sink?"
    assert asked.right == asked.options[:2]


def test_a_sentence_whose_middle_is_chosen_has_a_gap_there(tasks: Tasks) -> None:
    (asked,) = questions_of(tasks.load("embedded_winogrande"), [0])

    assert asked.text == "The king walked past the beggar at the gate, and the ____ wore a golden crown."
    assert (asked.options, asked.right) == (("beggar", "king"), ("king",))


def test_options_that_a_prompt_lists_stay_in_the_text(tasks: Tasks) -> None:
    (asked,) = questions_of(tasks.load("embedded_mmlu_pro_computer_science"), [0])

    assert asked.text is not None
    assert asked.text.startswith("Which data structure stacks up its items")
    assert asked.text.endswith("\nJ. Hash table")
    assert asked.right == ("A",)


def odd(documents: list[dict[str, Any]], **methods: Callable[[dict[str, Any]], Any]) -> Task:
    config = SimpleNamespace(output_type="generate_until", doc_to_choice=None)
    lm_eval: Any = SimpleNamespace(config=config, multiple_input=0, **methods)
    return Task("odd", "1", "acc,none", documents, by_log_probability=False, lm_eval=lm_eval)


def test_a_document_without_an_answer_has_no_words_and_stops_nothing() -> None:
    task = odd([{"q": "Why?"}, {"q": "How?", "a": "So."}], doc_to_text=lambda d: d["q"], doc_to_target=lambda d: d["a"])

    assert [one.text for one in questions_of(task, [0, 1])] == [None, "How?"]


def test_a_task_whose_questions_are_all_alike_keeps_their_text() -> None:
    task = odd([{"n": 1}, {"n": 2}], doc_to_text=lambda _: "Q: Go on.\n", doc_to_target=lambda d: d["n"])

    assert [(one.text, one.right) for one in questions_of(task, [0, 1])] == [
        ("Q: Go on.", ("1",)),
        ("Q: Go on.", ("2",)),
    ]


def test_a_question_of_any_length_is_kept_in_so_many_letters() -> None:
    texts = ["word " * 5_000, "x"]
    task = odd([{"t": text} for text in texts], doc_to_text=lambda d: d["t"], doc_to_target=lambda d: d["t"])

    (asked,) = questions_of(task, [0])
    assert asked.text is not None
    assert len(asked.text) < 2_100
    assert "letters are not kept" in asked.text
    assert len(asked.right[0]) < 2_100


@pytest.fixture(scope="module")
def asked(
    checkout: Callable[[], Weighbridge],
) -> Iterator[tuple[Heard, Heard, Weighbridge]]:
    """Two combinations, asked twice with their questions told, then once without."""
    inner = checkout()
    inner.conftest(HEARS)
    inner.floors({"task": "embedded_gsm8k", "max_tokens": 101, "samples": "first 3", "floor": 0.5})
    with FakeEngine(Script(answer=lambda *_: "#### 987654")) as fake:
        inner.matrix(["embedded_gsm8k"], {"url": fake.url, "max_tokens": [101, 102]})
        told = inner.run("-m", "accuracy", "--samples-first", "3")
        yield told, inner.run("-m", "accuracy", "--samples-first", "3", "--no-questions", "--results", "without"), inner


def told_of(heard: Heard) -> list[dict[str, Any]]:
    return [row for row in heard.told if row["kind"] == "questions"]


def test_a_session_tells_the_questions_of_a_task_once_and_before_its_runs(
    asked: tuple[Heard, Heard, Weighbridge],
) -> None:
    heard, _, _ = asked

    (told,) = told_of(heard)
    assert [item for item, _, _ in told["asked"]] == [0, 1, 2]
    assert told["labels"] == {"task": "embedded_gsm8k", "task_version": "1.0", "samples": "first 3"}
    kinds = [row["kind"] for row in heard.told]
    assert kinds.index("questions") < kinds.index("run")
    assert len(heard.runs) == 4


def test_every_run_of_a_session_knows_what_it_asked(asked: tuple[Heard, Heard, Weighbridge]) -> None:
    ledger = Ledger(asked[2].path / "results" / "ledger.sqlite", create=False)

    texts = [ledger.questions(one)[1].text for one in ledger.runs()]
    assert texts == ["Hugo had 9 balloons. 3 of them popped. How many balloons are left?"] * 4


def test_with_no_questions_nobody_is_told_and_nothing_is_kept(asked: tuple[Heard, Heard, Weighbridge]) -> None:
    _, heard, inner = asked

    ledger = Ledger(inner.path / "without" / "ledger.sqlite", create=False)
    assert told_of(heard) == []
    assert [dict(ledger.questions(one)) for one in ledger.runs()] == [{}] * 4
    rows = sqlite3.connect(inner.path / "without" / "ledger.sqlite").execute("SELECT COUNT(*) FROM texts")
    assert rows.fetchone() == (0,)


def test_the_command_that_repeats_a_test_keeps_no_questions_either(asked: tuple[Heard, Heard, Weighbridge]) -> None:
    heard, without, _ = asked

    assert "--no-questions" not in heard.output
    assert " --no-questions --runs 2" in without.output
