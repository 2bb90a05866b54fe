"""The noise floor: flips between identical runs, and how much of the spread is the engine's start."""

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reports_ledger import load_of
from test_reports_speed import load_labels
from test_reports_summary import Told, labels_of
from test_reports_tables import cell

from reports.__main__ import main
from reports.ledger import Ledger
from reports.noise.components import components
from reports.noise.measured import Noise, noise_of
from reports.noise.tables import noise_tables
from thresholds.measurement import NotMeasured
from thresholds.speed import LoadRun

finite = st.floats(-1e6, 1e6)


@pytest.fixture
def told() -> Told:
    return Told()


def load(number: int, rate: float, **changes: object) -> LoadRun:
    return replace(load_of(number, rate=rate), failures={}, invalid=None, **changes)


def loaded(told: Told, *rates: float, start: int = 1) -> None:
    for number, rate in enumerate(rates, start):
        told.ledger.record_load(told.now, load(number, rate), load_labels("int8"))


def test_the_components_of_a_textbook_example_come_out() -> None:
    found = components([[1.0, 3.0], [5.0, 7.0], [3.0, 5.0]])

    assert found.within == pytest.approx(math.sqrt(2))
    assert found.between == pytest.approx(math.sqrt((8 - 2) / 2))
    assert (found.mean, found.runs, found.starts, found.dominant) == (4.0, 6, 3, "starts")


def test_components_are_found_again_in_a_simulation() -> None:
    draw = np.random.default_rng(0)
    starts = draw.normal(0, 3.0, (600, 1)) + draw.normal(0, 2.0, (600, 4))
    found = components(starts.tolist())

    assert found.between == pytest.approx(3.0, rel=0.1)
    assert found.within == pytest.approx(2.0, rel=0.1)


def test_starts_that_differ_less_than_their_runs_add_nothing() -> None:
    found = components([[0.0, 4.0], [1.0, 3.0]])

    assert (found.between, found.dominant) == (0.0, "runs")


def test_one_start_says_nothing_about_starts_and_single_runs_nothing_about_runs() -> None:
    assert components([[1.0, 2.0]]).between is None
    single = components([[1.0], [2.0]])
    assert (single.within, single.between, single.dominant) == (None, None, None)
    assert single.deviation == pytest.approx(stdev([1.0, 2.0]))
    assert components([[1.0]]).deviation is None


def test_runs_that_never_differ_are_dominated_by_nothing() -> None:
    found = components([[1.0, 1.0], [1.0, 1.0]])

    assert (found.within, found.between, found.dominant, found.starts_needed(0.01)) == (0.0, 0.0, None, 1)


def test_the_starts_needed_follow_their_formula() -> None:
    found = components([[1.0, 3.0], [5.0, 7.0], [3.0, 5.0]])

    assert found.starts_needed(1.0) == math.ceil((3 + 2 / 2) * 1.959964**2)
    assert components([[1.0, 2.0]]).starts_needed(1.0) is None


@pytest.mark.parametrize("starts", [[], [[]], [[math.nan, 1.0]], [[math.inf]]])
def test_components_need_finite_values(starts: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="need at least one value, and only finite ones"):
        components(starts)


