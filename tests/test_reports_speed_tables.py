import pytest
from test_reports_speed import RATE, TTFT, Loaded, load_labels, side_by_side

from reports.speed.load_table import load
from reports.speed.tables import by_metric, ratios, speed
from reports.summarising import summarise
from reports.summary import Summary
from reports.wording.layout import Table, as_text
from reports.wording.words import figure, figure_spread, milliseconds, signed_percent, speed_name
from thresholds.verdict import Outcome, not_measured


@pytest.fixture
def loaded() -> Loaded:
    return Loaded()


def example_of_speed() -> Summary:
    """Two combinations under load alone and side by side, one run that is not valid, and one whose engine failed."""
    loaded = Loaded()
    lateness = {"mean": 0.0002, "p99": 0.0031}
    details = {
        "prompt_tokens": 9000,
        "output_tokens": 4000,
        "streams": 4,
        "lateness": lateness,
        "tokens_per_chunk": 1.0,
    }
    counted = {**details, "server_tokens": 4010, "client_tokens": 4000, "telemetry": {"power_w": 301.5}}
    for quantization, rates in {"none": (201.0, 204.5, 199.0), "int8": (250.0, 252.0)}.items():
        for one in rates:
            times = {f"{TTFT}.p50": 8 / one, f"{TTFT}.p95": 20 / one, "request_latency.p50": 300 / one}
            loaded.load(quantization, one, values=times, details=counted, failures={"HTTP 503": 1})
    reason = "p99 needs 299 requests, 64 were measured"
    loaded.load("int8", invalid=("client_late", "the client was late"), unsupported={f"{TTFT}.p99": reason})
    loaded.load("none", 200.0, details=counted, unsupported={f"{TTFT}.p99": reason})
    side_by_side(loaded, ("int8", 120.0), ("none", 100.0))
    side_by_side(loaded, ("none", 100.0), ("int8", 124.0))
    loaded.verdict(Outcome.PASS, "none", measured=201.1, required=180.0, headroom=21.1)
    loaded.verdict(Outcome.FAIL, "int8", TTFT, "p95", measured=0.08, required=0.075, headroom=-0.005)
    loaded.verdict(Outcome.PASS, "int8", against="none", measured=1.22, required=1.1, headroom=0.12)
    failed = not_measured(RATE, {**load_labels("int4"), "statistic": None}, "engine_failed", "out of memory")
    loaded.ledger.record_verdict(loaded.now, failed)
    return summarise(loaded.ledger)


def cell(table: Table, heading: str, row: int = 0) -> str:
    headings = [column.heading for column in table.columns]
    return table.rows[row][headings.index(heading)]


def test_a_load_run_once_shows_a_dash_for_its_spread(loaded: Loaded) -> None:
    loaded.load("none", 100.0)

    assert cell(speed(summarise(loaded.ledger)), "output tokens/s") == "100 ± —"
    assert cell(by_metric(summarise(loaded.ledger)), "mean ± sd") == "100 ± —"


def test_thoughts_that_were_never_sent_are_told_where_there_were_some(loaded: Loaded) -> None:
    loaded.load("none", 100.0, details={"output_tokens": 900, "unseen_tokens": 0})
    loaded.load("int8", 100.0, details={"output_tokens": 900, "unseen_tokens": 800})

    table = load(summarise(loaded.ledger))

    assert {cell(table, "unseen tokens", row) for row in (0, 1)} == {"800", "—"}
    assert "The time to the first token includes them" in table.notes[-1]


def test_a_load_without_a_valid_run_shows_dashes_and_says_why(loaded: Loaded) -> None:
    loaded.load("none", 100.0, invalid=("client_late", "the client was late"))

    table = speed(summarise(loaded.ledger))
    assert [cell(table, name) for name in ("rank", "output tokens/s", "runs")] == ["—", "—", "— (1 invalid)"]
    assert "Run 1 of m none, chat may not be used (client_late): the client was late" in table.notes


def test_a_row_with_fewer_requests_shows_the_highest_percentile_that_it_supports(loaded: Loaded) -> None:
    loaded.load("none", 100.0, values={f"{TTFT}.p95": 0.2})
    loaded.load("int8", 50.0, values={f"{TTFT}.p90": 0.15})

    table = speed(summarise(loaded.ledger))
    assert [cell(table, "TTFT p95 ms", row) for row in (0, 1)] == ["200", "150 (p90)"]


