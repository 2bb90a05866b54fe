"""What `--dry-run` says of one thing: how long a time is, whether it fits, and a command that can be copied."""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import matrix
from fixtures.dry_run import layout
from fixtures.dry_run.estimate import duration
from fixtures.dry_run.guesses import Guess
from fixtures.dry_run.outlook import Outlook
from fixtures.dry_run.room import Room, room
from fixtures.dry_run.total import table, totals
from fixtures.dry_run.work import Work
from fixtures.fit.machine import Memory


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "1 s"), (90, "90 s"), (300, "5 min"), (7410, "2.1 h")])
def test_a_time_is_as_precise_as_an_estimate(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_wrapped_command_is_the_same_to_a_shell() -> None:
    words = [
        "python",
        "-m",
        "server",
        "--model",
        "/a/long/folder",
        "--draft",
        '{"method": "ngram", "tokens": 4}',
        "-x",
    ]

    lines = layout.command("command", shlex.join(words), 60)

    assert len(lines) > 1
    assert max(map(len, lines)) <= 60
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == ["command", *words]


def test_what_a_plugin_places_is_not_held_against_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    shape = "{parameters: 1000000000000000, layers: 2, kv_heads: 2, head_dim: 2}"
    path.write_text(
        f"models: {{huge: {{weights: {{none: org/huge}}, shape: {shape}}}}}\n"
        "tasks: [gsm8k]\ncombinations: [{model: huge, engine: vllm}]\n",
        encoding="utf-8",
    )
    (huge,) = matrix.load(path).combinations

    assert room(huge).verdict != "fits"
    assert room(huge, here=False) == Room("elsewhere", "weights 2,000,000.0 GB; a plugin decides where it runs")


def test_a_cache_of_unknown_size_is_not_said_to_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.yaml"
    shape = "{parameters: 1000, layers: 2, kv_heads: 2, head_dim: 2}"
    path.write_text(
        f"models: {{tiny: {{weights: {{none: org/tiny}}, shape: {shape}}}}}\n"
        "tasks: [gsm8k]\ncombinations: [{model: tiny, engine: vllm, max_model_len: 8}, {model: tiny, engine: vllm}]\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("fixtures.dry_run.room.memory", lambda _: Memory(10**9, "this machine has"))

    assert [room(one).verdict for one in matrix.load(path).combinations] == ["fits", "what is known of it fits"]


def test_the_total_says_what_it_leaves_out_and_what_cannot_start_here(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "models: {one: {weights: {none: org/one}}, other: {weights: {none: org/other}}}\n"
        "tasks: [gsm8k]\ncombinations: [{model: [one, other], engine: vllm}]\n",
        encoding="utf-8",
    )
    one, other = matrix.load(path).combinations
    known, unknown = Guess("questions", "gsm8k", 600.0, None, ""), Guess("loads", "chat", None, None, "")
    outlooks = [
        Outlook(Work(one), Room("does not fit", ""), {}, [known]),
        Outlook(Work(other), Room("fits", ""), {}, [known, unknown]),
    ]
    chosen: Any = SimpleNamespace(runs=2, max_runs=2, max_cost=None)

    lines = list(totals(outlooks, ["the early warning"], chosen, 300))

    time, left_out = lines[1].split("; left out: ")
    assert lines[0] == "2 combinations; does not fit: 1, fits: 1"
    assert time.endswith("about 20 min (questions 20 min), 10 min of it of what cannot start on this machine")
    assert left_out.startswith("what is not known of 1 of these, the early warning, preparing and fetching weights")
    assert [line.split() for line in table(outlooks)[1:]] == [
        ["does", "not", "fit", "10", "min", "—", "one-vllm-unquantized"],
        ["fits", ">", "10", "min", "—", "other-vllm-unquantized"],
    ]