@settings(deadline=None, max_examples=100, database=None)
@given(st.lists(st.lists(finite, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_finite_values_have_components_that_are_known_or_none(starts: list[list[float]]) -> None:
    found = components(starts)

    assert found.runs == sum(map(len, starts))
    assert found.mean == pytest.approx(fmean(value for start in starts for value in start), abs=1e-6)
    for spread in (found.deviation, found.within, found.between):
        assert spread is None or spread >= 0
    assert (found.between is None) == (found.within is None or len(starts) == 1)


def test_flips_and_spread_are_taken_over_all_identical_runs(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0, 0.0, 0.0)
    told.scores("none", 2, 1.0, 0.0, 0.0, 0.0)
    told.session("s2")
    told.scores("none", 3, 1.0, 1.0, 0.0, 0.0)
    told.scores("none", 4, 1.0, 1.0, 0.0, 0.0)

    (score,) = noise_of(told.ledger).scores
    assert score.flip_rate == pytest.approx(3 / 6 / 4)
    assert (score.components.runs, score.components.starts) == (4, 2)
    assert score.components.deviation == pytest.approx(stdev([0.5, 0.25, 0.5, 0.5]))
    assert score.components.within == pytest.approx(math.sqrt(0.03125 / 2))


def test_runs_of_other_questions_are_left_out_and_counted(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0, 1.0)
    told.session("s2")
    told.scores("none", 2, 1.0, 0.0)

    (score,) = noise_of(told.ledger).scores
    assert (score.components.runs, score.left_out) == (1, 1)
    assert any(note.startswith("Left out: 1 runs") for note in noise_tables(noise_of(told.ledger))[0].notes)


def test_another_engine_version_is_no_identical_run(told: Told) -> None:
    for session, version in (("s1", "0.11"), ("s2", "0.12")):
        told.session(session)
        told.ledger.record_engine(session, labels_of("none"), {"engine_version": version})
        told.scores("none", int(session[1]), 1.0, 0.0)

    (score,) = noise_of(told.ledger).scores
    assert (score.components.runs, score.left_out) == (1, 1)


def test_the_noise_of_a_speed_is_relative_to_its_mean(told: Told) -> None:
    loaded(told, 99.0, 101.0)
    told.session("s2")
    loaded(told, 109.0, 111.0, start=3)

    (speed,) = noise_of(told.ledger).speeds
    assert (speed.value, speed.mean, speed.workload) == ("output_tokens_per_second", 105.0, "chat")
    assert speed.components.within == pytest.approx(math.sqrt(2) / 105)
    assert speed.components.between == pytest.approx(7 / 105)
    assert speed.components.dominant == "starts"


def test_an_invalid_load_and_one_of_another_workload_definition_do_not_count(told: Told) -> None:
    told.ledger.record_load(told.now, load_of(1), load_labels("int8"))
    told.ledger.record_load(told.now, load(2, 50.0, digest="other"), load_labels("int8"))
    told.ledger.record_load(told.now, load(3, 100.0), load_labels("int8"))

    (speed,) = noise_of(told.ledger).speeds
    assert (speed.components.runs, speed.left_out) == (1, 1)


def test_a_pattern_chooses_combinations(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("int8", 1, 1.0)

    assert [one.combination for one in noise_of(told.ledger, "*int8").scores] == ["m-vllm-int8"]


def test_a_pattern_that_fits_nothing_is_refused_with_what_there_is(told: Told) -> None:
    told.scores("none", 1, 1.0)

    with pytest.raises(NotMeasured, match="fits 'x' was recorded; there are: m-vllm-none"):
        noise_of(told.ledger, "x")


def of_starts(told: Told, *starts: tuple[tuple[float, ...], ...]) -> Noise:
    number = 0
    for session, runs in enumerate(starts):
        told.session(f"start {session}")
        for scores in runs:
            number += 1
            told.scores("none", number, *scores)
    return noise_of(told.ledger)


def test_the_table_shows_what_dominates_and_how_many_starts_are_needed(told: Told) -> None:
    table = noise_tables(of_starts(told, ((1.0, 1.0), (1.0, 1.0)), ((0.0, 1.0), (0.0, 1.0))))[0]

    assert (cell(table, "flips"), cell(table, "sd of runs"), cell(table, "sd of starts")) == ("33.3%", "0.00", "35.36")
    assert (cell(table, "most from"), cell(table, "±1.0 needs")) == ("starts", "4,802 x 2")
    assert any(note.startswith("In 1 of 1 rows the starts spread more than the runs") for note in table.notes)
    assert "The spread of 2 starts is a rough guess; 5 tell it well enough to act on." in table.notes


def test_too_few_runs_show_dashes_and_what_to_do(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    table = noise_tables(noise_of(told.ledger))[0]

    assert [cell(table, heading) for heading in ("flips", "sd", "sd of runs", "sd of starts", "±1.0 needs")] == [
        "—"
    ] * 5
    assert any("twice with the same --results" in note for note in table.notes)


def test_where_runs_dominate_more_runs_of_one_session_are_enough(told: Told) -> None:
    table = noise_tables(of_starts(told, ((1.0, 1.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 1.0))))[0]

    assert cell(table, "most from") == "runs"
    assert any(note.startswith("In no row do the starts spread more") for note in table.notes)


def test_the_speeds_are_shown_in_their_unit_with_relative_spreads(told: Told) -> None:
    values = {"time_to_first_token.p50": 0.05, "time_to_first_token.mean": 0.06, "output_tokens_per_second": 100.0}
    for number in (1, 2):
        told.ledger.record_load(told.now, load(number, 0.0, values=values), load_labels("int8"))
    table = noise_tables(noise_of(told.ledger))[1]

    assert [row[2:4] for row in table.rows] == [["TTFT p50", "50.0 ms"], ["output tokens/s", "100"]]
    assert cell(table, "sd") == "0.00%"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    told = Told()
    told.ledger = Ledger(tmp_path / "ledger.sqlite")
    told.session("s1")
    told.scores("none", 1, 1.0, 0.0)
    told.scores("none", 2, 1.0, 1.0)
    told.ledger.close()
    return tmp_path


def test_the_command_prints_only_what_was_measured(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["noise", "--results", str(results)]) == 0

    said = capsys.readouterr().out
    assert said.startswith("Noise of the answers\n")
    assert "Noise of the speeds" not in said


def test_json_tells_the_components_unrounded(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["noise", "--results", str(results), "--format", "json"])

    (score,) = json.loads(capsys.readouterr().out)["scores"]
    assert score["components"]["within"] == stdev([0.5, 1.0])
    assert score["components"]["between"] is None


def test_a_combination_that_nobody_measured_ends_with_4(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["noise", "--results", str(results), "--combination", "x*"]) == 4
    assert "there are: m-vllm-none" in capsys.readouterr().err
