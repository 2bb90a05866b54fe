import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.measurement import Direction, NotMeasured, title
from thresholds.quantities import distance, percent, told
from thresholds.speed import (
    ACCEPTANCE_LENGTH,
    GOODPUT,
    LATENCIES,
    OUTPUT_TOKENS_PER_SECOND,
    RATES,
    REQUEST_LATENCY,
    TIME_TO_FIRST_TOKEN,
    LoadRun,
    key,
    ratio_of,
    relative,
    requests_needed,
    speed,
)

quick = settings(deadline=None, max_examples=50, database=None)

LABELS: Mapping[str, Any] = {"combination": "smol-vllm-unquantized", "workload": "chat"}


def loaded(number: int = 1, *, tokens: float | None = 100.0, **changes: Any) -> LoadRun:
    values = {} if tokens is None else {"output_tokens_per_second": tokens, "time_to_first_token.p95": 10 / tokens}
    plain: dict[str, Any] = {
        "combination": "smol-vllm-unquantized",
        "workload": "chat",
        "number": number,
        "digest": "d1",
        "seconds": 60.0,
        "requests": 64,
        "failures": {},
        "values": values,
    }
    return LoadRun(**{**plain, **changes})


def test_latencies_are_better_when_lower_and_rates_when_higher() -> None:
    assert {metric.direction for metric in LATENCIES} == {Direction.LOWER}
    assert {metric.direction for metric in RATES} == {Direction.HIGHER}


def test_a_metric_that_is_better_when_lower_has_a_ceiling() -> None:
    assert [metric.bound for metric in (TIME_TO_FIRST_TOKEN, GOODPUT)] == ["ceiling", "floor"]


def test_every_run_gives_one_sample() -> None:
    measurement = speed([loaded(1, tokens=100), loaded(2, tokens=110)], OUTPUT_TOKENS_PER_SECOND, None, LABELS)

    assert measurement.samples == ((100,), (110,))
    assert measurement.value == 105


def test_the_statistic_of_a_latency_is_one_of_its_labels() -> None:
    measurement = speed([loaded(tokens=100)], TIME_TO_FIRST_TOKEN, "p95", LABELS)

    assert measurement.samples == ((0.1,),)
    assert measurement.labels == {**LABELS, "statistic": "p95"}


def test_a_value_without_statistic_has_the_name_of_its_metric() -> None:
    assert [key("goodput"), key("goodput", None), key("request_latency", "p50")] == [
        "goodput",
        "goodput",
        "request_latency.p50",
    ]


def test_no_run_is_no_measurement() -> None:
    with pytest.raises(NotMeasured, match="output_tokens_per_second has no samples") as refused:
        speed([], OUTPUT_TOKENS_PER_SECOND, None, LABELS)

    assert refused.value.reason == "no_samples"


def test_an_invalid_run_is_no_measurement_and_keeps_its_reason() -> None:
    late = loaded(2, invalid=("client_late", "the client sent 12 requests more than 10 ms late"))

    with pytest.raises(NotMeasured, match="12 requests more than 10 ms late") as refused:
        speed([loaded(1), late], OUTPUT_TOKENS_PER_SECOND, None, LABELS)

    assert refused.value.reason == "client_late"


def test_a_percentile_that_too_few_requests_support_says_how_many_it_needs() -> None:
    run = loaded(unsupported={"request_latency.p99": "p99 needs 299 requests, 64 were measured"})

    with pytest.raises(NotMeasured, match=r"request_latency\.p99: p99 needs 299 requests, 64 were") as refused:
        speed([run], REQUEST_LATENCY, "p99", LABELS)

    assert refused.value.reason == "not_available"


def test_a_metric_that_the_load_did_not_measure_is_named() -> None:
    with pytest.raises(NotMeasured, match="goodput: the load did not measure it"):
        speed([loaded()], GOODPUT, None, LABELS)


