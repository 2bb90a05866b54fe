import json
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion
from test_reports_speed_tables import example_of_speed
from test_reports_summary import Told, item_of, labels_of

from reports.answers.deployment import said
from reports.summarising import summarise
from reports.summary import Summary
from reports.tables import by_task, markdown, not_passed, ranking, text, what_it_took
from reports.wording.layout import NUMBER, TEXT, Column, Table, as_markdown, as_text, escaped, fenced
from reports.wording.words import duration, points, rate, runs, score_name, signed_points, spread, task_names
from thresholds.measurement import Item, Run
from thresholds.verdict import Outcome, not_measured

SMALL = Table("Small", [Column("name", TEXT), Column("value", NUMBER)], [["one", "1.0"], ["two", "20.0"]])


@pytest.fixture
def told() -> Told:
    return Told()


def example() -> Summary:
    """Two combinations over two tasks, and a third whose engine failed."""
    told = Told()
    for quantization, scores in {"none": (1.0, 1.0, 0.0, 1.0), "int8": (1.0, 0.0, 0.0, 1.0)}.items():
        told.ledger.record_engine(told.now, labels_of(quantization), {"seconds": 61.0})
        for number in (1, 2):
            items = [item_of(i, score) for i, score in enumerate(scores[number - 1 :])]
            told.run(quantization, number, items[:3], "demo_gsm8k", seconds=3700.0, engine_memory=3 * 2**30)
            told.run(quantization, number, items[1:3], "demo_arc", population=2)
        told.verdict(Outcome.PASS, quantization, "demo_gsm8k", required=0.4, headroom=0.0321)
    failed = not_measured("accuracy", labels_of("int4", "demo_gsm8k"), "engine_failed", "out of memory\nat layer 3")
    told.ledger.record_verdict(told.now, failed)
    return summarise(told.ledger)


def cell(table: Table, heading: str, row: int = 0) -> str:
    headings = [column.heading for column in table.columns]
    return table.rows[row][headings.index(heading)]


def test_the_text_report_reads_as_before(snapshot: SnapshotAssertion) -> None:
    assert text(example()) == snapshot


def test_the_markdown_report_reads_as_before(snapshot: SnapshotAssertion) -> None:
    assert markdown(example()) == snapshot


def test_the_plain_form_of_a_row_is_as_before(snapshot: SnapshotAssertion) -> None:
    assert json.dumps(example().to_dict()["rows"][0], indent=1) == snapshot


def test_the_text_report_on_speed_reads_as_before(snapshot: SnapshotAssertion) -> None:
    assert text(example_of_speed()) == snapshot


def test_the_markdown_report_on_speed_reads_as_before(snapshot: SnapshotAssertion) -> None:
    assert markdown(example_of_speed()) == snapshot


