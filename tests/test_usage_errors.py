"""Mistakes of use: one clear message, exit code 4, nothing started, nothing lost."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_engine import FakeEngine

from conftest import Weighbridge
from fixtures import options
from fixtures.gate import Gate
from fixtures.journal import Journal
from thresholds.measurement import ACCURACY


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--samples", "0"], "--samples 0: give a number of questions above 0, or `all`"),
        (["--samples", "abc"], "--samples abc: give a number of questions above 0, or `all`"),
        (["--samples", "-3"], "--samples -3: give a number"),
        (["--samples", "5", "--samples-first", "5"], "--samples and --samples-first exclude each other; give one"),
        (["--runs", "4", "--max-runs", "3"], "--max-runs 3 is below --runs 4; raise it or leave it out"),
        (["--runs", "0"], "'0' is no number above 0"),
        (["--runs", "two"], "'two' is no number above 0"),
        (["--datasets-from", "nowhere"], "--datasets-from nowhere: there is no such folder"),
        (["--results", "file/results"], "file is no folder"),
    ],
    ids=" ".join,
)
def test_an_option_that_makes_no_sense_is_told(pytester: pytest.Pytester, words: list[str], message: str) -> None:
    (pytester.path / "file").touch()

    with pytest.raises(pytest.UsageError, match=re.escape(message)):
        options.settings(pytester.parseconfig("-p", "no:hypothesispytest", "-p", "fixtures.plugin", *words))


def rows(folder: Path, split: str, *lines: str) -> None:
    (folder / "rows" / "winogrande").mkdir(parents=True, exist_ok=True)
    (folder / "rows" / "winogrande" / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def unknown_key(inner: Weighbridge) -> None:
    path = inner.path / "matrix.yaml"
    path.write_text(path.read_text("utf-8") + "quants: []\n", encoding="utf-8")


def floor_above_one(inner: Weighbridge) -> None:
    inner.floors({"task": "embedded_gsm8k", "floor": 1.5})


def results_are_a_file(inner: Weighbridge) -> None:
    (inner.path / "results").touch()


def no_key(inner: Weighbridge) -> None:
    inner.matrix(["embedded_gsm8k"], {"url": "http://127.0.0.1:1/v1", "key_variable": "WEIGHBRIDGE_TEST_NO_KEY"})


def without_the_split(inner: Weighbridge) -> None:
    rows(inner.path, "train", '{"sentence": "a _ b"}')


def broken_row(inner: Weighbridge) -> None:
    row = json.dumps({"sentence": "The _ is big.", "option1": "sun", "option2": "ant", "answer": "1"})
    rows(inner.path, "validation", row, row, row[:-1])


@pytest.mark.parametrize(
    ("mistake", "words", "message"),
    [
        (unknown_key, [], r"matrix\.yaml:\d+: unknown key 'quants'"),
        (floor_above_one, [], r"thresholds/tiny\.yaml:4: floor: input should be less than or equal to 1 \(got 1\.5\)"),
        (results_are_a_file, [], r"--results results: .*/results is no folder"),
        (no_key, [], r"matrix\.yaml:\d+: the environment variable WEIGHBRIDGE_TEST_NO_KEY \(key_variable\) is not set"),
        (None, ["--tasks", "embedded_gsm9k"], r"--tasks: unknown task 'embedded_gsm9k'; did you mean 'embedded_gsm8k'"),
        (None, ["--max-runs", "1"], r"--max-runs 1 is below --runs 2"),
        (
            without_the_split,
            ["--tasks", "winogrande", "--datasets-from", "rows"],
            r"rows/winogrande/validation\.jsonl: is missing; winogrande is asked from this split",
        ),
        (
            broken_row,
            ["--tasks", "winogrande", "--datasets-from", "rows"],
            r"rows/winogrande/validation\.jsonl:3: is not valid JSON: Expecting ',' delimiter \(column \d+\)",
        ),
    ],
    ids=["matrix", "threshold", "results", "key", "task", "runs", "no split", "broken row"],
)
def test_bad_input_ends_with_exit_code_4_before_anything_is_asked(
    weighbridge: Weighbridge,
    fake_engine: FakeEngine,
    mistake: Callable[[Weighbridge], None] | None,
    words: list[str],
    message: str,
) -> None:
    weighbridge.matrix(["embedded_gsm8k"], {"url": fake_engine.url})
    if mistake is not None:
        mistake(weighbridge)

    heard = weighbridge.run(*words)

    assert heard.code == 4
    assert re.search(f"^ERROR: .*{message}", heard.output, re.MULTILINE), heard.output
    assert "Traceback" not in heard.output
    assert (heard.told, fake_engine.requests) == ([], [])


def test_a_mistaken_command_in_between_does_not_take_the_resumption_away(tmp_path: Path) -> None:
    killed = Journal(tmp_path, "the long command")
    killed.close()
    Journal(tmp_path, "a mistaken command").close()

    resumed = Journal(tmp_path, "the long command", resume=True)
    resumed.close()

    assert resumed.session == killed.session


def test_a_threshold_compared_with_a_bare_number_is_an_error() -> None:
    gate = Gate(ACCURACY, judge=pytest.fail, more=pytest.fail, announce=pytest.fail)
    with pytest.raises(TypeError, match="a threshold is compared with a Measurement, not with float"):
        bool(0.9 >= gate)  # noqa: SIM300 - the order is the point
