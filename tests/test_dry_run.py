"""`--dry-run`: everything is said, nothing is started, asked or written."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine

from conftest import Heard, Weighbridge
from fixtures import matrix
from fixtures.dry_run.command import command
from fixtures.dry_run.estimate import duration
from fixtures.dry_run.plugin import pytest_runtestloop, sized
from fixtures.dry_run.room import Room, room
from fixtures.evaluate.extent import Extent
from fixtures.fit.machine import Memory

ROOT = Path(__file__).parents[1]
ENDPOINT = {"url": "http://127.0.0.1:9/v1", "key_variable": "NO_SUCH_KEY"}
EXPECT = {"prompt_tokens": 1000, "completion_tokens": 200, "seconds": 2.5}
SPAWNED, REMOTE = "tiny-spawned-unquantized", "tiny-remote-unquantized"


def of(heard: Heard, combination: str) -> dict[str, list[str]]:
    """What was said of a combination, by the first word of each line."""
    said = defaultdict(list)
    for line in heard.output.partition(f"\n{combination} (")[2].partition("\n\n")[0].splitlines()[1:]:
        word, _, rest = line.strip().partition(" ")
        said[word].append(rest.strip())
    return said


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def heard(checkout: Callable[[], Weighbridge]) -> Heard:
    """An engine of ours and an endpoint, on tasks whose data is here and on some whose data is not."""
    weighbridge = checkout()
    weighbridge.workloads(chat={})
    weighbridge.matrix(
        ["embedded_gsm8k", "embedded_winogrande", "gsm8k", "arc_challenge"],
        {"engine": "spawned"},
        ENDPOINT,
        model={"weights": {"none": "./nowhere"}, "served_as": "org/tiny"},
        workloads=["chat"],
    )
    before = files(weighbridge.path)
    told = weighbridge.run("--dry-run", "--samples", "10", "--runs", "3")
    assert files(weighbridge.path) == before
    return told


def test_nothing_is_started_asked_or_written(heard: Heard) -> None:
    assert heard.code == 0, heard.output
    assert heard.told == []
    assert re.search("^2 combinations; .+: 1, elsewhere: 1$", heard.output, re.MULTILINE)
    assert "nothing was started, and no network was asked" in heard.output


def test_an_endpoint_is_named_by_its_address_and_needs_no_key(heard: Heard) -> None:
    told = of(heard, REMOTE)

    assert told["endpoint"] == ["http://127.0.0.1:9/v1, asked for org/tiny"]
    assert told["memory"] == ["that of somebody else's machine"]


def test_an_engine_that_tells_no_command_is_named(heard: Heard) -> None:
    assert of(heard, SPAWNED)["command"] == ["not told by the engine spawned"]


def test_questions_and_requests_are_counted_from_the_tasks(heard: Heard) -> None:
    assert of(heard, REMOTE)["questions"][:2] == [
        "embedded_gsm8k: 10 of 96 x 3 runs, 30 requests",
        "embedded_winogrande: 10 of 96 x 3 runs, 60 requests",
    ]


def test_a_task_whose_data_is_not_here_is_not_fetched(heard: Heard) -> None:
    written, chosen = of(heard, REMOTE)["questions"][2:]

    assert written == "gsm8k: 10 x 3 runs, 30 requests"  # its answers are written
    assert chosen.startswith("arc_challenge: 10 x 3 runs; how many requests is unknown")


def test_loads_are_counted_with_their_warm_up(heard: Heard) -> None:
    assert of(heard, REMOTE)["load"] == ["chat: 16 requests x 3 runs, warm-up included"]


def test_what_nobody_knows_is_unknown(heard: Heard) -> None:
    tasks = "embedded_gsm8k, embedded_winogrande, gsm8k, arc_challenge"

    assert of(heard, REMOTE)["time"] == [f"unknown: no earlier answers to {tasks}, and no `expect:` in the matrix"]
    assert of(heard, REMOTE)["cost"] == ["unknown: the matrix has no `prices:` for this model"]
    assert of(heard, SPAWNED)["cost"] == ["none but this machine's"]


def test_time_and_cost_are_those_that_the_matrix_expects_of_the_questions_that_a_row_counts(
    weighbridge: Weighbridge,
) -> None:
    weighbridge.matrix(
        ["embedded_gsm8k", "gsm8k"],
        {**ENDPOINT, "expect": EXPECT},
        model={"prices": {"input": 3.0, "output": 15.0}},
    )
    weighbridge.floors({"task": "gsm8k", "floor": 0.5, "questions": 1319})

    told = of(weighbridge.run("--dry-run", "--samples", "all"), REMOTE)

    assert told["questions"][1] == "gsm8k: 1,319 x 2 runs, 2,638 requests"
    assert told["time"] == ["about 2.0 h for the questions, as the matrix expects"]  # (96 + 1319) x 2 x 2.5 s
    assert told["cost"] == [
        "about 16.98 for the questions, as the matrix expects"
    ]  # 2830 x (1000 x 3 + 200 x 15) / 10^6


def test_earlier_answers_are_believed_before_the_matrix(weighbridge: Weighbridge, fake_engine: FakeEngine) -> None:
    block = {"url": fake_engine.url, "expect": EXPECT}
    weighbridge.matrix(["embedded_gsm8k"], block, model={"prices": {"input": 1000.0, "output": 0.0}})
    ran = weighbridge.run("--samples", "8", "-m", "accuracy")
    asked = len(fake_engine.requests)
    tokens = sum(item["prompt_tokens"] for run in ran.runs for item in run["items"])

    told = of(weighbridge.run("--dry-run", "--samples", "8"), REMOTE)

    assert len(fake_engine.requests) == asked
    said = re.fullmatch(r"about ([\d.]+) for the questions, by earlier answers in results/", told["cost"][0])
    assert said is not None, told
    assert float(said[1]) == pytest.approx(tokens / 1000, rel=0.01)
    assert told["time"][0].endswith("by earlier answers in results/")


def test_how_many_all_are_may_be_unknown() -> None:
    assert sized(Extent(None, None, None), 2).startswith("all x 2 runs; how many is unknown")


def test_workers_are_refused() -> None:
    options: dict[str, Any] = {"dry_run": True, "collectonly": False, "dist": "load"}
    config = SimpleNamespace(getoption=lambda name, default=None: options.get(name, default))

    with pytest.raises(pytest.UsageError, match="leave out -n"):
        pytest_runtestloop(SimpleNamespace(config=config))  # type: ignore[arg-type]


def test_weights_and_drafts_are_named_whether_they_are_here_or_not(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        """
models: {large: {weights: {none: org/large}}, mine: {weights: {none: /not/here}}}
drafts: {small: {method: draft_model, tokens: 3, weights: org/small}}
tasks: [gsm8k]
combinations:
  - {model: [large, mine], engine: [vllm, exllamav2], draft: small, max_model_len: 4096}
