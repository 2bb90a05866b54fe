from collections.abc import Mapping
from typing import Any

import pytest

from thresholds.catalogue import Threshold
from thresholds.measurement import Measurement, Metric
from thresholds.recording import as_text, speed_row
from thresholds.speed import GOODPUT, OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN, LoadRun, ratio_of
from thresholds.verdict import Outcome, Verdict, judge, missing, not_measured

LABELS: Mapping[str, Any] = {
    "combination": "smol-vllm-unquantized",
    "model": "smol",
    "workload": "chat",
    "statistic": None,
    "engine": "vllm",
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "none",
    "max_model_len": None,
    "tensor_parallel": 1,
    "chat": False,
    "temperature": None,
    "top_p": None,
    "hardware": "2 x Xeon",
    "against": None,
}
TITLE = "output_tokens_per_second/chat of smol-vllm-unquantized"
AROUND = (98.0, 100.0, 102.0)
"""Mean 100, s = 2, error 2 / sqrt(3) = 1.1547, t(0.95, 2) = 2.91999, so a reach of 3.3717."""


def rate(*values: float, metric: Metric = OUTPUT_TOKENS_PER_SECOND, failed: int = 0, **labels: Any) -> Measurement:
    return Measurement(metric, tuple((value,) for value in values), {**LABELS, **labels}, 1, failed)


def latency(*milliseconds: float, failed: int = 0) -> Measurement:
    seconds = [value / 1000 for value in milliseconds]
    return rate(*seconds, metric=TIME_TO_FIRST_TOKEN, failed=failed, statistic="p95")


def bound_at(value: float, metric: Metric = OUTPUT_TOKENS_PER_SECOND, *, must: str = "hold") -> Threshold:
    row = {"measured": 104.0 if metric.bound == "floor" else 0.104, "run": "20260117-093000-ab12"}
    return Threshold(metric, value, must, "thresholds/smol.yaml:14", row)


def ceiling_at(milliseconds: float, *, must: str = "hold") -> Threshold:
    return bound_at(milliseconds / 1000, TIME_TO_FIRST_TOKEN, must=must)


