import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.evaluate.answers import UNPARSED, CascadeFilter, cascade


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The answer is (D).", "D"),
        ("The answer is D.", "D"),
        ("the answer is (J", "J"),
        ("**The answer is (D).**", "D"),
        ("The answer is **(D)**", "D"),
        ("The **answer** is **D**.", "D"),
        ("One might say the answer is A, but on reflection the answer is (D).", "A"),
        ("Answer: B. So the answer is (C).", "C"),
        ("A or B? The answer is (C). D is wrong.", "C"),
    ],
)
def test_the_first_sentence_that_says_the_answer_decides(answer: str, letter: str) -> None:
    assert cascade(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("Answer: E", "E"),
        ("answer:F", "F"),
        ("Final Answer:   G because H is wrong", "G"),
        ("Answer:\nC", "C"),
        ("Answer: A or rather Answer: B", "B"),
        ("**Answer:** B", "B"),
    ],
)
def test_then_the_label_answer_decides(answer: str, letter: str) -> None:
    assert cascade(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("It must be (E).", "E"),
        ("Options A and B are wrong, so C", "C"),
        ("First A,\nthen B\n", "B"),
        ("C", "C"),
        ("**H**", "H"),
    ],
)
def test_then_the_last_lone_letter_decides(answer: str, letter: str) -> None:
    assert cascade(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("I cannot determine this.", "I"),
        ("So we pick (E). I hope that helps!", "I"),
        ("Thus the answer is Binary search, i.e. (G).", "B"),
    ],
)
def test_the_known_mistakes_of_the_official_script_are_kept(answer: str, letter: str) -> None:
    assert cascade(answer) == letter


@pytest.mark.parametrize(
    "answer",
    ["", "   \n", "the answer is unknown", "the answer is (k).", "Answer: Z", "CAB", "K, L and M", "option_A", "A1"],
)
def test_what_none_of_the_three_finds_is_unparsed(answer: str) -> None:
    assert cascade(answer) == UNPARSED


def test_the_filter_answers_every_response_of_every_question() -> None:
    found = CascadeFilter().apply([["The answer is (A).", "Answer: B"], ["no idea"]], [{}, {}])

    assert found == [["A", "B"], [UNPARSED]]


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("no letter here, and none there. " * 300, UNPARSED), ("A " * 2000 + "x" * 10_000, "A")],
    ids=["no letter at all", "letters before a long word"],
)
def test_a_long_answer_is_read_in_a_time_that_grows_with_its_length(answer: str, letter: str) -> None:
    started = time.perf_counter()

    assert cascade(answer) == letter
    assert time.perf_counter() - started < 0.3


@settings(deadline=None, max_examples=100, database=None)
@given(st.text())
def test_an_answer_is_a_letter_of_the_ten_or_unparsed(answer: str) -> None:
    assert cascade(answer) in {*"ABCDEFGHIJ", UNPARSED}


@settings(deadline=None, max_examples=100, database=None)
@given(st.text("abc ()\n.,;!?"), st.sampled_from("ABCDEFGHIJ"), st.text())
def test_a_stated_answer_is_found_whatever_follows(before: str, letter: str, after: str) -> None:
    assert cascade(f"{before} The answer is ({letter}). {after}") == letter
