"""`--spend least`: no more questions than a verdict needs, on a fake engine whose answers are known."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_engine import FakeEngine, Script

from conftest import Heard, Weighbridge

TASK = "embedded_gsm8k"
RIGHT, WRONG, HALF = 101, 102, 103


class Pupil:
    """Right always, never, or to every other question, by the answer limit."""

    def __init__(self, solve: Callable[[str], str]) -> None:
        self.solve = solve
        self.order: dict[str, int] = {}

    def __call__(self, prompt: str, payload: dict[str, Any]) -> str:
        question = self.order.setdefault(prompt, len(self.order))
        right = {WRONG: False, HALF: question % 2 == 0}.get(payload["max_tokens"], True)
        return self.solve(prompt) if right else "#### 987654"


@pytest.fixture(scope="module")
def spent(checkout: Callable[[], Weighbridge], solve: Callable[[str], str]) -> Iterator[tuple[Heard, Weighbridge]]:
    inner = checkout()
    with FakeEngine(Script(answer=Pupil(solve))) as fake:
        inner.matrix([TASK], {"url": fake.url, "max_tokens": [RIGHT, WRONG, HALF], "concurrency": 16})
        inner.floors(*({"task": TASK, "max_tokens": limit, "floor": 0.5} for limit in (RIGHT, WRONG, HALF)))
        yield inner.run("-m", "accuracy", "--samples", "all", "--spend", "least", "-rA"), inner


def runs(heard: Heard, limit: int) -> list[dict[str, Any]]:
    return [run for run in heard.runs if f"max_tokens_{limit}" in run["combination"]]


def test_a_clear_pass_is_decided_after_the_first_block(spent: tuple[Heard, Weighbridge]) -> None:
    heard, _ = spent
    verdict = heard.verdict(max_tokens=RIGHT)

    assert verdict["outcome"] == "PASS"
    assert verdict["lines"][0].endswith("shown to be at or above its floor, decided after 32 of 96 questions")
    assert [len(run["items"]) for run in runs(heard, RIGHT)] == [32]


def test_a_clear_failure_is_decided_as_soon(spent: tuple[Heard, Weighbridge]) -> None:
    heard, _ = spent
    verdict = heard.verdict(max_tokens=WRONG)

    assert (verdict["outcome"], verdict["reason"]) == ("FAIL", "below_floor")
    assert verdict["details"] == {"spend": "least", "used": 32, "asked": 96}


def test_what_is_close_to_its_floor_takes_all_questions_and_a_second_run(spent: tuple[Heard, Weighbridge]) -> None:
    heard, _ = spent

    assert [len(run["items"]) for run in runs(heard, HALF)][-1] == 96


def test_the_report_says_of_how_many_questions_a_score_is(spent: tuple[Heard, Weighbridge]) -> None:
    heard, inner = spent

    assert "32 of 96" in (inner.path / "results" / "report.md").read_text(encoding="utf-8")
    assert "no more questions than the verdicts need" in heard.output


def test_the_questions_come_in_an_order_that_is_random_and_the_same_for_all(
    spent: tuple[Heard, Weighbridge],
) -> None:
    asked = [[item["item"] for item in runs(spent[0], limit)[0]["items"]][:32] for limit in (RIGHT, WRONG)]

    assert asked[0] == asked[1] != sorted(asked[0])


def test_an_upgrade_takes_no_more_questions_than_it_needs(
    checkout: Callable[[], Weighbridge], solve: Callable[[str], str]
) -> None:
    inner = checkout()
    with FakeEngine(Script(answer=Pupil(solve))) as fake:
        inner.matrix([TASK], {"url": fake.url, "max_tokens": [RIGHT, WRONG], "concurrency": 16})
        inner.floors()
        words = ("--against", f"tiny-remote-unquantized-max_tokens_{RIGHT}", "--margin", "10", "--samples", "all")
        heard = inner.run("-m", "upgrade", *words, "--spend", "least")

    (verdict,) = heard.verdicts
    assert (verdict["outcome"], verdict["details"]["used"]) == ("FAIL", 32)
    assert "decided after 32 of 96 questions" in verdict["lines"][1]
    assert [len(run["items"]) for run in runs(heard, RIGHT)] == [96, 96]
    assert [len(run["items"]) for run in runs(heard, WRONG)] == [32]
