"""The campaigns of the published studies: every system is a row, and every floor comes from its score by the rule."""

import csv
import math
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from test_conventions import HEAVY, PROBE

from fixtures import matrix
from fixtures.fit.need import need_of
from fixtures.matrix import Combination, Matrix
from fixtures.reachable import unused
from thresholds.accepted import Accepted, Noise, bound, margin, pooled
from thresholds.catalogue import Catalogue, Threshold
from thresholds.measurement import ACCURACY
from thresholds.statistics.means import one_sided

ROOT = Path(__file__).parents[1]
STUDY, THREE = "mmlu-pro-cs-2024", "three-model-study"
QUESTIONS, TASK, DEFAULT_LIMIT = 410, "mmlu_pro_computer_science", 2048
PROVIDERS = {"OpenAI", "Anthropic", "Gemini", "Mistral", "Azure", "IONOS"}
CHANCE = {"arc_challenge": 0.25, "hellaswag": 0.25, "winogrande": 0.5}

Key = tuple[str, str, int, str]
"""Of a setting: model, KV cache, token limit and draft weights."""

Rows = list[dict[str, str]]


def published(study: str) -> Rows:
    lines = (ROOT / "reports" / "published" / f"{study}.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def is_local(run: Mapping[str, str]) -> bool:
    return run["format"] == "EXL2"


@pytest.fixture(scope="module")
def settings() -> dict[Key, Rows]:
    """The runs of the study by what it set."""
    found: dict[Key, Rows] = defaultdict(list)
    for run in published(STUDY):
        name = run["model"].partition(" @ ")[0].lower()
        model = f"{name}-{run['quantization']}" if is_local(run) else name
        limit = int(run["max_tokens"] or DEFAULT_LIMIT)
        found[model, run["kv_cache"].lower() or "auto", limit, run["draft"]].append(run)
    return found


@pytest.fixture(scope="module")
def campaign() -> Matrix:
    return matrix.load(matrix.find(STUDY))


@pytest.fixture(scope="module")
def rows(campaign: Matrix) -> dict[Key, Combination]:
    return {key_of(combination): combination for combination in campaign.combinations}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(ROOT / "thresholds")


def key_of(combination: Combination) -> Key:
    draft = combination.draft_source
    return combination.model, combination.kv_cache, combination.max_tokens or 0, (draft and draft.weights) or ""


def floor_of(catalogue: Catalogue, combination: Combination, task: str) -> Threshold:
    found = catalogue.find(ACCURACY, {**combination.labels(), "task": task, "samples": "all"})
    assert found is not None, combination
    return found


def share(run: Mapping[str, str]) -> float:
    return int(run["correct"]) / int(run["questions"])


def test_the_59_runs_are_30_rows(campaign: Matrix, settings: dict[Key, Rows], rows: dict[Key, Combination]) -> None:
    assert sum(map(len, settings.values())) == 59
    assert (len(campaign.combinations), campaign.tasks) == (30, (TASK,))
    assert set(rows) == set(settings)


def test_a_row_runs_where_the_study_ran_it(settings: dict[Key, Rows], rows: dict[Key, Combination]) -> None:
    for key, (first, *_) in settings.items():
        row = rows[key]
        if is_local(first):
            assert (row.engine, row.quantization) == ("exllamav2", "exl2"), row
            assert row.tensor_parallel == (2 if first["gpu"].startswith("2x") else 1), row
        else:
            assert row.engine == "remote", row
            assert row.settings.preset == first["served_by"].lower(), row


def test_all_six_providers_are_asked(campaign: Matrix) -> None:
    presets = {c.settings.preset for c in campaign.combinations if c.engine == "remote"}

    assert presets == {name.lower() for name in PROVIDERS}


def test_weights_are_those_that_the_study_names(settings: dict[Key, Rows], rows: dict[Key, Combination]) -> None:
    for key, (first, *_) in settings.items():
        if is_local(first):
            named = first["weights"] if "/" in first["weights"] else first["weights"].replace("_", "/", 1)
            assert rows[key].weights == named
            assert rows[key].source.shape is not None
            assert rows[key].source.shape.bits == {"exl2": float(first["quantization"].removesuffix("bpw"))}


def test_a_row_expects_of_a_question_what_the_study_spent(
    settings: dict[Key, Rows], rows: dict[Key, Combination]
) -> None:
    def each(runs: Rows, column: str) -> float:
        return fmean(float(run[column]) for run in runs) / QUESTIONS

    for key, runs in settings.items():
        said = rows[key].settings.expect
        assert said is not None
        assert said.prompt_tokens == round(each(runs, "prompt_tokens"))
        assert said.completion_tokens == round(each(runs, "completion_tokens"))
        assert said.seconds == pytest.approx(each(runs, "seconds"), abs=0.051)


def test_no_local_row_is_reckoned_larger_than_the_memory_that_it_took(
    settings: dict[Key, Rows], rows: dict[Key, Combination]
) -> None:
    for key, runs in settings.items():
        if is_local(runs[0]):
            took = min(int(run["gpu_memory_mib"]) for run in runs) * 2**20
            assert 0.6 * took < need_of(rows[key]).bytes < took, key


def test_answers_leave_room_for_the_longest_prompts(campaign: Matrix) -> None:
    for row in campaign.combinations:
        if row.engine != "remote":
            assert (row.max_model_len or 0) - (row.max_tokens or 0) >= 4096


def test_every_floor_is_the_published_mean_less_the_margin_of_recorded_ones(
    settings: dict[Key, Rows], rows: dict[Key, Combination], catalogue: Catalogue
) -> None:
    several = [list(map(share, runs)) for runs in settings.values() if len(runs) > 1]
    noise = pooled(Noise(stdev(scores), len(scores) - 1) for scores in several)
    assert noise is not None
    for key, runs in settings.items():
        base = Accepted(ACCURACY, fmean(map(share, runs)), len(runs), noise, QUESTIONS)
        found = floor_of(catalogue, rows[key], TASK)
        assert found.value == bound(base), key
        assert found.row["measured"] == pytest.approx(base.value, abs=5e-5)
        assert (found.row["runs"], found.row["questions"]) == (len(runs), QUESTIONS)
        assert found.row["noise"] == pytest.approx(noise.deviation, abs=5e-4)
        assert found.row["because"].startswith(f"published mean of {len(runs)} run")
        assert found.row["because"].endswith(f"margin {100 * margin(base):.1f}")


@pytest.mark.parametrize("run", published(THREE), ids=lambda run: f"{run['model']}-{run['task']}")
def test_every_floor_of_one_score_is_less_its_sampling_error(run: dict[str, str], catalogue: Catalogue) -> None:
    score = float(run["score"])
    width = one_sided(0.995) * math.sqrt(score * (1 - score) / 200)
    (row,) = [c for c in matrix.load(matrix.find(THREE)).combinations if c.model == run["model"]]

    found = floor_of(catalogue, row, run["task"])

    assert found.value == math.floor(1000 * (score - width)) / 1000
    assert found.value > CHANCE.get(run["task"], 0)
    assert found.row["measured"] == score
    assert (
        found.row["because"] == f"published score, less 2.6 sampling errors of 200 questions, {100 * width:.1f} points"
    )


@pytest.mark.parametrize(("name", "floors"), [(STUDY, 30), (THREE, 15)])
def test_the_models_of_a_campaign_have_no_floor_from_elsewhere(name: str, floors: int) -> None:
    models = {combination.model for combination in matrix.load(matrix.find(name)).combinations}

    rows = Catalogue.load(ROOT / "thresholds", models).rows.values()

    assert len(rows) == floors
    assert {(row.metric, row.row["run"], row.row["model"] in models) for row in rows} == {(ACCURACY, name, True)}


def test_what_the_files_say_of_the_studies_is_so(settings: dict[Key, Rows], campaign: Matrix) -> None:
    scores = [200 * float(run["score"]) for run in published(THREE) if run["task"] != "truthfulqa_mc2"]

    assert len({run["label"] for run in published(STUDY)}) == 25
    assert sum(is_local(first) for first, *_ in settings.values()) == 18
    assert scores == pytest.approx(list(map(round, scores)))
    assert {c.tensor_parallel for c in campaign.combinations if c.engine != "remote"} == {1, 2}


def test_the_three_models_are_asked_all_that_the_study_tells_of() -> None:
    plan = matrix.load(matrix.find(THREE))

    assert {c.model for c in plan.combinations} == {run["model"] for run in published(THREE)}
    assert set(plan.tasks) == {run["task"] for run in published(THREE)}
    assert plan.workloads == ("throughput_64_streams", "first_token_8_streams")


def test_each_floor_can_be_asked_for_from_the_default_matrix(catalogue: Catalogue) -> None:
    assert unused(matrix.load(matrix.find("embedded")), catalogue) == []


@pytest.mark.parametrize(("name", "accuracies"), [(STUDY, 30), (THREE, 3 * 5)])
def test_a_campaign_is_collected_without_anything_heavy(name: str, accuracies: int, tmp_path: Path) -> None:
    (tmp_path / "module_probe.py").write_text(PROBE, encoding="utf-8")
    words = ["suites/test_accuracy.py", "--collect-only", "-q", "-p", "module_probe", "--matrix", name]
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env={**outer, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall("test_accuracy_reaches_its_floor", done.stdout)) == accuracies
    modules: Any = done.stdout.partition("modules: ")[2].partition("seconds: ")[0].split()
    assert set(modules) & HEAVY == set()
