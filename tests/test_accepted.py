import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.accepted import (
    Accepted,
    Noise,
    accepted,
    accepted_row,
    bound,
    difference_error,
    margin,
    noise_of,
    pooled,
    sampled,
    together,
)
from thresholds.measurement import ACCURACY, Measurement
from thresholds.recording import replace_text
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN
from thresholds.statistics.means import rerun_error
from thresholds.strict_yaml import InvalidFile

quick = settings(deadline=None, max_examples=200, database=None)


def measured(*runs: tuple[float, ...]) -> Measurement:
    return Measurement(ACCURACY, runs, {"task": "gsm8k"}, len(runs[0]))


def rate(*values: float) -> Measurement:
    return Measurement(OUTPUT_TOKENS_PER_SECOND, tuple((value,) for value in values), {"workload": "chat"}, 1)


def test_the_noise_of_an_accuracy_is_its_rerun_error_times_the_root_of_its_runs() -> None:
    runs = measured((0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, 0.0))
    noise = noise_of(runs)

    assert noise is not None
    assert noise.deviation == pytest.approx((rerun_error(runs.samples) or 0) * math.sqrt(3))
    assert noise.degrees == 2


def test_the_noise_of_a_speed_is_a_share_of_its_mean() -> None:
    assert noise_of(rate(99, 100, 101)) == Noise(0.01, 2)


@pytest.mark.parametrize("measurement", [measured((1.0, 0.0)), rate(100.0), rate(0.0, 0.0, 0.0)])
def test_one_run_and_a_speed_of_0_show_no_noise(measurement: Measurement) -> None:
    assert noise_of(measurement) is None


@pytest.mark.parametrize(("deviation", "degrees"), [(-0.1, 1), (math.nan, 1), (math.inf, 1), (0.1, 0)])
def test_a_noise_that_no_runs_can_have_is_an_error(deviation: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="noise is a share from 0 to 100 with at least 1 degree of freedom"):
        Noise(deviation, degrees)


def test_no_noise_pools_to_none() -> None:
    assert pooled([None, None]) is None
    assert pooled([]) is None


def test_a_noise_pooled_with_nothing_stays_as_it_is() -> None:
    assert pooled([None, Noise(0.02, 3)]) == Noise(0.02, 3)


@pytest.mark.parametrize(
    ("samples", "count"), [("40", 40), (40, 40), ("first 7", 7), ("seed -3: 12", 12), ("all", None), (None, None)]
)
def test_a_sample_says_how_many_questions_it_asks(samples: object, count: int | None) -> None:
    assert sampled(samples) == count


def test_a_row_rests_on_what_it_says() -> None:
    row = {"measured": 0.6, "noise": 0.02, "runs": 4, "samples": "first 40", "run": "r-1", "measured_on": "cpu"}

    assert accepted_row(ACCURACY, row) == Accepted(ACCURACY, 0.6, 4, Noise(0.02, 3), 40, "r-1", "cpu")


def test_questions_that_a_row_states_go_before_those_of_its_sample() -> None:
    row = {"measured": 0.6, "runs": 4, "samples": "40", "questions": 30, "run": "r-1"}

    assert accepted_row(ACCURACY, row).questions == 30


def test_a_speed_row_was_measured_on_its_hardware() -> None:
    row = {"measured": 100.0, "runs": 3, "run": "r-1", "hardware": "2 x Xeon", "measured_on": None}

    assert accepted_row(OUTPUT_TOKENS_PER_SECOND, row).measured_on == "2 x Xeon"


def test_values_that_are_not_told_apart_become_one_over_all_their_runs() -> None:
    one = Accepted(ACCURACY, 0.6, 2, Noise(0.02, 1), 40, "r-1", "cpu")
    other = Accepted(ACCURACY, 0.63, 4, Noise(0.04, 3), 40, "r-2", "gpu")

    both = together([one, other])

    assert (both.runs, both.run, both.measured_on) == (6, "r-2", "gpu")
    assert both.value == pytest.approx((2 * 0.6 + 4 * 0.63) / 6)
    assert both.noise == pooled([one.noise, other.noise])


values = st.builds(
    Accepted,
    st.just(ACCURACY),
    st.floats(0, 1),
    st.integers(1, 1000),
    st.none() | st.builds(Noise, st.floats(0, 1), st.integers(1, 100)),
    st.none() | st.integers(1, 10**6),
) | st.builds(
    Accepted,
    st.sampled_from([OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN]),
    st.floats(1e-9, 1e9),
    st.integers(1, 1000),
    st.none() | st.builds(Noise, st.floats(0, 100), st.integers(1, 100)),
)


@quick
@given(values)
def test_a_bound_lies_on_the_worse_side_of_its_value_at_least_its_margin_away(base: Accepted) -> None:
    width, limit = margin(base), bound(base)

    assert width >= 0
    assert base.sign * (base.value - limit) >= min(width, base.value - base.metric.lowest) * (1 - 1e-9) - 1e-12


@quick
@given(values, st.integers(1, 100))
def test_more_later_runs_never_make_a_difference_less_certain(base: Accepted, later: int) -> None:
    assert difference_error(base, later + 1) <= difference_error(base, later)


@quick
@given(values.filter(lambda base: base.runs >= 4), st.integers(1, 10))
def test_more_runs_never_make_a_difference_less_certain(base: Accepted, more: int) -> None:
    assert difference_error(replace(base, runs=base.runs + more)) <= difference_error(base) * (1 + 1e-12)


@quick
@given(st.lists(st.none() | st.builds(Noise, st.floats(0, 100), st.integers(1, 100)), max_size=5))
def test_a_pooled_noise_lies_between_those_it_was_made_of(noises: list[Noise | None]) -> None:
    known, both = [one.deviation for one in noises if one], pooled(noises)

    assert (both is None) == (not known)
    if both is not None:
        assert min(known) * (1 - 1e-9) <= both.deviation <= max(known) * (1 + 1e-9)


scores = st.integers(1, 8).flatmap(
    lambda items: st.lists(st.tuples(*[st.floats(0, 1)] * items), min_size=1, max_size=5)
)


@quick
@given(scores)
def test_whatever_was_measured_can_be_what_a_bound_rests_on(runs: list[tuple[Any, ...]]) -> None:
    base = accepted(measured(*runs), run="r-1")

    assert (base.runs, base.questions) == (len(runs), len(runs[0]))
    assert 0 <= bound(base) <= base.value + 1e-12


@quick
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
def test_a_file_is_replaced_by_what_was_asked(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "smol.yaml"
        replace_text(path, text)

        assert path.read_text(encoding="utf-8") == text
        assert list(Path(folder).iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    (tmp_path / "smol.yaml").mkdir()

    with pytest.raises(InvalidFile, match=r"smol\.yaml: cannot be written"):
        replace_text(tmp_path / "smol.yaml", "model: smol\n")
