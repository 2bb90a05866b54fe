"""Which prompts and which tasks quantization gates ask about."""

import pytest

from fixtures.evaluate.generating import generates
from fixtures.quantization.next_tokens import chosen

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
