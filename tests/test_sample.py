from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.evaluate.sample import Choice, pick

quick = settings(deadline=None, max_examples=100, database=None)


def documents(**sizes: int) -> list[dict[str, Any]]:
    """So many questions of each category, mixed."""
    names = [name for name, size in sizes.items() for _ in range(size)]
    return [{"question": f"q{i}", "category": names[i * 7 % len(names)]} for i in range(len(names))]


PLAIN = [{"question": f"q{i}"} for i in range(100)]


def test_all_questions_are_all_positions() -> None:
    assert pick(Choice(None), PLAIN) == list(range(100))


def test_the_first_questions_are_those_of_the_file() -> None:
    assert pick(Choice(7, first=True, seed=3), documents(a=50, b=51)) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("count", [100, 101, 10**6])
def test_a_sample_of_more_than_there_are_is_everything(count: int) -> None:
    assert pick(Choice(count), PLAIN) == list(range(100))


def test_no_documents_give_an_empty_sample() -> None:
    assert pick(Choice(5), []) == []


def test_the_sample_of_seed_0_stays_what_it_is() -> None:
    # Recorded floors speak of exactly these questions.
    assert pick(Choice(8), PLAIN) == [10, 42, 68, 76, 83, 91, 98, 99]


def test_a_sample_is_the_same_at_every_call() -> None:
    assert pick(Choice(40, seed=7), PLAIN) == pick(Choice(40, seed=7), PLAIN)


def test_another_seed_draws_another_sample() -> None:
    assert pick(Choice(40, seed=7), PLAIN) != pick(Choice(40, seed=8), PLAIN)


def test_a_sample_is_no_run_of_first_questions() -> None:
    assert pick(Choice(40), PLAIN) != list(range(40))


def test_strata_are_sampled_in_proportion() -> None:
    rows = documents(a=50, b=30, c=21)

    drawn = Counter(rows[position]["category"] for position in pick(Choice(20), rows))

    assert drawn == {"a": 10, "b": 6, "c": 4}


def test_the_remainder_goes_to_the_largest_fractions() -> None:
    # Exact shares of 5: 2.5, 1.667, 0.833.
    rows = documents(a=15, b=10, c=5)

    drawn = Counter(rows[position]["category"] for position in pick(Choice(5), rows))

    assert drawn == {"a": 2, "b": 2, "c": 1}


def test_a_field_with_too_many_values_is_no_stratum() -> None:
    many = [{"question": f"q{i}", "category": f"c{i}"} for i in range(100)]

    assert pick(Choice(20), many) == pick(Choice(20), PLAIN)


def test_a_field_with_a_single_value_is_passed_over_for_the_next_one() -> None:
    rows = [{"category": "computer science", "topic": "ab"[i % 2]} for i in range(60)]

    drawn = Counter(rows[position]["topic"] for position in pick(Choice(10), rows))

    assert drawn == {"a": 5, "b": 5}


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        (Choice(None), "all"),
        (Choice(None, seed=7), "all"),
        (Choice(40), "40"),
        (Choice(40, seed=7), "seed 7: 40"),
        (Choice(40, first=True), "first 40"),
        (Choice(40, first=True, seed=7), "first 40"),
    ],
)
def test_a_choice_is_labelled_as_threshold_rows_write_it(choice: Choice, label: str) -> None:
    assert choice.label == label


choices = st.builds(Choice, st.none() | st.integers(1, 60), first=st.booleans(), seed=st.integers(0, 5))
collections = st.lists(st.fixed_dictionaries({"category": st.sampled_from("abcdef")}), max_size=60)


@quick
@given(choices, collections)
def test_a_sample_is_ascending_and_of_the_size_that_was_asked_for(choice: Choice, rows: list[dict[str, str]]) -> None:
    positions = pick(choice, rows)

    assert positions == sorted(set(positions))
    assert len(positions) == min(len(rows), len(rows) if choice.count is None else choice.count)
    assert all(0 <= position < len(rows) for position in positions)


@quick
@given(choices, collections)
def test_a_stratum_is_off_its_share_by_less_than_one(choice: Choice, rows: list[dict[str, str]]) -> None:
    positions = pick(Choice(choice.count, seed=choice.seed), rows)
    whole, drawn = (Counter(row["category"] for row in part) for part in (rows, [rows[p] for p in positions]))

    assert all(abs(drawn[name] - len(positions) * size / len(rows)) < 1 for name, size in whole.items())


@quick
@given(choices, collections)
def test_a_sample_depends_on_the_strata_and_not_on_the_other_fields(choice: Choice, rows: list[dict[str, str]]) -> None:
    assert pick(choice, [{**row, "question": "another"} for row in rows]) == pick(choice, rows)
