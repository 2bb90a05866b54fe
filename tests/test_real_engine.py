"""One real vLLM server, started once: what a fake engine cannot prove."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.evaluate.tasks import Tasks
from fixtures.load.one_run import run_once
from fixtures.load.prompts import source
from fixtures.load.workload import Arrivals, Named, Output, Prompts, Workload
from fixtures.pool import Running
from fixtures.probe.finding import LOG_LIKELIHOODS
from tests.parity import Bench, differences
from thresholds.measurement import Run
from thresholds.speed import LoadRun

pytestmark = [
    pytest.mark.real_engine,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def running(real_engine: Running) -> Running:
    return real_engine


@pytest.fixture(scope="module")
def bench(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with contextlib.closing(Tasks()) as tasks:
        yield Bench(running, tasks, tmp_path_factory.mktemp("bench"), 12)


@pytest.fixture(scope="module")
def generated(bench: Bench) -> Run:
    return bench.ours("embedded_gsm8k")[0]


@pytest.fixture(scope="module")
def loaded(running: Running) -> LoadRun:
    form = Workload(
        prompts=Prompts(tokens=24), output=Output(tokens=8), arrivals=Arrivals(concurrency=2), requests=6, latencies={}
    )
    workload = Named("short", form, "here:1", Path())
    prompts = source(workload, running.tokens, seed=0, chat=False, task=lambda _: [])
    return run_once(running, workload, prompts, 1, 0).run


def test_the_engine_proves_what_it_loaded(running: Running) -> None:
    loaded = running.engine.describe()["loaded"]

    assert loaded["quantization"] == "None"
    assert loaded["dtype"] == "torch.bfloat16"
    assert loaded["max_seq_len"] == "2048"


def test_prompt_log_probabilities_come_back(running: Running) -> None:
    assert running.refuses(LOG_LIKELIHOODS) is None


@pytest.mark.parametrize("task", ["embedded_arc_challenge", "embedded_winogrande"])
def test_log_likelihood_scores_equal_stock_lm_eval(bench: Bench, task: str) -> None:
    assert differences(bench.ours(task)[0], bench.stock(task)[0]) == []


def test_generated_scores_equal_stock_lm_eval(bench: Bench, generated: Run) -> None:
    assert differences(generated, bench.stock("embedded_gsm8k")[0]) == []


def test_every_answer_is_metered(generated: Run) -> None:
    assert generated.failed_requests == 0
    assert all(item.prompt_tokens and item.completion_tokens for item in generated.items)
    assert all(item.completion_tokens <= 128 and item.seconds > 0 for item in generated.items)
    assert {reason for item in generated.items for reason in item.finish_reasons} <= {"stop", "length"}


def test_a_load_is_valid_and_counts_the_tokens_that_the_engine_counts(loaded: LoadRun) -> None:
    assert (loaded.invalid, loaded.failures) == (None, {})
    assert loaded.details["client_tokens"] == loaded.details["server_tokens"] >= 8 * 8


def test_drawn_prompts_have_the_length_that_was_asked_for(loaded: LoadRun) -> None:
    assert loaded.details["prompt_tokens"] == 6 * 24


def test_drawn_prompts_are_not_served_from_a_cache(loaded: LoadRun) -> None:
    assert not loaded.details["prefix_cache_hits"]


def test_the_memory_of_the_engine_is_seen(running: Running) -> None:
    assert running.engine.memory() > 300 * 2**20
