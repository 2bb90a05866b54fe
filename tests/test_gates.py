"""The accuracy gate, red and green, on a fake engine whose answers are known."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from fake_engine import FakeEngine, Fault, Script

from conftest import Heard, Weighbridge
from thresholds.catalogue import Catalogue

TASK = "embedded_gsm8k"
SAMPLED = {"temperature": 0.2}
WRONG = "#### 987654"

RIGHT, NEVER, UNKNOWN, SHOWN_ABOVE, FLICKERING, LATE, REFUSED, SURE = range(101, 109)
"""Answer limits: they tell the combinations apart, for the fake engine as for the threshold rows."""

FLOORS = {RIGHT: 0.5, NEVER: 0.5, SHOWN_ABOVE: 0.45, FLICKERING: 0.55, LATE: 0.55, REFUSED: 0.5, SURE: 0.5}
OPERATORS = """
def test_wrong_operator(engine, task, evaluate, floor):
    assert evaluate(engine, task) <= floor("accuracy", task)
"""


class Pupil:
    """Answers by combination: always right, never right, or right at every other run."""

    def __init__(self, solve: Callable[[str], str]) -> None:
        self.solve = solve
        self.seen: Counter[tuple[str, int]] = Counter()
        self.position = count()
        self.order: dict[str, int] = {}

    def __call__(self, prompt: str, payload: dict[str, Any]) -> str:
        who = payload["max_tokens"]
        self.seen[prompt, who] += 1
        run, question = self.seen[prompt, who], self.order.setdefault(prompt, next(self.position))
        right = (run + question) % 2 == 0 if who in {SHOWN_ABOVE, FLICKERING, LATE} else who != NEVER
        return self.solve(prompt) if right or (who == LATE and run > 2) else WRONG


@pytest.fixture(scope="module")
def weighed(checkout: Callable[[], Weighbridge], solve: Callable[[str], str]) -> Iterator[tuple[Heard, Weighbridge]]:
    """Eight combinations, each with its own fate, weighed in one session."""
    inner = checkout()
    with FakeEngine(Script(answer=Pupil(solve))) as fake:
        first_question = "How many plums did she pick in all?\nAnswer:"
        fake.script.faults = [
            Fault("400", where=lambda a: a.payload.get("max_tokens") == REFUSED and a.prompt.endswith(first_question))
        ]
        limits = list(range(RIGHT, SURE + 1))
        inner.matrix([TASK], {"url": fake.url, "max_tokens": limits, "sampling": SAMPLED, "concurrency": 16})
        inner.floors(
            *(
                {"task": TASK, "max_tokens": limit, "samples": "first 20", "floor": floor, **SAMPLED}
                | ({"must": "show"} if limit in {SHOWN_ABOVE, SURE} else {})
                for limit, floor in FLOORS.items()
            )
        )
        (inner.path / "suites" / "test_operators.py").write_text(OPERATORS, encoding="utf-8")
        yield inner.run("--samples-first", "20", "--max-runs", "4", "-rA"), inner


def said_of(heard: Heard, limit: int) -> list[str]:
    lines: list[str] = heard.verdict(max_tokens=limit)["lines"]
    return lines


def test_a_score_above_its_floor_passes(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, _ = weighed

    verdict = heard.verdict(max_tokens=RIGHT)

    assert (verdict["outcome"], verdict["reason"], verdict["measured"]) == ("PASS", "at_or_above_floor", 1.0)
    assert verdict["headroom"] == 0.5
    assert re.search(
        rf"PASSED suites/test_accuracy.py::test_accuracy_reaches_its_floor\[.*max_tokens_{RIGHT}", heard.output
    )


def test_a_score_shown_below_its_floor_fails_and_says_what_was_measured_and_required(
    weighed: tuple[Heard, Weighbridge],
) -> None:
    heard, _ = weighed
    title, measured, required, level, rerun = said_of(heard, NEVER)

    assert title == (
        f"accuracy/{TASK} of tiny-remote-unquantized-max_tokens_{NEVER}-t0.2: "
        "FAIL - 50.0 points below its floor, and shown to be below"
    )
    assert measured == (
        "measured  0.0 (95% interval 0.0 to 4.7: another run of the same questions; 20 of 96 questions, 2 runs)"
    )
    assert re.fullmatch(
        r"required  >= 50\.0   thresholds/tiny\.yaml:(\d+) \(accepted at 90\.0, run earlier\)", required
    )
    assert re.fullmatch(r"level     0\.05 over \d+ gates x 3 looks: [\d.]+ each", level)
    assert rerun.startswith("rerun     pytest 'suites/test_accuracy.py::test_accuracy_reaches_its_floor[")
    assert rerun.endswith("--thresholds thresholds --runs 2")
    for line in (title, measured, required):
        assert line in heard.output


def test_the_required_line_points_at_the_row_of_the_threshold_file(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, inner = weighed
    number = int(said_of(heard, NEVER)[2].partition("tiny.yaml:")[2].split()[0])

    lines = (inner.path / "thresholds" / "tiny.yaml").read_text("utf-8").splitlines()

    assert lines[number - 1 : number + 1] == [f"- task: {TASK}", f"  max_tokens: {NEVER}"]


def test_the_rerun_command_holds_the_same_thresholds(weighed: tuple[Heard, Weighbridge]) -> None:
    assert "--thresholds thresholds" in said_of(weighed[0], NEVER)[-1]


def test_a_missing_threshold_fails_and_prints_a_row_that_can_be_pasted(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, inner = weighed

    title, accept, row = said_of(heard, UNKNOWN)

    assert title.endswith("FAIL - it has no floor; measured 100.0")
    assert (
        accept
        == "accept it by adding to thresholds/tiny.yaml under `accuracy:` (or run with --record, at least twice):"
    )
    assert "floor: 0.871, measured: 1.0, noise: 0.0, runs: 2," in row
    pasted = inner.path / "pasted"
    pasted.mkdir()
    (pasted / "tiny.yaml").write_text(f"model: tiny\naccuracy:\n{row}\n", encoding="utf-8")
    (threshold,) = Catalogue.load(pasted).rows.values()
    assert (threshold.value, threshold.row["max_tokens"], threshold.row["samples"]) == (0.871, UNKNOWN, "first 20")


def test_a_release_gate_passes_only_when_shown_above(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, _ = weighed

    assert heard.verdict(max_tokens=SURE)["outcome"] == "PASS"
    unsure = heard.verdict(max_tokens=SHOWN_ABOVE)
    assert (unsure["outcome"], unsure["measured"], unsure["required"]) == ("INCONCLUSIVE", 0.5, 0.45)
    assert "5.0 points above its floor is within the noise" in unsure["lines"][0]
    assert "required  >= 45.0 and must be shown" in unsure["lines"][2]


def test_an_inconclusive_score_asks_for_more_runs_and_stays_red_without_them(
    weighed: tuple[Heard, Weighbridge],
) -> None:
    heard, _ = weighed
    runs = [run["number"] for run in heard.runs if f"max_tokens_{FLICKERING}" in run["combination"]]

    verdict = heard.verdict(max_tokens=FLICKERING)

    assert runs == [1, 2, 3, 4]
    assert (verdict["outcome"], verdict["reason"]) == ("INCONCLUSIVE", "too_little_evidence")
    assert re.search(
        r"5\.0 points below its floor is within the noise of 20 questions x 4 runs; "
        r"about (\d+) runs would show it \(--max-runs \1\)$",
        verdict["lines"][0],
    )
    assert re.search(
        rf"FAILED suites/test_accuracy.py::test_accuracy_reaches_its_floor\[.*max_tokens_{FLICKERING}", heard.output
    )


def test_runs_are_added_only_until_the_verdict_stands(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, _ = weighed

    assert heard.verdict(max_tokens=LATE)["outcome"] == "PASS"
    assert [run["number"] for run in heard.runs if f"max_tokens_{LATE}" in run["combination"]] == [1, 2, 3]


def test_a_failed_request_is_counted_and_not_scored_as_wrong(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, _ = weighed
    runs = [run for run in heard.runs if f"max_tokens_{REFUSED}" in run["combination"]]

    failed = [[item["item"] for item in run["items"] if item["failed"]] for run in runs]

    assert failed == [[0], [0]]
    assert runs[0]["items"][0]["scores"] == {}
    assert f"max_tokens_{REFUSED}-t0.2: 1.0000 over 19 questions x 2 runs, 2 failed requests: HTTP 400" in heard.output
    assert re.search(
        rf"FAILED suites/test_accuracy.py::test_accuracy_reaches_its_floor\[.*max_tokens_{REFUSED}", heard.output
    )


def test_the_wrong_operator_is_an_error_that_names_the_right_one(weighed: tuple[Heard, Weighbridge]) -> None:
    heard, _ = weighed

    assert heard.output.count("TypeError: accuracy is better when higher: compare it with `>=`") >= 8
    assert heard.code == 1


@pytest.fixture(scope="module")
def recorded(checkout: Callable[[], Weighbridge], solve: Callable[[str], str]) -> Iterator[dict[str, Heard]]:
    """A threshold's life: recorded from one run, from two, used, and beside one that nothing uses."""
    inner = checkout()
    file = inner.path / "thresholds" / "tiny.yaml"
    heard = {}
    with FakeEngine(Script(answer=lambda prompt, _: solve(prompt))) as fake:
        inner.matrix([TASK], {"url": fake.url, "concurrency": 16})
        heard["from one run"] = inner.run("--samples", "10", "--runs", "1", "--record")
        assert not file.exists()
        heard["recorded"] = inner.run("--samples", "10", "--record")
        text = file.read_text("utf-8")
        stale = text.strip().rpartition("\n")[2].replace("floor:", "max_tokens: 77, floor:")
        file.write_text(f"# kept by hand\n{text}{stale}\n", encoding="utf-8")
        heard["a part"] = inner.run("--samples", "10", "-k", "tiny")
        heard["full"] = inner.run("--samples", "10")
        yield heard


