from collections.abc import Mapping
from typing import Any

import pytest

from reports.ledger import Ledger
from reports.speed.rows import SpeedRow
from reports.summarising import summarise, summarise_all
from thresholds.speed import LoadRun
from thresholds.verdict import Outcome, Verdict, not_measured

RATE = "output_tokens_per_second"
TTFT = "time_to_first_token"


def load_labels(quantization: str, workload: str = "chat", against: str | None = None) -> dict[str, Any]:
    return {
        "combination": f"m-vllm-{quantization}",
        "model": "m",
        "engine": "vllm",
        "quantization": quantization,
        "draft": "none",
        "workload": workload,
        "hardware": "2 x Xeon",
        "against": None if against is None else f"m-vllm-{against}",
    }


class Loaded:
    """A ledger in memory and short ways to tell it of loads."""

    def __init__(self) -> None:
        self.ledger = Ledger(None)
        self.numbers: dict[tuple[str, str], int] = {}
        self.session("s1")

    def session(self, name: str) -> None:
        self.now = self.ledger.record_session({"session": name, "started": f"start of {name}"})

    def load(
        self,
        quantization: str,
        rate: float | None = None,
        *,
        workload: str = "chat",
        against: str | None = None,
        **changes: Any,
    ) -> None:
        labels = {**load_labels(quantization, workload, against), **changes.pop("labels", {})}
        number = self.numbers[quantization, workload] = self.numbers.get((quantization, workload), 0) + 1
        values = {**({} if rate is None else {RATE: rate}), **changes.pop("values", {})}
        known = {"digest": "d1", "seconds": 30.0, "requests": 64, "failures": {}, "values": values}
        run = LoadRun(labels["combination"], workload, number, **{**known, **changes})
        self.ledger.record_load(self.now, run, labels)

    def verdict(
        self,
        outcome: Outcome,
        quantization: str,
        metric: str = RATE,
        statistic: str | None = None,
        against: str | None = None,
        **numbers: float,
    ) -> None:
        labels = {**load_labels(quantization, "chat", against), "statistic": statistic}
        verdict = Verdict(outcome, "a_reason", metric, labels, (f"{metric}: {outcome}",), **numbers)
        self.ledger.record_verdict(self.now, verdict)

    def rows(self) -> tuple[SpeedRow, ...]:
        return summarise(self.ledger).speed

    def row(self, quantization: str = "none", against: str | None = None) -> SpeedRow:
        subject = (f"m-vllm-{quantization}", None if against is None else f"m-vllm-{against}")
        return next(row for row in self.rows() if (row.combination, row.against) == subject)


@pytest.fixture
def loaded() -> Loaded:
    return Loaded()


def ranks(rows: tuple[SpeedRow, ...]) -> list[tuple[int | None, str, str]]:
    return [(row.rank, row.workload, row.combination.removeprefix("m-vllm-")) for row in rows]


