"""The tables of quants, of what they recover, and of token limits: of our sessions and of published results."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from test_reports_summary import item_of

from reports.answers.rows import Ranking, Told, ranked
from reports.answers.run_rows import run_rows
from reports.ledger import RecordedEngine, RecordedRun
from reports.published.studies import read_study
from reports.published.summary import summary_of
from reports.quants.limits import LimitRow, limit_rows
from reports.quants.observations import observe_quants
from reports.quants.published import heard_of
from reports.quants.rows import Heard, QuantRow, quant_rows
from reports.quants.tables import limits_table, quants_table, recovery_table
from reports.wording.layout import Table, as_text
from thresholds.measurement import Item, Run
from thresholds.verdict import Outcome, Verdict

PRIMARY = "exact_match,none"
TASKS = ("gsm8k", "arc")
GIB = 2**30


def item(number: int, *, right: bool, cut: bool = False, tokens: int = 50) -> Item:
    told = item_of(number, float(right))
    reasons = ("length" if cut else "stop",)
    return replace(told, scores={PRIMARY: float(right)}, finish_reasons=reasons, completion_tokens=tokens)


class Session:
    """Combinations of one model, which differ in what is named."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.runs: list[RecordedRun] = []
        self.engines: list[RecordedEngine] = []
        self.verdicts: list[Verdict] = []

    def add(self, right: int, *, memory: int = 4 * GIB, cut: int = 0, tokens: int = 50, **labels: Any) -> "Session":
        """Two runs of each task, so many of 100 right, and so many of these cut off."""
        name = "-".join(str(value) for value in labels.values())
        known = {"combination": name, "model": "m", "engine": "vllm", "draft": "none", "max_tokens": None, **labels}
        items = tuple(item(i, right=i < right, cut=i < cut, tokens=tokens) for i in range(100))
        made = [
            Run(name, task, number, PRIMARY, items, 100, 10.0, engine_memory=memory)
            for task in TASKS
            for number in (1, 2)
        ]
        runs = [RecordedRun("s", {**known, "task": run.task, "task_version": "1"}, run) for run in made]
        self.runs += runs
        self.told.append(Told(name, known, runs, [], [], {}))
        return self

    def engine(self, name: str, size: int, bits: float) -> "Session":
        told = {"checkpoint": {"bytes": size, "bits_per_weight": bits, "parameters": 10}}
        self.engines.append(RecordedEngine("s", name, {"combination": name}, told))
        return self

    def verdict(self, metric: str, name: str, measured: float, span: tuple[float, float], **more: Any) -> "Session":
        labels = {"combination": name, "against": "none", "statistic": None, **more.pop("labels", {})}
        self.verdicts.append(Verdict(Outcome.PASS, "", metric, labels, (), measured, *span, **more))
        return self

    @property
    def ranking(self) -> Ranking:
        return ranked(self.told, TASKS)

    @property
    def heard(self) -> Heard:
        ranking = self.ranking
        order = [row.combination for row in ranking.rows]
        return Heard(ranking.by_task, run_rows(self.runs, self.engines, order), self.engines, self.verdicts)

    @property
    def quants(self) -> tuple[QuantRow, ...]:
        return quant_rows(self.ranking.rows, self.heard)

    @property
    def limits(self) -> tuple[LimitRow, ...]:
        return limit_rows(self.ranking.rows, self.heard)


def of(rows: Sequence[QuantRow], quantization: str) -> QuantRow:
    (found,) = [row for row in rows if row.labels["quantization"] == quantization]
    return found


def cells(table: Table, first: str) -> dict[str, str]:
    """A row by the heading of its cells; of a heading that stands twice, the first."""
    (row,) = [row for row in table.rows if row[0] == first]
    headed: dict[str, str] = {}
    for column, cell in zip(table.columns, row, strict=True):
        headed.setdefault(column.heading, cell)
    return headed


def quants() -> Session:
    """Unquantized, a quant that keeps nearly all, and one that keeps two thirds."""
    return Session().add(60, quantization="none").add(58, quantization="w8a8").add(40, quantization="w4a16")


