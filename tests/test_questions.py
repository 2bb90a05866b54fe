import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import fixtures.evaluate

HOME = Path(fixtures.evaluate.__file__).parent
TASKS = ["arc_challenge", "gsm8k", "hellaswag", "mmlu_pro_computer_science", "truthfulqa_mc2", "winogrande"]
LETTERS = "ABCDEFGHIJ"
SUM = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")


def rows(name: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (HOME / "questions" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


ARC, GSM, HELLA, MMLU, TRUTH, WINO = (rows(name) for name in TASKS)
GSM_SHOTS, MMLU_SHOTS = rows("gsm8k_shots"), rows("mmlu_pro_computer_science_shots")


def asked(row: dict[str, Any]) -> str:
    """The question, whatever its task calls it."""
    return str(next(row[name] for name in ("question", "sentence", "ctx") if name in row))


def options(row: dict[str, Any]) -> list[list[str]]:
    """Each list of options that a question has."""
    if "mc1_targets" in row:
        return [row["mc1_targets"]["choices"], row["mc2_targets"]["choices"]]
    if "choices" in row:
        return [row["choices"]["text"]]
    if "option1" in row:
        return [[row["option1"], row["option2"]]]
    return [row.get("endings") or row["options"]]


def spread(values: list[str], of: str) -> int:
    counts = [values.count(value) for value in of]
    return max(counts) - min(counts)


def value_of(expression: str) -> Fraction:
    """A sum of numbers with + - * /, left to right as written, * and / first."""
    tokens = re.findall(r"\d+(?:\.\d+)?|[-+*/]", expression)
    assert "".join(tokens) == expression.replace(" ", ""), f"no plain sum: {expression}"
    total, term, sign, times = Fraction(0), Fraction(tokens[0]), 1, iter(tokens[1:])
    for operator, number in zip(times, times, strict=True):
        if operator == "*":
            term *= Fraction(number)
        elif operator == "/":
            term /= Fraction(number)
        else:
            total, term, sign = total + sign * term, Fraction(number), 1 if operator == "+" else -1
    return total + sign * term


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_at_least_80_questions(task: str) -> None:
    assert len(rows(task)) >= 80


@pytest.mark.parametrize("task", TASKS)
def test_no_question_is_asked_twice(task: str) -> None:
    questions = Counter(" ".join(asked(row).lower().split()) for row in rows(task))

    assert [question for question, count in questions.items() if count > 1] == []


@pytest.mark.parametrize("task", TASKS)
def test_all_rows_of_a_task_have_the_same_fields(task: str) -> None:
    assert len({tuple(sorted(row)) for row in rows(task)}) == 1


@pytest.mark.parametrize("task", TASKS)
def test_every_question_has_a_category_to_sample_by(task: str) -> None:
    name = "topic" if task.startswith("mmlu") else "category"

    assert 2 <= len({row[name] for row in rows(task)}) <= 40


@pytest.mark.parametrize("task", [task for task in TASKS if task != "gsm8k"])
def test_the_options_of_a_question_are_distinct(task: str) -> None:
    choices = [[text.strip().lower() for text in texts] for row in rows(task) for texts in options(row)]

    assert [texts for texts in choices if len(set(texts)) != len(texts) or "" in texts] == []


@pytest.mark.parametrize("path", sorted((HOME / "questions").glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_file_is_plain_ascii_with_a_row_in_every_line(path: Path) -> None:
    lines = path.read_text(encoding="ascii").splitlines()

    assert [number for number, line in enumerate(lines, 1) if not isinstance(json.loads(line), dict)] == []


@pytest.mark.parametrize("path", sorted((HOME / "questions").glob("*.jsonl")), ids=lambda path: path.stem)
def test_no_text_has_blanks_at_its_ends_or_twice_in_a_row(path: Path) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [text for part in inner for text in texts(part)]

    assert [text for row in rows(path.stem) for text in texts(row) if text != text.strip() or "  " in text] == []


def test_arc_has_four_lettered_choices_and_one_of_them_is_right() -> None:
    assert [row["id"] for row in ARC if row["choices"]["label"] != list("ABCD")] == []
    assert [row["id"] for row in ARC if len(row["choices"]["text"]) != 4 or row["answerKey"] not in "ABCD"] == []
    assert len({row["id"] for row in ARC}) == len(ARC)


def test_the_right_letters_of_arc_are_balanced() -> None:
    assert spread([row["answerKey"] for row in ARC], "ABCD") <= 2


def test_hellaswag_has_four_endings_and_one_of_them_is_right() -> None:
    assert [row["ind"] for row in HELLA if len(row["endings"]) != 4 or row["label"] not in set("0123")] == []
    assert [row["ind"] for row in HELLA if row["ctx"] != f"{row['ctx_a']} {row['ctx_b']}"] == []
    assert len({row["ind"] for row in HELLA}) == len(HELLA)


def test_the_right_endings_of_hellaswag_are_balanced() -> None:
    assert spread([row["label"] for row in HELLA], "0123") <= 2


def test_winogrande_has_one_gap_in_every_sentence() -> None:
    assert [row["sentence"] for row in WINO if row["sentence"].count("_") != 1] == []


def test_winogrande_has_two_options_that_its_sentence_names() -> None:
    assert [
        row["sentence"]
        for row in WINO
        for option in (row["option1"], row["option2"])
        if option.lower() not in row["sentence"].lower()
    ] == []


def test_the_answers_of_winogrande_are_balanced() -> None:
    assert {row["answer"] for row in WINO} == {"1", "2"}
    assert spread([row["answer"] for row in WINO], "12") <= 2


@pytest.mark.parametrize("targets", ["mc1_targets", "mc2_targets"])
def test_truthfulqa_has_a_label_for_every_choice(targets: str) -> None:
    assert [
        row["question"]
        for row in TRUTH
        if len(row[targets]["choices"]) != len(row[targets]["labels"]) or set(row[targets]["labels"]) != {0, 1}
    ] == []


def test_the_true_choices_of_truthfulqa_come_first_and_mc1_has_one() -> None:
    # lm-eval's mc2 splits the choices at the first label of 0.
    assert [row["question"] for row in TRUTH if row["mc1_targets"]["labels"].count(1) != 1] == []
    labels = [row[targets]["labels"] for row in TRUTH for targets in ("mc1_targets", "mc2_targets")]
    assert [marks for marks in labels if marks != sorted(marks, reverse=True)] == []


@pytest.mark.parametrize("row", MMLU + MMLU_SHOTS, ids=lambda row: str(row["question_id"]))
def test_mmlu_has_ten_options_and_one_of_them_is_right(row: dict[str, Any]) -> None:
    assert len(row["options"]) == 10
    assert row["answer"] == LETTERS[row["answer_index"]]
    assert row["category"] == "computer science"


def test_the_right_letters_of_mmlu_are_balanced() -> None:
    assert spread([row["answer"] for row in MMLU], LETTERS) <= 2


def test_the_ids_of_mmlu_are_unique_among_questions_and_shots() -> None:
    ids = [row["question_id"] for row in MMLU + MMLU_SHOTS]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("row", MMLU_SHOTS, ids=lambda row: str(row["question_id"]))
def test_a_shot_of_mmlu_ends_in_its_letter(row: dict[str, Any]) -> None:
    assert row["cot_content"].startswith("A: Let's think step by step. ")
    assert row["cot_content"].endswith(f"The answer is ({row['answer']}).")


def test_mmlu_has_the_five_shots_of_its_prompt() -> None:
    assert len(MMLU_SHOTS) == 5


def test_gsm8k_has_at_least_the_five_shots_of_its_prompt() -> None:
    assert len(GSM_SHOTS) >= 5


@pytest.mark.parametrize("row", GSM + GSM_SHOTS, ids=lambda row: row["question"][:30])
def test_the_sums_of_a_gsm8k_answer_are_right_and_end_in_its_result(row: dict[str, Any]) -> None:
    sums = SUM.findall(row["answer"])
    results = [Fraction(result) for _, result in sums]

    assert results, "no sum is shown"
    assert [value_of(expression) for expression, _ in sums] == results
    assert Fraction(row["answer"].rpartition("\n#### ")[2]) == results[-1]


@pytest.mark.parametrize("row", GSM + GSM_SHOTS, ids=lambda row: row["question"][:30])
def test_a_gsm8k_result_is_a_whole_number_that_stands_once_after_its_mark(row: dict[str, Any]) -> None:
    assert row["answer"].count("####") == 1
    assert re.fullmatch(r"\d+", row["answer"].rpartition("\n#### ")[2])


@pytest.mark.parametrize(("questions", "shots"), [(GSM, GSM_SHOTS), (MMLU, MMLU_SHOTS)], ids=["gsm8k", "mmlu"])
def test_no_question_is_one_of_the_shots(questions: list[dict[str, Any]], shots: list[dict[str, Any]]) -> None:
    assert {asked(row) for row in questions} & {asked(row) for row in shots} == set()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_includes_the_definition_of_lm_eval_instead_of_copying_it(task: str) -> None:
    text = (HOME / "tasks" / f"embedded_{task}.yaml").read_text(encoding="utf-8")

    assert re.search(r"^include: \$STOCK/\S+\.yaml$", text, re.MULTILINE)
    assert f"$QUESTIONS/{task}.jsonl" in text
    assert "\ntag: null\n" in text


def test_every_file_of_tasks_and_questions_is_one_of_these() -> None:
    assert sorted(path.stem for path in (HOME / "tasks").iterdir()) == [f"embedded_{task}" for task in TASKS]
    shots = ["gsm8k_shots", "mmlu_pro_computer_science_shots"]
    assert sorted(path.stem for path in (HOME / "questions").iterdir()) == sorted(TASKS + shots)
