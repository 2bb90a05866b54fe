"""Workloads in use: which tests they make, and mistakes in them, told before any engine starts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine, Schedule

from conftest import Weighbridge
from fixtures.load import workload
from fixtures.load.workload import Named
from fixtures.opening import read_plan
from fixtures.parameters import Plan
from thresholds.strict_yaml import InvalidFile

MATRIX = """\
models: {tiny: {}}
combinations:
  - {model: tiny, engine: remote, url: "http://127.0.0.1:1/v1", max_model_len: [64, 128]}
"""
CHAT = {"prompts": {"tokens": 16}, "output": {"tokens": 8}, "arrivals": {"concurrency": 4}, "requests": 12}
COMPARE = "compare:\n  - {combination: '*_64', against: '*_128', workloads: [chat]}\n"


@pytest.fixture
def plan(pytester: pytest.Pytester) -> Callable[..., Plan]:
    """What a matrix with these lines and a command line with these words ask."""

    def read(more: str, *words: str, **forms: Any) -> Plan:
        (pytester.path / "matrix.yaml").write_text(MATRIX + more, encoding="utf-8")
        content = {"workloads": {"chat": CHAT, "burst": CHAT, **forms}}
        (pytester.path / "workloads.yaml").write_text(json.dumps(content), encoding="utf-8")
        (pytester.path / "thresholds").mkdir()
        options = ["--matrix", "matrix.yaml", "--thresholds", "thresholds", "-p", "fixtures.plugin"]
        return read_plan(pytester.parseconfig("-p", "no:hypothesispytest", *options, *words))

    return read


def test_the_matrix_names_its_workloads(plan: Callable[..., Plan]) -> None:
    assert list(plan("workloads: [chat]\n").workloads) == ["chat"]


def test_an_option_names_other_workloads(plan: Callable[..., Plan]) -> None:
    assert list(plan("workloads: [chat]\n", "--workloads", "burst,chat").workloads) == ["burst", "chat"]


def test_the_option_also_chooses_among_the_workloads_of_pairs(plan: Callable[..., Plan]) -> None:
    assert plan(f"workloads: [chat]\n{COMPARE}", "--workloads", "burst").pair_workloads == {}


def test_a_matrix_may_only_compare(plan: Callable[..., Plan]) -> None:
    asked = plan(COMPARE)

    assert (asked.workloads, list(asked.pair_workloads)) == ({}, ["chat"])


def test_a_matrix_that_asks_nothing_is_refused(plan: Callable[..., Plan]) -> None:
    with pytest.raises(InvalidFile, match="'tasks' is missing, or 'workloads' or 'compare': what is to be measured"):
        plan("")


@pytest.mark.parametrize(
    ("more", "words", "where"),
    [
        ("workloads: [chat, bursst]\n", (), "matrix.yaml:4"),
        ("workloads:\n  - chat\n  - bursst\n", (), "matrix.yaml:6"),
        ("workloads: [chat]\n", ("--workloads", "bursst"), "--workloads"),
        (COMPARE.replace("[chat]", "[bursst]"), (), "matrix.yaml:5"),
    ],
    ids=["in a list", "on its own line", "by option", "to compare"],
)
def test_an_unknown_workload_is_guessed(
    plan: Callable[..., Plan], more: str, words: tuple[str, ...], where: str
) -> None:
    with pytest.raises(InvalidFile) as refused:
        plan(more, *words)

    said = "unknown workload 'bursst'; did you mean 'burst'? (workloads.yaml)"
    assert str(refused.value) == f"{where}: {said}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arrivals": {"rate": 0}}, "rate: input should be greater than 0"),
        ({"arrivals": {"rate": -1.5}}, "rate: input should be greater than 0"),
        ({"arrivals": {"concurrency": 0}}, "concurrency: input should be greater than 0"),
        ({"arrivals": {}}, "name one of `concurrency` and `rate`"),
        ({"arrivals": {"rate": 2.0, "concurrency": 2}}, "name one of `concurrency` and `rate`"),
        ({"requests": 0}, "requests: input should be greater than 0"),
        ({"requests": 3}, "p50 needs 5 requests, and 3 are sent; raise `requests`"),
        ({"arrivals": {"concurrency": 50}}, "12 requests never keep 50 under way; raise `requests`"),
        ({"prompts": {}}, "name one of `tokens`, `task` and `file`"),
        ({"prompts": {"tokens": 0}}, "tokens: input should be greater than 0"),
        ({"prompts": {"file": "none.jsonl"}}, "there is no prompt file none.jsonl"),
        ({"output": {}}, "name one of `tokens` and `at_most`"),
        ({"latencies": {"request_latency": ["p99"]}}, "p99 needs 299 requests, and 12 are sent; raise `requests`"),
        ({"latencies": {"request_latensy": ["p50"]}}, "unknown metric 'request_latensy'; did you mean"),
        ({"concurency": 3}, "unknown key 'concurency'"),
    ],
    ids=str,
)
def test_a_wrong_workload_says_where_and_what(plan: Callable[..., Plan], change: Any, said: str) -> None:
    with pytest.raises(InvalidFile, match=rf"workloads\.yaml:\d+: .*{re.escape(said)}"):
        plan("workloads: [chat]\n", wrong={**CHAT, **change})


def test_an_empty_file_of_workloads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workloads.yaml").write_text("workloads: {}\n", encoding="utf-8")

    with pytest.raises(InvalidFile, match=r"workloads\.yaml:1: workloads: "):
        workload.load(tmp_path / "matrix.yaml")


def test_without_a_file_of_its_own_a_matrix_has_the_workloads_of_the_suites(tmp_path: Path) -> None:
    _, found = workload.load(tmp_path / "matrix.yaml")

    assert isinstance(found["embedded_8_streams"], Named)


def test_a_matrix_without_workloads_makes_no_tests_of_speed(weighbridge: Weighbridge, fake_engine: FakeEngine) -> None:
    weighbridge.matrix(["embedded_gsm8k"], {"url": fake_engine.url})

    heard = weighbridge.run("-m", "throughput or latency")

    assert heard.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "deselected" in heard.output
    assert "skipped" not in heard.output
    assert (heard.told, fake_engine.requests) == ([], [])


def test_a_matrix_without_tasks_makes_no_tests_of_accuracy(weighbridge: Weighbridge, fake_engine: FakeEngine) -> None:
    weighbridge.workloads(chat={})
    weighbridge.matrix([], {"url": fake_engine.url}, workloads=["chat"])

    heard = weighbridge.run("--collect-only", "-q")

    names = {line.partition("[")[0].rpartition("::")[2] for line in heard.output.splitlines() if "::" in line}
    assert names == {"test_latency_stays_below_its_ceiling", "test_throughput_reaches_its_floor"}


def too_long(inner: Weighbridge) -> None:
    inner.workloads(chat={"prompts": {"tokens": 60}})


def broken_file(inner: Weighbridge) -> None:
    (inner.path / "asked.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"\n', encoding="utf-8")
    inner.workloads(chat={"prompts": {"file": "asked.jsonl"}})


def unknown_task(inner: Weighbridge) -> None:
    inner.workloads(chat={"prompts": {"task": "embedded_gsm9k"}})


def task_without_rows(inner: Weighbridge) -> None:
    (inner.path / "rows" / "winogrande").mkdir(parents=True)
    (inner.path / "rows" / "winogrande" / "train.jsonl").write_text('{"sentence": "a _ b"}\n', encoding="utf-8")
    inner.workloads(chat={"prompts": {"task": "winogrande"}})


def own_test(inner: Weighbridge) -> None:
    test = """
