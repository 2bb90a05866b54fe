"""What an endpoint may say that would make a wrong score, count or speed: no measurement, or told as what it is."""

from collections.abc import Callable
from typing import Any

import pytest
from fake_provider import Provider
from load_servers import RawServer, chunk, event, load, workload
from test_budget import QUESTIONS, UNPROBED
from test_load_transcript import DONE, chat, completion, counts, last, told

from conftest import Heard, Weighbridge
from fixtures.evaluate.replies import counted, error_in, generation, log_probabilities
from fixtures.probe import answers
from fixtures.probe.asking import COMPLETIONS, INVENTIONS, Answer, Subject
from fixtures.probe.finding import Status
from fixtures.protocols import Endpoint
from thresholds.measurement import Item


def echoed(*values: Any) -> dict[str, Any]:
    tops = [None, *({"a": value} for value in values[1:])]
    return {"choices": [{"logprobs": {"token_logprobs": list(values), "top_logprobs": tops}}]}


@pytest.mark.parametrize("value", [0.9, float("inf"), float("-inf"), float("nan"), None])
def test_what_is_no_log_probability_scores_no_choice(value: Any) -> None:
    with pytest.raises(ValueError, match="2 log-probabilities for 2 tokens"):
        log_probabilities(echoed(None, -1.0, value, -1.0), 1, [1, 2, 3])


def test_a_rounded_zero_is_a_log_probability() -> None:
    assert log_probabilities(echoed(None, 1e-7, -2.0, -1.0), 1, [1, 2, 3]).logprob == pytest.approx(-2)


@pytest.mark.parametrize("said", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_an_answer_that_was_cut_off_counts_as_such_whatever_the_endpoint_calls_it(said: str) -> None:
    reply = generation({"choices": [{"text": "a", "finish_reason": said}]}, 4, chat=False)

    assert Item(0, {}, "", "", False, (reply.finish_reason,), None, None, 0.0).cut_off


@pytest.mark.parametrize("said", ["content_filter", "SAFETY", "error"])
def test_an_answer_that_was_withheld_is_not_scored(said: str) -> None:
    with pytest.raises(ValueError, match=f"ended by {said}"):
        generation({"choices": [{"text": "", "finish_reason": said}]}, 4, chat=False)


def test_thoughts_that_only_the_total_counts_are_tokens_of_the_answer() -> None:
    assert counted({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 110}) == (7, 103)
    assert counted({"prompt_tokens": 7, "completion_tokens": 3}) == (7, 3)
    assert counted({}) == (None, None)


def test_an_error_that_comes_as_a_good_answer_is_told_in_its_words() -> None:
    assert error_in({"error": {"code": 502, "message": "no provider"}}) == "{'code': 502, 'message': 'no provider'}"
    assert error_in({"choices": [{}], "error": None}) is None


def test_a_gateway_s_own_fields_are_no_first_token() -> None:
    first = chat(role="assistant", content="", provider_specific_fields={"vendor": "x"}, annotations=[{"a": 1}])

    transcript = told(first, chat(content="a"), chat(content="b", finish="stop"), last(2), DONE)

    assert (transcript.first, transcript.marks) == (2.0, ((2.0, 1), (3.0, 1)))


def test_a_count_of_nothing_with_every_event_does_not_hide_when_tokens_came() -> None:
    none = counts(0)

    transcript = told(completion("a", usage=none), completion("b", "stop", usage=none), last(2), DONE)

    assert (transcript.marks, transcript.exact) == (((1.0, 1), (2.0, 1)), False)


def test_a_load_whose_answers_count_more_tokens_than_were_asked_for_has_no_speed() -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 4000}
    body = event() * 3 + event(finish="stop", usage=usage) + b"data: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    def talk(one: Any) -> None:
        while one.hear() is not None:
            one.say(head + chunk(body) + b"0\r\n\r\n")

    with RawServer(talk) as server:
        came = load(server.url, workload(at_most=True)).outcome

    assert came.invalid is not None
    assert came.invalid[0] == "wrong_length"
    assert "4000 tokens by their `usage`, and at most 4 were asked for" in came.invalid[1]


@pytest.mark.parametrize(("text", "status"), [(f"{INVENTIONS} steam", Status.DEFECT), (" steam", Status.UNKNOWN)])
def test_an_answer_that_begins_with_its_prompt_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, text: str, status: Status
) -> None:
    on = Subject(Endpoint("http://127.0.0.1:9/v1", "tiny"), COMPLETIONS, None)
    monkeypatch.setattr(on, "plain", lambda: Answer(text, "length", {}))

    assert answers.max_tokens(on).status is status


def limited(weighbridge: Weighbridge, provider: Provider) -> Heard:
    weighbridge.conftest(UNPROBED)
    block = {"preset": "openai", "url": provider.url, "key_variable": "TINY_KEY"}
    weighbridge.matrix(["embedded_gsm8k"], {**block, "limits": {"requests_per_minute": 240}})
    weighbridge.floors({"task": "embedded_gsm8k", "samples": 8, "chat": True, "floor": 0.5})
    weighbridge.environment = {**weighbridge.environment, "TINY_KEY": "sk-very-secret-4711"}
    return weighbridge.run(*QUESTIONS)


def test_speeds_of_answers_that_were_held_back_are_said_to_be_those_of_the_pace(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    with Provider(solve) as provider:
        heard = limited(weighbridge, provider)

    assert heard.code == 0, heard.output
    assert "s in all for limits by the minute: tokens/s of answers include that" in heard.output
