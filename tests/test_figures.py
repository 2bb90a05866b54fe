"""What the figures of answers show; and short ways to make up sessions, which other tests of figures use too."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from test_reports_summary import item_of

from reports.figures import Figure, figures
from reports.ledger import Ledger
from reports.published.studies import read_study
from reports.published.summary import summary_of
from reports.summarising import summarise
from reports.summary import Summary
from thresholds.measurement import Run
from thresholds.verdict import Outcome, Verdict

HOSTILE = "<script>alert(1)</script> | \u202eevil\u202c\n🦙 " + "x" * 300


def labels_of(model: str, **changes: Any) -> dict[str, Any]:
    told = {"model": model, "engine": "vllm", "quantization": "none", "draft": "none", **changes}
    return {"combination": "-".join(str(value) for value in told.values()), **told}


class Answered:
    """A ledger in memory and short ways to tell it of answers."""

    def __init__(self) -> None:
        self.ledger = Ledger(None)
        self.numbers: dict[tuple[str, str], int] = {}
        self.session("s1")

    def session(self, name: str, started: str = "2026-11-25T17:54:52+0000") -> None:
        self.now = self.ledger.record_session({"session": name, "started": started})

    def run(
        self, model: str, right: int, of: int = 40, task: str = "gsm8k", tokens: int | None = 10, **labels: Any
    ) -> None:
        """One run with so many right answers, of which each took 0.1 s; its tokens/s are 10 x `tokens`."""
        told = labels_of(model, **labels)
        key = (told["combination"], task)
        number = self.numbers[key] = self.numbers.get(key, 0) + 1
        items = [item_of(i, float((i + number) % of < right), completion_tokens=tokens) for i in range(of)]
        run = Run(*key, number, "exact_match,flexible-extract", tuple(items), of, of / 10)
        self.ledger.record_run(self.now, run, {**told, "task": task, "samples": "all"})

    def floor(self, model: str, required: float, task: str = "gsm8k") -> None:
        told = {**labels_of(model), "task": task, "samples": "all"}
        verdict = Verdict(Outcome.PASS, "at_or_above", "accuracy", told, ("accuracy",), required=required)
        self.ledger.record_verdict(self.now, verdict)

    @property
    def summary(self) -> Summary:
        return summarise(self.ledger)

    @property
    def figures(self) -> dict[str, Figure]:
        return by_name(figures(self.summary))


@pytest.fixture
def answered() -> Answered:
    return Answered()


def by_name(found: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in found}


def published(name: str) -> dict[str, Figure]:
    return by_name(figures(summary_of(read_study(name))))


def parts(spec: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a spec, outer ones first."""
    if isinstance(spec, Mapping):
        yield spec
        for value in spec.values():
            yield from parts(value)
    elif isinstance(spec, list | tuple):
        for value in spec:
            yield from parts(value)


def rows_with(figure: Figure, *fields: str) -> list[Mapping[str, Any]]:
    """The rows of data that have these fields, each once."""
    found = [part for part in parts(figure.spec["datasets"]) if all(field in part for field in fields)]
    return [row for i, row in enumerate(found) if row not in found[:i]]


def marks(figure: Figure) -> list[Mapping[str, Any]]:
    return [part for part in parts(figure.spec) if "mark" in part]


def encodings(figure: Figure, channel: str) -> list[str]:
    told = [part["encoding"][channel] for part in marks(figure) if channel in part.get("encoding", {})]
    return [str(one["field"]) for one in told if "field" in one]


def test_a_summary_without_answers_and_loads_has_no_figures(answered: Answered) -> None:
    answered.ledger.record_verdict(
        answered.now, Verdict(Outcome.NOT_MEASURED, "engine_failed", "accuracy", labels_of("m"), ("accuracy",))
    )

    assert figures(answered.summary) == []


def test_one_combination_on_one_task_has_a_ranking_and_nothing_to_trade_off(answered: Answered) -> None:
    answered.run("m", 20)

    assert list(answered.figures) == ["ranking"]


def test_several_combinations_and_tasks_have_all_figures_of_answers(answered: Answered) -> None:
    for model, task in (("a", "gsm8k"), ("a", "arc"), ("b", "gsm8k"), ("b", "arc")):
        answered.run(model, 20, task=task)

    assert list(answered.figures) == [
        "ranking",
        "accuracy-throughput",
        "accuracy-throughput-by-task",
        "accuracy-by-benchmark",
        "accuracy-heatmap",
    ]