def test_a_floor_cannot_be_recorded_from_one_run(recorded: dict[str, Heard]) -> None:
    heard = recorded["from one run"]

    assert heard.code == 1
    assert (
        "not recorded: a floor cannot be recorded from one run, whose spread is unknown; use --runs 4" in heard.output
    )


def test_recording_writes_the_floor_and_fails_all_the_same(recorded: dict[str, Heard]) -> None:
    heard = recorded["recorded"]

    assert heard.code == 1
    assert "recorded; this run fails all the same" in heard.output
    assert "recorded thresholds: read them, then run again" in heard.output
    assert (
        "thresholds/tiny.yaml: {task: embedded_gsm8k, samples: 10, floor: 0.742, measured: 1.0, noise: 0.0, runs: 2,"
        in heard.output
    )


def test_a_recorded_floor_passes_at_the_next_run(recorded: dict[str, Heard]) -> None:
    heard = recorded["a part"]

    assert (heard.code, heard.verdict(task=TASK)["outcome"], heard.verdict(task=TASK)["required"]) == (0, "PASS", 0.742)


def test_a_part_of_the_suite_may_leave_thresholds_unused(recorded: dict[str, Heard]) -> None:
    assert "thresholds that nothing uses" not in recorded["a part"].output


def test_an_unused_threshold_fails_a_full_run(recorded: dict[str, Heard]) -> None:
    heard = recorded["full"]

    assert heard.verdict(task=TASK)["outcome"] == "PASS"
    assert heard.code == 1
    assert "thresholds that nothing uses: delete them, or mend their keys" in heard.output
    assert re.search(r"^thresholds/tiny\.yaml:\d+: no combination can use it", heard.output, re.MULTILINE)