""",
        encoding="utf-8",
    )
    said = {c.id: command(c) for c in matrix.load(path).combinations}

    for name, words in said.items():
        weights = "org/large" if name.startswith("large") else "/not/here"
        assert f"--model {weights} " in words
        assert "org/small" in words
        assert "--max-model-len 4096" in words


@pytest.mark.parametrize(("seconds", "said"), [(12.4, "12 s"), (90, "2 min"), (7410, "2.1 h")])
def test_a_time_is_as_precise_as_an_estimate(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("name", ["mmlu-pro-cs-2024", "three-model-study"])
def test_every_row_of_a_campaign_is_told_of(name: str, tmp_path: Path) -> None:
    outer = {n: v for n, v in os.environ.items() if not n.startswith(("PYTEST_", "COV_")) and n != "CI"}
    words = ["suites/", "--dry-run", "--matrix", name, "--results", str(tmp_path / "results")]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env={**outer, "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for combination in matrix.load(matrix.find(name)).combinations:
        paragraph = done.stdout.partition(f"\n{combination.id} (")[2].partition("\n\n")[0]
        assert re.search(r"^  (command|endpoint) +\S", paragraph, re.MULTILINE), combination
        assert re.search(r"^  memory +\S", paragraph, re.MULTILINE), combination
        assert re.search(r"^  questions +\S", paragraph, re.MULTILINE), combination
        assert re.search(r"^  cost +\S", paragraph, re.MULTILINE), combination
    assert not (tmp_path / "results").exists()


def test_what_a_plugin_places_is_not_held_against_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    shape = "{parameters: 1000000000000000, layers: 2, kv_heads: 2, head_dim: 2}"
    path.write_text(
        f"models: {{huge: {{weights: {{none: org/huge}}, shape: {shape}}}}}\n"
        "tasks: [gsm8k]\ncombinations: [{model: huge, engine: vllm}]\n",
        encoding="utf-8",
    )
    (huge,) = matrix.load(path).combinations

    assert room(huge).verdict != "fits"
    assert room(huge, here=False) == Room("elsewhere", "weights 2,000,000.0 GB; a plugin decides where it runs")


def test_a_cache_of_unknown_size_is_not_said_to_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.yaml"
    shape = "{parameters: 1000, layers: 2, kv_heads: 2, head_dim: 2}"
    path.write_text(
        f"models: {{tiny: {{weights: {{none: org/tiny}}, shape: {shape}}}}}\n"
        "tasks: [gsm8k]\ncombinations: [{model: tiny, engine: vllm, max_model_len: 8}, {model: tiny, engine: vllm}]\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("fixtures.dry_run.room.memory", lambda _: Memory(10**9, "this machine has"))

    assert [room(one).verdict for one in matrix.load(path).combinations] == ["fits", "what is known of it fits"]
