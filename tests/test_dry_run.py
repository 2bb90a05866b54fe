"""`--dry-run`: everything is said, nothing is started, asked or written."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine

from conftest import Heard, Weighbridge
from fixtures import matrix
from fixtures.dry_run import layout
from fixtures.dry_run.command import command
from fixtures.dry_run.plugin import pytest_runtestloop, sized
from fixtures.evaluate.extent import Extent
from fixtures.load import workload
from reports.ledger import Ledger
from thresholds.speed import LoadRun

ROOT = Path(__file__).parents[1]
ENDPOINT = {"url": "http://127.0.0.1:9/v1", "key_variable": "NO_SUCH_KEY"}
EXPECT = {"prompt_tokens": 1000, "completion_tokens": 200, "seconds": 2.5}
SPAWNED, REMOTE = "tiny-spawned-unquantized", "tiny-remote-unquantized"


def of(heard: Heard, combination: str) -> dict[str, list[str]]:
    """What was said of a combination, by the first word of each line; what was wrapped is one line again."""
    said: dict[str, list[str]] = defaultdict(list)
    word = ""
    for line in heard.output.partition(f"\n{combination} (")[2].partition("\n\n")[0].splitlines()[1:]:
        if line.startswith(" " * (layout.INDENT + layout.LABEL)):
            said[word][-1] += f" {line.strip()}"
        else:
            word, _, rest = line.strip().partition(" ")
            said[word].append(rest.strip())
    return said


def closing_of(heard: Heard, word: str) -> str:
    """What was said of all combinations together."""
    lines = heard.output.rpartition("combinations; ")[2].partition("nothing was started")[0].splitlines()[1:]
    return " ".join(" ".join(lines).split()).partition(f"{word} ")[2]


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


def test_what_nobody_knows_is_not_known(heard: Heard) -> None:
    no_answers, no_loads = "no earlier answers, and no `expect:` in the matrix", "never measured on this hardware"
    assert of(heard, REMOTE)["time"] == [f"not known: questions ({no_answers}), loads ({no_loads})"]
    assert of(heard, SPAWNED)["time"][0].endswith("starts (never seen on this hardware)")
    assert of(heard, REMOTE)["cost"] == ["not known: the matrix has no `prices:` for this model"]
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
    assert told["time"] == ["about 2.0 h: questions 2.0 h (as the matrix expects)"]  # (96 + 1319) x 2 x 2.5 s
    # 2830 x (1000 x 3 + 200 x 15) / 10^6
    assert told["cost"] == ["about 16.98: questions 16.98 (as the matrix expects)"]


def test_earlier_answers_are_believed_before_the_matrix(weighbridge: Weighbridge, fake_engine: FakeEngine) -> None:
    block = {"url": fake_engine.url, "expect": EXPECT}
    weighbridge.matrix(["embedded_gsm8k"], block, model={"prices": {"input": 1000.0, "output": 0.0}})
    ran = weighbridge.run("--samples", "8", "-m", "accuracy")
    asked = len(fake_engine.requests)
    tokens = sum(item["prompt_tokens"] for run in ran.runs for item in run["items"])

    told = of(weighbridge.run("--dry-run", "--samples", "8"), REMOTE)

    assert len(fake_engine.requests) == asked
    said = re.fullmatch(r"about ([\d.]+): questions \1 \(by earlier answers in results/\)", told["cost"][0])
    assert said is not None, told
    assert float(said[1]) == pytest.approx(tokens / 1000, rel=0.01)
    assert told["time"][0].endswith("(by earlier answers in results/)")


def test_a_load_takes_what_it_took_before_and_costs_its_tokens(weighbridge: Weighbridge) -> None:
    weighbridge.workloads(chat={}, slow={"arrivals": {"rate": 2.0}, "requests": 20})
    prices = {"input": 1000.0, "output": 2000.0}
    weighbridge.matrix([], ENDPOINT, model={"prices": prices}, workloads=["chat", "slow"])
    _, named = workload.load(weighbridge.path / "matrix.yaml")
    with closing(Ledger(weighbridge.path / "results" / "ledger.sqlite")) as ledger:
        ledger.record_session({"session": "earlier"})
        run = LoadRun(REMOTE, "chat", 1, named["chat"].digest(), 9.0, 12, {}, {"requests_per_second": 1.5})
        ledger.record_load("earlier", run, {"combination": REMOTE, "hardware": "remote"})

    heard = weighbridge.run("--dry-run", "-m", "throughput", "--max-cost", "0.5")

    told = of(heard, REMOTE)
    assert told["load"] == [
        "chat: 16 requests x 3 runs, warm-up included",
        "slow: 20 requests x 3 runs, warm-up included",
    ]
    # 3 x 16 / 1.5 and 3 x 20 / 2
    assert told["time"] == ["about 62 s: loads 62 s (by earlier sessions on this hardware and by its rate)"]
    # 3 x (16 + 20) requests of 16 and 8 tokens
    assert told["cost"][0].startswith("about 3.46: loads 3.46 (")
    assert closing_of(heard, "cost").startswith("about 3.46; that is more than --max-cost 0.5")


def test_without_tasks_a_load_is_reckoned_from_what_the_matrix_expects(weighbridge: Weighbridge) -> None:
    weighbridge.workloads(chat={"output": {"tokens": 100}})
    weighbridge.matrix([], {**ENDPOINT, "expect": EXPECT}, workloads=["chat"])

    told = of(weighbridge.run("--dry-run", "-m", "throughput"), REMOTE)

    # 3 x 16 requests of half of 200 tokens, which took 2.5 s with 4 under way, as here
    assert told["time"] == ["about 60 s: loads 60 s (reckoned from answers, as the matrix expects)"]


def test_a_baseline_is_counted_with_the_turns_that_it_takes(weighbridge: Weighbridge) -> None:
    weighbridge.workloads(chat={})
    weighbridge.matrix(
        ["embedded_gsm8k"],
        {"engine": "vllm", "quantization": ["none", "w8a8", "fp8"]},
        model={"weights": dict.fromkeys(("none", "w8a8", "fp8"), "./nowhere")},
        workloads=["chat"],
    )

    heard = weighbridge.run("--dry-run", "-m", "quantization", "--max-runs", "4")

    base, quant = of(heard, "tiny-vllm-unquantized"), of(heard, "tiny-vllm-w8a8")
    assert base["load"] == ["chat: 16 requests x 8 runs, warm-up included"]
    assert quant["load"] == ["chat: 16 requests x 4 runs, warm-up included"]
    assert base["questions"] == quant["questions"]
    assert base["start"] == quant["start"] == ["once"]
    left_out = closing_of(heard, "time")
    assert left_out.startswith("not known; left out: what is not known of 3 of these, the next tokens of the early")
    assert "the runs that --max-runs may add" in left_out


def test_a_combination_that_is_weighed_alone_and_beside_others_starts_twice(weighbridge: Weighbridge) -> None:
    weighbridge.matrix(
        ["embedded_gsm8k", "embedded_winogrande"],
        {"engine": "vllm", "quantization": ["none", "w8a8"]},
        model={"weights": dict.fromkeys(("none", "w8a8"), "./nowhere")},
    )

    heard = weighbridge.run("--dry-run", "-k", "winogrande")

    assert of(heard, "tiny-vllm-unquantized")["start"] == ["at least 2 times"]
    assert of(heard, "tiny-vllm-unquantized")["questions"] == ["embedded_winogrande: 40 of 96 x 2 runs, 160 requests"]


def test_how_many_all_are_may_be_unknown() -> None:
    assert sized(Extent(None, None, None), 2).startswith("all x 2 runs; how many is unknown")


def test_workers_are_refused() -> None:
    options: dict[str, Any] = {"dry_run": True, "collectonly": False, "dist": "load"}
    config = SimpleNamespace(getoption=lambda name, default=None: options.get(name, default))

    with pytest.raises(pytest.UsageError, match="leave out -n"):
        pytest_runtestloop(SimpleNamespace(config=config))  # type: ignore[arg-type]


def test_weights_drafts_and_tokenizers_are_named_whether_they_are_here_or_not(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        """
models:
  large: {weights: {none: org/large}, tokenizer: "embedded:no-such/tokenizer"}
  mine: {weights: {none: /not/here}, tokenizer: /nor/here}
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
        tokenizer = "embedded:no-such/tokenizer" if name.startswith("large") else "/nor/here"
        assert "exllamav2" in name or f"--tokenizer {tokenizer} " in words


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