@pytest.mark.parametrize(
    ("floor", "must", "outcome", "reason"),
    [
        (95.0, "hold", Outcome.PASS, "at_or_above_floor"),
        (100.0, "hold", Outcome.PASS, "at_or_above_floor"),
        (103.0, "hold", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (103.5, "hold", Outcome.FAIL, "below_floor"),
        (96.5, "show", Outcome.PASS, "at_or_above_floor"),
        (97.0, "show", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (100.0, "show", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (103.5, "show", Outcome.FAIL, "below_floor"),
    ],
)
def test_three_runs_around_100_tokens_a_second_against_a_floor(
    floor: float, must: str, outcome: Outcome, reason: str
) -> None:
    verdict = judge(rate(*AROUND), bound_at(floor, must=must))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("ceiling", "must", "outcome", "reason"),
    [
        (105.0, "hold", Outcome.PASS, "at_or_below_ceiling"),
        (100.5, "hold", Outcome.PASS, "at_or_below_ceiling"),
        (97.0, "hold", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (96.5, "hold", Outcome.FAIL, "above_ceiling"),
        (103.5, "show", Outcome.PASS, "at_or_below_ceiling"),
        (103.0, "show", Outcome.INCONCLUSIVE, "too_little_evidence"),
        (96.5, "show", Outcome.FAIL, "above_ceiling"),
    ],
)
def test_three_runs_around_100_milliseconds_against_a_ceiling(
    ceiling: float, must: str, outcome: Outcome, reason: str
) -> None:
    verdict = judge(latency(*AROUND), ceiling_at(ceiling, must=must))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(("floor", "outcome"), [(100.0, Outcome.PASS), (100.1, Outcome.FAIL)])
def test_runs_without_noise_are_judged_to_the_last_digit(floor: float, outcome: Outcome) -> None:
    assert judge(rate(100, 100, 100), bound_at(floor)).outcome is outcome


@pytest.mark.parametrize("values", [(100.0,), (100.0, 100.0), (1.0, 1.0), (1e6, 1e6)])
def test_fewer_than_three_runs_decide_nothing_whatever_their_value(values: tuple[float, ...]) -> None:
    verdict = judge(rate(*values), bound_at(100.0))

    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "too_few_runs")
    assert (verdict.low, verdict.high) == (None, None)


def test_too_few_runs_say_how_many_are_needed() -> None:
    verdict = judge(rate(100, 101), bound_at(90))

    assert verdict.lines == (
        (
            f"{TITLE}: INCONCLUSIVE - 2 runs cannot tell a change from noise; run it at least 3 times (--runs 3), "
            "so that the spread between runs is known"
        ),
        "measured  100.5 tokens/s (2 runs)",
        "required  >= 90 tokens/s   thresholds/smol.yaml:14 (accepted at 104 tokens/s, run 20260117-093000-ab12)",
    )


def test_a_speed_that_is_shown_below_its_floor_says_how_far() -> None:
    verdict = judge(rate(*AROUND), bound_at(105))

    assert verdict.lines[0] == (
        "output_tokens_per_second/chat of smol-vllm-unquantized: "
        "FAIL - 4.8 % below its floor, and shown to be below"
    )  # fmt: skip


def test_a_latency_that_is_shown_above_its_ceiling_says_how_far() -> None:
    verdict = judge(latency(*AROUND), ceiling_at(89))

    assert verdict.lines[0] == (
        "time_to_first_token.p95/chat of smol-vllm-unquantized: "
        "FAIL - 12.4 % above its ceiling, and shown to be above"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (judge(rate(*AROUND), bound_at(90)), "PASS - at or above its floor"),
        (judge(latency(*AROUND), ceiling_at(120)), "PASS - at or below its ceiling"),
    ],
)
def test_what_passes_says_on_which_side_it_lies(verdict: Verdict, said: str) -> None:
    assert verdict.lines[0].endswith(said)


def test_noise_is_told_how_many_runs_would_show_it() -> None:
    # s = 2 over a margin of 3: t(0.95, 3) * 2 / sqrt(4) = 2.35, the first below it
    verdict = judge(rate(*AROUND), bound_at(103))

    assert verdict.lines[0].endswith(
        "INCONCLUSIVE - 2.9 % below its floor is within the noise of 3 runs; "
        "about 4 runs would show it (--max-runs 4)"
    )  # fmt: skip


def test_noise_on_the_good_side_of_a_ceiling_that_must_be_shown_says_below() -> None:
    verdict = judge(latency(*AROUND), ceiling_at(101, must="show"))

    assert "INCONCLUSIVE - 1.0 % below its ceiling is within the noise of 3 runs; about 13 runs" in verdict.lines[0]


def test_a_speed_exactly_on_a_floor_that_must_be_shown_is_told_that_no_run_helps() -> None:
    assert judge(rate(*AROUND), bound_at(100, must="show")).lines[0].endswith("it lies exactly on it")


def test_a_speed_all_but_on_its_floor_asks_for_no_million_runs() -> None:
    said = judge(rate(*AROUND), bound_at(100.001)).lines[0]

    assert said.endswith("0.001 % below its floor is within the noise of 3 runs; "
                         "no number of runs worth making would show it")  # fmt: skip


def test_the_second_line_says_what_was_measured_in_its_unit() -> None:
    # t(0.975, 2) * 1.1547 = 4.968
    assert judge(rate(*AROUND), bound_at(95)).lines[1] == (
        "measured  100 tokens/s (95% interval 95.03 tokens/s to 105 tokens/s: another run of the same load; 3 runs)"
    )
    assert judge(latency(*AROUND), ceiling_at(120)).lines[1] == (
        "measured  100 ms (95% interval 95.03 ms to 105 ms: another run of the same load; 3 runs)"
    )


def test_an_interval_is_cut_at_what_is_possible() -> None:
    assert judge(rate(1, 10, 100), bound_at(5)).low == 0


def test_the_third_line_says_what_was_required_where_and_what_was_accepted() -> None:
    assert judge(latency(*AROUND), ceiling_at(120)).lines[2] == (
        "required  <= 120 ms   thresholds/smol.yaml:14 (accepted at 104 ms, run 20260117-093000-ab12)"
    )


def test_a_ceiling_that_must_be_shown_says_so() -> None:
    assert "<= 120 ms and must be shown   thresholds/" in judge(latency(*AROUND), ceiling_at(120, must="show")).lines[2]


@pytest.mark.parametrize(
    ("verdict", "headroom"),
    [
        (judge(rate(*AROUND), bound_at(95)), 5.0),
        (judge(rate(*AROUND), bound_at(110)), -10.0),
        (judge(latency(*AROUND), ceiling_at(120)), 0.020),
        (judge(latency(*AROUND), ceiling_at(90)), -0.010),
    ],
)
def test_headroom_is_what_is_left_to_the_bound(verdict: Verdict, headroom: float) -> None:
    assert verdict.headroom == pytest.approx(headroom)


@pytest.mark.parametrize(
    ("metric", "floor", "outcome", "said"),
    [
        (OUTPUT_TOKENS_PER_SECOND, 1.1, Outcome.PASS, "required  >= 1.1 x   "),
        (OUTPUT_TOKENS_PER_SECOND, 1.3, Outcome.FAIL, "required  >= 1.3 x   "),
        (TIME_TO_FIRST_TOKEN, 1.3, Outcome.PASS, "required  <= 1.3 x   "),
        (TIME_TO_FIRST_TOKEN, 1.1, Outcome.FAIL, "required  <= 1.1 x   "),
    ],
)
def test_a_ratio_is_judged_in_the_direction_of_its_metric(
    metric: Metric, floor: float, outcome: Outcome, said: str
) -> None:
    ratio = rate(1.19, 1.20, 1.21, metric=ratio_of(metric), against="smol-vllm-w8a8")

    verdict = judge(ratio, bound_at(floor, ratio_of(metric)))

    assert verdict.outcome is outcome
    assert " of smol-vllm-unquantized against smol-vllm-w8a8: " in verdict.lines[0]
    assert verdict.lines[1].startswith("measured  1.2 x (95% interval 1.175 x to 1.225 x")
    assert verdict.lines[2].startswith(said)


def test_failed_requests_are_not_measured_however_fast_the_others_were() -> None:
    runs = tuple(LoadRun("c", "chat", n, "d", 1.0, 9, {"HTTP 500: out of memory": n}, {}) for n in (1, 2))
    measurement = Measurement(OUTPUT_TOKENS_PER_SECOND, ((1e6,),) * 3, LABELS, 1, 3, runs)

    verdict = judge(measurement, bound_at(1))

    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_MEASURED, "failed_requests")
    assert verdict.lines == (
        (
            f"{TITLE}: NOT_MEASURED (failed_requests) - requests without a whole answer: 3; "
            "without them the load was a lighter one"
        ),
        "cause     1 x HTTP 500: out of memory",
        "cause     2 x HTTP 500: out of memory",
    )


