"""What the leaderboard and the observations rest on: runs, the front, differences of two, and speeds."""

import pytest
from test_observations import Campaign
from test_reports_summary import Told, item_of

from reports.answers.differences import over_tasks, unpaired
from reports.answers.front import front
from reports.answers.run_rows import RunRow
from reports.answers.speeds import alike, ratio, speeds, speeds_apart
from reports.summarising import summarise, summarise_all


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


@pytest.fixture
def told() -> Told:
    return Told()


def run_row(task: str = "t", tokens: int | None = 100, rate: float | None = 10.0, **labels: str) -> RunRow:
    unknown = dict.fromkeys(
        ("session", "number", "of", "seconds", "correct", "questions", "score", "guesses", "correct_guesses")
    )
    more = dict.fromkeys(("prompt_tokens", "prompt_tokens_per_second", "cut_off"))
    return RunRow(
        "c", task, **unknown, **more, completion_tokens=tokens, completion_tokens_per_second=rate, labels=labels
    )


def test_a_run_counts_what_it_answered_and_leaves_out_what_failed(told: Told) -> None:
    told.run("none", 1, [item_of(0, 1.0), item_of(1, 0.0), item_of(2, 0.0, failed="timeout", scores={})])

    (run,) = summarise(told.ledger).runs
    assert (run.correct, run.questions, run.score) == (1.0, 2, 0.5)
    assert (run.prompt_tokens, run.completion_tokens, run.completion_tokens_per_second) == (200, 20, 10.0)