def test_run_numbers_go_on_over_the_sessions_of_a_results_folder(recorded: dict[str, Heard]) -> None:
    numbers = {name: [run["number"] for run in heard.runs] for name, heard in recorded.items()}

    assert numbers == {"from one run": [1], "recorded": [2, 3], "a part": [4, 5], "full": [6, 7]}


@pytest.fixture(scope="module")
def refused(checkout: Callable[[], Weighbridge]) -> Iterator[tuple[Heard, FakeEngine]]:
    """A task of log-likelihoods, asked of an endpoint without echo, and as chat."""
    inner = checkout()
    with FakeEngine(Script(faults=[Fault("no_echo")])) as fake:
        inner.matrix(["embedded_winogrande"], {"url": fake.url, "chat": [False, True]})
        yield inner.run("--samples", "10"), fake


@pytest.mark.parametrize(
    ("chat", "why"),
    [
        (False, "its answer to `echo` holds 1 log-probabilities for 82 tokens"),
        (True, "chat turns have no prompt log-probabilities; use `chat: false` for tasks of fixed choices"),
    ],
    ids=["without echo", "as chat"],
)
def test_log_likelihoods_that_cannot_be_had_are_not_measured_with_the_reason(
    refused: tuple[Heard, FakeEngine], chat: bool, why: str
) -> None:
    heard, _ = refused

    verdict = heard.verdict(chat=chat)

    assert (verdict["outcome"], verdict["reason"]) == ("NOT_MEASURED", "no_prompt_log_probabilities")
    assert verdict["lines"][0].endswith(f"embedded_winogrande compares log-likelihoods, and {why}")
    assert f"NOT_MEASURED (no_prompt_log_probabilities): embedded_winogrande compares log-likelihoods, and {why}" in (
        heard.output
    )


def test_a_refused_task_is_red_and_none_of_its_questions_was_asked(refused: tuple[Heard, FakeEngine]) -> None:
    heard, fake = refused

    assert heard.code == 1
    assert heard.runs == []
    assert set(fake.asked) == {"One, two, three,", "Say yes."}
