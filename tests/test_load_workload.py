"""Files of workloads: what they may say, and how each mistake is told with its line and what to write instead."""

from pathlib import Path

import pytest

from fixtures.load import workload as workloads
from fixtures.load.workload import Named, choose, load, plain, room
from thresholds.strict_yaml import InvalidFile

GOOD = """\
# a comment
workloads:
  chat:
    prompts: {tokens: 64}
    output: {tokens: 32}
    arrivals: {concurrency: 2}
    requests: 12
"""


OF_REQUESTS = ("request_latency", "time_per_output_token", "time_to_first_token")


def read(folder: Path, text: str = GOOD) -> dict[str, Named]:
    (folder / "workloads.yaml").write_text(text, encoding="utf-8")
    return dict(load(folder / "matrix.yaml")[1])


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(InvalidFile) as refused:
        read(folder, text)
    return str(refused.value).removeprefix(f"{folder}/")


def test_a_workload_is_read_with_its_name_and_line(tmp_path: Path) -> None:
    chat = read(tmp_path)["chat"]

    assert (chat.name, chat.where.rpartition("/")[2], chat.path) == ("chat", "workloads.yaml:3", None)
    assert (chat.form.prompts.tokens, chat.form.output.limit, chat.form.arrivals.concurrency) == (64, 32, 2)
    assert chat.form.gated() == ["time_to_first_token.p50", "time_per_output_token.p50"]


def test_the_warm_up_fills_every_stream_unless_a_workload_says_otherwise(tmp_path: Path) -> None:
    more = GOOD + GOOD.partition("workloads:\n")[2].replace("chat", "other") + "    warm_up: 5\n"
    third = GOOD.partition("workloads:\n")[2].replace("chat", "open").replace("concurrency: 2", "rate: 2")

    told = read(tmp_path, more + third)

    assert [told[name].form.before for name in ("chat", "other", "open")] == [2, 5, 0]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("requests: 12", "requests: 12\n    request: 5", ":8: unknown key 'request'; did you mean 'requests'?"),
        ("{tokens: 64}", "{token: 64}", ":4: unknown key 'token'; did you mean 'tokens'?"),
        ("{tokens: 64}", "{tokens: 64, task: x}", ":4: prompts: name one of `tokens`, `task` and `file`"),
        ("{tokens: 64}", "{}", ":4: prompts: name one of `tokens`, `task` and `file`"),
        ("{tokens: 64}", "{tokens: 0}", ":4: tokens: input should be greater than 0 (got 0)"),
        ("{tokens: 64}", "{tokens: '64'}", ":4: tokens: input should be a valid integer (got '64')"),
        (
            "{tokens: 64}",
            "{tokens: 64, shared_prefix: 65}",
            ":4: prompts: `shared_prefix` is a part of `tokens`; make it smaller",
        ),
        ("{tokens: 32}", "{}", ":5: output: name one of `tokens` and `at_most`"),
        ("{tokens: 32}", "{tokens: 32, at_most: 32}", ":5: output: name one of `tokens` and `at_most`"),
        ("{concurrency: 2}", "{}", ":6: arrivals: name one of `concurrency` and `rate`"),
        ("{concurrency: 2}", "{concurrency: 2, rate: 1}", ":6: arrivals: name one of `concurrency` and `rate`"),
        ("{concurrency: 2}", "{concurrency: 0}", ":6: concurrency: input should be greater than 0 (got 0)"),
        ("{concurrency: 2}", "{rate: 0}", ":6: rate: input should be greater than 0 (got 0)"),
        ("{concurrency: 2}", "{rate: -1}", ":6: rate: input should be greater than 0 (got -1)"),
        ("{concurrency: 2}", "{rate: .inf}", ":6: rate: input should be a finite number (got inf)"),
        ("{concurrency: 2}", "{rate: fast}", ":6: rate: input should be a valid number (got 'fast')"),
        (
            "{concurrency: 2}",
            "{rate: 2, process: posson}",
            ":6: process is 'posson'; did you mean 'poisson'?",
        ),
        (
            "{concurrency: 2}",
            "{concurrency: 20}",
            ":3: chat: 12 requests never keep 20 under way; raise `requests`",
        ),
        ("    requests: 12\n", "", ":3: the key 'requests' is missing"),
        ("requests: 12", "requests: 0", ":7: requests: input should be greater than 0 (got 0)"),
        ("requests: 12", "requests: twelve", ":7: requests: input should be a valid integer (got 'twelve')"),
        (
            "requests: 12",
            "requests: 298\n    latencies: {time_to_first_token: [p50, p99]}",
            ":3: chat: p99 needs 299 requests, and 298 are sent; raise `requests`",
        ),
        (
            "requests: 12",
            "requests: 12\n    latencies: {time_to_first_tken: [p50]}",
            ":3: chat: latencies: unknown metric 'time_to_first_tken'; did you mean 'time_to_first_token'?",
        ),
        (
            "requests: 12",
            "requests: 12\n    slo: {request_latenci: 1}",
            ":3: chat: slo: unknown metric 'request_latenci'; did you mean 'request_latency'?",
        ),
        (
            "requests: 12",
            "requests: 12\n    slo: {inter_token_latency: 1}",
            f":3: chat: slo: unknown metric 'inter_token_latency'; known: {', '.join(OF_REQUESTS)}",
        ),
        (
            "requests: 12",
            "requests: 12\n    slo: {request_latency: -1}",
            ":8: request_latency: input should be greater than 0 (got -1)",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_write(tmp_path: Path, good: str, bad: str, said: str) -> None:
    assert refusal(tmp_path, GOOD.replace(good, bad)) == f"workloads.yaml{said}"


def test_an_unknown_percentile_is_answered_with_those_that_are_known(tmp_path: Path) -> None:
    text = GOOD + "    latencies: {time_to_first_token: [p42]}\n"

    assert refusal(tmp_path, text).endswith("'p42'; known: p50, p90, p95, p99")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: holds no mapping; write `key: value` lines"),
        ("workloads: {}\n", ":1: workloads: dictionary should have at least 1 item"),
        ("workloads:\n", ":1: workloads: input should be a valid dictionary"),
        ("workloads: {chat: 3}\n", ":1: chat: input should be a valid dictionary"),
        ("workloads: {two words: {}}\n", ":1: workloads: string should match pattern"),
        ("workloads: {chat: \n", ":2: is not valid YAML"),
        (GOOD + GOOD.partition("workloads:\n")[2], ':8: is not valid YAML: found duplicate key "chat"'),
    ],
)
def test_a_file_without_workloads_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text).startswith(f"workloads.yaml{said}")