def test_what_could_not_be_measured_is_named_by_its_workload() -> None:
    verdict = not_measured("time_to_first_token", {**LABELS, "statistic": "p99"}, "client_late", "it was late")

    assert verdict.lines == (
        "time_to_first_token.p99/chat of smol-vllm-unquantized: NOT_MEASURED (client_late) - it was late",
    )


def missed(measurement: Measurement) -> Verdict:
    row = as_text(speed_row(measurement, measured_on="2 x Xeon", run="r-1"))
    return missing(measurement, "thresholds/smol.yaml", row)


def test_a_missing_floor_fails_and_prints_the_row_to_paste() -> None:
    verdict = missed(rate(*AROUND))

    assert (verdict.outcome, verdict.reason, verdict.measured) == (Outcome.FAIL, "missing_threshold", 100)
    assert verdict.lines[0].endswith("FAIL - it has no floor on 2 x Xeon; measured 100 tokens/s")
    assert verdict.lines[1] == (
        "accept it by adding to thresholds/smol.yaml under `speed:` (or run with --record, at least 3 times):"
    )
    assert verdict.lines[2].startswith("  - {metric: output_tokens_per_second, workload: chat, engine: vllm, ")


def test_a_missing_ceiling_is_called_a_ceiling() -> None:
    assert missed(latency(*AROUND)).lines[0].endswith("FAIL - it has no ceiling on 2 x Xeon; measured 100 ms")


def test_a_missing_ratio_names_no_hardware() -> None:
    verdict = missed(rate(1.1, 1.1, 1.2, metric=ratio_of(OUTPUT_TOKENS_PER_SECOND), against="smol-vllm-w8a8"))

    assert verdict.lines[0].endswith("against smol-vllm-w8a8: FAIL - it has no floor; measured 1.133 x")


@pytest.mark.parametrize(
    ("measurement", "said"),
    [
        (rate(100), "a floor of a speed cannot be recorded from fewer than 3 runs; use --runs 5"),
        (rate(100, 101), "a floor of a speed cannot be recorded from fewer than 3 runs; use --runs 5"),
        (latency(100, 101), "a ceiling of a speed cannot be recorded from fewer than 3 runs; use --runs 5"),
        (rate(0, 0, 0, metric=GOODPUT), "a floor cannot be recorded from a measured 0; mend the load first"),
    ],
)
def test_a_missing_bound_prints_no_row_that_the_file_would_refuse(measurement: Measurement, said: str) -> None:
    verdict = missed(measurement)

    assert verdict.reason == "missing_threshold"
    assert verdict.lines[1:] == (f"nothing can be added to thresholds/smol.yaml yet: {said}",)
