"""Published results as a Summary: the same tables, and observations that state what their authors concluded."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion
from test_observations import kinds, of_kind, said
from test_reports_tables import cell

from reports.answers.leaderboard import leaderboard
from reports.answers.ranking import ranking
from reports.answers.task_table import by_model
from reports.published.studies import read_study
from reports.published.summary import summary_of
from reports.summary import Summary
from reports.tables import markdown, text

QWEN, LLAMA, GPT = "qwen3-235b", "llama4-scout-17b-16e", "gpt-oss-120b"
CLAUDE, QWQ = "claude-3-5-sonnet-20241022", "QwQ-32B-Preview 8.0bpw 16K"


@pytest.fixture(scope="module")
def many() -> Summary:
    return summary_of(read_study("mmlu-pro-cs-2024"))


@pytest.fixture(scope="module")
def three() -> Summary:
    return summary_of(read_study("three-model-study"))


def test_all_59_runs_of_25_configurations_are_there(many: Summary) -> None:
    assert (len(many.runs), len(many.rows)) == (59, 25)
    assert many.source is not None
    assert many.source.authors == "Wolfram Ravenwolf"
    assert many.runs[0].correct == 340
    assert (many.runs[0].mark, many.runs[0].reference) == ("~=", 0.8244)
    assert many.measured


def test_a_summary_of_a_study_is_plain(many: Summary, three: Summary) -> None:
    for summary in (many, three):
        plain = json.loads(json.dumps(summary.to_dict()))
        assert plain["source"]["name"] == summary.source.name if summary.source else None
        assert plain["sessions"] == []


def test_what_a_study_does_not_state_is_unknown(three: Summary) -> None:
    run = three.runs[0]

    assert (run.number, run.of, run.questions, run.seconds, run.guesses) == (None,) * 5
    assert run.completion_tokens_per_second == 1550
    assert three.rows[0].tasks["gsm8k"].low is None


def test_the_speed_of_a_configuration_is_that_of_all_its_tokens(many: Summary) -> None:
    claude = next(row for row in many.rows if row.combination == CLAUDE)

    assert claude.output_tokens_per_second == pytest.approx((97438 + 97314) / (97438 / 50.90 + 97314 / 51.12))
    assert claude.prompt_tokens == 2 * 694458


def test_where_a_model_ran_is_told_by_its_gpu_and_its_weights(many: Summary) -> None:
    places = {row.combination: row.labels["deployment"] for row in many.rows}

    assert (places[CLAUDE], places[QWQ], places["Llama-3.1-70B-Instruct"]) == ("API", "local", "both")


def test_the_front_of_three_models_leaves_llama_out(three: Summary) -> None:
    assert three.front.members == (QWEN, GPT)
    assert three.front.dominated == {LLAMA: QWEN}


def test_qwen3_is_best_on_4_of_5_tasks(three: Summary) -> None:
    told = said(three, "best_overall")

    assert told.startswith(f"{QWEN} has the highest mean over 5 tasks: 72.2, 3.1 points above {LLAMA}.")
    assert "highest score on 4 of 5 tasks: arc_challenge, hellaswag, truthfulqa_mc2 and winogrande" in told
    assert told.endswith("The source gives no interval: a plain comparison.")
    assert [one.about[0] for one in of_kind(three, "best_of_task")] == [QWEN, LLAMA, QWEN, QWEN, QWEN]


def test_llama_is_dominated_by_qwen3_in_aggregate_though_it_leads_gsm8k(three: Summary) -> None:
    assert said(three, "dominated") == (
        f"{LLAMA} is Pareto-dominated by {QWEN} in aggregate: {QWEN} scores 3.1 points higher (72.2 against 69.1) at"
        " 2.04 times the speed (1,550 against 760 tokens/s). Even so it is ahead on gsm8k (80.0 against 79.0)."
        " The source gives no interval: a plain comparison."
    )


def test_gpt_is_fastest_and_weakest_on_gsm8k(three: Summary) -> None:
    told = said(three, "fastest")

    assert told.startswith(f"{GPT} is the fastest: 1.97 times the speed (3,050 against 1,550 tokens/s) of {QWEN}.")
    assert "17.7 points lower, the lowest of all. Its weakest task is gsm8k: 33.0, 47.0 points below" in told
    assert said(three, "largest_gap").startswith("The largest gap is on gsm8k: 47.0 points between")


def test_the_three_most_important_of_three_models_are_what_its_authors_concluded(three: Summary) -> None:
    assert kinds(three)[:3] == ["best_overall", "dominated", "fastest"]


def test_each_of_three_models_has_the_use_that_its_authors_recommend(three: Summary) -> None:
    first, second, third = (one.text for one in of_kind(three, "recommended"))

    assert first.startswith(f"Use {QWEN} where answers count most")
    assert second.startswith(f"Use {LLAMA} for gsm8k alone: 80.0")
    assert third.startswith(f"Use {GPT} where speed counts most")


def test_claude_is_first_and_qwq_the_best_that_runs_locally(many: Summary) -> None:
    assert kinds(many)[:3] == ["best_overall", "best_local", "draft"]
    first, local, _ = (one.text for one in many.observations[:3])

    assert first.startswith(
        f"{CLAUDE} has the highest score: 82.7 (95% interval 78.7 to 86.1), 2.0 points (95% interval"
    )
    assert "not told apart) above gemini-1.5-pro-002" in first
    assert "from the next 14, down to gpt-4o-2024-11-20 (72.0)" in first
    assert local.startswith(f"{QWQ} is the best that runs locally: 79.1 (95% interval 74.9 to 82.8)")
    assert f"{CLAUDE} is 3.5 points (95% interval -1.9 to +8.9; not told apart) better" in local


def test_the_draft_changed_the_speed_and_no_answers(many: Summary) -> None:
    (found,) = of_kind(many, "draft")

    assert "1.61 times (QwQ-32B-Preview 8.0bpw)" in found.text
    assert "1.75 times (Qwen2.5-Coder-32B-Instruct 8.0bpw)" in found.text
    assert (
        "no change of answers is shown (the largest: +3.0 points, 95% interval -3.3 to +9.4; not told apart)"
        in found.text
    )
    assert "A higher score with a draft is noise until shown" in found.text
    assert "draft_changed_answers" not in kinds(many)


def test_the_same_small_draft_at_8_bits_gave_1_6_to_1_8_times_the_speed(many: Summary) -> None:
    ratios = [
        one.speed.value
        for one in many.changes
        if one.setting == "draft" and "8.0bpw" in one.subject and "0.5B" in one.after and one.speed
    ]

    assert ratios == [pytest.approx(1.6, abs=0.2), pytest.approx(1.75, abs=0.05)]
    assert len(of_kind(many, "each_draft")) == 5


def test_speeds_with_and_without_a_draft_are_not_mixed_in_other_changes(many: Summary) -> None:
    speeds = {(one.subject, one.after): one.speed for one in many.changes if one.setting == "max_tokens"}

    room = speeds["QwQ-32B-Preview 8.0bpw", "16K"]
    assert room is not None
    assert (room.before, room.after) == (pytest.approx((42.44 + 43.06) / 2), pytest.approx((44.22 + 46.29) / 2))
    assert speeds["QwQ-32B-Preview 3.0bpw", "8K"] is None  # one had a draft, the other none


def test_the_cost_of_quants_has_its_interval(many: Summary) -> None:
    told = of_kind(many, "quantization")[0].text

    assert told.startswith(
        "QwQ-32B-Preview: 3.0bpw instead of 8.0bpw costs 11.2 points (change: 95% interval -17.7 to -4.6)"
    )
    assert told.endswith("in 21.1 instead of 37.6 GiB.")


def test_the_effect_of_more_room_for_tokens_is_told(many: Summary) -> None:
    told = [one.text for one in of_kind(many, "max_tokens")]

    assert told[0].startswith("QwQ-32B-Preview 8.0bpw: max_tokens 16K instead of 2K changed the score by +2.9 points")


def test_unstable_runs_of_the_study_are_named(many: Summary) -> None:
    assert "The 2 runs of Mistral-Large-Instruct-2411 2.75bpw lie between 59.3 and 65.1" in said(many, "unstable")


def test_the_ranking_of_the_study_shows_what_lies_between_each_and_the_best(many: Summary) -> None:
    table = ranking(many)

    assert (cell(table, "rank"), cell(table, "combination"), cell(table, "mean ± sd")) == (
        "1 (1-15)",
        CLAUDE,
        "82.7 ± 0.3",
    )
    assert cell(table, "behind the best", 1) == "-2.0 (-7.6 to +3.7) ~"
    assert cell(table, "behind the best", 24) == "-23.9 (-30.0 to -17.8)"


def test_tasks_by_model_mark_the_best_of_each(three: Summary) -> None:
    table = by_model(three)

    assert [cell(table, QWEN, row) for row in range(5)] == ["63.5 *", "79.0", "82.5 *", "56.9 *", "79.0 *"]
    assert [cell(table, name, 6) for name in (GPT, QWEN)] == ["3,050 *", "1,550"]


def test_the_leaderboard_has_a_line_for_each_run_below_that_of_its_configuration(many: Summary) -> None:
    table = leaderboard(many)

    assert len(table.rows) == 25 + 59
    assert [cell(table, "model, run", row) for row in range(3)] == [CLAUDE, "· 1/2", "· 2/2"]
    assert (cell(table, "score %", 1), cell(table, "correct", 1), cell(table, "published %", 1)) == (
        "82.93",
        "340/410",
        "~= 82.44",
    )


def test_the_report_on_three_models_reads_as_before(three: Summary, snapshot: SnapshotAssertion) -> None:
    assert text(three, 100) == snapshot


def test_the_markdown_on_three_models_reads_as_before(three: Summary, snapshot: SnapshotAssertion) -> None:
    assert markdown(three) == snapshot


def test_the_observations_on_many_models_read_as_before(many: Summary, snapshot: SnapshotAssertion) -> None:
    assert [f"{one.kind}: {one.text}" for one in many.observations] == snapshot


def test_the_plain_form_of_the_new_parts_is_as_before(
    three: Summary, many: Summary, snapshot: SnapshotAssertion
) -> None:
    plain, more = three.to_dict(), many.to_dict()

    told = {
        "runs": plain["runs"][:1],
        "observations": plain["observations"][:2],
        "front": plain["front"],
        "gaps": plain["gaps"][:2],
        "source": plain["source"],
        "changes": more["changes"][:1],
    }
    assert told["changes"][0]["speed"].pop("p_value") < 1e-9
    assert json.dumps(told, indent=1, ensure_ascii=False) == snapshot