def test_the_ranking_says_who_ran_where_once_some_answered_through_an_api(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    headings = [column.heading for column in ranking(summarise(told.ledger)).columns]
    run = Run("m-api", "gsm8k", 1, "exact_match,flexible-extract", (item_of(0, 1.0), item_of(1, 1.0)), 4, 2.0)
    elsewhere = {"combination": "m-api", "model": "theirs", "engine": "remote"}
    told.ledger.record_run(told.now, run, {**labels_of("none", "gsm8k"), **elsewhere})

    table = ranking(summarise(told.ledger))

    assert "deployment" not in headings
    assert [cell(table, "deployment", row) for row in (0, 1)] == ["API", "local"]


def test_an_endpoint_whose_model_ran_here_too_is_both(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    run = Run("m-api", "gsm8k", 1, "exact_match,flexible-extract", (item_of(0, 1.0), item_of(1, 1.0)), 4, 2.0)
    told.ledger.record_run(told.now, run, {**labels_of("none", "gsm8k"), "combination": "m-api", "engine": "remote"})

    summary = summarise(told.ledger)

    assert [cell(ranking(summary), "deployment", row) for row in (0, 1)] == ["both", "local"]
    assert [said(row) for row in summary.rows] == ["open weights, through an API", "local"]


def test_retries_and_cost_are_shown_where_there_are_some(told: Told) -> None:
    told.run("none", 1, [item_of(0, 1.0)])
    headings = [column.heading for column in what_it_took(summarise(told.ledger)).columns]
    told.run("int4", 1, [item_of(0, 1.0)], retries=3, cost=0.01234)

    table = what_it_took(summarise(told.ledger))

    assert not {"retries", "cost"} & set(headings)
    assert sorted((cell(table, "retries", row), cell(table, "cost", row)) for row in (0, 1)) == [
        ("0", "—"),
        ("3", "0.012"),
    ]


def test_one_run_shows_a_dash_for_its_spread(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)

    assert cell(ranking(summarise(told.ledger)), "mean ± sd") == "50.0 ± —"
    assert cell(by_task(summarise(told.ledger)), "score ± sd") == "50.0 ± —"


def test_the_interval_of_one_run_is_marked_as_one_over_questions(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)

    assert cell(by_task(summarise(told.ledger)), "95% interval") == "5.5 to 94.5*"


def test_a_combination_without_runs_shows_dashes_and_no_zero() -> None:
    summary = example()

    shown = [*ranking(summary).rows[-1], *what_it_took(summary).rows[-1]]
    assert "0" not in shown
    assert "0.0" not in shown
    assert [cell(ranking(summary), heading, -1) for heading in ("rank", "gsm8k", "mean ± sd", "runs")] == ["—"] * 4


def test_a_mean_over_some_of_the_tasks_says_over_how_many(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("none", 1, 1.0, task="arc")
    told.scores("int8", 1, 1.0)

    assert cell(ranking(summarise(told.ledger)), "mean ± sd", 1) == "100.0 ± — (1 of 2 tasks)"


def test_earlier_runs_stand_beside_those_of_the_session(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.session("s2")
    told.scores("none", 2, 1.0)

    assert cell(ranking(summarise(told.ledger)), "runs") == "1 (+1 earlier)"


def test_combinations_that_differ_in_another_label_show_it(told: Told) -> None:
    told.scores("none", 1, 1.0)
    labels = {**labels_of("none"), "combination": "m-vllm-none-kv_fp8", "kv_cache": "fp8"}
    told.ledger.record_run(told.now, replace(run_like(), combination="m-vllm-none-kv_fp8"), labels)

    table = ranking(summarise(told.ledger))
    assert {cell(table, "kv cache", 0), cell(table, "kv cache", 1)} == {"fp8", "—"}
    assert cell(what_it_took(summarise(told.ledger)), "combination", 1) == "m-vllm-none-kv_fp8"


def run_like() -> Run:
    items: tuple[Item, ...] = (item_of(0, 1.0),)
    return Run("m-vllm-none", "gsm8k", 1, "exact_match,flexible-extract", items, 4, 2.0)


def test_a_task_column_for_cut_off_answers_appears_only_when_there_are_any(told: Told) -> None:
    told.scores("none", 1, 1.0)
    without = [column.heading for column in by_task(summarise(told.ledger)).columns]
    told.run("none", 2, [item_of(0, 0.0, finish_reasons=("length",))])

    assert "cut off" not in without
    assert cell(by_task(summarise(told.ledger)), "cut off") == "1"


def test_random_guesses_are_shown_where_answers_are_unparsed(told: Told) -> None:
    told.run("none", 1, [item_of(0, 0.0, unparsed=True, guess=0.1), item_of(1, 1.0)])

    assert cell(by_task(summarise(told.ledger)), "random guesses would add") == "+5.0 (1 unparsed)"


def test_a_strict_score_stands_beside_the_one_that_counts(told: Told) -> None:
    told.scores("none", 1, 1.0)

    assert cell(by_task(summarise(told.ledger)), "other scores") == "strict-match 0.0"


def test_the_lines_of_what_did_not_pass_are_told_without_control_characters(told: Told) -> None:
    told.ledger.record_verdict(told.now, not_measured("accuracy", labels_of("none"), "x", "red \x1b[31m\nsecond"))

    assert not_passed(summarise(told.ledger)) == [
        "accuracy/gsm8k of m-vllm-none: NOT_MEASURED (x) - red  [31m",
        "second",
    ]


def test_a_table_that_fits_stands_upright() -> None:
    assert as_text(SMALL, 80).splitlines()[2].split() == ["name", "value"]


def test_a_table_wider_than_the_terminal_is_laid_on_its_side() -> None:
    wide = Table("Wide", [Column(f"column {i}") for i in range(20)], [["1"] * 20])

    lines = as_text(wide, 40).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("column")] == [str(i) for i in range(20)]
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize("width", [None, 200, 80, 40, 10])
def test_no_width_loses_a_cell(width: int | None) -> None:
    table = by_task(example())

    shown = as_text(table, width)
    assert [one for row in table.rows for one in row if one not in shown] == []


def test_a_table_too_wide_on_its_side_shows_as_many_rows_as_there_is_room_for() -> None:
    wide = Table("Wide", [Column(f"column {i}") for i in range(20)], [[f"{row}" * 9] * 20 for row in range(5)])

    lines = as_text(wide, 40).splitlines()
    assert [line.split()[2:] for line in lines if line.startswith("column 0")] == [
        ["000000000", "111111111"],
        ["222222222", "333333333"],
        ["444444444"],
    ]


def test_rows_that_begin_alike_stay_together_where_even_their_part_is_too_wide() -> None:
    columns = [Column("who", TEXT), Column("what"), Column("x" * 30)]
    table = Table("Parts", columns, [[who * 9, "1", "2"] for who in "aaabbb"])

    assert as_text(table, 39).count("who: ") == 2


def test_many_rows_that_begin_alike_are_shown_in_parts() -> None:
    table = Table(
        "Parts", [Column("who", TEXT), Column("what"), Column("x" * 30)], [[w * 9, "1", "2"] for w in "aaaabbbb"]
    )

    assert as_text(table, 40).count("who: ") == 2


def test_pipes_newlines_and_markup_in_names_stay_one_markdown_cell() -> None:
    table = Table("Names", [Column("name", TEXT)], [["a|b\nc\\|d <b>*x*</b> 🦉"]])

    line = as_markdown(table).splitlines()[-1]
    assert line == r"| a\|b c\\\|d &lt;b>\*x\*&lt;/b> 🦉 |"


def test_control_characters_never_reach_a_terminal() -> None:
    assert "\x1b" not in as_text(Table("T", [Column("name", TEXT)], [["\x1b[2Jgone"]]))


def test_a_code_block_is_fenced_longer_than_any_fence_in_it() -> None:
    assert fenced(["a ```` b"]).splitlines()[0] == "`````text"
    assert escaped("a`b") == r"a\`b"


def test_a_rank_shows_the_places_among_which_it_cannot_be_told_apart(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0, 0.0)
    told.scores("int8", 1, 1.0, 0.0, 0.0)

    table = ranking(summarise(told.ledger))
    assert [cell(table, "rank", row) for row in (0, 1)] == ["1 (1-2)", "2 (1-2)"]
    assert any(note.startswith("Rank 1 (1-2): 1 by the mean, 1 to 2 by what can be told apart") for note in table.notes)


def test_a_rank_that_is_sure_stands_alone(told: Told) -> None:
    told.scores("none", 1, *[1.0] * 40)
    told.scores("int8", 1, *[0.0] * 40)

    table = ranking(summarise(told.ledger))
    assert [cell(table, "rank", row) for row in (0, 1)] == ["1", "2"]
    assert "Every two are told apart (5 % over all pairs together; Holm)." in table.notes


def test_a_single_combination_has_a_rank_and_no_word_about_ties(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)

    table = ranking(summarise(told.ledger))
    assert cell(table, "rank") == "1"
    assert not any("told apart" in note for note in table.notes)


def test_combinations_that_were_asked_other_questions_are_named(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0, 1.0)
    told.run("int8", 1, [item_of(i, 0.0) for i in range(10, 13)])

    assert "By their own errors where questions differ: m none, m int8." in ranking(summarise(told.ledger)).notes


def test_a_combination_that_lacks_a_task_is_said_not_to_be_compared(told: Told) -> None:
    for quantization in ("none", "int8"):
        told.scores(quantization, 1, 1.0, 0.0)
        told.scores(quantization, 1, 1.0, 0.0, task="arc")
    told.scores("int4", 1, 1.0, 1.0)

    table = ranking(summarise(told.ledger))
    assert "Those that lack a task rank last and are not compared." in table.notes
    assert cell(table, "rank", 2) == "3"


def test_a_score_that_stopped_early_is_marked_in_both_tables(told: Told) -> None:
    labels = {**labels_of("none"), "spend": "least"}
    items = tuple(item_of(i, 1.0) for i in range(3))
    run = Run("m-vllm-none", "gsm8k", 1, "exact_match,flexible-extract", items, 1319, 2.0)
    told.ledger.record_run(told.now, run, labels)

    summary = summarise(told.ledger)
    assert cell(ranking(summary), "gsm8k") == "100.0 †"
    assert cell(by_task(summary), "score ± sd") == "100.0 ± — †"
    assert cell(by_task(summary), "questions") == "3 of 1,319"
    assert all(any(note.startswith("†: stopped as soon as") for note in t(summary).notes) for t in (ranking, by_task))


def test_a_score_that_needed_all_questions_is_not_marked(told: Told) -> None:
    items = tuple(item_of(i, 1.0) for i in range(3))
    run = Run("m-vllm-none", "gsm8k", 1, "exact_match,flexible-extract", items, 3, 2.0)
    told.ledger.record_run(told.now, run, {**labels_of("none"), "spend": "least"})

    table = ranking(summarise(told.ledger))
    assert cell(table, "gsm8k") == "100.0"
    assert [column.heading for column in table.columns if column.heading == "spend"] == []


def test_numbers_are_rounded_when_they_are_shown() -> None:
    assert points(0.5449) == "54.5"
    assert spread(0.612, None) == "61.2 ± —"
    assert signed_points(-0.00001) == "+0.0"
    assert [rate(None), rate(0.00812), rate(12.34), rate(1234.5)] == ["—", "0.0081", "12.3", "1,234"]
    assert [duration(None), duration(65.4), duration(3725)] == ["—", "1:05", "1:02:05"]
    assert [runs(0, 0), runs(2, 0), runs(2, 4)] == ["—", "2", "2 (+4 earlier)"]


def test_task_names_lose_what_all_of_them_share() -> None:
    long = ["embedded_gsm8k", "embedded_mmlu_pro_computer_science"]

    assert list(task_names(long).values()) == ["gsm8k", "mmlu_pro_cs"]
    assert list(task_names(["gsm8k"]).values()) == ["gsm8k"]
    assert list(task_names(["arc", "arc_easy"]).values()) == ["arc", "arc_easy"]


def test_names_that_would_become_equal_stay_long() -> None:
    both = ["mmlu_pro_cs", "mmlu_pro_computer_science"]

    assert len(set(task_names(both).values())) == 2


def test_another_score_is_named_by_what_differs() -> None:
    assert score_name("exact_match,strict-match", "exact_match,flexible-extract") == "strict-match"
    assert score_name("acc,none", "acc_norm,none") == "acc"
    assert score_name("f1,strict", "exact_match,none") == "f1 strict"
