"""What a stream says: bytes in, tokens with their times out, however the bytes are cut."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.load.connection import Trace
from fixtures.load.metrics import samples
from fixtures.load.transcript import Transcript, read
from fixtures.speculative.steps import observed

DONE = "data: [DONE]\n\n"
WORDS = ["Hello", " wörld", " \u2028", '"{\\n', "\U0001f600"]
"""Tokens whose bytes can be cut in the middle of a letter."""


def completion(text: str = "x", finish: str | None = None, usage: Mapping[str, Any] | None = None) -> str:
    return _event({"choices": [{"index": 0, "text": text, "finish_reason": finish}]}, usage)


def chat(finish: str | None = None, usage: Mapping[str, Any] | None = None, **delta: Any) -> str:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, usage)


def last(tokens: int, prompt: int = 7) -> str:
    """The event that `include_usage` asks for."""
    return _event({"choices": []}, counts(tokens, prompt))


def counts(tokens: int, prompt: int = 7) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def _event(row: dict[str, Any], usage: Mapping[str, Any] | None) -> str:
    return f"data: {json.dumps({**row, 'usage': usage}, ensure_ascii=False)}\n\n"


def reply(*pieces: str | bytes, times: Sequence[float] | None = None, **more: Any) -> Transcript | str:
    """What is read of pieces that arrived at 1.0, 2.0, …; the request was sent at 0.5."""
    arrived = times or [float(number) for number in range(1, len(pieces) + 1)]
    data = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    given = {"status": 200, "content_type": b"text/event-stream; charset=utf-8", "sent": 0.5, **more}
    return read(Trace(0, 0.25, pieces=list(zip(arrived, data, strict=True)), **given))


def told(*pieces: str | bytes, **more: Any) -> Transcript:
    transcript = reply(*pieces, **more)
    assert isinstance(transcript, Transcript), transcript
    return transcript


def test_each_token_of_a_completion_has_the_time_of_its_arrival() -> None:
    transcript = told(completion(), completion(), completion(finish="length"), last(3), DONE)

    assert transcript.marks == ((1.0, 1), (2.0, 1), (3.0, 1))
    assert (transcript.first, transcript.last) == (1.0, 3.0)
    assert (transcript.output_tokens, transcript.prompt_tokens, transcript.finish_reason) == (3, 7, "length")


def thinking(tokens: int, thoughts: int, extra: int = 0) -> str:
    """The last event of an endpoint that hides its thoughts: in the answer's count, or only in the total."""
    usage = counts(tokens)
    total, details = usage["total_tokens"] + extra, {"reasoning_tokens": thoughts}
    return _event({"choices": []}, {**usage, "total_tokens": total, "completion_tokens_details": details})


@pytest.mark.parametrize("end", [thinking(103, 100), thinking(3, 0, 100)], ids=["counted", "only in the total"])
def test_thoughts_that_were_never_sent_came_before_the_first_token_and_not_between_the_others(end: str) -> None:
    transcript = told(chat(content="a"), chat(content="b"), chat(content="c", finish="stop"), end, DONE)

    assert transcript.marks == ((1.0, 101), (2.0, 1), (3.0, 1))
    assert (transcript.output_tokens, transcript.unseen) == (103, 100)
    assert samples([transcript])["time_per_output_token"] == [1.0]
    assert samples([transcript])["inter_token_latency"] == [1.0, 1.0]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_that_were_sent_have_their_own_times(name: str) -> None:
    thoughts: list[dict[str, Any]] = [{name: "a"}, {name: "b"}]

    transcript = told(*(chat(**one) for one in thoughts), chat(content="c", finish="stop"), thinking(3, 2), DONE)

    assert transcript.marks == ((1.0, 1), (2.0, 1), (3.0, 1))
    assert transcript.unseen == 0


def test_an_answer_that_is_all_thoughts_has_no_time_between_tokens() -> None:
    transcript = told(chat(content="a"), chat(content="b", finish="length"), thinking(40, 50), DONE)

    assert (transcript.unseen, transcript.marks) == (40, ((1.0, 40), (2.0, 0)))
    assert samples([transcript])["time_per_output_token"] == []


def test_thoughts_beside_exact_counts_are_those_of_the_total_alone() -> None:
    pieces = [chat(content=str(number), usage=counts(number)) for number in (1, 2)]

    transcript = told(*pieces, thinking(2, 0, 10), DONE)

    assert transcript.marks == ((1.0, 11), (2.0, 1))
    assert (transcript.exact, transcript.output_tokens) == (True, 12)


