"""Our scores and our wall time beside stock lm-eval's, on one running engine and the same documents.

`python -m tests.parity ROWS [--tasks …] [--first N] [--rounds N] [--timed …]` starts the embedded model, evaluates
every task with both and compares item by item, then alternates the two on the timed tasks and prints the ratio of their
times. ROWS holds <task>/<split>.jsonl, as for --datasets-from. Exit code 1 when a score differs.

The engine that is compared on takes one request at a time and caches no prefix: on processors with matrix units (AMX)
the last bits of a log-probability depend on what is computed together, for stock lm-eval as for us. Times come from an
engine that batches.
"""

import argparse
import contextlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures import matrix
from fixtures.engines.openai_api import headers
from fixtures.evaluate.client import Exchange
from fixtures.evaluate.evaluator import Evaluator, Subject
from fixtures.evaluate.sample import Choice
from fixtures.evaluate.tasks import FEWSHOT_SEED, Tasks
from fixtures.journal import Journal
from fixtures.placement.local import LocalPlacement
from fixtures.pool import Pool, Running
from thresholds.measurement import Run

STUDY = ["arc_challenge", "hellaswag", "winogrande", "truthfulqa_mc2", "gsm8k", "mmlu_pro_computer_science"]
MATRIX = """
models: {smollm2-135m-instruct: {weights: {none: embedded:smollm2-135m-instruct/bf16}}}
combinations:
  - {model: smollm2-135m-instruct, engine: vllm, max_model_len: CONTEXT, concurrency: 16, engine_arguments: ARGUMENTS,
     key_variable: KEY_VARIABLE}
tasks: [embedded_winogrande]
"""


@contextlib.contextmanager
def running_engine(folder: Path, context: int, *, batches: bool, key_variable: str | None = None) -> Iterator[Running]:
    """The embedded model in bf16, greedy, as the accuracy suite would start it; or taking one request at a time."""
    file = folder / "parity.yaml"
    arguments = "[]" if batches else "[--max-num-seqs, '1', --no-enable-prefix-caching]"
    filled = {"CONTEXT": str(context), "ARGUMENTS": arguments, "KEY_VARIABLE": key_variable or "null"}
    text = MATRIX
    for name, value in filled.items():
        text = text.replace(name, value)
    file.write_text(text, encoding="utf-8")
    pool = Pool(LocalPlacement(print), folder / "logs", lambda _labels, _description: None)
    try:
        yield pool.get(matrix.load(file).combinations[0])
    finally:
        pool.stop()


@dataclass
class Bench:
    """Both ways to evaluate, over one engine."""

    running: Running
    tasks: Tasks
    folder: Path
    first: int

    def ours(self, name: str) -> tuple[Run, float]:
        """Our evaluation and its seconds; nothing is remembered from one call to the next."""
        running, combination = self.running, self.running.combination
        with tempfile.TemporaryDirectory(dir=self.folder) as results:
            journal = Journal(Path(results), "parity")
            evaluator = Evaluator(journal, Choice(self.first, first=True), lambda *_: None)
            exchange = Exchange(running.endpoint, combination.settings.concurrency, 600, running.engine.failure)
            subject = Subject(combination, exchange, running.tokens, running.context)
            started = time.perf_counter()
            run = evaluator.run(subject, self.tasks.load(name), 0)
            seconds = time.perf_counter() - started
            journal.close()
        return run, seconds

    def stock(self, name: str) -> tuple[list[dict[str, Any]], float]:
        """lm-eval's own samples (one per item and filter) and its seconds."""
        from lm_eval.evaluator import evaluate
        from lm_eval.models.openai_completions import LocalCompletionsAPI
        from lm_eval.tasks import TaskManager

        task = TaskManager(include_defaults=False).load(str(self.tasks._file(name)))["tasks"][name]
        if task.config.num_fewshot is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=FEWSHOT_SEED)
        model = LocalCompletionsAPI(
            base_url=f"{self.running.endpoint.url}/completions",
            model=self.running.endpoint.model,
            tokenizer=matrix_weights(self.running),
            tokenizer_backend="huggingface",
            num_concurrent=self.running.combination.settings.concurrency,
            max_length=self.running.context,
            timeout=600,
            header=headers(self.running.endpoint) or None,
        )
        with contextlib.redirect_stderr(io.StringIO()):
            started = time.perf_counter()
            results = evaluate(lm=model, task_dict={"tasks": {name: task}}, limit=self.first, bootstrap_iters=0)
            seconds = time.perf_counter() - started
        return results["samples"][name], seconds


def matrix_weights(running: Running) -> str:
    """The folder of the running model."""
    from fixtures.models import weights

    return weights.local(running.combination)


def differences(run: Run, samples: list[dict[str, Any]]) -> list[str]:
    """Every score of every item that is not exactly stock lm-eval's."""
    ours = {item.item: item for item in run.items}
    found = [f"{len(ours)} items, stock has {len({s['doc_id'] for s in samples})}"] * (
        len(ours) != len({s["doc_id"] for s in samples})
    )
    for sample in samples:
        for metric in sample["metrics"]:
            key = f"{metric},{sample['filter']}"
            mine = ours[sample["doc_id"]].scores.get(key)
            if mine != float(sample[metric]):
                found.append(f"item {sample['doc_id']} {key}: {mine}, stock {float(sample[metric])}")
    return found


def main(words: list[str]) -> int:
    """Compare, then time."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--tasks", default=",".join(STUDY))
    parser.add_argument("--first", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timed", default="arc_challenge,winogrande,gsm8k")
    given = parser.parse_args(words)
    wrong, tasks = 0, Tasks(given.rows)
    with tempfile.TemporaryDirectory() as folder:
        if given.tasks != "none":
            with running_engine(Path(folder), 8192, batches=False) as running:
                bench = Bench(running, tasks, Path(folder), given.first)
                wrong = sum(_compare(bench, name) for name in given.tasks.split(","))
        if given.rounds:
            with running_engine(Path(folder), 8192, batches=True) as running:
                bench = Bench(running, tasks, Path(folder), given.first)
                for name in given.timed.split(","):
                    _time(bench, name, given.rounds)
    return 1 if wrong else 0


def _compare(bench: Bench, name: str) -> int:
    run, ours = bench.ours(name)
    samples, stock = bench.stock(name)
    found = differences(run, samples)
    mean = statistics.fmean(item.scores[run.primary] for item in run.items)
    times = f"ours {ours:.1f} s, stock {stock:.1f} s"
    _say(f"{name}: {len(run.items)} items, {run.primary} {mean:.4f}, differences {len(found)} ({times})", *found[:5])
    return len(found)


def _time(bench: Bench, name: str, rounds: int) -> None:
    ratios = []
    for turn in range(rounds):
        if turn % 2:
            stock, ours = bench.stock(name)[1], bench.ours(name)[1]
        else:
            ours, stock = bench.ours(name)[1], bench.stock(name)[1]
        ratios.append(ours / stock)
    spread = f"from {min(ratios):.3f} to {max(ratios):.3f}"
    _say(f"{name}: wall time ours / stock, {rounds} rounds: median {statistics.median(ratios):.3f} ({spread})")


def _say(*lines: str) -> None:
    print(*lines, sep="\n  ", flush=True)  # noqa: T201 - a command line tool


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
