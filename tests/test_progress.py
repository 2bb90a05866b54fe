"""Progress is seen while a test runs, and kept quiet with -q."""

import pytest

TEST = """
from fixtures.progress import Progress

def test_something_long(request):
    now = [0.0]
    progress = Progress(request.config, clock=lambda: now[0])
    progress.say("starting its engine")
    for done in range(1, 101):
        now[0] += 1
        progress.update("smol-vllm-w8a8", "gsm8k", 2, done, 100)
"""


def shown_by(pytester: pytest.Pytester, *options: str) -> str:
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:cacheprovider", *options)
    result.assert_outcomes(passed=1)
    return result.stdout.str()


@pytest.fixture
def output(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> str:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    return shown_by(pytester)


def test_a_line_of_a_passing_test_is_seen(output: str) -> None:
    assert "\nstarting its engine\n" in output


def test_without_a_terminal_a_line_comes_every_half_minute(output: str) -> None:
    lines = [line for line in output.splitlines() if line.startswith("smol-vllm-w8a8 gsm8k run 2: ")]

    assert len(lines) == 3
    assert lines[0] == "smol-vllm-w8a8 gsm8k run 2:  30% 30/100 [00:29<01:07,  1.03req/s]"


def test_quiet_is_quiet(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))

    shown = shown_by(pytester, "-q")

    assert "starting its engine" not in shown
    assert "smol-vllm-w8a8" not in shown