def test_a_prompt_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    text = GOOD.replace("{tokens: 64}", "\n      file: prompts/x.jsonl")

    assert refusal(tmp_path, text) == f"workloads.yaml:5: there is no prompt file {tmp_path}/prompts/x.jsonl"


def test_a_prompt_file_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "a"}\n', encoding="utf-8")

    assert read(tmp_path, GOOD.replace("{tokens: 64}", "{file: x.jsonl}"))["chat"].path == tmp_path / "x.jsonl"


def test_without_a_file_beside_the_matrix_those_of_the_suites_are_meant(tmp_path: Path) -> None:
    path, known = load(tmp_path / "matrix.yaml")

    assert path == workloads.SUITES / "workloads.yaml"
    assert {"embedded_1_stream", "embedded_8_streams"} <= set(known)


def test_an_unknown_workload_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    known = read(tmp_path)
    path = tmp_path / "workloads.yaml"

    with pytest.raises(InvalidFile, match=r"matrix.yaml:7: unknown workload 'chut'; did you mean 'chat'\?"):
        choose(["chut"], known, path, {"chut": "matrix.yaml:7"})
    with pytest.raises(InvalidFile, match="--workloads: unknown workload 'x'; known: chat"):
        choose(["x"], known, path, {})
    assert choose(["chat"], known, path, {}) == known


def test_equal_loads_have_equal_digests_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "a"}\n', encoding="utf-8")
    of_file = GOOD.replace("{tokens: 64}", "{file: x.jsonl}")
    texts = [GOOD, GOOD.replace("# a", "# another"), GOOD.replace("12", "13"), of_file]

    one, commented, longer, first = (read(tmp_path, text)["chat"] for text in texts)
    before = first.digest()
    (tmp_path / "x.jsonl").write_text('{"prompt": "b"}\n', encoding="utf-8")

    assert one.digest() == commented.digest()
    assert len({one.digest(), longer.digest(), before, first.digest()}) == 4


def test_prompt_and_answer_must_fit_the_context_together(tmp_path: Path) -> None:
    form = read(tmp_path)["chat"].form

    assert room(form, 96) is None
    assert room(form, 95) == (
        "prompts of 64 tokens and answers of 32 do not fit a context of 95 tokens; "
        "shorten them or raise max_model_len in the matrix"
    )
    assert room(form, 96, prompt=65) is not None


def test_the_provenance_holds_what_was_written(tmp_path: Path) -> None:
    assert plain(read(tmp_path)["chat"].form) == {
        "prompts": {"tokens": 64},
        "output": {"tokens": 32},
        "arrivals": {"concurrency": 2},
        "requests": 12,
    }