def test_without_a_throughput_no_trade_off_is_drawn(answered: Answered) -> None:
    for model, task in (("a", "gsm8k"), ("a", "arc"), ("b", "gsm8k"), ("b", "arc")):
        answered.run(model, 20, task=task, tokens=None)

    assert list(answered.figures) == ["ranking", "accuracy-by-benchmark", "accuracy-heatmap"]


def test_combinations_without_a_throughput_are_left_out_of_the_trade_off_and_counted(answered: Answered) -> None:
    for model, tokens in (("a", 10), ("b", 20), ("c", None)):
        answered.run(model, 20, tokens=tokens)

    figure = answered.figures["accuracy-throughput"]
    assert {row["name"] for row in rows_with(figure, "speed", "beaten")} == {"a none", "b none"}
    assert "1 without a throughput are left out." in figure.caption


def test_the_ranking_shows_means_with_both_kinds_of_error_and_n(answered: Answered) -> None:
    answered.run("m", 20)
    answered.run("m", 24)

    (row,) = rows_with(answered.figures["ranking"], "mean")
    assert (row["mean"], row["n"], row["said"]) == (pytest.approx(55.0), "40 \u00d7 2", "55.0 ± 7.1")
    assert row["sd_low"] == pytest.approx(55 - 50**0.5)
    assert row["low"] < row["sd_low"]
    assert row["high"] > row["sd_high"]


def test_the_ranking_draws_both_error_bars_and_the_mean(answered: Answered) -> None:
    answered.run("m", 20)

    figure = answered.figures["ranking"]
    assert [name for name in encodings(figure, "x") if name != "group"] == ["low", "sd_low", "mean"]
    assert encodings(figure, "x2") == ["high", "sd_high"]


def test_a_line_joins_those_that_cannot_be_told_apart_and_no_others(answered: Answered) -> None:
    for model, right in (("best", 390), ("good", 388), ("worse", 100)):
        answered.run(model, right, of=400)

    dots = [row for row in rows_with(answered.figures["ranking"], "group", "name") if "last" not in row]
    assert [(row["group"], row["name"]) for row in dots] == [(0, "best none"), (0, "good none")]


def test_where_all_are_told_apart_no_ties_are_drawn(answered: Answered) -> None:
    answered.run("best", 390, of=400)
    answered.run("worse", 100, of=400)

    figure = answered.figures["ranking"]
    assert rows_with(figure, "group") == []
    assert "cannot be told apart" not in figure.caption


def test_one_that_lacks_a_task_is_hollow_in_the_ranking(answered: Answered) -> None:
    answered.run("a", 20)
    answered.run("a", 20, task="arc")
    answered.run("b", 30)

    figure = answered.figures["ranking"]
    assert {row["name"]: row["hollow"] for row in rows_with(figure, "hollow")} == {"a none": False, "b none": True}
    assert "Hollow: not all tasks have a score" in figure.caption


def test_local_and_remote_combinations_differ_in_colour_and_shape_and_the_legend_filters(answered: Answered) -> None:
    answered.run("here", 20)
    answered.run("there", 20, engine="remote")

    figure = answered.figures["ranking"]
    assert {row["name"]: row["deployment"] for row in rows_with(figure, "mean")} == {
        "here none": "local",
        "there none": "only through an API",
    }
    assert encodings(figure, "shape") == encodings(figure, "stroke") == ["deployment"]
    assert [one["bind"] for one in figure.spec["params"]] == ["legend"]


def test_a_tooltip_tells_what_is_known_and_nothing_of_what_is_not(answered: Answered) -> None:
    answered.run("m", 20)

    (row,) = rows_with(answered.figures["ranking"], "tip")
    assert row["tip"]["mean %"] == "50.00"
    assert "run-to-run sd" not in row["tip"]
    assert None not in row["tip"].values()


def test_where_all_are_local_nothing_is_told_apart(answered: Answered) -> None:
    answered.run("a", 20)
    answered.run("b", 20)

    assert encodings(answered.figures["ranking"], "shape") == []


def test_points_on_the_pareto_front_are_filled_and_joined_by_steps(answered: Answered) -> None:
    for model, right, tokens in (("good", 30, 10), ("fast", 10, 30), ("beaten", 20, 5)):
        answered.run(model, right, tokens=tokens)

    figure = answered.figures["accuracy-throughput"]
    points = rows_with(figure, "front", "beaten")
    assert {row["name"] for row in points if not row["hollow"]} == {"good none", "fast none"}
    assert [row["beaten"] for row in points if row["hollow"]] == ["good none"]
    steps = next(part for part in marks(figure) if part["mark"]["type"] == "line")
    assert steps["mark"]["interpolate"] == "step-before"


