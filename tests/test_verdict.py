import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.catalogue import Threshold
from thresholds.measurement import ACCURACY, Item, Measurement, Run
from thresholds.quantities import points
from thresholds.recording import accuracy_row, as_text
from thresholds.verdict import Outcome, Verdict, judge, missing, not_measured

quick = settings(deadline=None, max_examples=50, database=None)

LABELS: Mapping[str, Any] = {
    "combination": "smol-vllm-unquantized",
    "model": "smol",
    "task": "gsm8k",
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "none",
    "max_tokens": None,
    "max_model_len": 2048,
    "chat": False,
    "temperature": 0.2,
    "top_p": None,
    "samples": "40",
}


def measured(*runs: list[float], population: int | None = None, failed: int = 0) -> Measurement:
    return Measurement(ACCURACY, tuple(tuple(run) for run in runs), LABELS, population or len(runs[0]), failed)


def floor_at(value: float, *, must: str = "hold", exact: bool = True) -> Threshold:
    row = {"measured": 0.7, "run": "20260117-093000-ab12"}
    return Threshold(ACCURACY, value, must, "thresholds/smol.yaml:4", row, exact)


def share(right: int, of: int) -> list[float]:
    return [1.0] * right + [0.0] * (of - right)


def flipping(right: int, flips: int, of: int) -> tuple[list[float], list[float]]:
    """Two runs with the same score, between which 2 x `flips` answers change."""
    first = share(right, of)
    second = [0.0] * flips + share(right, of - flips)
    return first, second


NOISY = flipping(60, 5, 100)  # score 0.60; rerun error sqrt(10 * 0.5 / 2) / 100 = 0.0158; reach 0.026