def test_combinations_are_ranked_within_their_workload_by_output_tokens_per_second(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.load("int8", 150.0)
    loaded.load("none", 900.0, workload="batch")

    assert ranks(loaded.rows()) == [(1, "chat", "int8"), (2, "chat", "none"), (1, "batch", "none")]


def test_a_value_is_the_mean_over_runs_with_its_deviation_and_every_run(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.load("none", 110.0)

    value = loaded.row().values[RATE]
    assert (value.mean, value.run_values, value.unit) == (105.0, (100.0, 110.0), "tokens/s")
    assert value.run_to_run_deviation == pytest.approx(50**0.5)


def test_one_run_has_no_deviation(loaded: Loaded) -> None:
    loaded.load("none", 100.0)

    assert loaded.row().values[RATE].run_to_run_deviation is None


def test_a_percentile_that_no_run_supports_has_a_reason_and_no_value(loaded: Loaded) -> None:
    loaded.load("none", 100.0, unsupported={f"{TTFT}.p99": "p99 needs 299 requests, 64 were measured"})

    value = loaded.row().values[f"{TTFT}.p99"]
    assert (value.mean, value.run_values, value.statistic) == (None, (None,), "p99")
    assert value.unsupported == "p99 needs 299 requests, 64 were measured"


def test_values_stand_in_the_order_of_the_vocabulary(loaded: Loaded) -> None:
    loaded.load("none", 1.0, values={f"{TTFT}.p95": 2.0, "made_up": 1.0, f"{TTFT}.mean": 1.0})

    assert list(loaded.row().values) == [f"{TTFT}.mean", f"{TTFT}.p95", RATE, "made_up"]


def test_a_run_that_is_not_valid_enters_no_value_and_says_why(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.load("none", 900.0, invalid=("client_late", "the client was late"))

    row = loaded.row()
    assert (row.values[RATE].mean, row.run_numbers, row.rank) == (100.0, (1,), 1)
    assert [(run.number, run.reason, run.message) for run in row.invalid] == [(2, "client_late", "the client was late")]


def test_a_combination_of_which_no_run_is_valid_comes_last_without_a_rank(loaded: Loaded) -> None:
    loaded.load("int8", 900.0, invalid=("client_late", "the client was late"))
    loaded.load("none", 100.0)

    assert ranks(loaded.rows()) == [(1, "chat", "none"), (None, "chat", "int8")]


def test_a_load_that_could_not_be_measured_is_a_row_without_numbers(loaded: Loaded) -> None:
    labels = {**load_labels("int4"), "statistic": None}
    loaded.ledger.record_verdict(loaded.now, not_measured(RATE, labels, "engine_failed", "out of memory"))

    row = loaded.row("int4")
    assert (row.rank, row.details, row.run_numbers) == (None, None, ())
    assert (row.values[RATE].outcome, row.values[RATE].mean) == ("NOT_MEASURED", None)


def test_runs_of_another_digest_or_hardware_are_counted_apart(loaded: Loaded) -> None:
    loaded.load("none", 1.0, digest="older")
    loaded.load("none", 2.0, labels={"hardware": "1 x H100"})
    loaded.load("none", 100.0)

    row = loaded.row()
    assert (row.values[RATE].mean, row.run_numbers, row.earlier_runs) == (100.0, (3,), 2)


def test_runs_of_earlier_sessions_are_counted_beside_those_of_this_one(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.session("s2")
    loaded.load("none", 200.0)

    assert (loaded.row().values[RATE].mean, loaded.row().earlier_runs) == (200.0, 1)
    merged = summarise_all(loaded.ledger).speed[0]
    assert (merged.values[RATE].mean, merged.earlier_runs) == (150.0, 0)


def test_all_sessions_show_the_latest_verdict_on_each_statistic(loaded: Loaded) -> None:
    loaded.verdict(Outcome.FAIL, "none", TTFT, "p50")
    loaded.verdict(Outcome.FAIL, "none", TTFT, "p95")
    loaded.session("s2")
    loaded.verdict(Outcome.PASS, "none", TTFT, "p95")

    assert [one.statistic for one in summarise_all(loaded.ledger).not_passed] == ["p50"]


def test_the_tightest_headroom_is_a_share_of_what_is_required_and_names_its_value(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.verdict(Outcome.PASS, "none", measured=100.0, required=80.0, headroom=20.0)
    loaded.verdict(Outcome.FAIL, "none", TTFT, "p95", measured=0.21, required=0.2, headroom=-0.01)

    row = loaded.row()
    assert (row.headroom, row.headroom_value) == (pytest.approx(-0.05), f"{TTFT}.p95")
    assert (row.values[f"{TTFT}.p95"].outcome, row.values[f"{TTFT}.p95"].mean) == ("FAIL", 0.21)
    assert row.verdicts == {"PASS": 1, "FAIL": 1, "INCONCLUSIVE": 0, "NOT_MEASURED": 0}


def side_by_side(loaded: Loaded, first: tuple[str, float], second: tuple[str, float], against: str = "none") -> None:
    for quantization, rate in (first, second):
        loaded.load(quantization, rate, against=against)


def test_a_ratio_is_made_of_runs_that_followed_each_other(loaded: Loaded) -> None:
    side_by_side(loaded, ("int8", 120.0), ("none", 100.0))
    side_by_side(loaded, ("none", 50.0), ("int8", 70.0))
    side_by_side(loaded, ("int4", 90.0), ("none", 30.0))
    loaded.verdict(Outcome.PASS, "int8", against="none", measured=1.3, required=1.0, headroom=0.3)

    ratio = loaded.row("int8", "none").ratios[RATE]
    assert ratio.run_values == (1.2, 1.4)
    assert (ratio.unit, ratio.outcome, ratio.required) == ("x", "PASS", 1.0)
    assert loaded.row("int4", "none").ratios[RATE].run_values == (3.0,)


def test_a_reference_whose_numbers_begin_anew_for_each_candidate_keeps_every_run(loaded: Loaded) -> None:
    side_by_side(loaded, ("int8", 120.0), ("none", 100.0))
    loaded.numbers.clear()
    side_by_side(loaded, ("int4", 90.0), ("none", 30.0))

    assert loaded.row("int8", "none").ratios[RATE].run_values == (1.2,)
    assert loaded.row("int4", "none").ratios[RATE].run_values == (3.0,)


def test_a_verdict_on_a_ratio_does_not_judge_the_speed_itself(loaded: Loaded) -> None:
    side_by_side(loaded, ("int8", 120.0), ("none", 100.0))
    loaded.verdict(Outcome.FAIL, "int8", against="none", measured=1.2, required=1.5, headroom=-0.3)

    row = loaded.row("int8", "none")
    assert (row.values[RATE].mean, row.values[RATE].outcome) == (120.0, None)
    assert (row.headroom, row.headroom_value) == (pytest.approx(-0.2), RATE)


def test_a_pair_with_a_run_that_is_not_valid_makes_no_ratio(loaded: Loaded) -> None:
    side_by_side(loaded, ("int8", 120.0), ("none", 100.0))
    loaded.load("none", 50.0, against="none", invalid=("client_late", "late"))
    loaded.load("int8", 70.0, against="none")

    assert loaded.row("int8", "none").ratios[RATE].run_values == (1.2,)


def test_a_combination_ranks_once_by_the_loads_that_stand_alone(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    side_by_side(loaded, ("int8", 120.0), ("none", 999.0))

    shown = [(row.rank, row.repeats, row.combination, row.against) for row in loaded.rows()]
    assert shown == [
        (1, False, "m-vllm-int8", "m-vllm-none"),
        (2, False, "m-vllm-none", None),
        (None, True, "m-vllm-none", "m-vllm-none"),
    ]


def test_details_are_summed_averaged_or_the_most_of_any_run(loaded: Loaded) -> None:
    first = {"prompt_tokens": 10, "server_tokens": 5, "lateness": {"mean": 0.1, "p99": 0.5}, "streams": 4}
    second = {"prompt_tokens": 20, "server_tokens": None, "lateness": {"mean": 0.3, "p99": 0.2}, "streams": 4}
    sensed = {"memory_bytes_peak": 5, "power_w": 100.0}
    loaded.load("none", 1.0, details={**first, "telemetry": sensed}, failures={"HTTP 503": 2})
    loaded.load("none", 1.0, details={**second, "telemetry": {"memory_bytes_peak": 9, "power_w": 200.0}})

    took = loaded.row().details
    assert took is not None
    assert (took.requests, took.seconds, took.failures) == (128, 60.0, {"HTTP 503": 2})
    assert (took.prompt_tokens, took.server_tokens, took.streams) == (30, None, 4)
    assert (took.lateness_mean, took.lateness_p99) == (pytest.approx(0.2), 0.5)
    assert took.telemetry == {"memory_bytes_peak": 9, "power_w": 150.0}


def test_details_that_nobody_told_are_unknown(loaded: Loaded) -> None:
    loaded.load("none", 1.0)

    took = loaded.row().details
    assert took is not None
    assert (took.prompt_tokens, took.lateness_mean, took.reconnects, took.telemetry) == (None, None, None, {})


def test_a_combination_that_only_has_speed_is_not_ranked_by_its_answers(loaded: Loaded) -> None:
    loaded.ledger.record_engine(loaded.now, load_labels("none"), {"seconds": 3.0})
    loaded.load("none", 100.0)
    loaded.verdict(Outcome.PASS, "none")

    summary = summarise(loaded.ledger)
    assert (summary.rows, summary.tasks, summary.measured) == ((), (), True)
    assert summary.verdicts["PASS"] == 1


def test_a_red_verdict_says_on_which_load(loaded: Loaded) -> None:
    loaded.verdict(Outcome.FAIL, "int8", TTFT, "p95", against="none")

    (one,) = summarise(loaded.ledger).not_passed
    told = (one.task, one.workload, one.against, one.metric, one.statistic)
    assert told == ("", "chat", "m-vllm-none", TTFT, "p95")


def test_the_plain_form_holds_every_percentile_and_every_run(loaded: Loaded) -> None:
    for first, tail in ((0.1, 0.2), (0.3, 0.5)):
        loaded.load("none", 1.0, values={f"{TTFT}.p50": first, f"{TTFT}.p95": tail})

    plain: Mapping[str, Any] = summarise(loaded.ledger).to_dict()
    assert plain["schema_version"] == 1
    assert plain["speed"][0]["values"][f"{TTFT}.p50"]["run_values"] == (0.1, 0.3)
    assert plain["speed"][0]["values"][f"{TTFT}.p95"]["mean"] == 0.35
