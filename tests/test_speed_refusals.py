"""Loads that are no measurement: each is NOT_MEASURED with its reason, in bounded time, told once."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_engine import FakeEngine, Fault, Schedule, Script

from conftest import Heard, Weighbridge

FAILING, SHORT, MISCOUNTING, HANGING, GONE, DYING, SILENT = range(8001, 8008)
"""Context lengths, which tell the combinations apart."""

CHAT = {"arrivals": {"concurrency": 4}, "requests": 8, "output": {"tokens": 4}}
SCHEDULE = Schedule(0.06, 0.002)
FAULTY = {
    FAILING: Script(schedule=SCHEDULE, faults=[Fault("500", every=4, where=lambda asked: "stream" in asked.payload)]),
    SHORT: Script(schedule=Schedule(0.06, 0.002, early_stop=3)),
    MISCOUNTING: Script(schedule=SCHEDULE, counter_error=1.1),
    HANGING: Script(schedule=Schedule(0.06, 0.002, fault="hang_mid_stream")),
    SILENT: Script(schedule=Schedule(0.06, 0.002, usage=False)),
}
REASONS = {
    SHORT: ("wrong_length", r"answers are not 4 tokens long but 3\.0 on average"),
    MISCOUNTING: ("tokens_differ", r"the answers hold \d+ tokens, the server counted \d+"),
    HANGING: ("no_answers", r"no measured request was answered"),
    GONE: ("unreachable", r"127\.0\.0\.1:1\b"),
    DYING: ("unknown_flag", r"--no-such-flag"),
}


@pytest.fixture(scope="module")
def refused(checkout: Callable[[], Weighbridge]) -> Iterator[Heard]:
    """Seven combinations, each with its own trouble."""
    inner = checkout()
    inner.workloads(chat=CHAT)
    with ExitStack() as stack:
        urls = {limit: stack.enter_context(FakeEngine(script)).url for limit, script in FAULTY.items()}
        urls[GONE] = "http://127.0.0.1:1/v1"
        blocks = [{"url": url, "max_model_len": limit, "request_seconds": 1} for limit, url in urls.items()]
        broken = {"engine": "spawned", "max_model_len": DYING, "engine_arguments": ["--no-such-flag"]}
        weights = {"weights": {"none": str(inner.path / "tokenizer")}}
        inner.matrix([], *blocks, broken, model=weights, workloads=["chat"])
        yield inner.run("-rA")


def test_no_load_with_trouble_passes(refused: Heard) -> None:
    assert refused.code == 1
    assert {v["outcome"] for v in refused.verdicts if v["labels"]["max_model_len"] != SILENT} == {"NOT_MEASURED"}


@pytest.mark.parametrize("limit", REASONS, ids=[reason for reason, _ in REASONS.values()])
def test_a_load_that_is_no_measurement_says_why_once(refused: Heard, limit: int) -> None:
    reason, words = REASONS[limit]

    (verdict,) = [v for v in refused.verdicts if v["labels"]["max_model_len"] == limit]

    assert (verdict["outcome"], verdict["reason"]) == ("NOT_MEASURED", reason)
    assert re.search(words, "\n".join(verdict["lines"]))
    message = verdict["lines"][0].partition(f"({reason}) - ")[2]
    assert f"NOT_MEASURED ({reason}): {message}" in refused.output


def test_what_was_told_in_full_is_not_told_again(refused: Heard) -> None:
    reason = REASONS[DYING][0]

    told = [line for line in refused.output.splitlines() if line.startswith(f"NOT_MEASURED ({reason})")]

    assert [line.endswith("(told in full above)") for line in told] == [False, True, True]


def test_a_refusal_is_not_told_as_an_exception_during_another(refused: Heard) -> None:
    assert "During handling of the above exception" not in refused.output


def test_failed_requests_are_counted_by_cause(refused: Heard) -> None:
    failures = [run["failures"] for run in refused.loads if run["labels"]["max_model_len"] == FAILING]

    assert len(failures) == 3
    assert all(set(one) == {"http_500"} and one["http_500"] >= 1 for one in failures)


def test_a_test_with_failed_requests_is_red_and_shows_the_causes(refused: Heard) -> None:
    assert re.search(r"assert \d+ == 0", refused.output)
    assert re.search(rf"<chat on \S+context_{FAILING}: 3 runs, failed: \d+ x http_500", refused.output)


def test_failed_requests_are_a_verdict_too(refused: Heard) -> None:
    (verdict,) = [v for v in refused.verdicts if v["labels"]["max_model_len"] == FAILING]

    assert (verdict["outcome"], verdict["reason"]) == ("NOT_MEASURED", "failed_requests")


def test_an_endpoint_that_hangs_costs_its_request_seconds_and_no_more(refused: Heard) -> None:
    run = next(run for run in refused.loads if run["labels"]["max_model_len"] == HANGING)

    assert run["invalid"][0] == "no_answers"
    assert run["failures"]["timeout_mid_stream"] >= 8
    assert refused.seconds < 60


def test_a_load_that_is_no_measurement_is_not_tried_again(refused: Heard) -> None:
    numbers = {
        limit: [run["number"] for run in refused.loads if run["labels"]["max_model_len"] == limit]
        for limit in (SHORT, MISCOUNTING, HANGING)
    }

    assert numbers == {SHORT: [1], MISCOUNTING: [1], HANGING: [1]}


def test_without_usage_a_rate_is_not_measured_and_a_time_is(refused: Heard) -> None:
    about = {v["metric"]: v for v in refused.verdicts if v["labels"]["max_model_len"] == SILENT}

    assert about["speed"]["reason"] == "not_available"
    assert "the endpoint sends no `usage`, and chunks are no tokens" in about["speed"]["lines"][0]
    assert about["time_to_first_token"]["reason"] == "missing_threshold"


@pytest.fixture(scope="module")
def distributed(checkout: Callable[[], Weighbridge]) -> Iterator[Heard]:
    """Speed on two workers."""
    inner = checkout()
    inner.workloads(chat=CHAT)
    with FakeEngine(Script(schedule=SCHEDULE)) as fake:
        inner.matrix([], {"url": fake.url}, workloads=["chat"])
        heard = inner.run("-p", "xdist", "-n", "2")
        assert fake.streams == []
        yield heard


def test_beside_other_tests_speed_says_why_it_refuses(distributed: Heard) -> None:
    assert distributed.code == 1
    assert distributed.loads == []
    assert "NOT_MEASURED (under_xdist): tests beside this one would slow it down: run speed without pytest-xdist" in (
        distributed.output
    )


def test_speed_under_xdist_is_a_verdict(distributed: Heard) -> None:
    assert {(v["outcome"], v["reason"]) for v in distributed.verdicts} == {("NOT_MEASURED", "under_xdist")}
