"""The tables of drafts, from sessions of ours and from published studies."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from reports.drafts.published import published_drafts
from reports.drafts.rows import Drafts, drafts
from reports.drafts.tables import answers_table, draft_tables, speed_table
from reports.ledger import RecordedLoad
from reports.published.studies import read_study
from reports.wording.layout import Table, as_text
from thresholds.acceptance import Acceptance, Sums
from thresholds.speed import LoadRun
from thresholds.verdict import Outcome, Verdict

TARGET = "smol-vllm-unquantized"
CODER, QWQ_8, QWQ_4 = "Qwen2.5-Coder-32B-Instruct 8.0bpw", "QwQ-32B-Preview 8.0bpw", "QwQ-32B-Preview 4.25bpw"
SMALL = "Qwen2.5-Coder-0.5B-Instruct"


def labels(draft: str, **more: Any) -> dict[str, Any]:
    combination = TARGET if draft == "none" else f"{TARGET}-draft_{draft}"
    return {"combination": combination, "model": "smol", "draft": draft, "against": TARGET, **more}


def acceptance(accepted: float, **more: Any) -> dict[str, Any]:
    steps = Sums.over([(5 * (1 + accepted) - 1, 5.0), (5 * (1 + accepted) + 1, 5.0)])
    at = (8.0, 4.0, 2.0, 0.0)
    return Acceptance(10.0, 40.0, 10 * accepted, at, round(12 + 10 * accepted), 12, steps, **more).plain()


def load(draft: str, number: int, rate: float, workload: str = "chat", streams: int = 1) -> RecordedLoad:
    details: dict[str, Any] = {"streams": streams}
    values = {"output_tokens_per_second": rate}
    if draft != "none":
        details["acceptance"] = acceptance(1.4)
        values["acceptance_length"] = 2.4
    told = labels(draft, workload=workload)
    run = LoadRun(told["combination"], workload, number, "d", 1.0, 8, {}, values, details=details)
    return RecordedLoad("s1", told, run)


def in_turns(draft: str, pairs: Sequence[tuple[float, float]], **more: Any) -> Iterator[RecordedLoad]:
    for number, (after, before) in enumerate(pairs, 1):
        yield load(draft, number, after, **more)
        yield load("none", number, before, **more)


def verdict(metric: str, draft: str = "ngram", outcome: str = "PASS", **more: Any) -> Verdict:
    about = {name: more.pop(name) for name in ("task", "workload") if name in more}
    return Verdict(Outcome(outcome), "", metric, labels(draft, **about), ("",), **more)


@pytest.fixture
def measured() -> Drafts:
    """A lookup that gains alone and loses under load, and a draft model that gains at both."""
    loads = [
        *in_turns("ngram", [(160, 100), (164, 100), (156, 100)]),
        *in_turns("ngram", [(320, 400), (324, 400), (316, 400)], workload="busy", streams=16),
        *in_turns("small", [(120, 100), (122, 100), (118, 100)]),
        *in_turns("small", [(440, 400), (444, 400), (436, 400)], workload="busy", streams=16),
    ]
    counts = {"answers": 200, "same": 190, "near_ties": 9, "defects": 1, "unknown": 0}
    verdicts = [
        verdict("acceptance_length", workload="chat", details={"predicted": 2.4, "cost": 0.0}),
        verdict("output_tokens_per_second", workload="chat"),
        verdict("output_tokens_per_second", workload="busy", outcome="FAIL"),
        verdict("accuracy_difference", task="gsm8k", measured=0.02, low=-0.01, high=0.05),
        verdict("draft_defects", task="gsm8k", outcome="FAIL", details=counts),
    ]
    return drafts(loads, verdicts)


def cell(table: Table, column: str, **where: str) -> str:
    names = [one.heading for one in table.columns]
    (row,) = [row for row in table.rows if all(row[names.index(name)] == value for name, value in where.items())]
    return row[names.index(column)]


def test_the_speed_up_is_that_of_runs_that_followed_each_other(measured: Drafts) -> None:
    (row,) = [one for one in measured.speeds if (one.draft, one.load) == ("ngram", "chat")]

    assert (row.speed_up, row.spread) == (pytest.approx(1.6), pytest.approx((1.56, 1.64)))
    assert row.span is not None
    assert row.span[0] < 1.56


def test_break_even_is_named_for_each_draft(measured: Drafts) -> None:
    notes = speed_table(measured).notes

    assert "Break-even of ngram: about 8.0 streams (gains below, loses above)." in notes
    assert "Break-even of small: not below 16 streams, the most that were measured: it gains at every load." in notes


def test_what_names_of_loads_leave_out_is_said() -> None:
    loads = [*in_turns("ngram", [(2, 1)], workload="own_chat_1"), *in_turns("ngram", [(2, 1)], workload="own_chat_8")]

    table = speed_table(drafts(loads, []))

    assert [row[1] for row in table.rows] == ["1", "8"]
    assert "Load names are shown without own_chat_ at their beginning." in table.notes


def test_acceptance_and_the_prediction_stand_beside_the_speed_up(measured: Drafts) -> None:
    table = speed_table(measured)

    assert cell(table, "acceptance length", draft="ngram", load="chat") == "2.40"
    assert cell(table, "predicted", draft="ngram", load="chat") == "2.40"
    assert cell(table, "by position", draft="ngram", load="chat") == "80%, 40%, 20%, 0%"
    assert cell(table, "verdict", draft="ngram", load="chat") == "PASS"


def test_what_answers_do_not_say_is_made_out_from_events_and_marked(measured: Drafts) -> None:
    table = speed_table(measured)

    assert cell(table, "counted", draft="ngram", load="chat") == "~42 = server"
    assert any(note.startswith("~: answers say nothing of their drafts") for note in table.notes)
    assert "length by request" not in [column.heading for column in table.columns]


@pytest.mark.parametrize(("forgotten", "said"), [(0.0, "14 = server"), (1.0, "13, server 14")])
def test_what_answers_say_stands_beside_the_servers_counters_to_the_token(forgotten: float, said: str) -> None:
    loads = list(in_turns("ngram", [(160, 100)]))
    answers = {"answers": Sums.over([(8.0, 5.0), (6.0 - forgotten, 5.0)]), "positions": (Sums.over([(8.0, 10.0)]),)}
    loads[0].run.details["acceptance"] = acceptance(1.4, **answers)  # type: ignore[index]

    table = speed_table(drafts(loads, []))

    assert cell(table, "counted", draft="ngram") == said
    assert cell(table, "by position", draft="ngram") == "80%"
    assert " to " in cell(table, "length by request", draft="ngram")


def test_the_prediction_leaves_the_time_to_the_first_token_alone() -> None:
    """A third of the time before the first token, 2.4 tokens a step for the rest: 1 / (1 / 3 + 2 / 3 / 2.4)."""
    loads = list(in_turns("ngram", [(160, 100)]))
    timed = {**loads[1].run.values, "time_to_first_token.mean": 0.1, "request_latency.mean": 0.3}
    loads[1] = RecordedLoad("s1", loads[1].labels, LoadRun(**{**loads[1].run.to_dict(), "values": timed}))

    (row,) = drafts(loads, [verdict("acceptance_length", workload="chat", details={"cost": 0.0})]).speeds

    assert row.predicted == pytest.approx(1 / (1 / 3 + 2 / 3 / 2.4))


def test_changed_answers_and_accuracy_are_told_by_task(measured: Drafts) -> None:
    table = answers_table(measured.answers)

    assert [cell(table, name, draft="ngram") for name in ("answers", "near-ties", "defects")] == ["200", "9", "1"]
    assert cell(table, "accuracy", draft="ngram") == "+2.0"
    assert cell(table, "verdict", draft="ngram") == "accuracy PASS, changed answers FAIL"


def test_a_draft_that_seems_to_improve_accuracy_is_called_noise_until_it_is_shown(measured: Drafts) -> None:
    assert cell(answers_table(measured.answers), "told apart", draft="ngram") == "no: noise until shown"


def test_a_draft_that_could_not_be_measured_is_listed_with_its_verdict() -> None:
    found = drafts([], [verdict("acceptance_length", workload="chat", outcome="NOT_MEASURED")])

    (row,) = found.speeds
    assert (row.speed_up, row.outcomes) == (None, {"acceptance_length": "NOT_MEASURED"})
    assert as_text(speed_table(found)).count("NOT_MEASURED") == 1


def test_upgrades_and_loads_without_a_draft_are_no_drafts() -> None:
    other = Verdict(Outcome.PASS, "", "accuracy_difference", {**labels("ngram", task="t"), "against": "old"}, ("",))
    plain = Verdict(Outcome.PASS, "", "accuracy_difference", labels("none", task="t"), ("",))

    assert drafts([load("none", 1, 100.0)], [other, plain]) == Drafts()
    assert draft_tables(Drafts()) == []


def test_a_run_that_is_not_valid_counts_nowhere() -> None:
    good = list(in_turns("ngram", [(150, 100), (150, 100)]))
    bad = RecordedLoad("s1", good[2].labels, LoadRun(**{**good[2].run.to_dict(), "invalid": ("late", "it was")}))

    (row,) = drafts([*good[:2], bad, good[3]], []).speeds

    assert row.after == (150.0,)


def changed(load: RecordedLoad, **more: Any) -> RecordedLoad:
    return RecordedLoad(load.session, load.labels, LoadRun(**{**load.run.to_dict(), **more}))


def test_a_draft_whose_target_has_no_valid_run_is_listed_with_its_verdict_all_the_same() -> None:
    drafted, plain = in_turns("ngram", [(150, 100)])
    loads = [drafted, changed(plain, invalid=("late", "it was"))]

    (row,) = drafts(loads, [verdict("speed", workload="chat", outcome="NOT_MEASURED")]).speeds

    assert (row.speed_up, row.length, row.outcomes) == (None, 2.4, {"speed": "NOT_MEASURED"})


def test_a_load_that_asks_something_else_by_the_same_name_does_not_count_with_the_last() -> None:
    earlier = [changed(one, digest="another") for one in in_turns("ngram", [(300, 100)])]

    (row,) = drafts([*earlier, *in_turns("ngram", [(150, 100)])], []).speeds

    assert row.after == (150.0,)


def test_a_draft_beside_another_quantization_is_no_speed_up_of_the_draft() -> None:
    """A rule of `compare:` may hold anything against anything."""
    loads = [
        replace(one, labels={**one.labels, "against": f"{TARGET}-w8a8"}) for one in in_turns("ngram", [(150, 100)])
    ]
    other = changed(loads[1], combination=f"{TARGET}-w8a8")

    assert drafts([loads[0], other], []).speeds == ()


@pytest.fixture(scope="module")
def published() -> Drafts:
    return published_drafts(read_study("mmlu-pro-cs-2024"))


def gain(found: Drafts, target: str, draft: str) -> Any:
    (row,) = [one for one in found.speeds if (one.target, one.draft) == (target, draft)]
    return row


def test_the_small_draft_of_the_coder_gains_three_quarters_with_its_spread_over_runs(published: Drafts) -> None:
    row = gain(published, CODER, SMALL)

    assert (row.before, sorted(row.after)) == ((24.86,), [43.26, 43.76])
    assert row.spread == pytest.approx((43.26 / 24.86, 43.76 / 24.86))
    assert row.span is None  # a single run without a draft


@pytest.mark.parametrize(("target", "speed_up", "low", "high"), [(QWQ_8, 1.61, 1.53, 1.69), (QWQ_4, 1.23, 1.18, 1.3)])
def test_the_same_draft_gains_less_on_qwq_the_fewer_its_bits(
    published: Drafts, target: str, speed_up: float, low: float, high: float
) -> None:
    row = gain(published, target, SMALL)

    assert row.speed_up == pytest.approx(speed_up, abs=0.005)
    assert row.span == pytest.approx((low, high), abs=0.01)


def test_larger_drafts_gain_less(published: Drafts) -> None:
    gains = [row for row in published.speeds if row.target == CODER]

    assert [row.draft.split("-")[2] for row in gains] == ["0.5B", "3B", "7B"]
    assert all(one.spread[0] > other.spread[1] for one, other in pairwise(gains) if one.spread)


def test_no_draft_of_the_study_is_told_apart_in_accuracy(published: Drafts) -> None:
    assert len(published.answers) == 5
    assert {row.told_apart for row in published.answers} == {False}
    assert cell(answers_table(published.answers), "told apart", target=QWQ_8) == "no: noise until shown"


def test_a_study_has_the_same_table_without_what_it_does_not_tell(published: Drafts) -> None:
    table = speed_table(published)

    assert cell(table, "with", target=CODER, draft=SMALL) == "43.5 ± 0.4"
    assert "acceptance length" not in [column.heading for column in table.columns]
