"""What loads say in words: who is fastest, and what one setting changed."""

from typing import Any

import pytest
from test_observations import kinds, of_kind, said

from reports.ledger import Ledger
from reports.summarising import summarise
from reports.summary import Summary
from thresholds.speed import LoadRun


class Loads:
    """A session of loads in memory."""

    def __init__(self) -> None:
        self.ledger = Ledger(None)
        self.ledger.record_session({"session": "s1", "started": "now"})

    def made(self, model: str, *rates: float, workload: str = "chat", digest: str = "d", **labels: Any) -> None:
        known = {"engine": "vllm", "quantization": "none", "draft": "none", "hardware": "h", **labels}
        combination = "-".join([model, *map(str, known.values())])
        for number, rate in enumerate(rates, 1):
            values = {"output_tokens_per_second": rate, **({"acceptance_length": 2.5} if "draft" in labels else {})}
            run = LoadRun(combination, workload, number, digest, 10.0, 64, {}, values)
            told = {"combination": combination, "model": model, "workload": workload, **known}
            self.ledger.record_load("s1", run, told)

    def pair(self, model: str, number: int, alone: float, drafted: float) -> None:
        target = {"model": model, "engine": "vllm", "draft": "none", "hardware": "h"}
        sides = [(f"{model}-vllm", target, alone), (f"{model}-vllm-draft_tiny", {**target, "draft": "tiny"}, drafted)]
        for (name, labels, rate), (other, _, _) in (sides, sides[::-1]):
            run = LoadRun(name, "chat", number, "d", 10.0, 64, {}, {"output_tokens_per_second": rate})
            told = {**labels, "combination": name, "workload": "chat", "against": other}
            self.ledger.record_load("s1", run, told)

    def summary(self) -> Summary:
        return summarise(self.ledger)


@pytest.fixture
def loads() -> Loads:
    return Loads()


def test_the_fastest_under_a_workload_is_named_with_the_interval(loads: Loads) -> None:
    loads.made("quick", 200.0, 202.0, 201.0)
    loads.made("slow", 100.0, 101.0, 100.5)

    assert said(loads.summary(), "fastest_under_load").startswith(
        "Under chat, quick none is the fastest: 2.00 times the output (201 against 100 tokens/s; 95% interval 1.9"
    )


def test_what_a_quant_gains_under_load_is_told_once(loads: Loads) -> None:
    loads.made("m", 100.0, 101.0, 100.5)
    loads.made("m", 150.0, 152.0, 151.0, quantization="int8")

    summary = loads.summary()
    assert said(summary, "setting_under_load").startswith(
        "Under chat, m: quantization int8 instead of none has 1.50 times the output"
    )
    assert "fastest_under_load" not in kinds(summary)


def test_a_draft_tells_the_tokens_of_a_step(loads: Loads) -> None:
    loads.made("m", 100.0, 101.0)
    loads.made("m", 170.0, 171.0, draft="tiny")

    assert said(loads.summary(), "setting_under_load").endswith(", 2.50 tokens a step.")


def test_a_gain_that_noise_may_explain_is_not_told_apart(loads: Loads) -> None:
    loads.made("m", 100.0, 120.0, 110.0)
    loads.made("m", 101.0, 123.0, 112.0, quantization="int8")

    assert "; not told apart)" in said(loads.summary(), "setting_under_load")


def test_two_runs_are_too_few_to_be_told_apart(loads: Loads) -> None:
    loads.made("quick", 200.0, 201.0)
    loads.made("slow", 100.0, 101.0)

    text = said(loads.summary(), "fastest_under_load")
    assert text.startswith("Under chat, quick none comes first: 2.00 times the output (200 against 100 tokens/s")
    assert text.endswith("; not told apart: fewer than 3 runs) of slow none.")


def test_the_first_of_several_near_ones_is_not_called_the_fastest(loads: Loads) -> None:
    for model, rate in {"one": 103.0, "two": 102.0, "three": 101.0, "slow": 50.0}.items():
        loads.made(model, rate - 1, rate, rate + 1)

    text = said(loads.summary(), "fastest_under_load")
    assert text.startswith("Under chat, one none comes first: ")
    assert text.endswith(" It cannot be told apart from two none and three none.")


@pytest.mark.parametrize(
    ("after", "tied"),
    [
        ([103.0, 103.0, 105.0, 100.0], "not told apart by rank, which allows for other starts and all pairs)."),
        ([99.0, 107.0, 104.0, 99.0], "not told apart)."),
        ([150.0, 151.0, 153.0, 146.0], "95% interval 1.49 to 1.53)."),
    ],
)
def test_what_was_measured_side_by_side_is_told_by_pairs_as_tables_do(
    loads: Loads, after: list[float], tied: str
) -> None:
    for number, rates in enumerate(zip([100.0, 99.0, 101.0, 97.0], after, strict=True), 1):
        loads.pair("m", number, *rates)

    summary = loads.summary()
    (row,) = summary.drafts.speeds
    text = said(summary, "setting_under_load")
    assert row.span is not None
    assert f"has {row.speed_up:.2f} times the output" in text
    assert f"95% interval {row.span[0]:.2f} to {row.span[1]:.2f}" in text
    assert text.endswith(tied)


def test_one_run_each_has_no_interval(loads: Loads) -> None:
    loads.made("quick", 200.0)
    loads.made("slow", 100.0)

    assert "too few runs for an interval" in said(loads.summary(), "fastest_under_load")


@pytest.mark.parametrize("other", [{"digest": "other"}, {"workload": "other"}, {"hardware": "other"}])
def test_loads_that_asked_something_else_or_elsewhere_are_not_compared(loads: Loads, other: dict[str, Any]) -> None:
    loads.made("quick", 200.0, 201.0)
    loads.made("slow", 100.0, 101.0, **other)

    assert of_kind(loads.summary(), "fastest_under_load") == []