def test_the_trade_off_spans_the_slowest_and_fastest_run(answered: Answered) -> None:
    answered.run("m", 20, tokens=10)
    answered.run("m", 20, tokens=30)
    answered.run("n", 20, tokens=10)

    points = {row["name"]: row for row in rows_with(answered.figures["accuracy-throughput"], "slowest")}
    assert (points["m none"]["slowest"], points["m none"]["fastest"]) == (pytest.approx(100), pytest.approx(300))
    assert points["n none"]["slowest"] is None


def test_bars_begin_at_0_and_end_at_100_and_show_the_floor(answered: Answered) -> None:
    for task in ("gsm8k", "arc"):
        answered.run("m", 20, task=task)
    answered.floor("m", 0.4)

    figure = answered.figures["accuracy-by-benchmark"]
    bars = [part for part in marks(figure) if part["mark"]["type"] == "bar"]
    assert [part["encoding"]["x"]["scale"]["domain"] for part in bars] == [[0, 100], [0, 100]]
    floors = {row["task"]: row["required"] for row in rows_with(figure, "required")}
    assert floors == {"gsm8k": pytest.approx(40), "arc": None}


def test_a_cell_of_the_heat_map_says_its_mean_and_half_of_its_interval(answered: Answered) -> None:
    for model, task in (("a", "gsm8k"), ("a", "arc"), ("b", "gsm8k")):
        answered.run(model, 20, task=task)

    cells = [row["cell"] for row in rows_with(answered.figures["accuracy-heatmap"], "cell")]
    assert cells == ["50.0 ±15.0"] * 3


def test_quantizations_of_a_model_are_a_line_over_bits_per_weight(answered: Answered) -> None:
    for quantization, right in (("none", 30), ("fp8", 29), ("int4", 20)):
        answered.run("m", right, quantization=quantization)
    answered.run("alone", 20, quantization="int4")

    points = rows_with(answered.figures["accuracy-bits"], "bits", "series")
    assert [(row["series"], row["bits"]) for row in points] == [("m", 4.0), ("m", 8.0), ("m", 16.0)]


def test_a_draft_that_was_only_answered_with_has_its_speed_up_and_its_change_of_answers(answered: Answered) -> None:
    for draft, tokens in (("none", 10), ("acme/tiny", 20)):
        answered.run("m", 20, tokens=tokens, draft=draft)
        answered.run("m", 22, tokens=tokens, draft=draft)

    (row,) = rows_with(answered.figures["drafts"], "change", "speed")
    assert row["name"] == "m + tiny"
    assert (row["speed"], row["change"]) == (pytest.approx(2.0), pytest.approx(0.0))


def test_the_three_model_study_has_its_four_figures_and_says_that_it_gives_no_n() -> None:
    found = published("three-model-study")

    assert set(found) >= {
        "accuracy-throughput-by-task",
        "accuracy-throughput",
        "accuracy-by-benchmark",
        "accuracy-heatmap",
    }
    assert all("states neither questions nor runs" in figure.caption for figure in found.values())


def test_of_the_three_models_llama_alone_is_dominated() -> None:
    points = rows_with(published("three-model-study")["accuracy-throughput"], "beaten", "speed")

    assert {row["name"]: row["beaten"] for row in points} == {
        "qwen3-235b": None,
        "gpt-oss-120b": None,
        "llama4-scout-17b-16e": "qwen3-235b",
    }


def test_the_59_runs_have_a_ranking_that_tells_local_models_from_apis() -> None:
    rows = rows_with(published("mmlu-pro-cs-2024")["ranking"], "mean", "low")

    assert [row["name"] for row in rows[:3]] == [
        "claude-3-5-sonnet-20241022",
        "gemini-1.5-pro-002",
        "QwQ-32B-Preview 8.0bpw 16K",
    ]
    assert [row["deployment"] for row in rows[:3]] == ["only through an API"] * 2 + ["local"]
    assert all(row["low"] < row["mean"] < row["high"] for row in rows)


def test_the_59_runs_show_what_drafts_changed_and_what_fewer_bits_cost() -> None:
    found = published("mmlu-pro-cs-2024")

    speed_ups = [row["speed"] for row in rows_with(found["drafts"], "speed", "change")]
    assert min(speed_ups) > 1.2
    assert max(speed_ups) < 1.8
    bits = rows_with(found["accuracy-bits"], "bits", "series")
    assert [row["bits"] for row in bits if row["series"] == "QwQ-32B-Preview max tokens 2048"] == [3.0, 4.25, 8.0]