def test_failed_requests_are_counted_over_all_runs() -> None:
    runs = [loaded(1, failures={"HTTP 500": 2}), loaded(2, failures={"HTTP 500": 1, "timeout": 1})]

    measurement = speed(runs, OUTPUT_TOKENS_PER_SECOND, None, LABELS)

    assert measurement.failed_requests == 4
    assert measurement.causes == ["1 x HTTP 500", "1 x timeout", "2 x HTTP 500"]


def test_a_load_without_any_whole_answer_names_its_causes() -> None:
    with pytest.raises(
        NotMeasured, match="64 requests without a whole answer, and no value\ncause     64 x"
    ) as refused:
        speed([loaded(tokens=None, failures={"connection refused": 64})], OUTPUT_TOKENS_PER_SECOND, None, LABELS)

    assert refused.value.reason == "failed_requests"


def test_a_run_without_a_value_is_left_out_where_its_requests_failed() -> None:
    runs = [loaded(1), loaded(2, tokens=None, failures={"timeout": 64})]

    assert speed(runs, OUTPUT_TOKENS_PER_SECOND, None, LABELS).samples == ((100,),)


def test_a_measured_speed_shows_its_unit_and_its_failures() -> None:
    runs = [loaded(number, failures={"HTTP 500": 1}) for number in (1, 2, 3)]

    shown = repr(speed(runs, TIME_TO_FIRST_TOKEN, "p95", LABELS))

    assert shown == (
        "<time_to_first_token.p95/chat of smol-vllm-unquantized: 0.1 s over 3 runs, 3 failed requests: 1 x HTTP 500>"
    )


def test_a_run_survives_json() -> None:
    run = loaded(invalid=("client_late", "it was"), failures={"timeout": 1}, details={"streams": 8})

    assert LoadRun.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def pair(*values: tuple[float, float]) -> tuple[Any, Any]:
    made = [speed([loaded(tokens=one) for one in side], OUTPUT_TOKENS_PER_SECOND, None, LABELS)
            for side in zip(*values, strict=True)]  # fmt: skip
    return made[0], made[1]


def test_a_ratio_divides_run_by_run() -> None:
    measured, reference = pair((110, 100), (240, 200), (90, 100))

    ratio = relative(measured, reference, {"against": "smol-vllm-w8a8"})

    assert [value for (value,) in ratio.samples] == pytest.approx([1.1, 1.2, 0.9])
    assert ratio.labels["against"] == "smol-vllm-w8a8"


def test_a_ratio_cancels_what_slows_both_sides_of_a_pair() -> None:
    measured, reference = pair((110, 100), (55, 50), (77, 70))

    assert {round(value, 12) for (value,) in relative(measured, reference, {}).samples} == {1.1}


def test_a_ratio_keeps_the_direction_and_has_the_unit_x() -> None:
    ratio = ratio_of(TIME_TO_FIRST_TOKEN)

    assert (ratio.name, ratio.unit, ratio.direction) == ("time_to_first_token", "x", Direction.LOWER)


def test_a_ratio_of_acceptance_lengths_may_lie_below_one() -> None:
    assert ratio_of(ACCEPTANCE_LENGTH).lowest == 0


def test_a_ratio_to_a_reference_of_zero_is_not_measured() -> None:
    measured = speed([loaded(values={"goodput": 3.0})], GOODPUT, None, LABELS)
    reference = speed([loaded(values={"goodput": 0.0})], GOODPUT, None, LABELS)

    with pytest.raises(NotMeasured, match="goodput of the reference is 0, which divides nothing") as refused:
        relative(measured, reference, {"against": "other"})

    assert refused.value.reason == "reference_of_zero"


def test_a_ratio_of_runs_without_a_partner_is_a_mistake() -> None:
    three, _ = pair((1, 1), (1, 1), (1, 1))
    two, _ = pair((1, 1), (1, 1))

    with pytest.raises(ValueError, match="zip"):
        relative(three, two, {})


