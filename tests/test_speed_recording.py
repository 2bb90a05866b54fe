import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.accepting import Accepting
from thresholds.accepted import BETWEEN_STARTS
from thresholds.catalogue import Catalogue, Threshold
from thresholds.doctor import examine
from thresholds.measurement import Measurement, Metric, NotMeasured
from thresholds.recording import as_text, margin, recordable, speed_row, write
from thresholds.speed import GOODPUT, OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN, ratio_of
from thresholds.verdict import Outcome, judge

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
    "hardware": "2 x Intel(R) Xeon(R) Processor",
    "against": None,
}
STEADY = (99.0, 100.0, 101.0)
"""s = 1: t(0.995, 2) * sqrt(2 / 3) = 8.104, and with 5 % of 100 the root of 8.104^2 + 5^2 = 9.522."""


def measured(*values: float, metric: Metric = OUTPUT_TOKENS_PER_SECOND, failed: int = 0, **labels: Any) -> Measurement:
    return Measurement(metric, tuple((value,) for value in values), {**LABELS, **labels}, 1, failed)


def row_of(measurement: Measurement) -> dict[str, Any]:
    return speed_row(measurement, measured_on="2 x Intel cores", run="20260117-093000-ab12")


def recorded(measurement: Measurement) -> Threshold | None:
    """What the catalogue finds after the row has been written into a file."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "smol.yaml", "smol", row_of(measurement), "speed")
        return Catalogue.load(Path(folder)).find(measurement.metric, measurement.labels)


def refusal(measurement: Measurement) -> tuple[str, str]:
    with pytest.raises(NotMeasured) as refused:
        recordable(measurement)
    return refused.value.reason, str(refused.value)


@pytest.mark.parametrize("runs", [1, 2])
def test_a_speed_of_fewer_than_three_runs_is_refused(runs: int) -> None:
    said = "a floor of a speed cannot be recorded from fewer than 3 runs; use --runs 5"

    assert refusal(measured(*STEADY[:runs])) == ("too_few_runs", said)


def test_a_speed_with_failed_requests_is_refused() -> None:
    said = "a ceiling cannot be recorded while requests fail"

    assert refusal(measured(*STEADY, metric=TIME_TO_FIRST_TOKEN, failed=1)) == ("failed_requests", said)


def test_a_speed_of_zero_is_refused() -> None:
    said = "a floor cannot be recorded from a measured 0; mend the load first"

    assert refusal(measured(0, 0, 0, metric=GOODPUT)) == ("bound_of_zero", said)


def test_a_speed_whose_noise_asks_for_half_of_it_as_margin_is_refused() -> None:
    reason, said = refusal(measured(93, 100, 107))

    assert reason == "too_noisy"
    assert said == (
        "too noisy: its floor would be off by 56.9 % of what was measured; "
        "use more runs (--runs 6), or a longer load on a quieter machine"
    )


def test_three_steady_runs_can_be_recorded() -> None:
    assert recordable(measured(*STEADY)) is None


def test_the_margin_of_runs_that_agree_is_5_per_cent_for_what_differs_between_starts() -> None:
    assert margin(measured(100, 100, 100)) == pytest.approx(5)


def test_the_margin_of_noisy_runs_covers_both_how_far_a_later_mean_may_lie_and_another_start() -> None:
    later = 9.92484 * (2 / 3) ** 0.5  # t(0.995, 2) = 9.92484

    assert margin(measured(*STEADY)) == pytest.approx((later**2 + 5**2) ** 0.5, abs=1e-4)


def test_the_margin_of_a_ratio_covers_another_start_of_both_engines() -> None:
    ratio = ratio_of(OUTPUT_TOKENS_PER_SECOND)

    assert margin(measured(1, 1, 1, metric=ratio, against="smol-vllm-w8a8")) == pytest.approx(0.05 * 2**0.5)


def test_a_later_session_whose_engine_started_anew_raises_few_false_alarms_though_its_runs_agree() -> None:
    draw = np.random.default_rng(20261126)
    alarms = 0
    for _ in range(1000):
        first, second = draw.normal(100, BETWEEN_STARTS / 1.96 / 2**0.5 * 100, 2)  # 5 % reach 95 % of the differences
        row = row_of(measured(*draw.normal(first, 1.5, 5)))
        later = measured(*draw.normal(second, 1.5, 3))
        alarms += not judge(later, Threshold(OUTPUT_TOKENS_PER_SECOND, row["floor"], "hold", "smol.yaml:3", row))

    assert alarms <= 20


def test_more_runs_narrow_the_margin() -> None:
    assert margin(measured(*STEADY * 3)) < margin(measured(*STEADY))


def test_a_floor_lies_below_and_is_rounded_down_to_three_digits() -> None:
    row = row_of(measured(1234, 1234, 1234))

    assert row["floor"] == 1170
    assert "ceiling" not in row


def test_a_ceiling_lies_above_and_is_rounded_up_to_three_digits() -> None:
    row = row_of(measured(0.1234, 0.1234, 0.1234, metric=TIME_TO_FIRST_TOKEN, statistic="p95"))

    assert row["ceiling"] == 0.130
    assert "floor" not in row


def test_the_row_names_only_what_is_not_the_default() -> None:
    assert list(row_of(measured(*STEADY))) == [
        "metric", "workload", "engine", "hardware", "floor", "measured", "noise", "runs", "run", "because"
    ]  # fmt: skip
    assert list(row_of(measured(*STEADY, metric=TIME_TO_FIRST_TOKEN, statistic="p95", tensor_parallel=2))) == [
        "metric", "statistic", "workload", "engine", "tensor_parallel", "hardware", "ceiling", "measured", "noise",
        "runs", "run", "because"
    ]  # fmt: skip


def test_the_row_keeps_the_noise_between_runs_as_a_share_of_their_mean() -> None:
    assert row_of(measured(*STEADY))["noise"] == 0.01
    assert row_of(measured(0.099, 0.1, 0.101, metric=TIME_TO_FIRST_TOKEN, statistic="p95"))["noise"] == 0.01
    assert "noise" not in row_of(measured(100))


def test_the_row_of_a_ratio_says_against_what_and_on_which_machine_it_was_measured() -> None:
    row = row_of(measured(1.1, 1.1, 1.1, metric=ratio_of(OUTPUT_TOKENS_PER_SECOND), against="smol-vllm-w8a8"))

    assert (row["against"], row["measured_on"]) == ("smol-vllm-w8a8", "2 x Intel cores")
    assert "hardware" not in row


def test_the_row_keeps_where_it_comes_from() -> None:
    row = row_of(measured(*STEADY))

    assert (row["measured"], row["runs"], row["run"]) == (100, 3, "20260117-093000-ab12")
    assert row["because"] == (
        "recorded; margin 9.5 %, the root of the summed squares of 8.1 % for 3 later runs (1.0 % between 3) "
        "and 5.0 % between starts"
    )


@pytest.mark.parametrize("values", [(100.0,), (100.0, 101.0), (0.0, 0.0, 0.0)])
def test_a_row_that_cannot_be_recorded_can_still_be_made(values: tuple[float, ...]) -> None:
    assert row_of(measured(*values, metric=GOODPUT))["runs"] == len(values)


def test_a_row_is_one_line_of_yaml_that_can_be_pasted(tmp_path: Path) -> None:
    measurement = measured(0.101, 0.102, 0.103, metric=TIME_TO_FIRST_TOKEN, statistic="p95", hardware="null: {1, 2} #")
    text = as_text(row_of(measurement))
    (tmp_path / "smol.yaml").write_text(f"model: smol\nspeed:\n  - {text}\n", encoding="utf-8")

    assert "\n" not in text
    assert Catalogue.load(tmp_path).find(TIME_TO_FIRST_TOKEN, measurement.labels) is not None


def test_a_speed_row_is_written_beside_the_accuracy_rows_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "smol.yaml"
    before = (
        "# agreed in January\nmodel: smol\naccuracy:  # per task\n"
        "  - {task: gsm8k, floor: 0.5, measured: 0.6, runs: 4, measured_on: cpu, run: r-1, because: accepted}\n"
    )
    path.write_text(before, encoding="utf-8")

    write(path, "smol", row_of(measured(*STEADY)), "speed")
    write(path, "smol", row_of(measured(*STEADY, workload="batch")), "speed")

    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"{before}speed:\n  - {{metric: output_tokens_per_second, workload: chat, ")
    assert [row.where.rpartition(":")[2] for row in Catalogue.load(tmp_path).rows.values()] == ["4", "6", "7"]


def test_a_new_file_of_speeds_names_its_model(tmp_path: Path) -> None:
    write(tmp_path / "smol.yaml", "smol", row_of(measured(*STEADY)), "speed")

    assert (tmp_path / "smol.yaml").read_text(encoding="utf-8").startswith("model: smol\nspeed:\n  - {metric: ")


kinds = st.sampled_from(
    [
        (OUTPUT_TOKENS_PER_SECOND, {}),
        (TIME_TO_FIRST_TOKEN, {"statistic": "p95"}),
        (ratio_of(OUTPUT_TOKENS_PER_SECOND), {"against": "smol-vllm-w8a8"}),
        (ratio_of(TIME_TO_FIRST_TOKEN), {"against": "smol-vllm-w8a8", "statistic": "mean"}),
    ]
)
keys = st.fixed_dictionaries(
    {
        "workload": st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12),
        "draft": st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12),
        "max_model_len": st.none() | st.integers(1, 10**6),
        "tensor_parallel": st.integers(1, 8),
        "chat": st.booleans(),
        "hardware": st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=3, max_size=40),
    }
)
steady = st.tuples(st.floats(1e-6, 1e6), st.lists(st.floats(0.99, 1.01), min_size=3, max_size=6))


@settings(deadline=None, max_examples=100, database=None)
@given(kinds, keys, steady)
def test_whatever_is_recorded_is_found_again_and_lies_on_the_worse_side(
    kind: tuple[Metric, dict[str, Any]], known: dict[str, Any], around: tuple[float, list[float]]
) -> None:
    metric, more = kind
    size, values = around
    measurement = measured(*(size * value for value in values), metric=metric, **{**known, **more})
    recordable(measurement)

    found = recorded(measurement)

    assert found is not None
    assert abs(found.value - measurement.value) >= 0.0499 * measurement.value
    assert examine(found).fit
    assert judge(measurement, found).outcome is Outcome.PASS


@settings(deadline=None, max_examples=200, database=None)
@given(kinds, st.lists(st.floats(0, 1e9) | st.floats(99, 101), min_size=1, max_size=6), st.integers(0, 1))
def test_whatever_was_measured_is_recorded_and_fit_or_refused_by_name(
    kind: tuple[Metric, dict[str, Any]], values: list[float], failed: int
) -> None:
    metric, more = kind
    measurement = measured(*values, metric=metric, failed=failed, **more)
    try:
        recordable(measurement)
        refused = None
    except NotMeasured as error:
        refused = error.reason

    assert as_text(row_of(measurement)).startswith("{metric: ")
    assert margin(measurement) >= 0
    if refused is None:
        found = recorded(measurement)
        assert found is not None
        assert examine(found).fit
    else:
        assert refused in {"failed_requests", "too_few_runs", "bound_of_zero", "too_noisy"}


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_an_unchanged_engine_raises_at_most_10_false_alarms_in_1000_later_sessions(runs: int) -> None:
    draw = np.random.default_rng(20260117)
    alarms = 0
    for _ in range(1000):
        row = row_of(measured(*draw.normal(100, 3, runs)))
        later = measured(*draw.normal(100, 3, 3))
        alarms += not judge(later, Threshold(OUTPUT_TOKENS_PER_SECOND, row["floor"], "hold", "smol.yaml:3", row))

    assert alarms <= 10


def accepting(folder: Path, *, record: bool = False) -> Accepting:
    (folder / "smol.yaml").touch()
    if not (folder / "smol.yaml").read_text(encoding="utf-8"):
        (folder / "smol.yaml").write_text("model: smol\n", encoding="utf-8")
    return Accepting(Catalogue.load(folder), "a session", record=record)


def test_a_threshold_that_was_accepted_for_another_load_of_the_same_name_fails(tmp_path: Path) -> None:
    accepting(tmp_path, record=True).verdict(measured(100, 101, 102, asks="11111111"), "2 x cores", "pytest")
    again = accepting(tmp_path)

    same = again.verdict(measured(100, 101, 102, asks="11111111"), "2 x cores", "pytest")
    other = again.verdict(measured(100, 101, 102, asks="22222222"), "2 x cores", "pytest")

    assert same.outcome == "PASS"
    assert (other.outcome, other.reason) == ("FAIL", "threshold_of_another_load")
    assert other.lines[1] == ("that asked 11111111, this asks 22222222; give the new load a new name, or accept it:")


def test_two_combinations_that_share_a_row_record_it_once(tmp_path: Path) -> None:
    session = accepting(tmp_path, record=True)

    session.verdict(measured(100, 101, 102, max_tokens=256), "2 x cores", "pytest")
    second = session.verdict(measured(90, 91, 92, max_tokens=512), "2 x cores", "pytest")

    assert second.lines[-1] == "not recorded: another combination of this run has its row"
    assert len(Catalogue.load(tmp_path).rows) == 1
