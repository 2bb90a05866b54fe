"""What a person is told who mistyped a command, or broke it off."""

import signal
import time

import pytest
from fake_engine import FakeEngine, Script

from conftest import Weighbridge


@pytest.fixture
def inner(weighbridge: Weighbridge, fake_engine: FakeEngine) -> Weighbridge:
    weighbridge.matrix(["embedded_gsm8k"], {"url": fake_engine.url})
    return weighbridge


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--martix", "--matrix"), ("--sample=20", "--samples"), ("--combinations", "--combination")],
)
def test_a_misspelt_option_is_refused_with_the_one_that_was_meant(inner: Weighbridge, typed: str, meant: str) -> None:
    heard = inner.run(typed)

    assert heard.code == 4
    assert f"did you mean: {meant} for {typed.partition('=')[0]}\n" in heard.output


def test_an_option_that_nothing_resembles_gets_no_guess(inner: Weighbridge) -> None:
    assert "did you mean" not in inner.run("--xyzzy").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-m", "accuracy", "-k", "gsm9k"), "no test of matrix.yaml fits -m accuracy -k gsm9k; `pytest suites/ --coll"),
        (("-m", "speculative"), "nothing to measure: matrix.yaml has no combination with a `draft:`"),
        (("-m", "quantization"), "nothing to measure: matrix.yaml has no quant beside the same combination without"),
        (
            ("-m", "latency"),
            "nothing to measure: matrix.yaml names no `workloads:`; add them there, or with --workloads",
        ),
    ],
    ids=" ".join,
)
def test_where_nothing_is_selected_the_reason_is_told(inner: Weighbridge, words: tuple[str, ...], said: str) -> None:
    heard = inner.run(*words)

    assert heard.code == 5
    assert f"\nweighbridge: {said}" in heard.output


def test_what_will_be_measured_is_counted_as_people_write_it(inner: Weighbridge) -> None:
    heard = inner.run("-m", "accuracy", "--runs", "1", "--collect-only", "-q")

    assert "weighbridge: 1 combination, 1 task x 1 run of 40 questions; error level 0.05 over 2 gates" in heard.output


def test_an_interrupted_session_says_how_to_go_on(weighbridge: Weighbridge) -> None:
    with FakeEngine(Script(delay=0.2)) as slow:
        weighbridge.matrix(["embedded_gsm8k"], {"url": slow.url})
        process = weighbridge.start("-m", "accuracy")
        while not slow.requests and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        heard = weighbridge.end(process)

    assert heard.code == 2
    assert "\ninterrupted; its answers are kept: the same command with --resume goes on\n" in heard.output