def test_hidden_thoughts_are_no_draft() -> None:
    hidden = told(chat(content="a"), chat(content="b", finish="stop"), thinking(102, 100), DONE)

    assert observed([hidden], {}) is None


def test_a_chat_is_read_like_a_completion() -> None:
    transcript = told(chat(content="a"), chat(content="b"), chat(finish="stop"), last(2), DONE)

    assert transcript.marks == ((1.0, 1), (2.0, 1))
    assert transcript.finish_reason == "stop"


@pytest.mark.parametrize("usage", [None, counts(0)], ids=["plain", "with usage"])
def test_a_first_chunk_with_a_role_alone_is_no_token(usage: dict[str, int] | None) -> None:
    more = None if usage is None else counts(1)
    first = chat(role="assistant", content="", usage=usage)

    transcript = told(first, chat(content="a", usage=more), chat(finish="stop", usage=more), last(1), DONE)

    assert transcript.marks == ((2.0, 1),)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "tool_calls"])
def test_reasoning_and_tool_calls_are_tokens_too(name: str) -> None:
    said: dict[str, Any] = {name: "hm"}

    transcript = told(chat(**said), chat(content="so"), chat(finish="stop"), last(2), DONE)

    assert transcript.marks == ((1.0, 1), (2.0, 1))


def test_tokens_that_come_in_one_read_are_one_mark() -> None:
    transcript = told(completion() + completion() + completion(), completion(finish="length") + last(4) + DONE)

    assert transcript.marks == ((1.0, 3), (2.0, 1))


def test_the_time_of_an_event_is_that_of_the_piece_that_completes_it() -> None:
    begin, end = completion()[:20], completion()[20:]

    transcript = told(begin, end + completion()[:-1], "\n" + completion(finish="length") + last(3), DONE)

    assert transcript.marks == ((2.0, 1), (3.0, 2))


@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["crlf", "lf"])
def test_comments_and_pings_and_other_fields_are_no_tokens(end: str) -> None:
    ping, other = f": ping{end}{end}", f"event: message{end}id: 4{end}retry: 100{end}{end}"
    token = completion().replace("\n", end)

    transcript = told(ping, token, ping, other, f"event: x{end}{token}", completion(finish="stop"), last(3), DONE)

    assert transcript.marks == ((2.0, 1), (5.0, 1), (6.0, 1))


def test_data_over_several_lines_is_one_event() -> None:
    lines = json.dumps({"choices": [{"text": "x"}]}, indent=1).split("\n")

    transcript = told("".join(f"data: {line}\n" for line in lines) + "\n", completion(finish="stop"), last(2), DONE)

    assert transcript.marks == ((1.0, 1), (2.0, 1))


def test_data_needs_no_space_after_its_colon() -> None:
    assert told(*(piece.replace("data: ", "data:") for piece in (completion(finish="stop"), DONE))).marks[0][0] == 1.0


def test_several_tokens_a_chunk_are_those_that_usage_tells_of_each_chunk() -> None:
    pieces = [completion("ab", usage=counts(2)), completion("cdefg", usage=counts(7))]

    transcript = told(*pieces, completion("h", "length", counts(8)), last(8), DONE)

    assert transcript.marks == ((1.0, 2), (2.0, 5), (3.0, 1))
    assert transcript.exact


def test_without_usage_in_each_chunk_several_tokens_a_chunk_are_spread_evenly() -> None:
    transcript = told(completion("ab"), completion("cdef"), completion("gh", "length"), last(9), DONE)

    assert transcript.marks == ((1.0, 3), (2.0, 3), (3.0, 3))
    assert not transcript.exact


def test_an_even_spread_is_one_over_events_and_not_over_reads() -> None:
    transcript = told(completion() * 3, completion(finish="length"), last(8), DONE)

    assert transcript.marks == ((1.0, 6), (2.0, 2))


def test_a_token_without_text_counts_where_usage_says_that_it_came() -> None:
    """Half a letter is a token, too, and its text comes with the next one."""
    transcript = told(completion("", usage=counts(1)), completion("é", "length", counts(2)), last(2), DONE)

    assert transcript.marks == ((1.0, 1), (2.0, 1))


