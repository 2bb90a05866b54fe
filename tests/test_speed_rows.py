from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thresholds.catalogue import SPEED_KEYS, Catalogue
from thresholds.measurement import Metric
from thresholds.speed import GOODPUT, OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN, ratio_of
from thresholds.strict_yaml import InvalidFile

ORIGIN = "measured: 100, runs: 5, run: r-1, because: accepted"
RATE = f"metric: output_tokens_per_second, workload: chat, engine: vllm, hardware: 2 x Xeon, floor: 90, {ORIGIN}"
LATENCY = (
    "metric: time_to_first_token, statistic: p95, workload: chat, engine: vllm, hardware: 2 x Xeon, "
    f"ceiling: 120, {ORIGIN}"
)
RATIO = (
    "metric: output_tokens_per_second, workload: chat, engine: vllm, quantization: w8a8, against: smol-vllm, "
    f"floor: 1.1, measured_on: 2 x Xeon, {ORIGIN}"
)
RATE_LABELS: Mapping[str, Any] = {
    "model": "smol",
    "statistic": None,
    "workload": "chat",
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
LATENCY_LABELS: Mapping[str, Any] = {**RATE_LABELS, "statistic": "p95"}
RATIO_LABELS: Mapping[str, Any] = {**RATE_LABELS, "quantization": "w8a8", "against": "smol-vllm"}
RATIO_METRIC = ratio_of(OUTPUT_TOKENS_PER_SECOND)


def file_of(folder: Path, *rows: str) -> Path:
    path = folder / "smol.yaml"
    path.write_text("model: smol\nspeed:\n" + "".join(f"  - {{{row}}}\n" for row in rows), encoding="utf-8")
    return path


def loaded(folder: Path, *rows: str) -> Catalogue:
    file_of(folder, *rows)
    return Catalogue.load(folder)


def refusal(folder: Path, *rows: str) -> str:
    path = file_of(folder, *rows)
    with pytest.raises(InvalidFile) as refused:
        Catalogue.load(folder)
    return str(refused.value).removeprefix(str(path))


def without(row: str, *keys: str) -> str:
    return ", ".join(part for part in row.split(", ") if not part.startswith(tuple(f"{key}:" for key in keys)))


@pytest.mark.parametrize(
    ("row", "metric", "labels", "value"),
    [
        (RATE, OUTPUT_TOKENS_PER_SECOND, RATE_LABELS, 90),
        (LATENCY, TIME_TO_FIRST_TOKEN, LATENCY_LABELS, 120),
        (RATIO, RATIO_METRIC, RATIO_LABELS, 1.1),
    ],
)
def test_a_row_is_found_by_its_labels(
    row: str, metric: Metric, labels: Mapping[str, Any], value: float, tmp_path: Path
) -> None:
    found = loaded(tmp_path, row).find(metric, labels)

    assert found is not None
    assert (found.metric, found.value, found.must, found.exact) == (metric, value, "hold", True)
    assert found.where == f"{tmp_path / 'smol.yaml'}:3"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "other"),
        ("workload", "batch"),
        ("engine", "exllamav2"),
        ("quantization", "w8a8"),
        ("kv_cache", "fp8"),
        ("draft", "eagle"),
        ("max_model_len", 2048),
        ("tensor_parallel", 2),
        ("chat", True),
        ("hardware", "1 x NVIDIA H100 80GB HBM3"),
        ("against", "smol-vllm-w8a8"),
        ("statistic", "p50"),
    ],
)
def test_a_row_is_not_found_for_another(key: str, value: object, tmp_path: Path) -> None:
    assert loaded(tmp_path, LATENCY).find(TIME_TO_FIRST_TOKEN, {**LATENCY_LABELS, key: value}) is None


def test_a_row_is_not_found_for_another_metric(tmp_path: Path) -> None:
    assert loaded(tmp_path, RATE).find(GOODPUT, RATE_LABELS) is None


def test_the_answer_limit_is_no_key_of_a_speed_row_for_the_workload_sets_it(tmp_path: Path) -> None:
    assert "max_tokens" not in SPEED_KEYS
    assert loaded(tmp_path, RATE).find(OUTPUT_TOKENS_PER_SECOND, {**RATE_LABELS, "max_tokens": 1}) is not None
    assert refusal(tmp_path, f"{RATE}, max_tokens: 1").startswith(":3: unknown key 'max_tokens'")