def test_recovery_is_told_of_each_quant_and_task_with_its_interval() -> None:
    row = of(quants().quants, "w4a16")

    assert row.base == "none"
    assert row.recovery is not None
    assert row.recovery.value == pytest.approx(2 / 3)
    assert row.recovery.low is not None
    assert row.recovery.high is not None
    assert row.recovery.low < 2 / 3 < row.recovery.high < 0.8
    assert set(row.tasks) == set(TASKS)
    assert [line[:3] for line in recovery_table(quants().quants).rows] == [
        ["w8a8", "gsm8k", "60.0"],
        ["w8a8", "arc", "60.0"],
        ["w4a16", "gsm8k", "60.0"],
        ["w4a16", "arc", "60.0"],
    ]


def test_pairing_makes_a_recovery_surer_than_the_two_scores_alone() -> None:
    found = of(quants().quants, "w8a8").recovery

    assert found is not None
    assert found.low is not None
    assert found.value - found.low < 0.06  # two scores of 200 answers alone would leave 0.11


def test_ties_are_named() -> None:
    table = quants_table(quants().quants)

    assert (cells(table, "none")["rank"], cells(table, "none")["tied with"]) == ("1 (1-2)", "w8a8")
    assert (cells(table, "w4a16")["rank"], cells(table, "w4a16")["tied with"]) == ("3", "—")