@pytest.mark.parametrize(
    ("floor", "must", "outcome", "reason"),
    [
        (0.55, "hold", Outcome.PASS, "at_or_above_floor"),
        (0.60, "hold", Outcome.PASS, "at_or_above_floor"),
        (0.61, "hold", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (0.63, "hold", Outcome.FAIL, "below_floor"),
        (0.55, "show", Outcome.PASS, "at_or_above_floor"),
        (0.58, "show", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (0.60, "show", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (0.63, "show", Outcome.FAIL, "below_floor"),
    ],
)
def test_two_noisy_runs_at_60_against(floor: float, must: str, outcome: Outcome, reason: str) -> None:
    verdict = judge(measured(*NOISY), floor_at(floor, must=must))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("floor", "outcome"),
    [(0.600, Outcome.PASS), (0.601, Outcome.INCONCLUSIVE), (0.607, Outcome.FAIL), (1.0, Outcome.FAIL)],
)
def test_runs_that_agree_are_certain_to_half_a_question_and_no_more(floor: float, outcome: Outcome) -> None:
    assert judge(measured(share(60, 100), share(60, 100)), floor_at(floor)).outcome is outcome


def test_a_perfect_score_holds_a_floor_of_one_but_does_not_show_it() -> None:
    outcomes = [judge(measured([1.0] * 8, [1.0] * 8), floor_at(1.0, must=must)).outcome for must in ("hold", "show")]

    assert outcomes == [Outcome.PASS, Outcome.INCONCLUSIVE]


def test_a_single_question_asked_once_can_fail_no_floor_of_a_half() -> None:
    # Nothing is known about the spread: the error is taken as 0.5.
    assert judge(measured([0.0]), floor_at(0.5)).outcome is Outcome.INCONCLUSIVE


def test_only_pass_is_true() -> None:
    verdicts = [
        judge(measured(*NOISY), floor_at(0.55)),
        judge(measured(*NOISY), floor_at(0.61)),
        judge(measured(*NOISY), floor_at(0.70)),
        not_measured("accuracy", LABELS, "engine_failed", "it died"),
    ]

    assert [bool(verdict) for verdict in verdicts] == [True, False, False, False]


def test_one_run_uses_the_wider_error_of_other_questions() -> None:
    # 0.60 of 100: error 0.049, reach 0.081; two runs without noise would already fail at 0.65.
    assert judge(measured(share(60, 100)), floor_at(0.65)).outcome is Outcome.INCONCLUSIVE
    assert judge(measured(share(60, 100)), floor_at(0.69)).outcome is Outcome.FAIL


def test_one_run_asks_for_a_second_one() -> None:
    verdict = judge(measured(share(60, 100)), floor_at(0.65))

    assert "run it at least twice (--runs 2)" in verdict.lines[0]
    assert "one run, so over other questions; 100 questions, 1 run)" in verdict.lines[1]


def test_a_row_for_these_questions_ignores_how_many_others_there_are() -> None:
    verdict = judge(measured(*[share(60, 100)] * 2, population=1000), floor_at(0.61))

    assert verdict.outcome is Outcome.FAIL
    assert verdict.low == pytest.approx(0.593, abs=1e-3)
    assert verdict.high == pytest.approx(0.607, abs=1e-3)


def test_a_row_for_the_whole_benchmark_adds_the_error_of_the_sample() -> None:
    # sqrt(0.24242 / 100 * (1 - 100 / 1000)) = 0.0467, reach 0.077.
    verdict = judge(measured(*[share(60, 100)] * 2, population=1000), floor_at(0.61, exact=False))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.low == pytest.approx(0.5063, abs=1e-4)  # Wilson's: its centre lies nearer to a half
    assert verdict.high == pytest.approx(0.6869, abs=1e-4)


def test_a_row_for_the_whole_benchmark_is_exact_when_all_of_it_was_asked() -> None:
    verdict = judge(measured(*[share(60, 100)] * 2, population=100), floor_at(0.61, exact=False))

    assert verdict.outcome is Outcome.FAIL


def test_a_partial_sample_is_told_how_many_questions_would_show_it() -> None:
    said = judge(measured(*[share(60, 100)] * 2, population=1000), floor_at(0.61, exact=False)).lines[0]

    assert said.endswith("1.0 points below its floor is within the noise of 100 questions x 2 runs; "
                         "about 1000 questions would show it")  # fmt: skip


def test_noise_between_runs_is_told_how_many_runs_would_show_it() -> None:
    # 2 * (1.6449 * 0.015811 / 0.01)^2 = 13.5
    said = judge(measured(*NOISY), floor_at(0.61)).lines[0]

    assert said == (
        "accuracy/gsm8k of smol-vllm-unquantized: INCONCLUSIVE - 1.0 points below its floor is within the noise of "
        "100 questions x 2 runs; about 15 runs would show it (--max-runs 15)"
    )


def test_a_score_exactly_on_a_floor_that_must_be_shown_is_told_that_no_run_helps() -> None:
    assert judge(measured(*NOISY), floor_at(0.6, must="show")).lines[0].endswith("it lies exactly on it")


def test_a_failure_says_how_far_below() -> None:
    said = judge(measured(*NOISY), floor_at(0.70)).lines[0]

    assert said.endswith("FAIL - 10.0 points below its floor, and shown to be below")


def test_the_second_line_says_what_was_measured() -> None:
    line = judge(measured(*NOISY, population=400), floor_at(0.55)).lines[1]

    assert line == (
        "measured  60.0 (95% interval 56.8 to 63.1: another run of the same questions; 100 of 400 questions, 2 runs)"
    )


def test_the_third_line_says_what_was_required_where_and_what_was_accepted() -> None:
    line = judge(measured(*NOISY), floor_at(0.55)).lines[2]

    assert line == "required  >= 55.0   thresholds/smol.yaml:4 (accepted at 70.0, run 20260117-093000-ab12)"


def test_a_floor_that_must_be_shown_says_so() -> None:
    assert ">= 55.0 and must be shown   thresholds/" in judge(measured(*NOISY), floor_at(0.55, must="show")).lines[2]


def test_a_verdict_carries_its_numbers() -> None:
    verdict = judge(measured(*NOISY), floor_at(0.55))

    assert (verdict.metric, verdict.labels) == ("accuracy", LABELS)
    assert (verdict.measured, verdict.required, verdict.where) == (0.6, 0.55, "thresholds/smol.yaml:4")
    assert verdict.headroom == pytest.approx(0.05)


def test_failed_requests_are_not_measured_however_high_the_score() -> None:
    verdict = judge(measured([1.0] * 9, [1.0] * 9, failed=1), floor_at(0.5))

    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_MEASURED, "failed_requests")
    assert verdict.lines[0].startswith("accuracy/gsm8k of smol-vllm-unquantized: NOT_MEASURED (failed_requests) - ")
    assert "questions without an answer: 1; a failed request is no wrong answer" in verdict.lines[0]


def test_failed_requests_name_their_causes() -> None:
    item = Item(0, {}, "", "", unparsed=False, finish_reasons=(), prompt_tokens=None, completion_tokens=None,
                seconds=1.0, failed="HTTP 500: out of memory")  # fmt: skip
    run = Run("c", "gsm8k", 1, "acc,none", (item,), 2, 1.0)
    measurement = Measurement(ACCURACY, ((1.0,),), LABELS, 2, 1, (run,))

    assert judge(measurement, floor_at(0.5)).lines[1] == "cause     HTTP 500: out of memory"


def test_what_could_not_be_measured_keeps_its_reason_and_all_lines() -> None:
    verdict = not_measured("accuracy", LABELS, "out_of_memory", "the engine did not start\nlast line of its log")

    assert (verdict.outcome, verdict.reason, verdict.measured) == (Outcome.NOT_MEASURED, "out_of_memory", None)
    assert verdict.lines == (
        "accuracy/gsm8k of smol-vllm-unquantized: NOT_MEASURED (out_of_memory) - the engine did not start",
        "last line of its log",
    )


def test_a_missing_threshold_fails_and_prints_the_row_to_paste() -> None:
    measurement = measured(*NOISY)
    row = as_text(accuracy_row(measurement, measured_on="1 x NVIDIA H200", run="r-1"))

    verdict = missing(measurement, "thresholds/smol.yaml", row)

    assert (verdict.outcome, verdict.reason, verdict.measured) == (Outcome.FAIL, "missing_threshold", 0.6)
    assert verdict.lines[0].endswith("FAIL - it has no floor; measured 60.0")
    assert "thresholds/smol.yaml" in verdict.lines[1]
    assert verdict.lines[2].startswith(
        "  - {task: gsm8k, max_model_len: 2048, temperature: 0.2, samples: 40, floor: 0."
    )


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.0"), (0.6, "60.0"), (0.12345, "12.3"), (1.0, "100.0")])
def test_points_are_percent_to_one_decimal(value: float, text: str) -> None:
    assert points(value) == text


runs_of_scores = st.integers(1, 8).flatmap(
    lambda items: st.lists(st.lists(st.floats(0, 1), min_size=items, max_size=items), min_size=1, max_size=4)
)
strictness = {Outcome.PASS: 0, Outcome.INCONCLUSIVE: 1, Outcome.FAIL: 2}


@quick
@given(runs_of_scores, st.floats(0, 1), st.floats(0, 1), st.sampled_from(["hold", "show"]), st.booleans())
def test_a_higher_floor_is_never_easier(
    rows: list[list[float]], one: float, other: float, must: str, exact: bool
) -> None:
    low, high = sorted([one, other])
    measurement = measured(*rows, population=100)
    easier, harder = (judge(measurement, floor_at(at, must=must, exact=exact)).outcome for at in (low, high))

    assert strictness[easier] <= strictness[harder]


@quick
@given(runs_of_scores, st.floats(0, 1), st.booleans())
def test_what_must_be_shown_is_never_easier_than_what_must_hold(
    rows: list[list[float]], floor: float, exact: bool
) -> None:
    measurement = measured(*rows, population=100)
    held, shown = (judge(measurement, floor_at(floor, must=must, exact=exact)) for must in ("hold", "show"))

    assert strictness[held.outcome] <= strictness[shown.outcome]


@quick
@given(runs_of_scores, st.floats(0, 1))
def test_a_score_below_its_floor_never_passes(rows: list[list[float]], floor: float) -> None:
    verdict = judge(measured(*rows), floor_at(floor))

    assert verdict.headroom is not None
    assert (verdict.outcome is Outcome.PASS) == (verdict.headroom >= 0)


def unchanged_session(draw: random.Random, known: list[bool], runs: int) -> Measurement:
    """Every answer flips with 10 %, in every run anew; the combination stays the same."""
    return measured(*[[float(right != (draw.random() < 0.1)) for right in known] for _ in range(runs)])


def judged_again(draw: random.Random) -> Verdict:
    known = [draw.random() < 0.6 for _ in range(60)]
    recorded = accuracy_row(unchanged_session(draw, known, 4), measured_on="cpu", run="r-1")
    threshold = Threshold(ACCURACY, recorded["floor"], "hold", "smol.yaml:3", recorded)
    return judge(unchanged_session(draw, known, 2), threshold)


def test_an_unchanged_combination_raises_at_most_20_false_alarms_in_1000_sessions() -> None:
    draw = random.Random(20260117)  # noqa: S311 - a simulation, no secret

    alarms = sum(not judged_again(draw) for _ in range(1000))

    assert alarms <= 20
