import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.evaluate import stock
from fixtures.evaluate.tasks import Task, Tasks, known
from thresholds.measurement import NotMeasured
from thresholds.strict_yaml import InvalidFile

ARC = {
    "id": "made-up",
    "question": "Which of these is a fish?",
    "choices": {"text": ["oak", "trout", "chair"], "label": ["A", "B", "C"]},
    "answerKey": "B",
}
GSM = {"question": "Ada has 2 pens and buys 3. How many has she?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}
WINO = {
    "sentence": "The cup did not fit the box, since the _ was big.",
    "option1": "cup",
    "option2": "box",
    "answer": "1",
}
Loader = Callable[[str], Task]


@pytest.fixture(scope="module")
def ours() -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks._folder.cleanup()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Loader]:
    """Loads lm-eval's tasks on the rows below tmp_path."""
    tasks = Tasks(tmp_path)
    yield tasks.load
    tasks._folder.cleanup()


def put(folder: Path, task: str, split: str, *rows: dict[str, Any] | str | bytes) -> Path:
    """Rows as JSON, or lines as they are."""
    path = folder / task / f"{split}.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("name", "primary", "by_log_probability", "questions"),
    [
        ("embedded_arc_challenge", "acc_norm,none", True, 96),
        ("embedded_gsm8k", "exact_match,flexible-extract", False, 96),
        ("embedded_hellaswag", "acc_norm,none", True, 96),
        ("embedded_mmlu_pro_computer_science", "exact_match,cascade", False, 90),
        ("embedded_truthfulqa_mc2", "acc,none", True, 90),
        ("embedded_winogrande", "acc,none", True, 96),
    ],
)
def test_an_embedded_task_loads_with_its_score(
    ours: Tasks, name: str, primary: str, by_log_probability: bool, questions: int
) -> None:
    task = ours.load(name)

    assert (task.name, task.primary) == (name, primary)
    assert (task.by_log_probability, len(task.documents)) == (by_log_probability, questions)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("embedded_arc_challenge", 0.25),
        ("embedded_hellaswag", 0.25),
        ("embedded_winogrande", 0.5),
        ("embedded_mmlu_pro_computer_science", 0.1),
        ("embedded_gsm8k", None),
    ],
)
def test_a_random_guess_is_right_once_in_as_many_options_as_there_are(
    ours: Tasks, name: str, guess: float | None
) -> None:
    task = ours.load(name)

    assert {task.guess(document) for document in task.documents} == {guess}


def test_a_task_is_loaded_once(ours: Tasks) -> None:
    assert ours.load("embedded_winogrande") is ours.load("embedded_winogrande")


def test_the_cascade_stands_beside_the_strict_pattern_of_lm_eval(ours: Tasks) -> None:
    task = ours.load("embedded_mmlu_pro_computer_science")

    assert [filters.name for filters in task.lm_eval._filters] == ["custom-extract", "cascade"]


@pytest.mark.parametrize(("name", "shots"), [("embedded_gsm8k", 5), ("embedded_mmlu_pro_computer_science", 5)])
def test_the_generative_tasks_show_five_examples(ours: Tasks, name: str, shots: int) -> None:
    assert ours.load(name).lm_eval.config.num_fewshot == shots


def test_a_task_without_examples_has_none(ours: Tasks) -> None:
    assert ours.load("embedded_arc_challenge").lm_eval.config.num_fewshot == 0


@pytest.mark.parametrize("name", ["embedded_gsm8k", "gsm8k", "arc_challenge"])
def test_a_known_task_is_known(name: str) -> None:
    assert known(name) is None


@pytest.mark.parametrize(("name", "near"), [("gsm8kk", "gsm8k"), ("embedded_gsm8", "embedded_gsm8k")])
def test_an_unknown_task_is_guessed(name: str, near: str) -> None:
    assert known(name) == f"unknown task {name!r}; did you mean {near!r}?"


def test_a_group_of_tasks_is_named_as_one() -> None:
    assert known("mmlu") == "'mmlu' is a group of lm-eval tasks; name its tasks"


def test_loading_an_unknown_task_gives_its_reason(ours: Tasks) -> None:
    with pytest.raises(NotMeasured, match="did you mean 'gsm8k'") as refused:
        ours.load("gsm8kk")

    assert refused.value.reason == "unknown_task"


def test_the_index_of_lm_eval_is_scanned_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path))
    scans: list[Path] = []
    monkeypatch.setattr(stock, "_scan", lambda root: scans.append(root) or {"task:a": ["a.yaml"]})

    assert [stock.index(), stock.index()] == [{"task:a": ["a.yaml"]}] * 2
    assert scans == [stock.folder()]


