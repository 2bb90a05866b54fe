"""Models that refuse stop strings or a temperature: measured all the same, and the report says how."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_provider import OPENAI, Provider
from test_budget import QUESTIONS, UNPROBED
from test_endpoints import load

from conftest import Heard, Weighbridge
from fixtures.engines.remote import RemoteEngine
from fixtures.evaluate.replies import generation
from fixtures.probe import answers
from fixtures.probe.asking import CHAT, Subject
from fixtures.probe.conformance import found
from fixtures.probe.finding import ANSWERS, Status
from fixtures.protocols import Endpoint

REASONING = OPENAI - {"stop", "temperature"}
USAGE = {"prompt_tokens": 100, "completion_tokens": 60}


@pytest.mark.parametrize(
    ("text", "stops", "finish", "kept"),
    [
        ("yes\n\nQuestion: more", ["Question:", "\n\n"], "length", ("yes", "stop")),
        ("yes", ["no"], "length", ("yes", "length")),
        ("yes", ["", "s"], "stop", ("ye", "stop")),
        ("no", ["no"], "length", ("", "stop")),
        ("yes", [], "", ("yes", "")),
    ],
)
def test_an_answer_ends_before_its_first_stop_string(text: str, stops: list[str], finish: str, kept: Any) -> None:
    body = {"choices": [{"text": text, "finish_reason": finish}]}

    told = generation(body, 8, chat=False, cut_at=stops)

    assert (told.text, told.finish_reason) == kept


def asked(weighbridge: Weighbridge, provider: Provider, leave_out: list[str]) -> Heard:
    provider.takes = REASONING
    weighbridge.conftest(UNPROBED)
    weighbridge.matrix(
        ["embedded_gsm8k"],
        {"preset": "openai", "url": provider.url, "key_variable": "TINY_KEY", "leave_out": leave_out},
    )
    weighbridge.floors({"task": "embedded_gsm8k", "samples": 8, "chat": True, "floor": 0.5})
    weighbridge.environment = {**weighbridge.environment, "TINY_KEY": "sk-very-secret-4711"}
    return weighbridge.run(*QUESTIONS)


def test_a_model_that_refuses_stop_strings_is_scored_by_its_answers_up_to_them(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    def goes_on(prompt: str) -> str:
        return f"{solve(prompt)}\n\nQuestion: 1?\n#### 987654"

    with Provider(goes_on, usage=lambda _: dict(USAGE)) as provider:
        heard = asked(weighbridge, provider, ["stop", "temperature"])

    (run,) = heard.runs
    assert heard.code == 0, heard.output
    assert {item["finish_reasons"][0] for item in run["items"]} == {"stop"}
    assert not any("Question:" in item["answer"] for item in run["items"])
    assert {item["completion_tokens"] for item in run["items"]} == {60}
    assert not any("stop" in one.payload for one in provider.asked)
    assert "it takes no stop strings; answers were cut at them after they came" in heard.output


def test_the_engine_s_facts_say_how_answers_end(tmp_path: Path) -> None:
    told = RemoteEngine(load(tmp_path, "preset: openai\nleave_out: [stop]"), tmp_path).describe()

    assert "stop" in told["left_out"]
    assert told["stop_strings"] == "not sent; answers are cut at them after they came"


def test_a_proof_that_is_refused_because_of_a_parameter_says_what_to_write(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    with Provider(solve) as provider:
        heard = asked(weighbridge, provider, [])

    (line, *_) = heard.verdict(task="embedded_gsm8k")["lines"]
    assert "argument supplied: 'temperature'" in line
    assert "`leave_out: [temperature]` under the combination goes without it" in line


def test_a_probe_of_stop_strings_says_how_to_go_without() -> None:
    with Provider(lambda _: "one two three four five six", takes=OPENAI - {"stop"} | {"max_tokens"}) as provider:
        finding = found("stop", answers.stop, Subject(Endpoint(provider.url, "tiny"), CHAT, None))

    assert (finding.status, finding.needed_by) == (Status.ABSENT, (ANSWERS,))
    assert finding.said.startswith("with `leave_out: [stop]` answers are cut at stop strings after they came")


def test_a_seed_that_is_refused_is_found_before_every_question_fails() -> None:
    with Provider(takes=OPENAI - {"seed"} | {"max_tokens"}) as provider:
        finding = found("seed", answers.seed, Subject(Endpoint(provider.url, "tiny"), CHAT, None))

    assert (finding.status, finding.needed_by) == (Status.ABSENT, (ANSWERS,))
    assert "`leave_out: [seed]`" in finding.said
