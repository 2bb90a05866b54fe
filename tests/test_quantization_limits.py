"""Answers that were cut off at their token limit, red and green, on a fake engine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_engine import FakeEngine, Script

from conftest import Heard, Weighbridge

GSM8K, CHOICES = "embedded_gsm8k", "embedded_winogrande"
SHORT, LONG = 64, 512
WORDS = ("-m", "accuracy", "-p", "no:reports.plugin")
FLOOR = {"samples": 40, "floor": 0.2}


@pytest.fixture(scope="module")
def heard(checkout: Callable[[], Weighbridge], solve: Callable[[str], str]) -> Iterator[Heard]:
    """An engine that comes to an end with LONG tokens; with SHORT ones, every second answer is cut off and wrong."""
    order: dict[str, int] = {}

    def answer(prompt: str, payload: dict[str, Any]) -> str:
        ends = payload["max_tokens"] != SHORT or order.setdefault(prompt, len(order)) % 2
        fake.script.finish_reason = "stop" if ends else "length"
        return solve(prompt) if ends else "Let me think"

    with FakeEngine(Script(answer=answer)) as fake:
        yield weigh(checkout(), fake, "-k", "cut_off or gsm8k")


def weigh(inner: Weighbridge, fake: FakeEngine, *words: str) -> Heard:
    inner.matrix([GSM8K, CHOICES], {"url": fake.url, "max_tokens": [SHORT, LONG], "concurrency": 1})
    inner.floors(*({"task": GSM8K, "max_tokens": limit, **FLOOR} for limit in (SHORT, LONG)))
    return inner.run(*WORDS, *words)


def cut_off(heard: Heard, limit: int) -> dict[str, Any]:
    (found,) = [v for v in heard.verdicts if v["metric"] == "cut_off" and v["labels"]["max_tokens"] == limit]
    return found


def test_a_benchmark_that_cuts_answers_off_fails_though_its_floor_holds(
    heard: Heard,
) -> None:
    told = cut_off(heard, SHORT)
    (accuracy,) = [v for v in heard.verdicts if v["metric"] == "accuracy" and v["labels"]["max_tokens"] == SHORT]
    assert (told["outcome"], told["reason"]) == ("FAIL", "cut_off_answers")
    assert accuracy["outcome"] == "PASS"
    assert heard.code == 1


def test_it_says_how_many_were_cut_off_where_and_what_to_do(heard: Heard) -> None:
    title, measured, required, *_ = cut_off(heard, SHORT)["lines"]

    assert "40 of 80 answers were cut off at max_tokens 64: the score speaks of the limit" in title
    assert title.endswith("raise max_tokens in the matrix")
    assert measured.endswith("accuracy 50.0, 100.0 among the 40 that finished")
    assert required == "required  <= 10.0 %   where its accuracy row has no `cut_off:`"


def test_the_same_combination_with_more_room_passes(heard: Heard) -> None:
    told = cut_off(heard, LONG)

    assert (told["outcome"], told["measured"]) == ("PASS", 0.0)
    assert told["details"]["accuracy"] == told["details"]["finished_accuracy"] == 1.0


def test_tasks_whose_answers_are_chosen_have_no_such_gate(heard: Heard) -> None:
    assert {told["labels"]["task"] for told in heard.verdicts} == {GSM8K}
    assert "skipped" not in heard.output


def test_an_endpoint_that_does_not_say_why_answers_end_is_not_measured(
    weighbridge: Weighbridge, fake_engine: FakeEngine
) -> None:
    fake_engine.script.finish_reason = ""

    heard = weigh(weighbridge, fake_engine, "-k", "cut_off")

    assert (cut_off(heard, LONG)["outcome"], cut_off(heard, LONG)["reason"]) == ("NOT_MEASURED", "no_finish_reason")
