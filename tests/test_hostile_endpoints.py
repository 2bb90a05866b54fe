"""Endpoints that mean harm: every way in which we talk to one ends, within its bytes and its time, and says why."""

import ssl
import time
import tracemalloc
from collections.abc import Callable

import hostile_endpoint as hostile
import pytest
from fake_engine import FakeEngine, Script
from hostile_endpoint import ECHOES, KEY, Sent, said, sized
from load_servers import RawServer, Talk, load, workload
from test_load_tls import certificate, tls

from fixtures.endpoints.told import MOST_SAID
from fixtures.engines import counters, openai_api, reading
from fixtures.engines.openai_api import call, first_answer, served_models
from fixtures.evaluate import client
from fixtures.evaluate.client import Answer, Call, Exchange
from fixtures.load import connection
from fixtures.load.transcript import read
from fixtures.probe.conformance import probe
from fixtures.protocols import Endpoint, EngineFailed

__all__ = ["certificate", "tls"]
pytestmark = pytest.mark.timeout(30)

VARIABLE = "WEIGHBRIDGE_HOSTILE_KEY"
LIMIT = 0.25
"""Seconds that a request may take in these tests."""

UNDERWAY = 8 * 2**20
"""Bytes that the buffers of two sockets and a parser may hold."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setattr(counters, "SECONDS", LIMIT)
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(openai_api, "PAUSES", (0.001,))


def endpoint(url: str) -> Endpoint:
    return Endpoint(url, "tiny", VARIABLE)


def proof(url: str, seconds: float = LIMIT) -> str:
    """What is told when an engine should prove itself."""
    with pytest.raises(EngineFailed) as told:
        call(endpoint(url), "models", seconds=seconds)
    return f"{told.value.reason} {told.value}"


def ask(url: str, seconds: float = LIMIT) -> Answer:
    """The answer to one request of an evaluation."""
    answers: list[Answer] = []
    exchange = Exchange(endpoint(url), 1, seconds, lambda: None)
    exchange.send([Call("completions", {"prompt": "a", "max_tokens": 4})], lambda _, answer: answers.append(answer))
    return answers[0]


def evaluation(url: str, seconds: float = LIMIT) -> str:
    """What is told of a request of an evaluation."""
    try:
        return str(ask(url, seconds).failed)
    except EngineFailed as error:
        return str(error)


def page(url: str, seconds: float = LIMIT) -> str:
    """What is told of its counters: nothing."""
    counters.SECONDS = seconds
    assert counters.counters(endpoint(url)) == {}
    return ""


def streams(url: str, seconds: float = LIMIT) -> str:
    """What is told of a load."""
    try:
        loaded = load(url, workload(requests=2), seconds=seconds, key_variable=VARIABLE)
    except OSError as error:
        return str(error)
    assert loaded.outcome.requests == 0
    return " ".join(loaded.failures)


Way = Callable[..., str]
WAYS: dict[str, Way] = {"proof": proof, "evaluation": evaluation, "counters": page, "load": streams}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@each_way
@pytest.mark.parametrize("name", ["TEN_GIGABYTES", "ENDLESS", "ENDLESS_ERROR", "ENDLESS_STREAM"])
def test_an_answer_without_end_is_cut_off_by_its_bytes(way: Way, name: str) -> None:
    sent = Sent(getattr(hostile, name))

    with RawServer(sent) as server:
        told = way(server.url, 20)

    assert sent.bytes < reading.MOST_BYTES + 3 * UNDERWAY
    assert " MiB" in told or "endless" in told or way is page


def test_a_stream_in_chunks_of_a_byte_costs_no_more_memory_than_another() -> None:
    sent = Sent(hostile.ONE_BYTE_CHUNKS)

    with RawServer(sent) as server:
        told = streams(server.url, 20)

    assert sent.bytes < 3 * UNDERWAY
    assert told == "endless"


@pytest.mark.parametrize("talk", [hostile.TEN_GIGABYTES, hostile.ENDLESS_STREAM], ids=["whole", "stream"])
def test_many_answers_without_end_take_little_memory_together(talk: hostile.Talks) -> None:
    calls = [Call("completions", {"prompt": "a", "max_tokens": 64})] * 16
    tracemalloc.start()

    with RawServer(talk) as server:
        loaded = load(server.url, workload(streams=8, requests=16), seconds=20)
        with pytest.raises(EngineFailed, match=r"an answer of more than 0\.5 MiB"):
            Exchange(endpoint(server.url), 8, 20, lambda: None).send(calls, lambda *_: None)

    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.outcome.requests == 0
    assert held < 32 * 2**20


@each_way
@pytest.mark.parametrize("name", ["MANY_HEADERS", "LONG_HEADER", "LONG_STATUS", "NO_HTTP"])
def test_headers_without_end_are_cut_off_by_their_bytes(way: Way, name: str) -> None:
    sent = Sent(getattr(hostile, name))

    with RawServer(sent) as server:
        told = way(server.url)

    assert sent.bytes < 8 * UNDERWAY
    assert told.count("a") < 100


@each_way
@pytest.mark.parametrize("name", ["DRIP", "DRIPPING_HEADERS", "INFORMING"])
def test_what_drips_ends_with_its_time_however_often_a_byte_comes(way: Way, name: str) -> None:
    started = time.perf_counter()

    with RawServer(getattr(hostile, name)) as server:
        told = way(server.url)

    assert time.perf_counter() - started < LIMIT * (client.PATIENCE + 2) + 3  # it would take half an hour
    assert f"no answer within {LIMIT} s" in told or "timeout_" in told or "endless_headers" in told or way is page


@pytest.mark.parametrize("way", [proof, evaluation])
def test_what_a_few_bytes_unpack_to_is_not_unpacked(way: Way) -> None:
    with RawServer(hostile.BOMB) as server:
        assert "no JSON" in way(server.url, 5)


@pytest.mark.parametrize("way", [proof, evaluation])
def test_an_answer_that_is_nested_too_deeply_is_no_json(way: Way) -> None:
    with RawServer(hostile.DEEP) as server:
        assert "no JSON" in way(server.url, 5)


@each_way
def test_a_redirect_is_followed_nowhere_and_its_aim_is_named(way: Way) -> None:
    visited: list[bytes] = []

    def visit(one: Talk) -> None:
        while one.hear() is not None:
            visited.append(one.head)
            one.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with RawServer(visit) as other, RawServer(hostile.redirect(f"{other.url}/elsewhere")) as server:
        told = way(server.url)

        assert visited == []
        assert f"it is at {other.url}/elsewhere" in told or way in {page, streams}


@each_way
def test_nothing_is_said_to_a_server_whose_certificate_nobody_signed(way: Way, tls: ssl.SSLContext) -> None:
    heard: list[bytes] = []

    def listen(one: Talk) -> None:
        while one.hear() is not None:
            heard.append(one.head)

    with RawServer(listen, tls) as server:
        told = way(server.url)

    assert heard == []
    assert "certificate verify failed" in told or way is page


@each_way
@pytest.mark.parametrize("where", ECHOES)
def test_the_key_is_in_nothing_that_is_told_wherever_the_server_repeats_it(way: Way, where: str) -> None:
    with RawServer(ECHOES[where]) as server:
        told = way(server.url)

    assert KEY[:8] not in told


@pytest.mark.parametrize("where", ["in the reason", "in no JSON", "in a redirect"])
def test_the_key_is_in_no_finding_of_a_probe(where: str) -> None:
    with RawServer(ECHOES[where]) as server:
        found = [finding.plain() for finding in probe(endpoint(server.url))]

    assert len(found) >= 2
    assert KEY[:8] not in str(found)


def test_a_probe_whose_key_is_refused_does_not_show_it() -> None:
    with RawServer(ECHOES["in an error"]) as server, pytest.raises(EngineFailed) as refused:
        probe(endpoint(server.url))

    assert KEY[:8] not in str(refused.value)


@pytest.mark.parametrize("written", [KEY, "".join(f"\\u{ord(letter):04x}" for letter in KEY)], ids=["plain", "escaped"])
def test_the_key_is_struck_out_of_answers_however_it_is_written(written: str) -> None:
    text = f'{{"choices": [{{"text": "it is {written}", "logprobs": {{"top_logprobs": [{{"{written}": -1}}]}}}}]}}'

    with RawServer(sized(text.encode())) as server:
        answer = ask(server.url, 5)

    assert answer.body["choices"][0] == {"text": "it is ***", "logprobs": {"top_logprobs": [{"***": -1}]}}


def test_a_message_that_is_cut_ends_with_no_half_of_the_key() -> None:
    looked_at = reading.LOOKED_AT + reading.LONGEST_ESCAPE * len(KEY)

    for end in range(9, 9 + len(KEY)):
        assert reading.without_key("x" + " " * (looked_at - end) + KEY * 2, endpoint("")) in {"x", "x ***"}


def test_the_key_is_struck_out_of_messages_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "Ab+/cd==secret")
    written = ["Ab+/cd==secret", r"Ab+\/cd==secret", r"Ab\u002B\u002fcd==secret", "Ab%2B%2fcd%3D%3Dsecret"]

    for one in written:
        assert reading.without_key(f'{{"error": "{one} at 100 %\\n"}}', endpoint("")) == r'{"error": "*** at 100 %\n"}'


def test_a_message_cannot_steer_the_terminal() -> None:
    assert reading.without_key("go\x1b[2J\r\nod", endpoint("")) == "go\N{REPLACEMENT CHARACTER}[2J od"


def test_a_placeholder_for_a_key_is_no_secret_that_an_answer_may_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "none")

    with RawServer(said({"choices": [{"text": "none of them"}]})) as server:
        assert ask(server.url, 5).body["choices"][0]["text"] == "none of them"


@pytest.mark.parametrize("listed", ["abc", None, 7, [1, "tiny", None], {"id": "tiny"}, [{"id": {"x": 1}}]])
def test_a_list_of_models_that_is_none_serves_nothing(listed: object) -> None:
    with RawServer(said({"data": listed})) as server:
        assert [model.get("id") for model in served_models(endpoint(server.url))] in ([], [None])


def test_of_a_model_no_more_is_kept_than_can_be_meant() -> None:
    with RawServer(said({"data": [{"id": "tiny", "root": "x" * 10**6, "owned_by": {"a": "b"}}]})) as server:
        assert served_models(endpoint(server.url)) == [{"id": "tiny", "root": "x" * MOST_SAID}]


@pytest.mark.parametrize("body", [[], 7, None, {"choices": []}, {"choices": None}, {"error": [[[[[[[[["deep"]]]]]]]]]}])
def test_an_engine_is_not_ready_by_an_answer_that_holds_none(body: object) -> None:
    with RawServer(said(body)) as server, pytest.raises(EngineFailed, match="answered without choices") as told:
        first_answer(endpoint(server.url), chat=False)

    assert len(str(told.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "a{" * 100_000,
        "a{\n" * 100_000,
        'a{b="' * 100_000,
        "a 1.2.3\na --1\na 1e999",
        'a{position="' + "9" * 5000 + '"} 1',
    ],
    ids=["open", "open_lines", "open_quotes", "no_numbers", "long_position"],
)
def test_a_page_of_metrics_that_is_none_costs_no_time_and_counts_nothing(text: str) -> None:
    started = time.perf_counter()

    told = counters.parsed(text)

    assert time.perf_counter() - started < 2
    assert set(told.values()) <= {1.0}


def test_a_stream_in_many_pieces_is_read_in_the_time_of_one() -> None:
    trace = connection.Trace(0, 0.0, status=200, content_type=b"text/event-stream")
    trace.pieces = [(0.0, b"a")] * 200_000

    started = time.perf_counter()

    assert read(trace) == "ended_early"
    assert time.perf_counter() - started < 3


def test_a_cookie_that_an_endpoint_sets_does_not_come_back() -> None:
    heads: list[bytes] = []

    def listen(one: Talk) -> None:
        while one.hear() is not None:
            heads.append(one.head.lower())
            one.say(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\n{}")

    with RawServer(listen) as server:
        exchange = Exchange(endpoint(server.url), 1, 5, lambda: None)
        exchange.send([Call("completions", {"max_tokens": 1})] * 2, lambda *_: None)

    assert len(heads) == 2
    assert not any(b"cookie" in head for head in heads)


def test_a_usual_endpoint_is_none_of_these(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(key=KEY)

    assert ask(fake_engine.url, 5).failed is None
    assert counters.counters(endpoint(fake_engine.url)) != {}
