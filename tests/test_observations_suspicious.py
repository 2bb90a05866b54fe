"""Results to be careful with are named, and ordinary ones are not."""

from dataclasses import replace
from typing import Any

import pytest
from test_observations import Campaign, kinds, of_kind, said

from reports.observations.rules import observe
from reports.summary import Summary

SUSPICIOUS = {
    "impossible",
    "all_or_nothing",
    "below_chance",
    "no_better_than_chance",
    "unstable",
    "cut_off",
    "unparsed",
}


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


def changed(summary: Summary, **score: Any) -> Summary:
    """The same with another score in the first task of the first row."""
    row = summary.rows[0]
    task = next(iter(row.tasks))
    rows = (replace(row, tasks={**row.tasks, task: replace(row.tasks[task], **score)}), *summary.rows[1:])
    made = replace(summary, rows=rows)
    return replace(made, observations=observe(made))


def test_ordinary_results_rouse_no_suspicion(campaign: Campaign) -> None:
    campaign.asked("one", 300, 301, guess=0.25)
    campaign.asked("two", 200, 203, guess=0.25)

    assert SUSPICIOUS & set(kinds(campaign.summary())) == set()


@pytest.mark.parametrize("score", [1.02, -0.01])
def test_a_score_outside_of_what_there_is_comes_first(campaign: Campaign, score: float) -> None:
    campaign.asked("one", 300)
    summary = changed(campaign.summary(), mean=score)

    assert summary.observations[0].kind == "impossible"
    assert "which is impossible: it must lie between 0 and 100." in summary.observations[0].text


def test_more_right_answers_than_could_be_read_are_impossible(campaign: Campaign) -> None:
    campaign.asked("one", 300)
    summary = changed(campaign.summary(), unparsed=200)

    assert "only 50.0% of its answers could be read" in said(summary, "impossible")


@pytest.mark.parametrize(("right", "word"), [(400, "every"), (0, "no")])
def test_every_answer_right_or_none_is_suspicious(campaign: Campaign, right: int, word: str) -> None:
    campaign.asked("one", right)

    assert f"one unquantized has {word} answer right of 400" in said(campaign.summary(), "all_or_nothing")


def test_a_few_questions_may_all_be_right(campaign: Campaign) -> None:
    campaign.asked("one", 5, of=5)

    assert "all_or_nothing" not in kinds(campaign.summary())


def test_a_score_that_is_shown_to_lie_below_chance_is_suspicious(campaign: Campaign) -> None:
    campaign.asked("one", 40, guess=0.25)

    (found,) = of_kind(campaign.summary(), "below_chance")
    assert found.text.startswith("Suspicious: one unquantized scores 10.0 (95% interval 7.")
    assert "below the 25.0 that guessing reaches" in found.text
    assert "no_better_than_chance" not in kinds(campaign.summary())


def test_a_score_near_chance_cannot_be_told_from_guessing(campaign: Campaign) -> None:
    campaign.asked("one", 95, guess=0.25)

    summary = campaign.summary()
    assert "below_chance" not in kinds(summary)
    assert said(summary, "no_better_than_chance").endswith("cannot be told apart from guessing, which reaches 25.0.")


def test_a_task_without_options_has_no_chance(campaign: Campaign) -> None:
    campaign.asked("one", 40)

    assert {"below_chance", "no_better_than_chance"} & set(kinds(campaign.summary())) == set()


def test_runs_that_lie_far_apart_are_unstable(campaign: Campaign) -> None:
    campaign.asked("one", 200, 300)

    told = said(campaign.summary(), "unstable")
    assert told.startswith("Suspicious: The 2 runs of one unquantized lie between 50.0 and 75.0")
    assert "more than drawing every answer anew would do" in told


def test_runs_that_chance_can_move_so_far_are_told_without_suspicion(campaign: Campaign) -> None:
    campaign.asked("one", 20, 22, of=40)

    assert said(campaign.summary(), "unstable").startswith("The 2 runs of one unquantized lie between 50.0 and 55.0")


def test_one_run_has_no_stability(campaign: Campaign) -> None:
    campaign.asked("one", 200)

    assert "unstable" not in kinds(campaign.summary())


def test_many_answers_that_were_cut_off_are_counted(campaign: Campaign) -> None:
    campaign.asked("one", 200, finish_reasons=("length",))
    campaign.asked("two", 200)

    (found,) = of_kind(campaign.summary(), "cut_off")
    assert "400 of 400 of one unquantized (100.0%) ended at the token limit" in found.text
    assert found.about == ("one-vllm-none-none",)


def test_many_answers_that_could_not_be_read_are_counted(campaign: Campaign) -> None:
    campaign.asked("one", 0, unparsed=True)

    assert "400 of 400 of one unquantized (100.0%) held nothing that could be read" in said(
        campaign.summary(), "unparsed"
    )