def test_a_run_has_its_number_and_how_many_there_are_so_far(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.session("s2")
    told.scores("none", 2, 1.0)

    assert [(run.session, run.number, run.of) for run in summarise(told.ledger).runs] == [("s2", 2, 2)]
    assert [(run.session, run.number, run.of) for run in summarise_all(told.ledger).runs] == [
        ("s1", 1, 2),
        ("s2", 2, 2),
    ]


def test_a_run_says_how_many_unread_answers_a_random_guess_would_get_right(told: Told) -> None:
    told.run("none", 1, [item_of(0, 0.0, unparsed=True, guess=0.25), item_of(1, 0.0, unparsed=True, guess=0.1)])
    told.run("int8", 1, [item_of(0, 0.0, unparsed=True)])

    runs = {run.combination: run for run in summarise(told.ledger).runs}
    assert (runs["m-vllm-none"].guesses, runs["m-vllm-none"].correct_guesses) == (2, pytest.approx(0.35))
    assert (runs["m-vllm-int8"].guesses, runs["m-vllm-int8"].correct_guesses) == (1, None)


def test_a_run_from_the_journal_has_no_speed(told: Told) -> None:
    told.run("none", 1, [item_of(0, 1.0)], replayed=1)

    (run,) = summarise(told.ledger).runs
    assert (run.completion_tokens, run.completion_tokens_per_second) == (10, None)


def test_a_run_tells_what_its_engine_loaded(told: Told) -> None:
    loaded = {"model": "/cache/models/smol/w8a8", "quantization": "compressed-tensors", "dtype": "torch.bfloat16"}
    description = {"engine_version": "vllm 1.0", "hardware": "2 x CPU", "loaded": loaded}
    told.ledger.record_engine(told.now, {"combination": "m-vllm-int8"}, description)
    told.scores("int8", 1, 1.0)

    (run,) = summarise(told.ledger).runs
    assert run.labels == {
        "weights": "smol/w8a8",
        "draft": "none",
        "format": "compressed-tensors",
        "engine": "vllm 1.0",
        "hardware": "2 x CPU",
    }


def test_runs_of_other_questions_are_no_lines(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0)
    told.scores("none", 2, 1.0)

    assert [run.number for run in summarise(told.ledger).runs] == [2]


def test_the_front_holds_whom_nobody_beats_in_both_and_names_who_beats_the_others(campaign: Campaign) -> None:
    for model, right, speed in (("slow", 300, 5.0), ("quick", 200, 20.0), ("both", 310, 10.0), ("poor", 100, 10.0)):
        campaign.asked(model, right, speed=speed)
    found = front(campaign.summary().rows)

    assert [name.partition("-")[0] for name in found.members] == ["both", "quick"]
    assert {one.partition("-")[0]: by.partition("-")[0] for one, by in found.dominated.items()} == {
        "slow": "both",
        "poor": "both",
    }


def test_only_whom_one_beats_that_is_told_apart_is_shown_to_be_beaten(campaign: Campaign) -> None:
    for model, right, speed in (("good", 300, 10.0), ("near", 299, 9.9), ("slow", 299, 5.0), ("poor", 100, 9.9)):
        campaign.asked(model, right, right, speed=speed)

    found = campaign.summary().front
    assert sorted(found.dominated) == [f"{name}-vllm-none-none" for name in ("near", "poor", "slow")]
    assert found.shown == {f"{name}-vllm-none-none": "good-vllm-none-none" for name in ("slow", "poor")}


def test_one_that_lacks_a_task_leaves_the_speeds_of_the_others_compared(campaign: Campaign) -> None:
    for model, speed in (("good", 20.0), ("slow", 10.0)):
        for task in ("gsm8k", "arc"):
            campaign.asked(model, 300, 300, task=task, speed=speed)
    campaign.asked("half", 300, 300, speed=15.0)

    names = [f"{model}-vllm-none-none" for model in ("good", "slow")]
    assert speeds_apart(campaign.summary().runs) == {(names[0], names[1]): True, (names[1], names[0]): True}


def test_equal_ones_do_not_beat_each_other(campaign: Campaign) -> None:
    campaign.asked("one", 300)
    campaign.asked("two", 300)

    assert len(campaign.summary().front.members) == 2


def test_one_without_a_speed_or_a_task_is_neither_on_the_front_nor_beaten(campaign: Campaign) -> None:
    campaign.asked("whole", 100)
    campaign.asked("whole", 100, task="arc")
    campaign.asked("half", 300)
    campaign.asked("choices", 300, completion_tokens=None)
    campaign.asked("choices", 300, completion_tokens=None, task="arc")

    found = campaign.summary().front
    assert found.members == ("whole-vllm-none-none",)
    assert found.dominated == {}


def test_a_gap_is_paired_where_the_questions_are_shared_and_told_apart_with_all_others(campaign: Campaign) -> None:
    campaign.asked("good", 200)
    campaign.asked("poor", 188)

    (overall, of_task) = campaign.summary().gaps
    assert (overall.task, of_task.task) == (None, "gsm8k")
    assert (overall.first, overall.second) == ("good-vllm-none-none", "poor-vllm-none-none")
    assert (overall.difference, overall.paired, overall.told_apart) == (pytest.approx(0.03), True, True)


def test_a_gap_of_totals_is_as_wide_as_both_errors_together() -> None:
    gap = unpaired({"a": 0.8, "b": 0.7}, {"a": 0.03, "b": 0.04}).gap("a", "b", None)

    assert (gap.difference, gap.low, gap.high) == (
        pytest.approx(0.1),
        pytest.approx(0.002, abs=1e-4),
        pytest.approx(0.198, abs=1e-4),
    )
    assert not gap.paired


def test_a_gap_without_errors_has_no_interval() -> None:
    gap = unpaired({"a": 0.8, "b": 0.7}, {"a": None, "b": 0.04}).gap("b", "a", "t")

    assert (gap.difference, gap.low, gap.high, gap.told_apart) == (pytest.approx(-0.1), None, None, None)


def test_over_tasks_each_counts_the_same() -> None:
    tasks = [unpaired({"a": 0.8, "b": low}, {"a": 0.03, "b": 0.04}) for low in (0.7, 0.5)]
    found = over_tasks(tasks)

    assert found.values[0, 1] == pytest.approx(0.2)
    assert found.errors[0, 1] == pytest.approx(0.05 / 2**0.5)


def test_a_repetition_has_all_its_tokens_by_all_their_time() -> None:
    runs = [run_row("a", 100, 10.0), run_row("b", 300, 30.0), run_row("a", 100, 20.0), run_row("b", 300, 30.0)]

    assert speeds(runs, {"a", "b"}) == [pytest.approx(400 / 20), pytest.approx(400 / 15)]
    assert speeds(runs, {"a"}) == [10.0, 20.0]
    assert speeds(runs, {"a", "missing"}) == []


def test_a_rate_that_is_stated_once_counts_where_no_tokens_do() -> None:
    assert speeds([run_row("a", None, 50.0), run_row("b", None, 50.0)], {"a", "b"}) == [50.0]
    assert speeds([run_row("a", None, 50.0), run_row("b", None, 60.0)], {"a", "b"}) == []


def test_a_ratio_of_speeds_has_an_interval_from_two_runs_on() -> None:
    slow, quick = [run_row(rate=10.0), run_row(rate=10.2)], [run_row(rate=17.0), run_row(rate=17.2)]

    found = ratio(slow, quick)
    assert found is not None
    assert found.value == pytest.approx(1.69, abs=0.01)
    assert found.low is not None
    assert found.low > 1.5
    single = ratio(slow[:1], quick)
    assert single is not None
    assert (single.low, single.high) == (None, None)
    assert ratio([run_row("a")], [run_row("b")]) is None


def test_only_runs_that_were_made_alike_are_compared() -> None:
    one, other = run_row(hardware="a"), run_row(hardware="b")

    assert alike([one, other], [other], ["hardware"]) == [[other], [other]]
    assert alike([one], [other], ["hardware"]) == [[], []]


def test_what_was_measured_before_and_not_now_is_known(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("none", 1, 1.0, task="arc")
    told.scores("int8", 1, 1.0)
    told.session("s2")
    told.scores("none", 2, 1.0)

    assert summarise(told.ledger).not_now == {"m-vllm-int8": ("gsm8k",), "m-vllm-none": ("arc",)}
    assert summarise(told.ledger, "s1").not_now == {}