def test_a_ratio_counts_the_failed_requests_of_both_sides() -> None:
    measured = speed([loaded(1), loaded(2)], OUTPUT_TOKENS_PER_SECOND, None, LABELS)
    runs = [loaded(1), loaded(2, tokens=None, failures={"timeout": 64})]
    reference = speed(runs, OUTPUT_TOKENS_PER_SECOND, None, LABELS)

    ratio = relative(measured, reference, {"against": "other"})

    assert ratio.failed_requests == 64
    assert ratio.causes == ["64 x timeout"]


@pytest.mark.parametrize(("share", "needed"), [(0.50, 5), (0.90, 29), (0.95, 59), (0.99, 299)])
def test_a_percentile_needs_so_many_requests(share: float, needed: int) -> None:
    assert requests_needed(share) == needed


@quick
@given(st.floats(0.01, 0.999))
def test_one_request_less_is_too_few_for_a_percentile(share: float) -> None:
    needed = requests_needed(share)

    assert share**needed <= 0.05 * (1 + 1e-9)
    assert share ** (needed - 1) > 0.05 * (1 - 1e-9)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"task": "gsm8k", "combination": "x"}, "goodput/gsm8k of x"),
        ({"workload": "chat", "combination": "x"}, "goodput/chat of x"),
        ({"workload": "chat", "combination": "x", "statistic": None, "against": None}, "goodput/chat of x"),
        ({"workload": "chat", "combination": "x", "statistic": "p95"}, "goodput.p95/chat of x"),
        ({"workload": "chat", "combination": "x", "against": "y"}, "goodput/chat of x against y"),
    ],
)
def test_a_title_says_what_is_measured_of_which_combination(labels: Mapping[str, Any], said: str) -> None:
    assert title("goodput", labels) == said


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        (TIME_TO_FIRST_TOKEN, 0.1042, "104.2 ms"),
        (TIME_TO_FIRST_TOKEN, 0.12, "120 ms"),
        (TIME_TO_FIRST_TOKEN, 0.00123456, "1.235 ms"),
        (TIME_TO_FIRST_TOKEN, 0.0000123, "0.0123 ms"),
        (TIME_TO_FIRST_TOKEN, 0.99994, "999.9 ms"),
        (TIME_TO_FIRST_TOKEN, 0.99996, "1 s"),
        (TIME_TO_FIRST_TOKEN, 1.52, "1.52 s"),
        (TIME_TO_FIRST_TOKEN, 1234.56, "1,235 s"),
        (TIME_TO_FIRST_TOKEN, 0.0, "0 ms"),
        (OUTPUT_TOKENS_PER_SECOND, 412.0, "412 tokens/s"),
        (OUTPUT_TOKENS_PER_SECOND, 12345.6, "12,346 tokens/s"),
        (GOODPUT, 3.14159, "3.142 requests/s"),
        (ACCEPTANCE_LENGTH, 2.5, "2.5 tokens"),
        (ratio_of(TIME_TO_FIRST_TOKEN), 1.23, "1.23 x"),
        (ratio_of(OUTPUT_TOKENS_PER_SECOND), 0.98765, "0.9877 x"),
    ],
)
def test_a_value_is_told_in_its_unit(metric: Any, value: float, said: str) -> None:
    assert told(metric, value) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0.041, "4.1"), (1.5, "150.0"), (0.001, "0.1"), (0.0004, "0.04"), (0.0, "0.0")]
)
def test_a_share_is_told_in_per_cent_and_never_rounded_to_nothing(share: float, said: str) -> None:
    assert percent(share) == said


def test_the_distance_of_a_speed_is_relative_to_its_bound() -> None:
    assert distance(GOODPUT, 90, 100) == "10.0 %"
    assert distance(TIME_TO_FIRST_TOKEN, 0.12, 0.1) == "20.0 %"


@quick
@given(st.floats(1e-9, 1e9))
def test_a_told_value_is_right_to_four_digits(value: float) -> None:
    number = float(told(OUTPUT_TOKENS_PER_SECOND, value).removesuffix(" tokens/s").replace(",", ""))

    assert math.isclose(number, value, rel_tol=5.01e-4)