import pytest

@pytest.mark.parametrize("workload", ["chatt"])
def test_of_my_own(engine, workload, load):
    load(engine, workload)
"""
    (inner.path / "suites" / "test_own.py").write_text(test, encoding="utf-8")


@pytest.mark.parametrize(
    ("mistake", "words", "message"),
    [
        (
            too_long,
            [],
            r"workloads\.yaml:2: prompts of 60 tokens and answers of 8 do not fit a context of 64 .*matrix\.yaml:\d+",
        ),
        (broken_file, [], r"asked\.jsonl:2: is no JSON"),
        (unknown_task, [], r"workloads\.yaml:2: unknown task 'embedded_gsm9k'; did you mean 'embedded_gsm8k'"),
        (task_without_rows, ["--datasets-from", "rows"], r"rows/winogrande/validation\.jsonl: is missing"),
        (
            own_test,
            [],
            r"a test asks for workload 'chatt'; did you mean 'chat'\?; name it under `workloads:` in matrix\.yaml or",
        ),
        (None, ["--workloads", "chatt"], r"--workloads: unknown workload 'chatt'; did you mean 'chat'"),
    ],
    ids=["too long", "broken prompt file", "unknown task", "no rows", "own test", "unknown workload"],
)
def test_a_mistake_ends_with_exit_code_4_before_the_engine_is_asked(
    weighbridge: Weighbridge,
    fake_engine: FakeEngine,
    mistake: Callable[[Weighbridge], None] | None,
    words: list[str],
    message: str,
) -> None:
    weighbridge.workloads(chat={})
    weighbridge.matrix([], {"url": fake_engine.url, "max_model_len": 64}, workloads=["chat"])
    if mistake is not None:
        mistake(weighbridge)

    heard = weighbridge.run(*words)

    assert heard.code == pytest.ExitCode.USAGE_ERROR
    assert re.search(f"^ERROR: .*{message}", heard.output, re.MULTILINE), heard.output
    assert "Traceback" not in heard.output
    assert (heard.told, fake_engine.requests) == ([], [])


def test_chosen_workloads_leave_the_thresholds_of_others_alone(
    weighbridge: Weighbridge, fake_engine: FakeEngine
) -> None:
    fake_engine.script.schedule = Schedule(0.06, 0.002)
    weighbridge.workloads(chat={}, other={"requests": 5, "arrivals": {"concurrency": 1}, "latencies": {}})
    weighbridge.matrix([], {"url": fake_engine.url}, workloads=["chat"])
    weighbridge.floors(speed=[{"workload": "other", "metric": "output_tokens_per_second", "floor": 1}])

    heard = weighbridge.run("--workloads", "other")

    assert (heard.code, [verdict["outcome"] for verdict in heard.verdicts]) == (0, ["PASS"])
    assert {run["workload"] for run in heard.loads} == {"other"}