def test_the_index_finds_tasks_and_groups_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one.yaml").write_text('task: "one"\n', encoding="utf-8")
    (tmp_path / "all.yml").write_text("group: all_of_them\ntask:\n  - one\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("task: nothing\n", encoding="utf-8")

    assert stock._scan(tmp_path) == {"task:one": ["sub/one.yaml"], "group:all_of_them": ["all.yml"]}


def test_lm_evals_arc_is_asked_on_local_rows(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "arc_challenge", "test", ARC, ARC)

    task = local("arc_challenge")

    assert (task.primary, task.by_log_probability, len(task.documents)) == ("acc_norm,none", True, 2)
    assert task.guess(task.documents[0]) == pytest.approx(1 / 3)


def test_lm_evals_gsm8k_is_asked_on_local_rows_with_its_examples(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "gsm8k", "test", GSM)
    put(tmp_path, "gsm8k", "train", *[{**GSM, "question": f"Question {i}?"} for i in range(6)])

    task = local("gsm8k")

    assert (task.primary, task.by_log_probability) == ("exact_match,flexible-extract", False)
    assert (task.lm_eval.config.num_fewshot, len(task.documents)) == (5, 1)


def test_lm_evals_winogrande_is_asked_on_local_rows_without_its_training_split(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "winogrande", "validation", WINO, WINO, WINO)

    task = local("winogrande")

    assert (task.primary, len(task.documents)) == ("acc,none", 3)


def test_local_rows_change_nothing_of_the_embedded_tasks(local: Loader) -> None:
    assert len(local("embedded_winogrande").documents) == 96


def test_empty_lines_between_rows_are_no_mistake(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "arc_challenge", "test", "", ARC, "")

    assert len(local("arc_challenge").documents) == 1


def test_a_missing_evaluation_split_is_named(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "arc_challenge", "train", ARC)

    with pytest.raises(InvalidFile, match=r"arc_challenge/test\.jsonl: is missing; arc_challenge is asked from this"):
        local("arc_challenge")


def test_missing_examples_are_named(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "gsm8k", "test", GSM)

    with pytest.raises(InvalidFile, match=r"gsm8k/train\.jsonl: is missing; the 5 examples of gsm8k come from it"):
        local("gsm8k")


def test_fewer_examples_than_a_prompt_shows_are_refused(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "gsm8k", "test", GSM)
    path = put(tmp_path, "gsm8k", "train", GSM, GSM)

    with pytest.raises(InvalidFile) as refused:
        local("gsm8k")

    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("line", "said"), [('{"id": ', "is not valid JSON: Expecting value"), ("[1, 2]", "is no JSON object")]
)
def test_a_broken_row_is_named_with_its_line(local: Loader, tmp_path: Path, line: str, said: str) -> None:
    path = put(tmp_path, "arc_challenge", "test", ARC, "", line)

    with pytest.raises(InvalidFile) as refused:
        local("arc_challenge")

    assert str(refused.value).startswith(f"{path}:3: {said}")


def test_a_row_that_is_no_utf_8_is_named_with_its_line(local: Loader, tmp_path: Path) -> None:
    path = put(tmp_path, "arc_challenge", "test", ARC, b'{"id": "\xf6"}')

    with pytest.raises(InvalidFile) as refused:
        local("arc_challenge")

    assert str(refused.value).startswith(f"{path}:2: is not ")


def test_a_split_without_rows_is_named(local: Loader, tmp_path: Path) -> None:
    path = put(tmp_path, "arc_challenge", "test")

    with pytest.raises(InvalidFile) as refused:
        local("arc_challenge")

    assert str(refused.value).startswith(f"{path}: ")


def test_rows_without_the_fields_of_their_task_are_refused(local: Loader, tmp_path: Path) -> None:
    put(tmp_path, "arc_challenge", "test", {"id": "only an id"})

    with pytest.raises((InvalidFile, NotMeasured), match="arc_challenge"):
        local("arc_challenge")


def test_evaluating_takes_less_than_a_gibibyte_of_our_own_memory() -> None:
    program = (
        "import psutil, fixtures.evaluate.evaluator; from fixtures.evaluate.tasks import OURS, Tasks; tasks = Tasks();"
        "[tasks.load(file.stem) for file in OURS.glob('*.yaml')]; tasks.close();"
        "print(psutil.Process().memory_info().rss)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert 50 * 2**20 < int(done.stdout.split()[-1]) < 2**30