def test_usage_may_come_with_the_last_chunk_of_text() -> None:
    transcript = told(completion(), completion("x", "stop", counts(2)), DONE)

    assert (transcript.marks, transcript.output_tokens) == (((1.0, 1), (2.0, 1)), 2)


def test_without_usage_no_tokens_are_told_however_many_chunks_came() -> None:
    transcript = told(completion(), completion(finish="stop"), DONE)

    assert (transcript.output_tokens, transcript.prompt_tokens) == (None, None)
    assert transcript.marks == ((1.0, 0), (2.0, 0))


def test_a_finish_reason_ends_a_stream_whose_done_is_missing() -> None:
    assert told(completion(), completion(finish="stop"), last(2)).output_tokens == 2


def test_a_stream_that_stops_without_finish_reason_or_done_has_ended_early() -> None:
    assert reply(completion(), completion(), completion()[:-1]) == "ended_early"
    assert reply() == "ended_early"


def test_what_follows_done_is_not_read() -> None:
    assert told(completion(finish="stop"), DONE, "data: {nonsense\n\n").marks == ((1.0, 0),)


def test_an_error_in_the_stream_is_no_answer() -> None:
    said = 'data: {"error": {"message": "the engine died", "code": 500}}\n\n'

    assert reply(completion(), said, DONE) == "error_event"


def test_in_a_closed_loop_the_clock_starts_with_the_sending_and_in_an_open_one_when_it_was_due() -> None:
    pieces = (completion(finish="stop"), DONE)

    assert (told(*pieces).due, told(*pieces, scheduled=True).due) == (0.5, 0.25)


def test_the_content_type_may_be_written_in_capitals() -> None:
    assert told(completion(finish="stop"), DONE, content_type=b"Text/Event-Stream").finish_reason == "stop"


def test_a_refusal_keeps_its_status_and_when_to_come_again() -> None:
    assert reply(status=429, retry_after=b"7") == "http_429 (Retry-After: 7)"
    assert reply(status=503) == "http_503"


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """The bytes of a stream in any of the forms that servers use, and the ends of its tokens' events in them."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    many = draw(st.integers(1, 6))
    continuous, chats, pings, lines = (draw(st.booleans()) for _ in range(4))
    whole, ends = b"", []
    if chats:
        whole += chat(role="assistant", content="", usage=counts(0) if continuous else None).encode()
    for number in range(many):
        finish = "length" if number == many - 1 else None
        usage = counts(number + 1) if continuous else None
        word = WORDS[number % len(WORDS)]
        made = chat(finish, usage, content=word) if chats else completion(word, finish, usage)
        made = made.replace(", ", ",\ndata: ") if lines else made
        whole += (b": ping\n\n" if pings else b"") + made.encode()
        ends.append(len(whole.replace(b"\n", end.encode())))
    whole += (last(many) + DONE).encode()
    return whole.replace(b"\n", end.encode()), ends


def _places(word: bytes, data: bytes) -> list[int]:
    return [found.start() for found in re.finditer(word, data)]


@settings(max_examples=300)
@given(streams(), st.data())
def test_however_the_bytes_are_cut_the_tokens_and_their_times_are_the_same(
    stream: tuple[bytes, list[int]], data: st.DataObject
) -> None:
    whole, ends = stream
    tricky = [place + near for place in _places(b"data:", whole) for near in (-2, -1, 0, 1, 6) if place + near > 0]
    anywhere = st.integers(1, len(whole) - 1)
    cuts = sorted(data.draw(st.sets(st.sampled_from(tricky) | anywhere if tricky else anywhere, max_size=40)))
    pieces = [whole[begin:end] for begin, end in pairwise([0, *cuts, len(whole)])]
    arrived = list(accumulate(len(piece) for piece in pieces))

    transcript = told(*pieces, times=[float(at) for at in arrived])

    completed = [min(float(at) for at in arrived if at >= end) for end in ends]
    assert transcript.marks == tuple((at, completed.count(at)) for at in sorted(set(completed)))
    assert (transcript.output_tokens, transcript.prompt_tokens, transcript.finish_reason) == (len(ends), 7, "length")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_stream_may_come_byte_by_byte(end: bytes) -> None:
    whole = "".join([*map(completion, WORDS), completion(finish="stop"), last(6), DONE]).encode().replace(b"\n", end)

    transcript = told(*(bytes([byte]) for byte in whole))

    assert [tokens for _, tokens in transcript.marks] == [1] * 6
