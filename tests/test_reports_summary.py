from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from reports.answers.rows import Row
from reports.ledger import Ledger
from reports.summarising import summarise, summarise_all
from thresholds.measurement import Item, NotMeasured, Run
from thresholds.verdict import Outcome, Verdict, not_measured

STRICT = "exact_match,strict-match"


def labels_of(quantization: str, task: str = "gsm8k") -> dict[str, Any]:
    return {
        "combination": f"m-vllm-{quantization}",
        "model": "m",
        "engine": "vllm",
        "quantization": quantization,
        "draft": "none",
        "task": task,
        "samples": "all",
    }


def item_of(position: int, score: float, **changes: Any) -> Item:
    known = {
        "scores": {"exact_match,flexible-extract": score, STRICT: 0.0},
        "answer": "",
        "extracted": "",
        "unparsed": False,
        "finish_reasons": ("stop",),
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "seconds": 1.0,
    }
    return Item(item=position, **{**known, **changes})


class Told:
    """A ledger in memory and short ways to tell it things."""

    def __init__(self) -> None:
        self.ledger = Ledger(None)
        self.session("s1")

    def session(self, name: str) -> None:
        self.now = self.ledger.record_session({"session": name, "started": f"start of {name}"})

    def run(self, quantization: str, number: int, items: Sequence[Item], task: str = "gsm8k", **changes: Any) -> None:
        known = {"primary": "exact_match,flexible-extract", "population": 4, "seconds": 2.0}
        run = Run(f"m-vllm-{quantization}", task, number, items=tuple(items), **{**known, **changes})
        self.ledger.record_run(self.now, run, labels_of(quantization, task))

    def scores(self, quantization: str, number: int, *scores: float, task: str = "gsm8k") -> None:
        self.run(quantization, number, [item_of(i, score) for i, score in enumerate(scores)], task)

    def verdict(self, outcome: Outcome, quantization: str, task: str, **numbers: float) -> None:
        lines = (f"accuracy/{task}: {outcome}",)
        self.ledger.record_verdict(
            self.now, Verdict(outcome, "a_reason", "accuracy", labels_of(quantization, task), lines, **numbers)
        )

    def rows(self, session: str | None = None) -> Mapping[str, Row]:
        return {row.combination.removeprefix("m-vllm-"): row for row in summarise(self.ledger, session).rows}


@pytest.fixture
def told() -> Told:
    return Told()


def test_combinations_are_ranked_by_their_mean_the_highest_first(told: Told) -> None:
    told.scores("int4", 1, 0.0, 1.0)
    told.scores("none", 1, 1.0, 1.0)

    assert [(row.rank, row.combination) for row in summarise(told.ledger).rows] == [
        (1, "m-vllm-none"),
        (2, "m-vllm-int4"),
    ]


