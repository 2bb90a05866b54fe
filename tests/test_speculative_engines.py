"""What engines of several makes are asked and told about their drafts."""

from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine, Script

from fixtures import opening
from fixtures.evaluate.client import Answer
from fixtures.gate import Gate
from fixtures.matrix_file import Draft
from fixtures.protocols import Endpoint
from fixtures.speculative import greedy, session
from fixtures.speculative.session import SpeculativeSession
from thresholds.acceptance import Acceptance, Sums
from thresholds.measurement import Measurement
from thresholds.speed import ACCEPTANCE_LENGTH, LoadRun
from thresholds.verdict import Outcome, Verdict

SETTINGS = SimpleNamespace(concurrency=2, request_seconds=10)
COMBINATION: Any = SimpleNamespace(id="some", chat=False, settings=SETTINGS)


def running(fake: FakeEngine, *, remote: bool) -> Any:
    return SimpleNamespace(
        combination=COMBINATION,
        endpoint=Endpoint(fake.url, "tiny"),
        engine=SimpleNamespace(failure=lambda: None, describe=dict),
        context=8192,
        tokens=None,
        is_remote=remote,
    )


@pytest.mark.parametrize(("remote", "asked"), [(False, 1), (True, None)], ids=["ours", "somebody else's"])
def test_a_penalty_that_the_model_brings_along_changes_no_greedy_answer_of_ours(
    *, remote: bool, asked: int | None
) -> None:
    """vLLM's defaults are those of a model's generation_config.json; its log-probabilities know nothing of them."""
    with FakeEngine(Script(answer=lambda *_: "yes")) as fake:
        engine = running(fake, remote=remote)
        greedy.answers(engine, greedy.prompts(engine, [(0, "is it so?")], 8))

        (request,) = fake.requests
        assert request.payload.get("repetition_penalty") == asked
        assert request.payload["temperature"] == 0


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"tokens": ["a"]},
        {"tokens": None, "top_logprobs": [None]},
        {"tokens": ["a"], "top_logprobs": ["abc"]},
        {"tokens": ["a"], "top_logprobs": [{"a": "high"}]},
    ],
)
def test_an_answer_of_another_form_is_no_answer_and_no_crash(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    body = {"choices": [{"text": "a", "logprobs": told}]}
    monkeypatch.setattr(greedy, "_sent", lambda *_: [Answer(body, 0.1, 0)])
    asked = [greedy.Prompt(0, "is it?", "is it?", 4)]
    engine: Any = SimpleNamespace(is_remote=True, endpoint=Endpoint("http://127.0.0.1:1/v1", "tiny"))

    (answer,) = greedy.answers(engine, asked)

    assert answer.failed == "an answer without `logprobs`, which show the tokens"
    assert greedy.margins(engine, [("is it?", "a", "b")]) == [None]


@pytest.mark.parametrize(
    ("counted", "reason"),
    [
        ({"generation_tokens_total": 48.0}, "not_drafting"),
        ({"generation_tokens_total": 48.0, "spec_decode_num_draft_tokens_total": 0.0}, "not_drafting"),
        ({"generation_tokens_total": 48.0, "spec_accept_length": 2.7}, None),
        ({}, None),
    ],
    ids=["vLLM without a draft", "a draft that never drafts", "SGLang, which counts no drafted tokens", "no counters"],
)
def test_only_an_engine_that_would_count_drafted_tokens_is_refused_for_none(
    monkeypatch: pytest.MonkeyPatch, counted: dict[str, float], reason: str | None
) -> None:
    monkeypatch.setattr(session, "counters", lambda _: counted)
    with FakeEngine() as fake:
        pool = SimpleNamespace(get=lambda _: running(fake, remote=True))
        asked = SpeculativeSession(SimpleNamespace(pool=pool), None, None)  # type: ignore[arg-type]

        why = asked.idle(COMBINATION)

    assert (None if why is None else why.reason) == reason


ODD = "the draft has 9 parameters, the target 8: a draft that is not smaller cannot make its target faster"


@pytest.mark.parametrize(
    ("draft", "told", "cost"),
    [
        ({"method": "ngram"}, {}, 0.0),
        ({"method": "mtp"}, {"checkpoint": {"step_bytes": 80, "draft_bytes": 20}}, 0.25),
        ({"method": "mtp"}, {"checkpoint": {"step_bytes": 80}}, None),
        (
            {"method": "eagle", "weights": "org/head"},
            {"checkpoint": {"step_bytes": 80, "draft_bytes": 20}, "draft_checkpoint": {"step_bytes": 8}},
            0.1,
        ),
        ({"method": "eagle", "weights": "org/head"}, {"checkpoint": {"step_bytes": 80, "draft_bytes": 20}}, None),
        ({"method": "eagle", "weights": "org/head"}, {}, None),
    ],
)
def test_a_step_of_a_draft_costs_what_a_token_reads_of_its_weights(
    draft: dict[str, Any], told: dict[str, Any], cost: float | None
) -> None:
    combination: Any = SimpleNamespace(id="some", draft_source=Draft(tokens=3, **draft))
    asked = SpeculativeSession(None, None, None, _described={"some": told})  # type: ignore[arg-type]

    assert asked._cost(combination) == cost


def test_what_is_odd_about_a_draft_is_said_when_its_engine_has_started() -> None:
    said: list[str] = []
    announced: list[Any] = []
    hook = SimpleNamespace(pytest_weighbridge_engine_started=lambda **told: announced.append(told))
    announcer = opening._announcer(hook, SimpleNamespace(say=said.append))  # type: ignore[arg-type]

    announcer.engine_started({"combination": "some"}, {"warnings": [ODD], "unchecked": ["vocabulary: none"]})

    assert said == [f"some: {ODD}", "some: vocabulary: none"]
    assert len(announced) == 1


def test_what_is_odd_about_a_draft_stands_beside_its_acceptance() -> None:
    told = Acceptance(10.0, 40.0, 14.0, (8.0, 6.0), 24, 10, Sums()).plain()
    run = LoadRun("some", "chat", 1, "d", 1.0, 8, {}, {}, details={"acceptance": told})
    measurement = Measurement(ACCEPTANCE_LENGTH, ((2.4,),), {}, 1, runs=(run,))
    combination: Any = SimpleNamespace(id="some", draft_source=None)
    asked = SpeculativeSession(None, None, None, _described={"some": {"warnings": [ODD]}})  # type: ignore[arg-type]
    passed = Verdict(Outcome.PASS, "", ACCEPTANCE_LENGTH.name, {}, ("title",))

    gate = asked.length_gate(
        combination, "chat", Gate(ACCEPTANCE_LENGTH, lambda _: passed, lambda _: None, lambda _: None)
    )

    assert gate.judge(measurement).lines[-1] == f"odd       {ODD}"