def test_bits_and_size_are_those_of_the_checkpoint_and_else_of_the_name() -> None:
    session = quants().engine("none", 4 * GIB, 16.0).engine("w8a8", 5 * GIB // 2, 10.25)
    table = quants_table(session.quants)

    assert (cells(table, "w8a8")["bits/weight"], cells(table, "w8a8")["weights GiB"]) == ("10.25", "2.50")
    assert (cells(table, "w4a16")["bits/weight"], cells(table, "w4a16")["weights GiB"]) == ("~4.00", "—")
    assert "~: as its name says; the checkpoint was not measured." in table.notes


def test_a_quant_that_gains_nothing_is_said_to_gain_nothing() -> None:
    session = quants().engine("none", GIB, 16.0).engine("w8a8", GIB, 16.0)
    session.verdict("output_tokens_per_second", "w8a8", 1.04, (0.97, 1.11))

    assert of(session.quants, "w8a8").gains == ()
    assert cells(quants_table(session.quants), "w8a8")["gains"] == "nothing"
    assert cells(quants_table(session.quants), "w8a8")["tokens/s"] == "1.04 x (0.97-1.11)"


def test_what_a_quant_gains_is_named() -> None:
    session = Session().add(60, quantization="none").add(60, quantization="w8a8", memory=3 * GIB)
    session.engine("none", 2 * GIB, 16.0).engine("w8a8", GIB, 8.0)
    session.verdict("output_tokens_per_second", "w8a8", 1.3, (1.2, 1.4))
    session.verdict("time_to_first_token", "w8a8", 0.8, (0.7, 0.9), labels={"statistic": "p50"})

    assert of(session.quants, "w8a8").gains == ("weights", "memory", "speed", "first token")


def test_of_several_loads_the_one_that_gains_least_is_told() -> None:
    session = quants()
    for gained, workload in ((1.5, "one_stream"), (1.1, "many_streams")):
        span = (gained - 0.05, gained + 0.05)
        session.verdict("output_tokens_per_second", "w8a8", gained, span, labels={"workload": workload})

    speed = of(session.quants, "w8a8").speed
    assert speed is not None
    assert speed.value == 1.1


def warned(session: Session, name: str, *by_prompt: float) -> None:
    mean = sum(by_prompt) / len(by_prompt)
    details = {"noise": 0.0, "agreement": 0.9, "beyond_noise": True, "by_prompt": list(by_prompt)}
    session.verdict("next_token_divergence", name, mean, (mean, mean), details=details)


def test_the_early_warning_ranks_quants_and_marks_ties() -> None:
    session = quants().add(60, quantization="fp8")
    warned(session, "w8a8", *[0.010, 0.012] * 10)
    warned(session, "fp8", *[0.012, 0.010] * 10)
    warned(session, "w4a16", *[0.5, 0.6] * 10)

    table = quants_table(session.quants)
    assert cells(table, "w4a16")["KLD nats"] == "0.55 (3)"
    assert cells(table, "w8a8")["KLD nats"] == "0.011 (1=)"


def caches() -> Session:
    """Whole and int8 weights, each with a whole and a quantized KV cache."""
    session = Session()
    for quantization, cache, right in (("none", "fp8", 59), ("w8a8", "fp8", 57), ("w8a8", "auto", 58)):
        session.add(right, quantization=quantization, kv_cache=cache)
    return session.add(60, quantization="none", kv_cache="auto")


def test_a_quantized_kv_cache_is_a_quant_of_what_has_neither() -> None:
    rows = caches().quants

    assert [(row.combination, row.base) for row in rows] == [
        ("none-auto", None),
        ("none-fp8", "none-auto"),
        ("w8a8-auto", "none-auto"),
        ("w8a8-fp8", "none-auto"),
    ]
    assert [row[0] for row in quants_table(rows).rows] == ["none", "none kv_fp8", "w8a8", "w8a8 kv_fp8"]
    assert quants_table(rows).title == "Quants of m"


def test_a_kv_cache_in_another_16_bit_type_is_no_quant() -> None:
    session = Session().add(60, quantization="none", kv_cache="auto").add(60, quantization="none", kv_cache="bfloat16")

    assert session.quants == ()


def test_a_kv_cache_with_room_for_more_tokens_is_a_gain() -> None:
    session = Session().add(60, quantization="none", kv_cache="auto").add(60, quantization="none", kv_cache="fp8")
    for name, tokens in (("none-auto", "93184"), ("none-fp8", "186368")):
        told = {"loaded": {"kv_cache_tokens": tokens}}
        session.engines.append(RecordedEngine("s", name, {"combination": name}, told))

    row = session.quants[1]
    assert (row.cache_tokens, row.gains) == (186368, ("KV cache",))
    assert cells(quants_table(session.quants), "none kv_fp8")["cache tokens"] == "186,368"
    assert observe_quants(session.quants) == ()


def test_one_quantization_alone_has_no_row() -> None:
    assert Session().add(60, quantization="none").quants == ()
    assert quants_table(()).rows == []


def test_what_is_unknown_of_all_has_no_column() -> None:
    headings = [column.heading for column in quants_table(quants().quants).columns]

    assert "KLD nats" not in headings
    assert "weights GiB" not in headings


@pytest.fixture(scope="module")
def study() -> tuple[tuple[QuantRow, ...], tuple[LimitRow, ...]]:
    summary = summary_of(read_study("mmlu-pro-cs-2024"))
    heard = heard_of(summary.rows, summary.runs)
    return quant_rows(summary.rows, heard), limit_rows(summary.rows, heard)


Published = tuple[tuple[QuantRow, ...], tuple[LimitRow, ...]]


def qwq(study: Published, limit: int) -> dict[str, QuantRow]:
    """The quants of QwQ at a limit, by their names."""
    rows = [row for row in study[0] if (row.labels["model"], row.labels["max_tokens"]) == ("QwQ-32B-Preview", limit)]
    return {row.labels["quantization"]: row for row in rows}


def test_published_quants_are_told_by_bits_with_their_ties(study: Published) -> None:
    rows = qwq(study, 2048)

    assert [(name, row.bits, round(100 * row.score.value, 1)) for name, row in rows.items()] == [
        ("8.0bpw", 8.0, 76.3),
        ("4.25bpw", 4.25, 73.3),
        ("3.0bpw", 3.0, 65.1),
    ]
    places = {name: (row.rank.best, row.rank.worst) for name, row in rows.items() if row.rank is not None}
    assert places == {"8.0bpw": (1, 2), "4.25bpw": (1, 2), "3.0bpw": (3, 3)}


def test_published_recovery_has_the_wider_interval_of_scores_that_were_not_paired(study: Published) -> None:
    found = qwq(study, 2048)["3.0bpw"].recovery

    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert [round(100 * end, 1) for end in (found.low, found.value, found.high)] == [77.4, 85.4, 93.3]


def test_published_speeds_are_compared_without_a_draft_where_both_ran_without_one(study: Published) -> None:
    speed = qwq(study, 2048)["4.25bpw"].speed

    assert speed is not None
    assert speed.value == pytest.approx((40.64 + 40.63) / (26.60 + 26.62))
    assert qwq(study, 2048)["4.25bpw"].memory == 26198 * 2**20


def test_published_limits_of_2k_and_16k_are_not_told_apart(study: Published) -> None:
    rows = [row for row in study[1] if row.labels["quantization"] == "8.0bpw"]

    assert [(row.limit, round(100 * row.accuracy.value, 1)) for row in rows] == [(2048, 76.3), (16384, 79.1)]
    change = rows[1].change
    assert change is not None
    assert change.low is not None
    assert change.high is not None
    assert (round(100 * change.value, 1), change.low < 0 < change.high) == (2.9, True)


def limited() -> Session:
    """A combination that is cut off at 64 tokens, all of these answers wrong, and not at 512."""
    session = Session().add(40, quantization="none", max_tokens=64, cut=0, tokens=60)
    items = tuple(item(i, right=i < 40, cut=i >= 50) for i in range(100))
    for position, run in enumerate(session.runs):
        session.runs[position] = replace(run, run=replace(run.run, items=items))
    session.told[0] = replace(session.told[0], runs=list(session.runs))
    details = {"finished_accuracy": 0.8, "finished_low": 0.7, "finished_high": 0.9}
    for task in TASKS:
        session.verdict("cut_off", "none-64", 0.5, (0.4, 0.6), labels={"task": task, "against": None}, details=details)
    return session.add(80, quantization="none", max_tokens=512)


def test_limits_tell_accuracy_cut_off_and_accuracy_among_finished_answers() -> None:
    first, second = limited().limits[:2]

    assert (first.limit, first.accuracy.value, first.cut_off) == (64, 0.4, 0.5)
    assert first.finished is not None
    assert first.finished.value == 0.8
    assert (second.limit, second.accuracy.value, second.cut_off) == (512, 0.8, 0.0)
    assert second.change is not None
    assert second.change.value == pytest.approx(0.4)


def test_a_single_limit_is_told_only_where_answers_were_cut_off() -> None:
    assert Session().add(60, quantization="none").limits == ()
    assert [row.cut_off for row in Session().add(60, quantization="none", cut=5).limits] == [0.05, 0.05]


def test_a_quant_that_gains_nothing_is_worth_a_word() -> None:
    session = quants().engine("none", GIB, 16.0).engine("w8a8", GIB, 16.0)
    session.verdict("output_tokens_per_second", "w8a8", 1.04, (0.97, 1.11))

    (said,) = [one.text for one in observe_quants(session.quants) if "w8a8" in one.about]
    assert said == (
        "m w8a8 gains nothing: its weights are as large, it needs as much memory and it writes 1.04 times as many "
        "tokens/s (95% interval 0.97 to 1.11)."
    )


def test_a_quant_above_the_ceiling_of_the_early_warning_is_called_suspicious() -> None:
    session = quants()
    warned(session, "w4a16", *[0.5, 0.6] * 10)
    session.verdicts[-1] = replace(session.verdicts[-1], outcome=Outcome.FAIL)

    (said,) = [one.text for one in observe_quants(session.quants) if one.kind == "quant_far_away"]
    assert said.startswith("Suspicious: the next tokens of m w4a16 lie 0.55 nats (95% interval 0.55 to 0.55) from")


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_table_is_wider_than_its_terminal(study: Published, width: int) -> None:
    tables = [quants_table(study[0]), limits_table(study[1]), limits_table(limited().limits)]

    assert max(len(line) for table in tables for line in as_text(table, width).splitlines()) <= width