def test_equal_means_share_a_rank(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    told.scores("int4", 1, 0.0, 1.0)

    assert [row.rank for row in summarise(told.ledger).rows] == [1, 1]


def test_the_mean_is_over_tasks_and_its_deviation_over_runs_by_position(told: Told) -> None:
    for task, numbers in {"gsm8k": (1, 2), "arc": (7, 8)}.items():
        told.scores("none", numbers[0], 1.0, 1.0, task=task)
        told.scores("none", numbers[1], 1.0, 0.0, task=task)

    row = told.rows()["none"]
    assert row.mean == 0.75
    assert row.run_to_run_deviation == pytest.approx(0.5 / 2**0.5)
    assert row.runs == 2


def test_runs_that_only_one_task_has_do_not_enter_the_deviation_of_the_mean(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    told.scores("none", 2, 1.0, 1.0)
    told.scores("none", 1, 1.0, 0.0, task="arc")

    row = told.rows()["none"]
    assert row.run_to_run_deviation is None
    assert row.runs == 1


def test_one_run_has_an_interval_over_questions_and_no_deviation(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0, 1.0, 0.0)

    score = told.rows()["none"].tasks["gsm8k"]
    assert score.run_to_run_deviation is None
    assert score.interval_of == "questions"
    assert score.low is not None
    assert score.low < 0.5


def test_two_runs_have_the_interval_of_a_rerun(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    told.scores("none", 2, 1.0, 0.0)

    score = told.rows()["none"].tasks["gsm8k"]
    assert (score.interval_of, score.low, score.high) == ("rerun", 0.5, 0.5)


def test_a_single_question_asked_once_has_no_interval(told: Told) -> None:
    told.scores("none", 1, 1.0)

    score = told.rows()["none"].tasks["gsm8k"]
    assert (score.mean, score.low, score.high) == (1.0, None, None)


def test_runs_of_earlier_sessions_are_counted_beside_those_of_this_one(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("none", 2, 1.0)
    told.session("s2")
    told.scores("none", 3, 0.0)

    row = told.rows()["none"]
    assert (row.mean, row.runs, row.earlier_runs) == (0.0, 1, 2)
    assert told.rows("s1")["none"].earlier_runs == 0


def test_all_sessions_merge_the_runs_of_a_combination_and_a_task(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.session("s2")
    told.scores("none", 2, 0.0)

    merged = summarise_all(told.ledger)
    assert merged.sessions == ("s1", "s2")
    assert (merged.rows[0].mean, merged.rows[0].runs, merged.rows[0].earlier_runs) == (0.5, 2, 0)


def test_runs_of_other_questions_are_not_merged_but_counted_as_earlier(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0)
    told.session("s2")
    told.scores("none", 2, 0.0)

    row = summarise_all(told.ledger).rows[0]
    assert (row.mean, row.runs, row.earlier_runs) == (0.0, 1, 1)


def test_all_sessions_show_the_latest_verdict_on_a_subject(told: Told) -> None:
    told.verdict(Outcome.FAIL, "none", "gsm8k")
    told.session("s2")
    told.verdict(Outcome.PASS, "none", "gsm8k")

    assert summarise_all(told.ledger).not_passed == ()


def test_a_combination_without_a_finished_run_comes_last_without_a_rank(told: Told) -> None:
    labels = labels_of("int8")
    told.ledger.record_verdict(told.now, not_measured("accuracy", labels, "engine_failed", "out of memory"))
    told.scores("none", 1, 0.0)

    summary = summarise(told.ledger)
    last = summary.rows[-1]
    assert (last.combination, last.rank, last.mean, last.seconds, last.unparsed) == (
        "m-vllm-int8",
        None,
        None,
        None,
        None,
    )
    assert last.tasks["gsm8k"].outcome == "NOT_MEASURED"
    assert summary.not_passed[0].lines[0].endswith("out of memory")


def test_a_combination_that_lacks_a_task_ranks_behind_one_that_has_all(told: Told) -> None:
    told.scores("none", 1, 0.0)
    told.scores("none", 1, 0.5, task="arc")
    told.scores("int8", 1, 1.0)

    rows = told.rows()
    assert (rows["none"].rank, rows["int8"].rank) == (1, 2)
    assert rows["int8"].missing == ("arc",)


def test_unparsed_and_cut_off_answers_are_summed_over_runs_and_tasks(told: Told) -> None:
    lost = item_of(0, 0.0, unparsed=True, finish_reasons=("length",), truncated=True)
    told.run("none", 1, [lost, item_of(1, 1.0)])
    told.run("none", 2, [lost, item_of(1, 0.0, unparsed=True, finish_reasons=("length",))])
    told.run("none", 1, [lost, item_of(1, 1.0)], task="arc")

    row = told.rows()["none"]
    assert (row.unparsed, row.cut_off, row.tasks["gsm8k"].truncated) == (4, 4, 2)


def test_random_guesses_are_weighed_by_the_chance_of_each_unparsed_question(told: Told) -> None:
    items = [item_of(0, 0.0, unparsed=True, guess=0.25), item_of(1, 0.0, unparsed=True, guess=0.1), item_of(2, 1.0)]
    told.run("none", 1, items)

    assert told.rows()["none"].tasks["gsm8k"].random_guesses == pytest.approx(0.35 / 3)


def test_random_guesses_are_unknown_where_the_task_is_no_choice(told: Told) -> None:
    told.run("none", 1, [item_of(0, 0.0, unparsed=True)])

    assert told.rows()["none"].tasks["gsm8k"].random_guesses is None


def test_a_task_whose_every_request_failed_has_no_score_but_is_counted(told: Told) -> None:
    told.run("none", 1, [item_of(0, 0.0, scores={}, failed="503", completion_tokens=None, prompt_tokens=None)])

    score = told.rows()["none"].tasks["gsm8k"]
    assert (score.mean, score.failed_requests, score.prompt_tokens) == (None, 1, None)


def test_other_scores_stand_beside_the_primary_one(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0)

    score = told.rows()["none"].tasks["gsm8k"]
    assert (score.mean, score.other_scores) == (1.0, {STRICT: 0.0})


def test_output_tokens_per_second_are_those_of_generated_tasks(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0)
    told.run("none", 1, [item_of(0, 1.0, completion_tokens=None)], task="arc")

    row = told.rows()["none"]
    assert (row.completion_tokens, row.output_tokens_per_second) == (20, 10.0)
    assert (row.prompt_tokens, row.prompt_tokens_per_second) == (300, 75.0)


def test_a_run_that_was_read_from_the_journal_has_no_speed(told: Told) -> None:
    told.run("none", 1, [item_of(0, 1.0)], seconds=0.001, replayed=1)

    row = told.rows()["none"]
    assert (row.completion_tokens, row.output_tokens_per_second) == (10, None)


def test_tokens_that_the_endpoint_did_not_count_are_unknown(told: Told) -> None:
    told.run("none", 1, [item_of(0, 1.0, prompt_tokens=None), item_of(1, 1.0)])

    assert told.rows()["none"].prompt_tokens is None


def test_headroom_is_the_least_of_the_tasks_and_names_it(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("none", 1, 1.0, task="arc")
    told.verdict(Outcome.PASS, "none", "gsm8k", headroom=0.03, required=0.5)
    told.verdict(Outcome.FAIL, "none", "arc", headroom=-0.01, required=0.6)

    row = told.rows()["none"]
    assert (row.headroom, row.headroom_task) == (-0.01, "arc")
    assert row.verdicts == {"PASS": 1, "FAIL": 1, "INCONCLUSIVE": 0, "NOT_MEASURED": 0}
    assert [verdict.task for verdict in summarise(told.ledger).not_passed] == ["arc"]


def test_what_is_shown_to_be_wrong_is_told_before_what_is_not_decided(told: Told) -> None:
    told.scores("none", 1, 1.0)
    for outcome in (Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.NOT_MEASURED, Outcome.FAIL):
        told.verdict(outcome, "none", outcome.lower())

    assert [verdict.task for verdict in summarise(told.ledger).not_passed] == ["fail", "not_measured", "inconclusive"]


def test_engine_memory_is_the_most_of_any_run_and_start_up_comes_from_the_engine(told: Told) -> None:
    told.run("none", 1, [item_of(0, 1.0)], engine_memory=5)
    told.run("none", 2, [item_of(0, 1.0)], engine_memory=9)
    told.ledger.record_engine(told.now, labels_of("none"), {"seconds": 12.5})

    row = told.rows()["none"]
    assert (row.engine_memory, row.engine_start_seconds) == (9, 12.5)


def test_the_last_session_is_the_last_that_measured_something(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.session("s2")

    assert summarise(told.ledger).sessions == ("s1",)


def test_a_verdict_over_all_tasks_is_no_task_that_combinations_lack(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.verdict(Outcome.PASS, "none", "all tasks")

    summary = summarise(told.ledger)
    assert (summary.tasks, summary.rows[0].missing, summary.rows[0].verdicts["PASS"]) == (("gsm8k",), (), 1)


def test_an_unknown_session_is_refused_with_those_that_exist(told: Told) -> None:
    with pytest.raises(NotMeasured, match="there is no session 'nope'; the last are: s1"):
        summarise(told.ledger, "nope")


def test_a_ledger_without_measurements_has_no_summary(told: Told) -> None:
    with pytest.raises(NotMeasured, match="no session has measured anything yet"):
        summarise(told.ledger)
    with pytest.raises(NotMeasured, match="no session has measured anything yet"):
        summarise_all(told.ledger)


def test_the_plain_form_says_its_version_and_rounds_nothing(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0, 0.0)

    plain = summarise(told.ledger).to_dict()
    assert plain["schema_version"] == 1
    assert plain["rows"][0]["tasks"]["gsm8k"]["mean"] == 1 / 3
