"""Whole sessions on a remote endpoint with a defect: what it falsifies is NOT_MEASURED, and nothing is scored."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from fake_engine import FakeEngine, Script

from conftest import Weighbridge
from fixtures.matrix import load
from fixtures.probe.refusal import of_remote
from fixtures.protocols import Endpoint

FIXED, WRITTEN = "embedded_winogrande", "embedded_gsm8k"


REFUSALS = {"no_prompt_log_probabilities", "endpoint_lacks", "endpoint_defect"}
ENGINES = {
    "complete": (),
    "no echo": ("no_echo",),
    "no usage": ("no_usage",),
    "chunks only": ("no_stream_usage",),
    "one token more": ("max_tokens_one_more",),
    "doubled BOS": ("doubled_bos",),
}


@dataclass(frozen=True)
class Weighed:
    """What one session said of several engines.

    Attributes:
        scored: By engine, the tasks and workloads that were measured.
        refused: By engine, of each that was not its reason and words.
    """

    code: int
    scored: dict[str, set[str]]
    refused: dict[str, dict[str, tuple[str, str]]]


@pytest.fixture(scope="module")
def weighed(checkout: Callable[[], Weighbridge]) -> Weighed:
    """A task of fixed choices, one of written answers and a load, on each engine; they differ in context length."""
    inner, named = checkout(), {8000 + place: name for place, name in enumerate(ENGINES)}
    inner.workloads(chat={})
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeEngine(Script(defects=frozenset(planted)))) for planted in ENGINES.values()]
        blocks = [{"url": fake.url, "max_model_len": length} for fake, length in zip(fakes, named, strict=True)]
        inner.matrix([FIXED, WRITTEN], *blocks, workloads=["chat"])
        heard = inner.run("--samples-first", "4", "-m", "accuracy or throughput")
    told = Weighed(heard.code, {name: set() for name in ENGINES}, {name: {} for name in ENGINES})
    lengths = {f"context_{length}": name for length, name in named.items()}
    for run in [*heard.runs, *heard.loads]:
        told.scored[lengths[run["combination"].rpartition("-")[2]]].add(run.get("task") or run["workload"])
    for verdict in [one for one in heard.verdicts if one["reason"] in REFUSALS]:  # a load may also have been disturbed
        labels = verdict["labels"]
        said = (verdict["reason"], verdict["lines"][0])
        told.refused[named[labels["max_model_len"]]][labels.get("task") or labels["workload"]] = said
    return told


def test_on_a_complete_endpoint_every_suite_measures(weighed: Weighed) -> None:
    assert weighed.scored["complete"] == {FIXED, WRITTEN, "chat"}


@pytest.mark.parametrize(
    ("engine", "reason", "said", "untouched"),
    [
        ("no echo", "no_prompt_log_probabilities", "its answer to `echo`", {WRITTEN, "chat"}),
        ("no usage", "endpoint_lacks", "usage`", {FIXED}),
        ("chunks only", "endpoint_lacks", "`stream usage`", {FIXED, WRITTEN}),
        ("doubled BOS", "endpoint_defect", "doubled BOS", set()),
        ("one token more", "endpoint_defect", "", set()),
    ],
)
def test_no_suite_scores_on_what_a_defect_falsifies(
    weighed: Weighed, engine: str, reason: str, said: str, untouched: set[str]
) -> None:
    told = weighed.refused[engine]

    assert weighed.code == 1
    assert weighed.scored[engine] == untouched
    assert set(told) == {FIXED, WRITTEN, "chat"} - untouched
    assert all(why == reason and said in words for why, words in told.values()), told


def test_a_refusal_names_the_probe_and_what_it_saw(weighed: Weighed) -> None:
    _, said = weighed.refused["one token more"][WRITTEN]

    assert said.endswith("has a defect in `max_tokens`: 12 tokens were asked for, and 13 came by `usage`")


def test_an_endpoint_is_probed_once_a_day_unless_it_has_a_defect(
    weighbridge: Weighbridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(weighbridge.path / "cache"))
    counts = []
    with FakeEngine(Script(defects=frozenset({"no_echo", "keeps_stop"}))) as fake:
        weighbridge.matrix([WRITTEN], {"url": fake.url})
        (combination,) = load(weighbridge.path / "matrix.yaml").combinations
        for version in (1, 1, 1, 2):
            of_remote(combination, Endpoint(fake.url, "tiny"), None, {"version": version})
            counts.append(len(fake.probed))
            if len(counts) == 1:
                fake.script.defects = frozenset({"no_echo"})

    assert counts == [counts[0] * times for times in (1, 2, 2, 3)]


def test_what_was_found_is_told_with_the_engine(weighbridge: Weighbridge) -> None:
    with FakeEngine(Script(defects=frozenset({"no_seed"}))) as fake:
        weighbridge.conftest(
            "\ndef pytest_weighbridge_engine_started(labels, description):\n"
            "    hear('probes', found={one['name']: one['status'] for one in description['probes']})\n"
        )
        weighbridge.matrix([WRITTEN], {"url": fake.url})
        heard = weighbridge.run("--samples-first", "2", "-m", "accuracy")

    (told,) = [row["found"] for row in heard.told if row["kind"] == "probes"]
    assert (told["seed"], told["max_tokens"]) == ("absent", "ok")
