"""The gates of drafts that ask for answers, red and green, on fake engines with planted drafts."""

from collections.abc import Callable

import pytest
from planted_drafts import PLACE, QUESTIONS, TARGET, TASK, Planted, Weighed, rows, weigh

from conftest import Weighbridge


@pytest.fixture(scope="module")
def answered(checkout: Callable[[], Weighbridge]) -> Weighed:
    inner = checkout()
    rows(inner.path / "rows" / TASK)
    inner.floors()
    drafts = {
        "broken": Planted({150: "S"}),
        "tied": Planted(dict.fromkeys(range(100), "N")),
        "nearly": Planted({7: "H"}),
        "hidden": Planted({7: "F"}),
        "good": Planted(),
    }
    words = ("-k", "changes_no_answer", "--runs", "1", "--samples", "all", "--datasets-from", "rows")
    return weigh(inner, words, drafts, tasks=[TASK])


def test_one_answer_in_two_hundred_that_changes_where_the_target_is_sure_is_a_defect(answered: Weighed) -> None:
    verdict = answered.of("broken", "draft_defects")

    assert (verdict["outcome"], verdict["reason"]) == ("FAIL", "answers_changed")
    assert (verdict["measured"], verdict["details"]["defects"]) == (1 / QUESTIONS, 1)
    assert verdict["lines"][0].endswith("FAIL - 1 of 200 answers changed where the target was sure of its token")


def test_a_defect_is_shown_with_the_text_before_both_tokens_and_the_margin(answered: Weighed) -> None:
    verdict = answered.of("broken", "draft_defects")
    (shown,) = [line for line in verdict["lines"] if line.startswith("defect ")]

    assert shown.startswith(f"defect    question 150, token {PLACE}: ")
    assert shown.endswith("so it is as it was and as it' 'w' -> 'S', margin 3.90 nats")
    assert shown in answered.heard.output


def test_a_hundred_near_ties_are_no_defect(answered: Weighed) -> None:
    verdict = answered.of("tied", "draft_defects")

    assert (verdict["outcome"], verdict["details"]["near_ties"]) == ("PASS", 100)
    assert "changed only where two tokens were as good as equal (100 of 200)" in verdict["lines"][0]


@pytest.mark.parametrize(("draft", "outcome", "margin"), [("hidden", "FAIL", 0.8), ("nearly", "PASS", 0.45)])
def test_a_token_that_is_not_among_the_likeliest_is_asked_for(
    answered: Weighed, draft: str, outcome: str, margin: float
) -> None:
    verdict = answered.of(draft, "draft_defects")
    (changed,) = verdict["details"]["differences"]

    assert verdict["outcome"] == outcome
    assert (changed["margin"], changed["at_least"]) == (pytest.approx(margin), False)


def test_a_draft_that_changes_nothing_passes(answered: Weighed) -> None:
    verdict = answered.of("good", "draft_defects")

    assert (verdict["outcome"], verdict["details"]["same"]) == ("PASS", QUESTIONS)
    assert "no answer changed" in verdict["lines"][0]


def test_a_session_that_asks_for_changed_answers_alone_evaluates_nothing(answered: Weighed) -> None:
    assert answered.heard.runs == []


def test_each_engine_is_asked_once_however_many_drafts_its_target_has(answered: Weighed) -> None:
    asked = {
        name: sum(one.payload.get("logprobs") == 5 and not one.payload.get("echo") for one in fake.requests)
        for name, fake in answered.fakes.items()
    }

    assert asked == dict.fromkeys(answered.fakes, QUESTIONS)


def test_answers_with_a_draft_are_judged_in_the_table_of_drafts_and_in_none_of_upgrades(
    checkout: Callable[[], Weighbridge],
) -> None:
    inner = checkout()
    rows(inner.path / "rows" / TASK)
    inner.floors()
    words = ("-k", "no_worse_with_the_draft[", "--samples", "16", "--runs", "1", "--datasets-from", "rows")

    heard = weigh(inner, words, {"usual": Planted()}, tasks=[TASK], reports=True).heard

    (verdict,) = [one for one in heard.verdicts if one["metric"] == "accuracy_difference"]
    assert verdict["details"]["beside"] == "undrafted"
    assert {run["combination"] for run in heard.runs} == {TARGET, f"{TARGET}-draft_usual"}
    assert "Answers of drafts" in heard.output
    assert not [line for line in heard.output.splitlines() if line.startswith("Upgrade")]


def test_answers_that_are_chosen_are_not_asked_whether_a_draft_changes_them(
    checkout: Callable[[], Weighbridge],
) -> None:
    inner = checkout()
    inner.floors()

    heard = weigh(inner, ("--collect-only", "-q"), {"usual": Planted()}, tasks=[TASK, "arc_challenge"]).heard

    asked = [line for line in heard.output.splitlines() if "changes_no_answer" in line]
    assert len(asked) == 1
    assert TASK in asked[0]
