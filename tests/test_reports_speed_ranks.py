"""Ranks of speeds: places as far as runs tell them apart, in the same form as those of answers."""

import pytest
from test_reports_speed import RATE, TTFT, Loaded, side_by_side
from test_reports_speed_tables import cell

from reports.speed.lines import as_csv
from reports.speed.rows import SpeedRow
from reports.speed.tables import by_metric, speed
from reports.summarising import summarise
from reports.tables import markdown

NOISE = (0.99, 1.0, 1.01)
"""Three runs, as shares of what they are about."""


@pytest.fixture
def loaded() -> Loaded:
    return Loaded()


def runs_of(loaded: Loaded, quantization: str, rate: float, **changes: str) -> None:
    for share in NOISE:
        loaded.load(quantization, rate * share, values={f"{TTFT}.p50": 10 / rate / share}, **changes)


def places(rows: tuple[SpeedRow, ...]) -> list[tuple[str, int | None, int | None, int | None]]:
    return [(row.combination.removeprefix("m-vllm-"), row.rank, row.rank_best, row.rank_worst) for row in rows]


def test_near_speeds_share_their_places_and_a_far_one_has_its_own(loaded: Loaded) -> None:
    for quantization, rate in {"int8": 102.0, "none": 100.0, "int4": 60.0}.items():
        runs_of(loaded, quantization, rate)

    assert places(loaded.rows()) == [("int8", 1, 1, 2), ("none", 2, 1, 2), ("int4", 3, 3, 3)]
    assert [row.ties for row in loaded.rows()] == [("m-vllm-none",), ("m-vllm-int8",), ()]


def test_what_starts_may_differ_by_is_not_told_apart_however_equal_the_runs_are(loaded: Loaded) -> None:
    for quantization, rate in {"int8": 104.0, "none": 100.0}.items():
        for _ in range(5):
            loaded.load(quantization, rate)

    assert places(loaded.rows()) == [("int8", 1, 1, 2), ("none", 2, 1, 2)]


@pytest.mark.parametrize("runs", [1, 2])
def test_fewer_than_3_runs_claim_no_rank_over_another(loaded: Loaded, runs: int) -> None:
    runs_of(loaded, "int8", 100.0)
    for _ in range(runs):
        loaded.load("none", 900.0)

    assert places(loaded.rows()) == [("none", 1, 1, 2), ("int8", 2, 1, 2)]


def test_rows_that_were_asked_other_things_are_not_told_apart(loaded: Loaded) -> None:
    runs_of(loaded, "int8", 900.0)
    runs_of(loaded, "none", 100.0, digest="d2")

    assert places(loaded.rows()) == [("int8", 1, 1, 2), ("none", 2, 1, 2)]


def test_one_alone_is_first_and_has_no_places(loaded: Loaded) -> None:
    runs_of(loaded, "int8", 100.0)

    assert places(loaded.rows()) == [("int8", 1, None, None)]
    assert cell(speed(summarise(loaded.ledger)), "rank") == "1"


def test_equal_means_share_a_rank(loaded: Loaded) -> None:
    for quantization in ("none", "int8"):
        loaded.load(quantization, 100.0)

    assert places(loaded.rows()) == [("int8", 1, 1, 2), ("none", 1, 1, 2)]


def test_a_latency_ranks_the_lowest_first_and_each_workload_by_itself(loaded: Loaded) -> None:
    for quantization, rate in {"int8": 150.0, "none": 100.0}.items():
        runs_of(loaded, quantization, rate)
        runs_of(loaded, quantization, 100_000 / rate, workload="batch")

    found = {(row.workload, row.combination): row.values[f"{TTFT}.p50"].rank for row in loaded.rows()}
    assert found == {("chat", "m-vllm-int8"): 1, ("chat", "m-vllm-none"): 2, ("batch", "m-vllm-none"): 1} | {
        ("batch", "m-vllm-int8"): 2
    }


def test_a_row_that_repeats_another_has_no_place(loaded: Loaded) -> None:
    loaded.load("none", 100.0)
    side_by_side(loaded, ("int8", 120.0), ("none", 999.0))

    repeating = next(row for row in loaded.rows() if row.repeats)
    assert (repeating.rank, repeating.rank_best, repeating.values[RATE].rank) == (None, None, None)


def test_every_table_shows_places_as_the_ranking_of_answers_does(loaded: Loaded) -> None:
    for quantization, rate in {"int8": 102.0, "none": 100.0, "int4": 60.0}.items():
        runs_of(loaded, quantization, rate)

    summary = summarise(loaded.ledger)
    assert [cell(speed(summary), "rank", row) for row in range(3)] == ["1 (1-2)", "2 (1-2)", "3"]
    told = {row[0]: row[4] for row in by_metric(summary).rows if row[1] == f"{TTFT}.p50"}
    assert told == {"m int8, chat": "1 (1-2)", "m none, chat": "2 (1-2)", "m int4, chat": "3"}
    said = "Rank 1 (1-2): 1 by the mean, 1 to 2 by what can be told apart (5 % over all pairs of a workload; Holm)."
    assert said in speed(summary).notes
    assert said in by_metric(summary).notes
    assert "| 1 (1-2) |" in " ".join(markdown(summary).split())
    plain = summary.to_dict()["speed"][0]
    assert [plain[name] for name in ("rank", "rank_best", "rank_worst", "ties")] == [1, 1, 2, ("m-vllm-none",)]
    assert as_csv(summary).splitlines()[2].endswith(",1,1,2")


def test_without_a_second_combination_nothing_is_said_about_ranks(loaded: Loaded) -> None:
    runs_of(loaded, "int8", 100.0)

    summary = summarise(loaded.ledger)
    assert "rank" not in [column.heading for column in by_metric(summary).columns]
    assert not [note for note in (*speed(summary).notes, *by_metric(summary).notes) if "told apart" in note]
