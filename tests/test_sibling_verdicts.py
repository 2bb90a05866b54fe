"""A draft or a quant beside its sibling without one is no upgrade: each has a table of its own."""

from typing import Any

import pytest
from test_quants import cells, quants

from reports.drafts.rows import drafts
from reports.quants.tables import quants_table
from reports.upgrades import upgrade_rows
from thresholds.verdict import Outcome, Verdict


def verdict(metric: str, beside: str | None = None, outcome: Outcome = Outcome.PASS, **labels: Any) -> Verdict:
    usual = {"combination": "m-draft_ngram", "draft": "ngram", "against": "m", "task": "gsm8k"}
    details = {} if beside is None else {"beside": beside}
    return Verdict(
        outcome, "", metric, {**usual, **labels}, ("",), measured=0.01, low=-0.01, high=0.02, details=details
    )


def test_a_draft_against_a_baseline_of_the_command_line_is_an_upgrade() -> None:
    assert [row.metric for row in upgrade_rows([verdict("accuracy_difference")])] == ["accuracy_difference"]


@pytest.mark.parametrize(
    "one",
    [verdict("accuracy_difference", "undrafted"), verdict("output_tokens", "unquantized"), verdict("cut_off")],
    ids=lambda one: one.metric,
)
def test_a_sibling_is_no_upgrade(one: Verdict) -> None:
    assert upgrade_rows([one]) == ()


def test_the_accuracy_of_a_draft_is_in_the_table_of_drafts_alone() -> None:
    told = [verdict("accuracy_difference", "undrafted")]

    assert [(row.draft, row.change) for row in drafts([], told).answers] == [("ngram", 0.01)]
    assert upgrade_rows(told) == ()


def of_quant(metric: str, outcome: Outcome = Outcome.PASS, **labels: Any) -> Verdict:
    usual = {"combination": "w8a8", "against": "none", "draft": "none", "task": "all tasks"}
    return verdict(metric, "unquantized", outcome, **{**usual, **labels})


def test_the_gates_of_a_quant_are_one_word_where_all_pass() -> None:
    session = quants()
    session.verdicts += [of_quant("accuracy_difference", task="gsm8k"), of_quant("output_tokens")]

    assert cells(quants_table(session.quants), "w8a8")["verdict"] == "PASS"
    assert cells(quants_table(session.quants), "none")["verdict"] == "—"


def test_gates_of_a_quant_that_did_not_pass_are_named() -> None:
    session = quants()
    session.verdicts += [
        of_quant("accuracy_difference", Outcome.FAIL, task="gsm8k"),
        of_quant("accuracy_difference", Outcome.INCONCLUSIVE),
        of_quant("output_tokens"),
        of_quant("time_to_first_token", Outcome.FAIL, task=None, workload="chat", statistic="p50"),
    ]

    said = "accuracy gsm8k FAIL, accuracy of all tasks INCONCLUSIVE, time_to_first_token.p50 chat FAIL"
    assert cells(quants_table(session.quants), "w8a8")["verdict"] == said


def test_what_is_no_gate_of_quants_is_no_verdict_on_one() -> None:
    session = quants()
    session.verdicts += [verdict("accuracy_difference", combination="w8a8", against="none")]

    assert "verdict" not in cells(quants_table(session.quants), "w8a8")
