"""Each metric against an example that was computed by hand; the formulas are those of thresholds/speed.py."""

from typing import Any

import pytest

from fixtures.load.metrics import NO_USAGE, ONE_TOKEN, Numbers, Window, measure, samples
from fixtures.load.transcript import Transcript
from thresholds.speed import PERCENTILES

FIRST = ((10.5, 1.0), (10.6, 1.0), (10.9, 2.0))
"""Asked at 10.0: one token after 0.5 s, one after another 0.1 s, two together after another 0.3 s."""

SECOND = ((11.0, 2.0), (11.4, 4.0))
"""Asked at 10.2: two tokens after 0.8 s, four together after another 0.4 s."""


def one(due: float, marks: Any, tokens: int | None = -1, prompt: int | None = 5) -> Transcript:
    """A transcript; as many tokens as its marks hold unless a test says otherwise."""
    total = int(sum(count for _, count in marks)) if tokens == -1 else tokens
    return Transcript(
        0, due, due, tuple(marks), exact=True, output_tokens=total, prompt_tokens=prompt, finish_reason=""
    )


BOTH = [one(10.0, FIRST), one(10.2, SECOND)]
WINDOW = Window(10.0, 12.0)


def measured(
    transcripts: list[Transcript],
    everything: list[Transcript] | None = None,
    window: Window = WINDOW,
    **slo: float,
) -> Numbers:
    return measure(transcripts, transcripts if everything is None else everything, window, slo)


def value(name: str, **slo: float) -> float:
    return measured(BOTH, **slo).values[name]


def test_time_to_first_token_is_the_first_token_minus_the_sending() -> None:
    assert samples(BOTH)["time_to_first_token"] == pytest.approx([0.5, 0.8])
    assert value("time_to_first_token.mean") == pytest.approx(0.65)


def test_request_latency_is_the_last_token_minus_the_sending() -> None:
    assert samples(BOTH)["request_latency"] == pytest.approx([0.9, 1.2])
    assert value("request_latency.mean") == pytest.approx(1.05)


def test_time_per_output_token_leaves_the_tokens_of_the_first_read_out() -> None:
    """(10.9 - 10.5) / (4 - 1) and (11.4 - 11.0) / (6 - 2)."""
    assert samples(BOTH)["time_per_output_token"] == pytest.approx([0.4 / 3, 0.1])


def test_inter_token_latency_has_one_value_a_token_and_shares_a_gap_among_tokens_that_came_together() -> None:
    assert samples(BOTH)["inter_token_latency"] == pytest.approx([0.1, 0.15, 0.15, 0.1, 0.1, 0.1, 0.1])
    assert value("inter_token_latency.mean") == pytest.approx(0.8 / 7)


def test_output_tokens_per_second_are_those_that_arrived_in_the_window() -> None:
    assert value("output_tokens_per_second") == pytest.approx(10 / 2)


def test_total_tokens_per_second_add_the_prompts() -> None:
    assert value("total_tokens_per_second") == pytest.approx((10 + 2 * 5) / 2)


def test_requests_per_second_are_those_that_were_completed_in_the_window() -> None:
    assert value("requests_per_second") == pytest.approx(2 / 2)


def test_goodput_is_the_share_that_met_every_limit_times_the_requests_per_second() -> None:
    assert value("goodput", time_to_first_token=0.6) == pytest.approx(0.5)
    assert value("goodput", time_to_first_token=0.6, request_latency=0.8) == 0
    assert value("goodput", time_to_first_token=0.9, time_per_output_token=0.2) == pytest.approx(1.0)


def test_a_limit_is_met_when_it_is_just_reached() -> None:
    assert measured([one(0.0, ((0.5, 1.0),))], window=Window(0, 1), time_to_first_token=0.5).values["goodput"] == 1


def test_without_an_slo_there_is_no_goodput() -> None:
    assert "goodput" not in measured(BOTH).values


def test_tokens_of_warm_up_and_drain_count_where_they_arrived_in_the_window() -> None:
    """Of the warm-up's five tokens two arrive after the window has begun, of the drain's four one before its end."""
    warm_up = one(9.0, ((9.5, 3.0), (10.1, 2.0)))
    drain = one(11.5, ((11.9, 1.0), (12.5, 3.0)))

    numbers = measured(BOTH, [warm_up, *BOTH, drain])

    assert numbers.values["output_tokens_per_second"] == pytest.approx((10 + 2 + 1) / 2)
    assert numbers.values["total_tokens_per_second"] == pytest.approx((10 + 2 + 1 + 3 * 5) / 2)
    assert numbers.values["requests_per_second"] == pytest.approx(3 / 2)
    assert numbers.values["time_to_first_token.mean"] == pytest.approx(0.65)


