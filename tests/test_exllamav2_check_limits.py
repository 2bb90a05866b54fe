"""The check for a rented machine: bounded in time, nothing left running, results as they come, no quant unasked for."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from fixtures import matrix
from fixtures.engines.exllamav2_check import __main__ as check
from fixtures.engines.exllamav2_check import commands, plan, running, steps
from fixtures.engines.exllamav2_check.plan import PARTS, Part, Result
from fixtures.engines.exllamav2_check.steps import Given

PASSING = '<testcase><properties><property name="accuracy.verdict" value="PASS"/></properties></testcase>'


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """A machine that has everything; parts run Python programs instead of their commands, in the test's folder."""
    seen: list[Given] = []

    def planted(programs: dict[str, str], **given: object) -> None:
        def told(part: Part, settled: Given) -> list[list[str]]:
            seen.append(settled)
            return [[sys.executable, "-c", programs[part.name]]]

        monkeypatch.setattr(running, "steps", told)
        for name, value in given.items():
            monkeypatch.setattr(running, name, value)

    monkeypatch.setattr(running, "find_spec", lambda _: object())
    monkeypatch.setattr(running, "ROOT", tmp_path)
    monkeypatch.setattr(running, "_own_thresholds", lambda _: None)
    monkeypatch.setattr(commands, "STOPPING", ((signal.SIGINT, 2.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 1.0)))
    planted.seen = seen  # type: ignore[attr-defined]
    return planted


def run(out: Path, *names: str, minutes: float | None = None, **more: object) -> dict[str, Result]:
    asked = [part for part in PARTS if part.name in names]
    told = running.run(asked, Given(out), gpu=True, say=lambda _: None, minutes=minutes, **more)  # type: ignore[arg-type]
    return {one.part: one for one in told}


SLEEPS = "import time; print('begun', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {SLEEPS}"


def test_a_part_that_takes_too_long_is_stopped_and_the_next_one_runs(
    plant: Callable[..., None], tmp_path: Path
) -> None:
    plant({"extension": SLEEPS, "model": "print('prepared')"}, _seconds=lambda *_: 1, LEAST=0)

    started = time.monotonic()
    found = run(tmp_path, "extension", "model")

    assert time.monotonic() - started < 20
    assert found["extension"].state == plan.FAILED
    assert found["extension"].said.endswith("when its time was up; see its log")
    assert (found["model"].state, found["model"].said) == (plan.DONE, "prepared")
    assert "begun" in (tmp_path / "logs" / "extension.log").read_text(encoding="utf-8")


def test_what_a_stopped_part_had_started_is_stopped_too_even_if_it_will_not(
    plant: Callable[..., None], tmp_path: Path
) -> None:
    child = f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])"
    program = f"{child}; open('pid', 'w').write(str(os.getpgrp())); {SLEEPS}"
    plant({"model": program}, _seconds=lambda *_: 1, LEAST=0)

    run(tmp_path, "model")

    with pytest.raises(ProcessLookupError):
        os.killpg(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)


def test_a_stopped_suite_says_what_it_had_decided_until_then(plant: Callable[..., None], tmp_path: Path) -> None:
    xml = f"<testsuite>{PASSING}{PASSING}</testsuite>"
    waiting = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n"
    program = f"{waiting}    open('accuracy.xml', 'w').write({xml!r})"
    plant({"accuracy": program}, _seconds=lambda *_: 1.0, LEAST=0)

    found = run(tmp_path, "accuracy")["accuracy"]

    assert (found.state, found.said.rpartition("; ")[2]) == (plan.FAILED, "2 PASS")


@pytest.mark.parametrize(
    ("part", "left", "sharing", "seconds"),
    [
        (plan.MODEL, None, 4, 1800),
        (plan.MODEL, 100, 5, 100),
        (plan.LOG_PROBABILITIES, 100, 5, 20),
        (plan.SUITES[0], 100, 4, 25),
        (plan.SUITES[3], 100, 1, 100),
        (plan.SUITES[0], None, 4, 7200),
        (plan.VLLM, 100, 0, 100),
    ],
)
def test_what_measures_shares_the_time_that_is_left_and_other_parts_may_take_it(
    part: Part, left: float | None, sharing: int, seconds: float
) -> None:
    assert running._seconds(part, left, sharing) == seconds