@pytest.mark.parametrize("key", ["temperature", "top_p"])
def test_sampling_is_a_key_because_it_changes_what_a_draft_gets_right(key: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, RATE).find(OUTPUT_TOKENS_PER_SECOND, {**RATE_LABELS, key: 0.5}) is None


@pytest.mark.parametrize("hardware", ["2 x Xeon", "1 x NVIDIA H100 80GB HBM3", None])
def test_a_ratio_is_found_on_any_hardware(hardware: str | None, tmp_path: Path) -> None:
    assert loaded(tmp_path, RATIO).find(RATIO_METRIC, {**RATIO_LABELS, "hardware": hardware}) is not None


def test_a_row_may_say_its_noise_and_its_golden_value(tmp_path: Path) -> None:
    row = loaded(tmp_path, f"{RATE}, noise: 0.03, golden: {{value: 101, run: r-0}}")

    found = row.find(OUTPUT_TOKENS_PER_SECOND, RATE_LABELS)

    assert found is not None
    assert (found.row["noise"], found.row["golden"]) == (0.03, {"value": 101, "run": "r-0"})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("noise: 300", "noise: input should be less than or equal to 100 (got 300)"),
        ("noise: true", "noise: a number belongs here, without quotes (got True)"),
        ("golden: {value: 0, run: r-0}", "value: input should be greater than 0 (got 0)"),
        ("golden: {value: true, run: r-0}", "value: a number belongs here, without quotes (got True)"),
    ],
)
def test_what_a_row_may_say_beside_its_bound_is_checked_too(written: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, f"{RATE}, {written}") == f":3: {said}"


def test_a_ratio_is_not_found_against_another_combination(tmp_path: Path) -> None:
    assert loaded(tmp_path, RATIO).find(RATIO_METRIC, {**RATIO_LABELS, "against": "smol-remote"}) is None


def test_the_row_of_a_ratio_says_nothing_of_the_speed_itself(tmp_path: Path) -> None:
    assert loaded(tmp_path, RATIO).find(OUTPUT_TOKENS_PER_SECOND, {**RATIO_LABELS, "against": None}) is None


def test_speeds_and_accuracies_share_a_file(tmp_path: Path) -> None:
    path = file_of(tmp_path, RATE)
    row = f"task: gsm8k, floor: 0.5, measured_on: cpu, {ORIGIN}".replace("measured: 100", "measured: 0.6")
    path.write_text(path.read_text(encoding="utf-8") + f"accuracy:\n  - {{{row}}}\n", encoding="utf-8")

    assert [row.metric.name for row in Catalogue.load(tmp_path).rows.values()] == [
        "accuracy",
        "output_tokens_per_second",
    ]


def test_a_row_that_a_reachable_combination_can_use_on_any_hardware_is_not_unused(tmp_path: Path) -> None:
    elsewhere = RATE.replace("2 x Xeon", "1 x NVIDIA H100 80GB HBM3")

    catalogue = loaded(tmp_path, RATE, elsewhere)

    assert catalogue.unused([(OUTPUT_TOKENS_PER_SECOND, {**RATE_LABELS, "hardware": None})]) == []


@pytest.mark.parametrize("metric", [OUTPUT_TOKENS_PER_SECOND, RATIO_METRIC])
def test_a_ratio_that_a_reachable_pair_can_use_is_not_unused(metric: Metric, tmp_path: Path) -> None:
    assert loaded(tmp_path, RATIO).unused([(metric, {**RATIO_LABELS, "hardware": None})]) == []


@pytest.mark.parametrize(
    ("key", "value"), [("workload", "batch"), ("statistic", "p50"), ("against", "smol-vllm"), ("engine", "remote")]
)
def test_a_row_that_nothing_can_use_is_unused(key: str, value: str, tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, LATENCY)

    unused = catalogue.unused([(TIME_TO_FIRST_TOKEN, {**LATENCY_LABELS, "hardware": None, key: value})])

    assert [row.where for row in unused] == [f"{tmp_path / 'smol.yaml'}:3"]


