"""What the figures of loads, of drafts under load and of history show."""

from typing import Any

import pytest
from test_figures import Answered, by_name, encodings, marks, rows_with
from test_reports_speed import TTFT, Loaded

from reports.figures import Figure, figures
from reports.history.points import points
from reports.ledger import Ledger
from reports.summarising import summarise
from thresholds.verdict import Outcome

STEADY = {f"{TTFT}.p50": 0.1, f"{TTFT}.p95": 0.2}


@pytest.fixture
def loaded() -> Loaded:
    return Loaded()


def drawn(ledger: Ledger) -> dict[str, Figure]:
    return by_name(figures(summarise(ledger), points(ledger)))


def put_under_load(loaded: Loaded, quantization: str, *streams: int, **changes: Any) -> None:
    """A load of so many streams each: 10 tokens/s and 100 ms for every stream."""
    for number in streams:
        values = {f"{TTFT}.p50": 0.1 * number}
        workload = f"chat_{number}_streams"
        details = {"streams": number}
        loaded.load(quantization, 10.0 * number, workload=workload, values=values, details=details, **changes)


def test_percentiles_are_in_milliseconds_with_the_deviation_over_runs(loaded: Loaded) -> None:
    loaded.load("none", 100.0, values=STEADY)
    loaded.load("none", 100.0, values={**STEADY, f"{TTFT}.p95": 0.3})

    rows = rows_with(drawn(loaded.ledger)["latency-percentiles"], "statistic")
    assert [(row["metric"], row["statistic"], row["value"], row["runs"]) for row in rows] == [
        ("TTFT (ms)", "p50", pytest.approx(100), 2),
        ("TTFT (ms)", "p95", pytest.approx(250), 2),
    ]
    assert rows[1]["high"] - rows[1]["low"] == pytest.approx(2 * 100 / 2**0.5)


def test_percentiles_differ_in_shape_as_well_as_in_colour(loaded: Loaded) -> None:
    loaded.load("none", 100.0, values=STEADY)

    figure = drawn(loaded.ledger)["latency-percentiles"]
    assert encodings(figure, "shape") == encodings(figure, "color") == ["statistic"]


def test_a_single_run_has_no_error_bar_and_the_caption_says_so(loaded: Loaded) -> None:
    loaded.load("none", 100.0, values=STEADY)

    figure = drawn(loaded.ledger)["latency-percentiles"]
    assert {row["low"] for row in rows_with(figure, "statistic")} == {None}
    assert "a single run has none" in figure.caption


def test_loads_without_latencies_have_no_percentiles(loaded: Loaded) -> None:
    loaded.load("none", 100.0)

    assert drawn(loaded.ledger) == {}


def test_loads_of_a_kind_are_joined_in_the_order_of_their_streams(loaded: Loaded) -> None:
    put_under_load(loaded, "none", 32, 1, 8)

    figure = drawn(loaded.ledger)["throughput-latency"]
    rows = rows_with(figure, "asked")
    assert [(row["asked"], row["speed"], row["value"]) for row in rows] == [
        (number, 10 * number, pytest.approx(100 * number)) for number in (1, 8, 32)
    ]
    line = next(part for part in marks(figure) if part["mark"]["type"] == "line")
    assert line["encoding"]["order"]["field"] == "asked"


def test_loads_of_different_kinds_are_not_joined(loaded: Loaded) -> None:
    put_under_load(loaded, "none", 1)
    loaded.load("none", 90.0, workload="summarise_8_streams", values=STEADY, details={"streams": 8})

    assert "throughput-latency" not in drawn(loaded.ledger)


def test_a_draft_under_load_has_its_speed_up_and_its_acceptance_length(loaded: Loaded) -> None:
    for accepted in (2.0, 3.0):
        loaded.load("d", 150.0, against="none", values={"acceptance_length": accepted}, labels={"draft": "acme/tiny"})
        loaded.load("none", 100.0, against="none")

    (row,) = rows_with(drawn(loaded.ledger)["drafts"], "accepted", "speed")
    assert row["name"] == "m d, chat + tiny"
    assert (row["speed"], row["accepted"]) == (pytest.approx(1.5), pytest.approx(2.5))
    assert row["accepted_low"] < 2.5 < row["accepted_high"]


def test_without_a_draft_there_is_no_figure_of_drafts(loaded: Loaded) -> None:
    loaded.load("none", 100.0)

    assert "drafts" not in drawn(loaded.ledger)


def test_history_needs_two_sessions() -> None:
    answered = Answered()
    answered.run("m", 20)

    assert "history-accuracy" not in drawn(answered.ledger)


def test_history_shows_every_session_with_its_interval_and_its_floor() -> None:
    answered = Answered()
    for day, right in (("01", 20), ("02", 24)):
        answered.session(f"s-{day}", f"2026-11-{day}T10:00:00+0000")
        answered.run("m", right)
        answered.run("m", right)
        answered.floor("m", 0.4)

    rows = rows_with(drawn(answered.ledger)["history-accuracy"], "when")
    assert [(row["when"], row["value"], row["required"]) for row in rows] == [
        ("2026-11-01 10:00", pytest.approx(50), pytest.approx(40)),
        ("2026-11-02 10:00", pytest.approx(60), pytest.approx(40)),
    ]
    assert all(row["low"] < row["value"] < row["high"] for row in rows)


def test_a_line_of_history_breaks_where_other_questions_were_asked() -> None:
    answered = Answered()
    for day, of in (("01", 40), ("02", 40), ("03", 200)):
        answered.session(f"s-{day}", f"2026-11-{day}T10:00:00+0000")
        answered.run("m", of // 2, of=of)

    figure = drawn(answered.ledger)["history-accuracy"]
    assert [row["stretch"] for row in rows_with(figure, "when")] == [0, 0, 1]
    line = next(part for part in marks(figure) if part["mark"]["type"] == "line")
    assert line["encoding"]["detail"]["field"] == "stretch"


def test_the_history_of_speeds_shows_their_ceilings_in_milliseconds(loaded: Loaded) -> None:
    for name in ("s1", "s2"):
        loaded.session(name)
        loaded.load("none", 100.0, values=STEADY)
        loaded.verdict(Outcome.PASS, "none", TTFT, "p50", measured=0.1, required=0.15)

    rows = rows_with(drawn(loaded.ledger)["history-speed"], "when")
    ceilings = {row["panel"][1]: row["required"] for row in rows}
    assert ceilings == {"output tokens/s": None, "TTFT p50 (ms)": pytest.approx(150)}


def test_many_loads_are_drawn_without_labels_that_would_cover_each_other(loaded: Loaded) -> None:
    for number in range(21):
        put_under_load(loaded, f"q{number}", 1, 8)

    found = drawn(loaded.ledger)
    assert encodings(found["latency-percentiles"], "yOffset") == []
    assert encodings(found["throughput-latency"], "text") == []
    assert len(rows_with(found["throughput-latency"], "asked")) == 2 * 21
