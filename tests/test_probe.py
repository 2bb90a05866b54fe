"""What probes find of an endpoint: nothing of a complete one, and each planted defect by its name."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_defects import DEFECTS
from fake_engine import FakeEngine, Script
from fake_provider import OPENAI, Provider

from fixtures.endpoints.dialect import Dialect
from fixtures.evaluate.tokens import Tokens
from fixtures.probe import answers, asking, conformance, streams
from fixtures.probe.asking import CHAT, COMPLETIONS, ENOUGH, Answer, NoAnswer, Subject
from fixtures.probe.conformance import Known, context_length, probe
from fixtures.probe.conformance import found as shown
from fixtures.probe.finding import ALL, ANSWERS, LOADS, LOG_LIKELIHOODS, Finding, Status, in_the_way
from fixtures.probe.prompts import echo, same_at_first
from fixtures.probe.template import Template
from fixtures.protocols import Endpoint

SHORT = 512
"""A context that takes little to be too long for."""


@pytest.fixture
def known(tiny_tokenizer: Path) -> Known:
    return Known(Tokens.load(str(tiny_tokenizer)), Template("{{ messages[0].content }}", {}))


def found(known: Known | None, *defects: str, **script: int) -> dict[tuple[str, str], Finding]:
    with FakeEngine(Script(defects=frozenset(defects), context=SHORT, **script)) as fake:  # type: ignore[arg-type]
        told = probe(Endpoint(fake.url, "tiny"), known=known)
        assert not fake.requests, "a prompt of a probe that the fake engine does not know"
        assert len(fake.probed) <= 20
    return {(finding.route, finding.name): finding for finding in told}


def test_a_complete_engine_has_no_defect(known: Known) -> None:
    told = found(known)

    assert {name: finding.said for name, finding in told.items() if finding.status is not Status.OK} == {}
    assert len(told) == 21


def test_without_a_tokenizer_only_the_prompt_stays_unknown() -> None:
    told = found(None)

    assert {name for (_, name), finding in told.items() if finding.status is not Status.OK} == {"prompt"}


@pytest.mark.parametrize(
    ("defect", "route", "name", "status", "said"),
    [
        ("no_echo", COMPLETIONS, "echo", Status.ABSENT, "log-probabilities for"),
        ("shifted", COMPLETIONS, "echo", Status.DEFECT, "nats from those of the same tokens written"),
        ("no_usage", COMPLETIONS, "usage", Status.ABSENT, "tells no `usage`"),
        ("usage_off_by_one", COMPLETIONS, "usage", Status.DEFECT, "counts 11 tokens of an answer that has 12"),
        ("usage_off_by_one", CHAT, "usage", Status.DEFECT, "counts 11 tokens of an answer that has 12"),
        ("no_stream_usage", CHAT, "stream usage", Status.ABSENT, "only its 12 chunks could be counted"),
        ("max_tokens_one_more", COMPLETIONS, "max_tokens", Status.DEFECT, "12 tokens were asked for, and 13 came"),
        ("max_tokens_one_fewer", COMPLETIONS, "max_tokens", Status.DEFECT, "12 tokens were asked for, and 11 came"),
        ("max_tokens_one_more", CHAT, "stream usage", Status.DEFECT, "its `usage` counts 13"),
        (
            "doubled_bos",
            COMPLETIONS,
            "prompt",
            Status.DEFECT,
            "by the ids that were sent: a BOS too many (doubled BOS)",
        ),
        ("doubled_bos", CHAT, "prompt", Status.DEFECT, "by its chat template: a BOS too many (doubled BOS)"),
        ("other_template", CHAT, "prompt", Status.DEFECT, "another template, tokenizer or system prompt"),
        ("ignores_stop", CHAT, "stop", Status.DEFECT, "does not end its answer"),
        ("keeps_stop", COMPLETIONS, "stop", Status.DEFECT, "stands at the end of its answer"),
        ("no_seed", CHAT, "seed", Status.ABSENT, "ignored"),
        ("cuts", CHAT, "context", Status.DEFECT, "it is cut silently"),
        ("no_chat", CHAT, "route", Status.ABSENT, "HTTP 404"),
        ("no_completions", COMPLETIONS, "route", Status.ABSENT, "HTTP 404"),
    ],
)
def test_a_planted_defect_is_found_and_named(
    known: Known, defect: str, route: str, name: str, status: Status, said: str
) -> None:
    finding = found(known, defect)[route, name]

    assert (finding.status, said in finding.said) == (status, True), finding.said


def test_every_planted_defect_is_one_that_a_test_finds() -> None:
    asked = {mark.args[1][i][0] for mark in test_a_planted_defect_is_found_and_named.pytestmark for i in range(18)}  # type: ignore[attr-defined]

    assert asked | {"overloaded"} == set(DEFECTS)


def test_a_doubled_bos_is_seen_without_a_tokenizer_where_echo_shows_it() -> None:
    finding = found(None, "doubled_bos")[COMPLETIONS, "prompt"]

    assert (finding.status, finding.needed_by) == (Status.DEFECT, ALL)
    assert "twice: a BOS too many" in finding.said


def test_an_endpoint_that_is_overloaded_is_unknown_and_not_defective(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ATTEMPTS", 1)
    told = found(known, "overloaded")

    assert {finding.status for finding in told.values()} == {Status.UNKNOWN}
    assert all("503" in finding.said and finding.unanswered for finding in told.values())


def test_a_defect_refuses_before_a_lack_and_only_what_needs_it(known: Known) -> None:
    told = found(known, "no_echo", "doubled_bos").values()

    first = in_the_way([one for one in told if one.route == COMPLETIONS], LOG_LIKELIHOODS)

    assert first is not None
    assert first.name == "prompt"
    lacking = found(known, "no_echo").values()
    assert [in_the_way(lacking, kind) for kind in (ANSWERS, LOADS)] == [None, None]


def test_a_failed_request_is_tried_again_and_costs_no_probe(known: Known) -> None:
    slept: list[float] = []
    with FakeEngine(Script(defects=frozenset({"overloaded"}))) as fake:
        on = Subject(Endpoint(fake.url, "tiny"), COMPLETIONS, known.tokens, sleep=slept.append)

        def mend(pause: float) -> None:
            slept.append(pause)
            fake.script.defects = frozenset()

        on.sleep = mend
        finding = echo(on)

    assert (finding.status, slept) == (Status.OK, [0.5])


def test_tokens_that_splitting_anew_joins_are_not_compared() -> None:
    assert same_at_first([" telephone", ".", "\n\n"], [" telephone", ".", "\n", "\n"]) == 2
    assert same_at_first(["the", "end"], [" the", " end"]) == 2
    assert same_at_first(["the"], ["the", "end"]) == 1


def test_after_two_requests_without_an_answer_no_more_are_sent(known: Known) -> None:
    on = Subject(Endpoint("http://127.0.0.1:9/v1", "tiny"), COMPLETIONS, known.tokens)
    said = []
    for words in ("one", "two", "three"):
        with pytest.raises(Exception, match=r".") as error:
            on.ask(on.prompt(words))
        said.append(str(error.value))

    assert "did not answer" in said[1]
    assert said[2] == "not asked, as 2 requests in a row got no answer"


def test_a_template_is_rendered_with_its_special_tokens(tmp_path: Path) -> None:
    turns = "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}"
    text = "{{ bos_token }}" + turns + "{% if add_generation_prompt %}<go>{% endif %}"
    config = {"chat_template": text, "bos_token": {"content": "<s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")

    template = Template.load(str(tmp_path))

    assert template is not None
    assert template.rendered([{"role": "user", "content": "Hello"}]) == "<s><user>Hello<go>"


def test_a_template_that_asks_for_tools_gets_none() -> None:
    asks = "{% if tools is not none %}tools {% endif %}{% if documents is not none %}documents {% endif %}go"

    assert Template(asks, {}).rendered([]) == "go"


def looked_at(monkeypatch: pytest.MonkeyPatch, answer: Answer, tokens: Tokens | None = None) -> Subject:
    """A route whose greedy answer is this one."""
    monkeypatch.setattr(Subject, "plain", lambda _: answer)
    return Subject(Endpoint("http://127.0.0.1:9/v1", "tiny"), CHAT, tokens)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 21},
        {"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 9}},
    ],
)
def test_thoughts_that_are_not_in_the_text_are_no_defect(
    monkeypatch: pytest.MonkeyPatch, usage: dict[str, Any]
) -> None:
    on = looked_at(monkeypatch, Answer("as is", "length", usage, ("as", " is"), (-1.0, -1.0)))
    event = {"choices": [{"delta": {"content": "as"}, "finish_reason": "length"}], "usage": usage}
    monkeypatch.setattr(Subject, "events", lambda *_: [event])

    probes = {"usage": answers.usage, "max_tokens": answers.max_tokens, "stream usage": streams.stream_usage}

    assert [shown(name, one, on).status for name, one in probes.items()] == [Status.OK, Status.UNKNOWN, Status.OK]


@pytest.mark.parametrize(("finish", "status"), [("stop", Status.OK), ("length", Status.DEFECT)])
def test_only_an_answer_that_ended_by_itself_may_count_the_token_that_ended_it(
    monkeypatch: pytest.MonkeyPatch, finish: str, status: Status
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3}
    on = looked_at(monkeypatch, Answer("as is", finish, usage, ("as", " is"), (-1.0, -1.0)))

    assert answers.usage(on).status is status


def test_a_blank_that_a_tokenizer_begins_every_text_with_is_no_token_of_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begins = SimpleNamespace(encode=lambda text, **_: SimpleNamespace(ids=[0, *text.encode()]))
    answer = Answer("x" * ENOUGH, "length", {"prompt_tokens": 9, "completion_tokens": ENOUGH})
    on = looked_at(monkeypatch, answer, Tokens(begins, None, None))

    assert [one(on).status for one in (answers.usage, answers.max_tokens)] == [Status.OK, Status.OK]


def test_an_answer_that_is_too_short_as_far_as_can_be_seen_is_not_said_to_be_whole(
    monkeypatch: pytest.MonkeyPatch, known: Known
) -> None:
    finding = answers.max_tokens(looked_at(monkeypatch, Answer("x" * (ENOUGH - 1), "length", {}), known.tokens))

    assert (finding.status, finding.said) == (
        Status.UNKNOWN,
        "its answer was cut, as far as can be seen, after 11 of 12 tokens",
    )


def test_what_is_left_out_of_every_request_is_absent_and_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    on = looked_at(monkeypatch, Answer("as is", "length", {}))
    on.endpoint = Endpoint("http://127.0.0.1:9/v1", "tiny", dialect=Dialect(dropped=("stop", "seed")))

    told = [answers.stop(on), answers.seed(on)]

    assert [(one.status, one.needed_by) for one in told] == [(Status.ABSENT, ())] * 2
    left_out = "left out of every request, by its preset or by `leave_out`"
    assert [one.said for one in told] == [f"{left_out}; answers are cut there after they came", left_out]


@pytest.mark.parametrize(
    ("model", "length"),
    [
        ({"max_model_len": 4096, "context_length": 8192}, 4096),
        ({"context_length": 8192}, 8192),
        ({"meta": {"n_ctx": 1024}}, 1024),
        ({"max_model_len": True}, None),
        ({"max_model_len": "long", "meta": [1]}, None),
        ({"id": "other", "max_model_len": 4096}, None),
    ],
)
def test_a_context_length_is_told_under_several_names(
    monkeypatch: pytest.MonkeyPatch, model: dict[str, Any], length: int | None
) -> None:
    monkeypatch.setattr(conformance, "call", lambda *_: {"data": [{"id": "tiny", **model}]})

    assert context_length(Endpoint("http://127.0.0.1:9/v1", "tiny")) == length


def test_a_long_prompt_that_nobody_counted_may_have_been_taken_whole(known: Known) -> None:
    assert found(known, "cuts", "no_usage")[CHAT, "context"].status is Status.UNKNOWN


@pytest.mark.parametrize("status", [408, 409, 425, 429])
def test_an_error_that_may_pass_is_waited_out_as_long_as_it_asks(status: int) -> None:
    slept: list[float] = []
    with Provider(takes=OPENAI | {"max_tokens"}, troubles=[(status, {"Retry-After": "7"})] * 2) as provider:
        on = Subject(Endpoint(provider.url, "tiny"), CHAT, None, sleep=slept.append)
        on.ask(on.greedy())
        provider.troubles = [(status, {})] * 3

        with pytest.raises(NoAnswer, match=f"HTTP {status}"):
            on.ask(on.greedy(), again=1)

    assert slept == [7, 7, 0.5, 1]


def test_a_stream_ends_its_lines_where_the_protocol_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subject, "_text", lambda *_: 'data: {"said": "a\u2028b\x85"}\r\n\r\ndata: [DONE]\n')

    assert Subject(Endpoint("http://x/v1", "tiny"), CHAT, None).events({}) == [{"said": "a\u2028b\x85"}, None]


def test_what_a_server_says_cannot_steer_the_terminal_through_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    on = looked_at(monkeypatch, Answer("", "\x1b[2J\n" + "x" * 5000, {"completion_tokens": 1}))

    said = shown("max_tokens", answers.max_tokens, on).said

    assert said.isprintable()
    assert len(said) == 300