@pytest.mark.parametrize(
    ("row", "twin", "word"),
    [(RATE, f"{RATE}, quantization: none", "floor"), (LATENCY, LATENCY, "ceiling"), (RATIO, RATIO, "floor")],
)
def test_a_second_row_for_the_same_thing_names_both_places(row: str, twin: str, word: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, row, twin)

    assert said == f":4: a second {word} for what {tmp_path / 'smol.yaml'}:3 speaks of; delete one"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (RATE.replace("metric: output", "metric: ouput"),
         "metric: no speed has this name; did you mean 'output_tokens_per_second'? (got 'ouput_tokens_per_second')"),
        (LATENCY.replace("p95", "meen"), "statistic is 'meen'; did you mean 'mean'?"),
        (LATENCY.replace("p95", "median"), "statistic is 'median'; did you mean 'mean'?"),
        (LATENCY.replace("p95", "95"), "statistic is 95; did you mean 'p95'?"),
        (f"{RATE}, quantisation: awq", "unknown key 'quantisation'; did you mean 'quantization'?"),
        (f"{RATE}, task: gsm8k", "unknown key 'task'; did you mean 'asks'?"),
        (f"{RATE}, tensor_parallel: 0", "tensor_parallel: input should be greater than 0 (got 0)"),
        (f"{RATE}, must: shw", "must is 'shw'; did you mean 'show'?"),
        (RATE.replace("runs: 5", "runs: 2"), "runs: input should be greater than or equal to 3 (got 2)"),
    ],
)  # fmt: skip
def test_a_wrong_row_says_where_and_what(row: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, row).startswith(f":3: {said}")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (without(LATENCY, "statistic"),
         "time_to_first_token has many values a run; add `statistic:`, one of mean, p50, p90, p95, p99"),
        (f"{RATE}, statistic: mean", "output_tokens_per_second has one value a run; delete `statistic:`"),
        (RATE.replace("floor", "ceiling"),
         "output_tokens_per_second is better when higher; write `floor:`, not `ceiling:`"),
        (LATENCY.replace("ceiling", "floor"),
         "time_to_first_token is better when lower; write `ceiling:`, not `floor:`"),
        (f"{LATENCY}, floor: 1", "time_to_first_token is better when lower; write `ceiling:`, not `floor:`"),
        (RATIO.replace("floor", "ceiling"),
         "output_tokens_per_second is better when higher; write `floor:`, not `ceiling:`"),
        (without(RATE, "floor"), "the key 'floor' is missing"),
        (without(LATENCY, "ceiling"), "the key 'ceiling' is missing"),
        (without(RATE, "hardware"),
         "say where: add `hardware:`, or for a ratio `against:` (the id of a combination)"),
        (f"{RATE}, measured_on: 2 x Xeon", "`hardware:` says on what it was measured; delete `measured_on:`"),
        (f"{RATIO}, hardware: 2 x Xeon",
         "a ratio (`against:`) holds on any machine; write `measured_on:`, not `hardware:`"),
        (without(RATIO, "measured_on"), "the key 'measured_on' is missing"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit_together_say_what_to_write(row: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, row) == f":3: {said}"


@pytest.mark.parametrize("key", ["metric", "workload", "engine", "measured", "runs", "run", "because"])
def test_a_row_without_its_keys_or_origin_is_refused(key: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, without(RATE, key)) == f":3: the key {key!r} is missing"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (".nan", "input should be a finite number (got nan)"),
        (".inf", "input should be a finite number (got inf)"),
        ("0", "input should be greater than 0 (got 0)"),
        ("-1", "input should be greater than 0 (got -1)"),
        ("'90'", "a number belongs here, without quotes (got '90')"),
        ("90 tokens/s", "a number belongs here, without quotes (got '90 tokens/s')"),
        ("true", "a number belongs here, without quotes (got True)"),
    ],
)
def test_a_bound_that_is_no_positive_number_is_refused(written: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, RATE.replace("floor: 90", f"floor: {written}")) == f":3: floor: {said}"
    assert refusal(tmp_path, LATENCY.replace("ceiling: 120", f"ceiling: {written}")) == f":3: ceiling: {said}"
