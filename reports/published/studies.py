"""Published results, read strictly from `reports/published/<name>.csv`.

Lines at the top that begin with `#` say who published what (`# key: value`); then one line for each run on a task.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from thresholds.strict_yaml import InvalidFile, did_you_mean

FOLDER = Path(__file__).parent

Mark = Literal["==", "~=", "~<", "~>", "<", ">"]

Schema = TypeVar("Schema", bound=BaseModel)


class About(BaseModel):
    """Who published what: the lines at the top.

    Attributes:
        by, published, source: Author, date and address; "not stated" where the text at hand says none.
        task: The benchmark of every line that names none itself, as lm-eval calls it.
        reference: Whose published numbers the marks compare with.
        default_max_tokens: The limit where a line names none.
        note: What a reader has to know about how the numbers came about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    by: str
    published: str
    source: str
    task: str | None = None
    reference: str | None = None
    default_max_tokens: int | None = Field(default=None, gt=0)
    note: str | None = None


class PublishedRun(BaseModel):
    """One run of a configuration on a task, as it was published. An empty cell is None: not stated.

    Attributes:
        label: What the study calls the configuration.
        correct, questions: Points and questions; or, where a study states only that, `score` in 0..1.
        mark, reference_percent: The study's own comparison with somebody else's number, in percent.
        lucky_guesses, guesses: Answers that were guessed because none was found, and how many of them were right.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    label: str | None = None
    quantization: str | None = None
    kv_cache: str | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    draft: str | None = None
    weights: str | None = None
    size: str | None = None
    format: str | None = None
    served_by: str | None = None
    gpu: str | None = None
    gpu_memory_mib: int | None = Field(default=None, gt=0)
    task: str | None = None
    run: int | None = Field(default=None, gt=0)
    runs: int | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    correct: int | None = Field(default=None, ge=0)
    questions: int | None = Field(default=None, gt=0)
    score: float | None = Field(default=None, ge=0, le=1)
    mark: Mark | None = None
    reference_percent: float | None = Field(default=None, ge=0, le=100)
    lucky_guesses: int | None = Field(default=None, ge=0)
    guesses: int | None = Field(default=None, ge=0)
    prompt_tokens: int | None = Field(default=None, ge=0)
    prompt_tokens_per_second: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    completion_tokens: int | None = Field(default=None, ge=0)
    completion_tokens_per_second: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    output_tokens_per_second: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "PublishedRun":
        if (self.correct is None) != (self.questions is None) or (self.correct is None) == (self.score is None):
            raise ValueError("needs either correct and questions, or score")
        if (self.correct or 0) > (self.questions or 0):
            raise ValueError(f"has {self.correct} correct answers to {self.questions} questions")
        if (self.lucky_guesses or 0) > (self.guesses or 0):
            raise ValueError(f"has {self.lucky_guesses} lucky ones among {self.guesses or 0} guesses")
        if (self.mark is None) != (self.reference_percent is None):
            raise ValueError("needs both mark and reference_percent, or neither")
        return self

    @property
    def share(self) -> float:
        """The score in 0..1."""
        if self.score is not None:
            return self.score
        return (self.correct or 0) / (self.questions or 1)

    @property
    def name(self) -> str:
        """Model, quantization, KV cache and limit, as short as they tell configurations of a study apart."""
        limit = None if self.max_tokens is None else thousands(self.max_tokens)
        cache = f"{self.kv_cache}-cache" if self.kv_cache else None
        return " ".join(part for part in (self.model, self.quantization, cache, limit) if part)


@dataclass(frozen=True, slots=True)
class Study:
    """Published results of one study, in its own order."""

    name: str
    about: About
    runs: tuple[PublishedRun, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The benchmarks that it tells of."""
        return tuple(dict.fromkeys(self.task_of(run) for run in self.runs))

    def task_of(self, run: PublishedRun) -> str:
        """The benchmark that a run speaks of."""
        return run.task or self.about.task or ""


def thousands(tokens: int) -> str:
    """16K for 16384."""
    return str(tokens) if tokens % 1024 else f"{tokens // 1024}K"


def known_studies(folder: Path = FOLDER) -> list[str]:
    """The names of all studies at hand."""
    return sorted(path.stem for path in folder.glob("*.csv"))


def read_study(name: str, folder: Path = FOLDER) -> Study:
    """Read `<folder>/<name>.csv`.

    Raises:
        InvalidFile: There is no such study, or a line is not what it has to be; the message names file and line.
    """
    path = folder / f"{name}.csv"
    if name not in known_studies(folder):
        raise InvalidFile(
            path, None, f"there is no published study {name!r}{did_you_mean(name, known_studies(folder))}"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(path, None, f"cannot be read: {error}") from None
    said = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    about = _about(path, lines[:said])
    study = Study(name, about, tuple(_runs(path, lines[said:], said, about)))
    if not study.runs:
        raise InvalidFile(path, len(lines), "holds no run; write one line for each run below the line of column names")
    return study


def _about(path: Path, lines: Sequence[str]) -> About:
    told: dict[str, str] = {}
    places: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        key, colon, value = line.lstrip("#").strip().partition(":")
        if not colon or not value.strip():
            raise InvalidFile(path, number, "is no `# key: value`")
        if key in told:
            raise InvalidFile(path, number, f"says {key!r} a second time; line {places[key]} does already")
        told[key], places[key] = value.strip(), number
    return _validated(About, told, path, lambda key: places.get(key, 1))


def _runs(path: Path, lines: Sequence[str], above: int, about: About) -> list[PublishedRun]:
    reader = csv.reader(lines, strict=True)
    runs: list[PublishedRun] = []
    seen: dict[tuple[Any, ...], int] = {}
    try:
        columns = next(reader, [])
        for cells in reader:
            place = above + reader.line_num
            run = _run(path, place, columns, cells, above + 1)
            if not (run.task or about.task):
                raise InvalidFile(path, place, "names no task; fill the column `task`, or write `# task:` at the top")
            key = (run.name, run.label, run.task, run.run)
            if key in seen:
                raise InvalidFile(path, place, f"is the same run of the same configuration as line {seen[key]}")
            seen[key] = place
            runs.append(run)
    except csv.Error as error:
        raise InvalidFile(path, above + reader.line_num, f"is not valid CSV: {error}") from None
    return runs


def _run(path: Path, place: int, columns: Sequence[str], cells: Sequence[str], header: int) -> PublishedRun:
    if len(cells) != len(columns):
        raise InvalidFile(path, place, f"has {len(cells)} cells; the line of column names has {len(columns)}")
    told = {column: cell for column, cell in zip(columns, cells, strict=True) if cell}
    unknown = next((column for column in columns if column not in PublishedRun.model_fields), None)
    if unknown is not None:
        known = did_you_mean(unknown, PublishedRun.model_fields)
        raise InvalidFile(path, header, f"unknown column {unknown!r}{known}")
    return _validated(PublishedRun, told, path, lambda _: place)


def _validated(schema: type[Schema], told: dict[str, str], path: Path, place: Callable[[str], int]) -> Schema:
    try:
        return schema.model_validate(told)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InvalidFile(path, place(name), _explained(first, name, schema)) from None


def _explained(error: Any, name: str, schema: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key {name!r}{did_you_mean(name, schema.model_fields)}"
    if error["type"] == "missing":
        return f"{name!r} is missing"
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {said[0].lower()}{said[1:]} (got {error['input']!r})" if name else said