def test_what_arrives_at_the_very_end_of_the_window_counts_and_at_its_very_beginning_does_not() -> None:
    edge = one(9.0, ((10.0, 1.0), (12.0, 1.0)))

    numbers = measured([edge])

    assert numbers.values["output_tokens_per_second"] == pytest.approx(1 / 2)
    assert numbers.values["requests_per_second"] == pytest.approx(1 / 2)


def test_tokens_of_unknown_chunks_are_spread_evenly_and_their_mean_gap_is_right() -> None:
    """9 tokens in three reads that hold 3 each: 6 gaps in 0.6 s."""
    spread = one(0.0, ((1.0, 3.0), (1.3, 3.0), (1.6, 3.0)))

    assert samples([spread])["inter_token_latency"] == pytest.approx([0.1] * 6)
    assert samples([spread])["time_per_output_token"] == pytest.approx([0.1])


def test_a_spread_that_is_no_whole_number_keeps_the_time_of_a_token() -> None:
    """5 tokens in two reads: 2.5 tokens in 0.5 s are 0.2 s each."""
    assert samples([one(0.0, ((1.0, 2.5), (1.5, 2.5)))])["inter_token_latency"] == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize(("statistic", "needed"), [("p50", 5), ("p90", 29), ("p95", 59), ("p99", 299)])
def test_a_percentile_is_told_only_where_enough_requests_support_it(statistic: str, needed: int) -> None:
    name = f"request_latency.{statistic}"

    few, enough = (measured([one(10.0, ((11.0, 1.0),))] * count) for count in (needed - 1, needed))

    assert few.unsupported[name] == f"{statistic} needs {needed} requests, {needed - 1} were measured"
    assert name not in few.values
    assert enough.values[name] == 1.0
    assert name not in enough.unsupported


def test_percentiles_lie_between_the_values_as_numpy_has_them() -> None:
    answers = [one(0.0, ((float(number), 1.0),)) for number in range(1, 301)]

    values = measured(answers, window=Window(0.0, 300.0)).values

    told = [values[f"time_to_first_token.{statistic}"] for statistic in PERCENTILES]
    assert told == pytest.approx([150.5, 270.1, 285.05, 297.01])


def test_a_percentile_of_time_per_token_needs_as_many_requests_that_have_one() -> None:
    """Answers that came in one piece have no time between tokens, however many they are."""
    answers = [*BOTH, *[one(10.0, ((11.0, 4.0),))] * 57]

    numbers = measured(answers)

    assert "time_to_first_token.p95" in numbers.values
    assert numbers.unsupported["time_per_output_token.p95"] == "p95 needs 59 requests, 2 were measured"


def test_answers_in_one_piece_have_no_time_between_tokens() -> None:
    numbers = measured([one(10.0, ((11.0, 4.0),))])

    for name in ("time_per_output_token", "inter_token_latency"):
        assert numbers.unsupported[f"{name}.mean"] == ONE_TOKEN
    assert numbers.values["output_tokens_per_second"] == 2


def test_without_usage_token_rates_are_unsupported_and_never_chunk_counts() -> None:
    silent = one(10.0, ((10.5, 0.0), (10.9, 0.0)), tokens=None, prompt=None)

    numbers = measured([silent], time_per_output_token=1.0)

    names = ["output_tokens_per_second", "total_tokens_per_second", "goodput"]
    names += [f"{name}.mean" for name in ("time_per_output_token", "inter_token_latency")]
    assert [numbers.unsupported[name] for name in names] == [NO_USAGE] * 5
    assert not set(names) & set(numbers.values)
    assert numbers.values["time_to_first_token.mean"] == pytest.approx(0.5)
    assert numbers.values["request_latency.mean"] == pytest.approx(0.9)


def test_goodput_of_latencies_alone_needs_no_usage() -> None:
    silent = one(10.0, ((10.5, 0.0), (10.9, 0.0)), tokens=None, prompt=None)

    assert measured([silent], request_latency=1.0).values["goodput"] == pytest.approx(0.5)


def test_usage_without_prompt_tokens_leaves_only_the_total_out() -> None:
    numbers = measured([one(10.0, FIRST, prompt=None)])

    assert numbers.values["output_tokens_per_second"] == 2
    assert numbers.unsupported["total_tokens_per_second"] == NO_USAGE