def test_a_part_without_time_does_not_begin(plant: Callable[..., None], tmp_path: Path) -> None:
    plant({"model": "open('ran', 'w')"})

    found = run(tmp_path, "model", minutes=commands.RESERVE / 60)

    assert (found["model"].state, found["model"].said) == (plan.CANNOT_RUN, "the time of --minutes is used up")
    assert not (tmp_path / "ran").exists()


def test_results_are_kept_after_every_part(plant: Callable[..., None], tmp_path: Path) -> None:
    plant({"extension": "print('loaded')", "model": "raise SystemExit('no wheel')"})
    kept: list[list[str]] = []

    run(tmp_path, "extension", "model", keep=lambda so_far: kept.append([one.state for one in so_far]))

    assert kept[1][-1] == plan.DONE
    assert kept[2][-1] == plan.FAILED
    assert len(kept) == len(PARTS)


def test_who_interrupts_the_check_has_the_results_so_far_and_nothing_left_running(tmp_path: Path) -> None:
    program = (
        "import sys; from fixtures.engines.exllamav2_check import __main__ as check, running\n"
        f"running.steps = lambda part, _: [[sys.executable, '-c', {SLEEPS!r}]]\n"
        "running.find_spec = lambda _: object()\n"
        f"sys.exit(check.main(['--only', 'packages,model', '--out', {str(tmp_path)!r}]))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    log = tmp_path / "logs" / "packages.log"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (log.is_file() and "begun" in log.read_text(encoding="utf-8")):
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate(timeout=30)

    assert child.returncode == check.INTERRUPTED
    assert f"interrupted; results so far: {tmp_path / 'summary.md'}" in said
    told = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["parts"]
    assert [(one["part"], one["state"]) for one in told] == [("packages", "failed")]


def weighed(given: Given) -> set[str]:
    """The quantizations that the suites weigh."""
    words = steps.steps(plan.SUITES[0], given)[0][3:]
    words = [word for word in words if word != "--record"]
    command = [sys.executable, "-m", "pytest", *words, "--collect-only", "-q", "-p", "no:cacheprovider"]
    command[command.index("--thresholds") + 1] = str(ROOT / "thresholds")
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60).stdout
    listed = [c for c in matrix.load(matrix.find("exllamav2")).combinations if f"[{c.id}-" in said]
    return {c.quantization for c in listed}


def test_without_a_quant_no_suite_weighs_or_makes_one(tmp_path: Path) -> None:
    assert weighed(Given(tmp_path, quant=True)) == {"none", "exl2"}
    assert weighed(Given(tmp_path, quant=False)) == {"none"}


def test_without_a_quant_none_is_compared_with_transformers(tmp_path: Path) -> None:
    from fixtures.engines.exllamav2_check import log_probabilities

    words = steps.steps(plan.LOG_PROBABILITIES, Given(tmp_path, quant=False))[0][3:]
    given = log_probabilities._arguments().parse_args(words)
    chosen = log_probabilities._chosen(given.combination, unquantized=given.unquantized)

    assert {c.quantization for c in chosen} == {"none"}
    assert "--unquantized" not in steps.steps(plan.LOG_PROBABILITIES, Given(tmp_path))[0]


@pytest.mark.parametrize("program", ["raise SystemExit('not converted')", None], ids=["failed", "left out"])
def test_a_quant_that_failed_or_was_left_out_is_not_weighed(
    plant: Callable[..., None], tmp_path: Path, program: str | None
) -> None:
    plant({"quant": program or "", "accuracy": "pass"})

    found = run(tmp_path, *(["quant"] if program else []), "accuracy")

    assert plant.seen[-1].quant is False  # type: ignore[attr-defined]
    assert program is not None or found["quant"].said == "no EXL2 weights are weighed"


def test_a_dry_run_without_the_quant_shows_that_it_is_not_weighed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.main(["--dry-run", "--without", "quant", "--samples", "40", "--out", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert said.count("-k 'not exl2' --samples 40") == len(plan.SUITES)
    assert "exl2'" not in said.replace("'not exl2'", "")