def test_goodput_and_acceptance_length_appear_only_where_they_were_measured(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    without = [column.heading for column in speed(summarise(loaded.ledger)).columns]
    loaded.load("int8", 50.0, values={"acceptance_length": 1.9})

    assert "acceptance length" not in without
    assert cell(speed(summarise(loaded.ledger)), "acceptance length", 1) == "1.90"


def test_an_open_loop_shows_its_rate_and_a_closed_one_its_streams(loaded: Loaded) -> None:
    loaded.load("none", 100.0, details={"rate": 2.5})
    loaded.load("int8", 50.0, details={"streams": 16})

    table = speed(summarise(loaded.ledger))
    assert [cell(table, "load", row) for row in (0, 1)] == ["2.5 requests/s", "16 streams"]


def test_hardware_is_a_column_only_where_two_are_known(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.load("int8", 50.0, labels={"hardware": None})
    without = [column.heading for column in speed(summarise(loaded.ledger)).columns]
    loaded.load("int4", 20.0, labels={"hardware": "1 x H100"})

    assert "hardware" not in without
    assert cell(speed(summarise(loaded.ledger)), "hardware", 2) == "1 x H100"


def test_a_counter_of_the_server_is_shown_as_a_whole_number(loaded: Loaded) -> None:
    loaded.load("none", 100.0, details={"server_tokens": 4010.0, "client_tokens": 4000})

    assert cell(load(summarise(loaded.ledger)), "tokens server / client") == "4,010 / 4,000"


def test_rows_that_were_asked_other_things_are_told(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    loaded.load("int8", 50.0, digest="d2")

    notes = speed(summarise(loaded.ledger)).notes
    assert "Workload chat: not all of its rows were asked the same; compare them with care." in notes


def test_a_ceiling_and_a_floor_show_their_side_in_the_unit_of_the_value(loaded: Loaded) -> None:
    loaded.load("none", 100.0, values={f"{TTFT}.p95": 0.2})
    loaded.verdict(Outcome.PASS, "none", TTFT, "p95", required=0.25, headroom=0.05)
    loaded.verdict(Outcome.PASS, "none", required=80.0, headroom=20.0)

    table = by_metric(summarise(loaded.ledger))
    assert [cell(table, "required", row) for row in (0, 1)] == ["<= 250", ">= 80.0"]
    assert [cell(table, "headroom", row) for row in (0, 1)] == ["+20.0%", "+25.0%"]


def test_what_is_missing_of_several_loads_for_one_reason_is_told_once(loaded: Loaded) -> None:
    why = "p99 needs 299 requests, 64 were measured"
    for quantization in ("none", "int8"):
        loaded.load(quantization, 1.0, unsupported={f"{TTFT}.p99": why, "request_latency.p99": why})

    notes = by_metric(summarise(loaded.ledger)).notes
    assert f"No TTFT p99, latency p99: {why} (m int8, chat; m none, chat)." in notes


def test_without_a_verdict_nothing_stands_side_by_side(loaded: Loaded) -> None:
    side_by_side(loaded, ("int8", 120.0), ("none", 100.0))

    assert ratios(summarise(loaded.ledger)).rows == []


def test_what_a_device_sensed_is_a_column_only_where_it_was(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    without = [column.heading for column in load(summarise(loaded.ledger)).columns]
    loaded.load("none", 100.0, details={"telemetry": {"power_w": 301.5, "memory_bytes_peak": 3 * 2**30}})

    assert "power W" not in without
    table = load(summarise(loaded.ledger))
    assert [cell(table, name) for name in ("power W", "device memory GiB")] == ["302", "3.0"]


@pytest.mark.parametrize("width", [None, 200, 120, 80, 40])
def test_no_width_loses_a_cell_about_speed(width: int | None) -> None:
    summary = example_of_speed()

    for table in (speed(summary), ratios(summary), load(summary), by_metric(summary)):
        shown = as_text(table, width)
        assert [one for row in table.rows for one in row if one not in shown] == []


def test_a_speed_shows_as_many_digits_as_its_deviation_makes_meaningful() -> None:
    assert [figure(None), figure(0.0), figure(1234.5), figure(2.345), figure(0.01234)] == [
        "—",
        "0",
        "1,234",
        "2.35",
        "0.012",
    ]
    assert figure_spread(182.34, 3.1) == "182 ± 3"
    assert figure_spread(182.34, 0.21) == "182.3 ± 0.2"
    assert figure_spread(182.34, None) == "182 ± —"
    assert figure_spread(182.34, 0.0) == "182 ± 0"
    assert figure_spread(None, None) == "—"
    assert milliseconds(0.0123) == "12.3"


def test_a_headroom_never_hides_its_sign() -> None:
    assert [signed_percent(None), signed_percent(0.1234), signed_percent(-0.0004)] == ["—", "+12.3%", "-0.04%"]
    assert [signed_percent(0.0), signed_percent(-1e-12)] == ["+0.0%", "+0.0%"]


def test_a_speed_is_called_by_its_short_name() -> None:
    assert [speed_name(f"{TTFT}.p95"), speed_name(RATE), speed_name("acceptance_length")] == [
        "TTFT p95",
        "output tokens/s",
        "acceptance length",
    ]
