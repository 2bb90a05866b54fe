"""A draft changes neither the answer nor how long it may be, and says how it does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from load_servers import load, workload
from toy_engine import ToyEngine, checkpoint

pytestmark = pytest.mark.timeout(120)

ASKED = {"prompt": list(b"the rain in spain "), "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and a draft that differs from it at 30 of 100 places."""
    folder = tmp_path_factory.mktemp("toys")
    return checkpoint(folder / "model", eos_token_id=None), checkpoint(folder / "draft", errs=30, eos_token_id=None)


@pytest.fixture(scope="module")
def plain(models: tuple[Path, Path]) -> Iterator[ToyEngine]:
    with ToyEngine(models[0], "--max-model-len", "512") as toy:
        yield toy


@pytest.fixture(scope="module", params=["draft_model", "ngram"])
def drafting(request: pytest.FixtureRequest, models: tuple[Path, Path]) -> Iterator[ToyEngine]:
    words = ["--draft-model", str(models[1])] if request.param == "draft_model" else ["--ngram"]
    with ToyEngine(models[0], "--max-model-len", "512", "--draft-tokens", "3", *words) as toy:
        yield toy


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 50, 492, 493, 494])
def test_a_draft_changes_neither_a_greedy_answer_nor_its_length(
    plain: ToyEngine, drafting: ToyEngine, limit: int
) -> None:
    one, other = plain.post(**ASKED, max_tokens=limit), drafting.post(**ASKED, max_tokens=limit)

    assert one["choices"] == other["choices"]
    assert other["usage"]["completion_tokens"] == limit


def test_a_draft_does_not_change_an_answer_that_is_drawn_by_a_seed(plain: ToyEngine, drafting: ToyEngine) -> None:
    asked = {**ASKED, "temperature": 1, "seed": 11, "max_tokens": 80}

    assert plain.post(**asked)["choices"] == drafting.post(**asked)["choices"]


def test_a_draft_does_not_change_what_is_refused(plain: ToyEngine, drafting: ToyEngine) -> None:
    refused = [toy.status(**ASKED, max_tokens=495)[0] for toy in (plain, drafting)]

    assert refused == [400, 400]


def test_a_prompt_too_short_for_the_draft_is_refused_and_the_engine_lives(drafting: ToyEngine) -> None:
    for length in (1, 2):
        status, body = drafting.status(**{**ASKED, "prompt": ASKED["prompt"][:length]}, max_tokens=3)
        if drafting.served()[0]["properties"]["draft"] == "ngram":
            assert (status, f"this one has {length}" in body["error"]["message"]) == (400, True)
        else:
            assert status == 200

    assert drafting.status(**{**ASKED, "prompt": ASKED["prompt"][:3]}, max_tokens=3)[0] == 200


def test_each_event_is_one_step_and_says_how_many_tokens_it_brought(drafting: ToyEngine) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    *chunks, _ = drafting.stream(**ASKED, max_tokens=60, stream_options=options)

    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    sizes = [after - before for before, after in zip([0, *counts[:-1]], counts, strict=True)]
    assert sum(sizes) == 60
    assert max(sizes) > 1
    assert max(sizes) <= 4
    assert [len(chunk["choices"][0]["text"]) for chunk in chunks] == sizes


def test_the_counters_know_drafts_drafted_and_accepted_tokens_by_position(drafting: ToyEngine) -> None:
    names = ["num_drafts_total", "num_draft_tokens_total", "num_accepted_tokens_total"]
    names += [f'accepted_tokens_per_pos_total{{position="{position}"}}' for position in range(3)]
    before = [drafting.counted(name) for name in names]

    body = drafting.post(**ASKED, max_tokens=60)

    drafts, drafted, accepted, *at = [drafting.counted(n) - old for n, old in zip(names, before, strict=True)]
    assert drafted == 3 * drafts
    assert drafts + accepted == 60
    assert 0 < accepted == sum(at)
    assert at == sorted(at, reverse=True)
    told = body["metrics"]["speculative_decoding"]
    assert (told["num_spec_steps"], told["num_accepted_draft_tokens"]) == (drafts, accepted)
    assert told["mean_acceptance_length"] == pytest.approx(60 / drafts)


def test_without_a_draft_nothing_is_said_of_one(plain: ToyEngine) -> None:
    assert "spec_decode" not in plain.get("/metrics")
    assert "metrics" not in plain.post(**ASKED, max_tokens=3)


def test_the_draft_that_was_loaded_is_told(drafting: ToyEngine, models: tuple[Path, Path]) -> None:
    told = drafting.served()[0]["properties"]

    assert told["draft_tokens"] == 3
    assert (told["draft"], told["draft_model"]) in {("draft_model", str(models[1])), ("ngram", None)}


def test_a_load_with_a_draft_knows_how_many_tokens_each_event_brought(drafting: ToyEngine) -> None:
    form = workload(tokens=40, requests=8, streams=2)
    loaded = load(drafting.url, form, continuous=True, counting=True)

    told = loaded.outcome.details
    assert loaded.failures == {}
    assert told["client_tokens"] == told["server_tokens"] >= 8 * 40
