"""The quantization gates, red and green, on fake engines whose answers and next tokens are known."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_engine import Fault, Script
from fake_quant import FakeQuant

from conftest import Heard, Weighbridge

GSM8K = "embedded_gsm8k"
WORDS = ("-m", "quantization", "--margin", "10", "-p", "no:reports.plugin")
WRONG = "#### 987654"
HARMLESS, MILD, DAMAGED = "fp8", "w8a8", "w4a16"
DAMAGE = {"none": 0.0, HARMLESS: 0.0, MILD: 0.1, DAMAGED: 1.0}
"""Standard deviation of what is added to each logit."""


def right(solve: Callable[[str], str], wrong: int) -> Callable[[str, dict[str, Any]], str]:
    """Answers to gsm8k, every so manyth of them wrong; 0 of them."""
    order: dict[str, int] = {}

    def answer(prompt: str, payload: dict[str, Any]) -> str:
        del payload
        place = order.setdefault(prompt, len(order))
        return WRONG if wrong and place % wrong == 0 else solve(prompt)

    return answer


Engines = dict[str, FakeQuant]


@pytest.fixture(scope="module")
def engines(solve: Callable[[str], str]) -> Iterator[Engines]:
    """An unquantized engine, and quants of it: harmless, mild, and damaged so that a third of its answers are wrong."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(FakeQuant(Script(answer=right(solve, 3 if name == DAMAGED else 0)), damage))
            for name, damage in DAMAGE.items()
        }


def weigh(inner: Weighbridge, engines: Engines, *words: str, tasks: list[str] | None = None, **more: Any) -> Heard:
    blocks = [
        {"url": fake.url, "quantization": name, "concurrency": 8, "max_model_len": 8000}
        for name, fake in engines.items()
    ]
    inner.matrix([GSM8K] if tasks is None else tasks, *blocks, **more)
    inner.floors()
    return inner.run(*WORDS, "-k", "not slower and not longer", *words)


@pytest.fixture(scope="module")
def heard(checkout: Callable[[], Weighbridge], engines: Engines) -> Heard:
    return weigh(checkout(), engines, "-rA")


def verdict(heard: Heard, quantization: str, metric: str, task: str = "all tasks") -> dict[str, Any]:
    (found,) = [
        told
        for told in heard.verdicts
        if (told["labels"]["quantization"], told["metric"], told["labels"]["task"]) == (quantization, metric, task)
    ]
    return found


def test_a_harmless_quant_passes_the_early_warning_and_recovery(heard: Heard) -> None:
    warning = verdict(heard, HARMLESS, "next_token_divergence")

    assert (warning["outcome"], warning["measured"]) == ("PASS", 0.0)
    assert warning["lines"][0].endswith("PASS - no further than a second run of its baseline")
    assert verdict(heard, HARMLESS, "accuracy_difference", GSM8K)["outcome"] == "PASS"
    assert verdict(heard, HARMLESS, "accuracy_difference")["outcome"] == "PASS"


def test_a_damaged_quant_fails_the_early_warning_and_recovery(heard: Heard) -> None:
    warning = verdict(heard, DAMAGED, "next_token_divergence")

    assert (warning["outcome"], warning["reason"]) == ("FAIL", "above_ceiling")
    assert "look for a broken conversion" in warning["lines"][0]
    assert verdict(heard, DAMAGED, "accuracy_difference", GSM8K)["outcome"] == "FAIL"
    assert verdict(heard, DAMAGED, "accuracy_difference")["outcome"] == "FAIL"


def test_the_early_warning_ranks_quants_by_the_damage_done(heard: Heard) -> None:
    measured = {name: verdict(heard, name, "next_token_divergence")["measured"] for name in DAMAGE if name != "none"}

    assert sorted(measured, key=lambda name: measured[name]) == [HARMLESS, MILD, DAMAGED]


def test_the_early_warning_says_on_what_it_rests(heard: Heard) -> None:
    _, measured, required, *_ = verdict(heard, DAMAGED, "next_token_divergence")["lines"]

    assert "768 positions of 48 prompts" in measured
    assert verdict(heard, DAMAGED, "next_token_divergence")["details"]["agreement"] < 0.7
    assert required.startswith("required  <= 0.1 nats   where no row says otherwise: about that of a 3-bit quant")
    assert required.endswith("(noise floor 0, top token the same at 100.0 %)")


def test_the_unquantized_engine_is_asked_before_any_quant_and_only_twice(heard: Heard, engines: Engines) -> None:
    def echoed(name: str) -> int:
        return sum(asked.payload.get("logprobs") == 20 for asked in engines[name].requests)

    assert heard.engines[0] == "tiny-remote-unquantized-context_8000"
    assert [echoed(name) for name in DAMAGE] == [96, 48, 48, 48]


def test_the_unquantized_combination_is_no_quant_of_its_own(heard: Heard) -> None:
    assert {told["labels"]["quantization"] for told in heard.verdicts} == {HARMLESS, MILD, DAMAGED}


@pytest.fixture
def pair(solve: Callable[[str], str]) -> Iterator[Engines]:
    """An unquantized engine and one quant, whose scripts a test may change."""
    with FakeQuant(Script(answer=right(solve, 0))) as base, FakeQuant(Script(answer=right(solve, 0))) as quant:
        yield {"none": base, MILD: quant}


def test_an_engine_that_disagrees_with_itself_raises_the_ceiling(weighbridge: Weighbridge, pair: Engines) -> None:
    for fake in pair.values():
        fake.noise = 0.4

    heard = weigh(weighbridge, pair, "-k", "next_tokens")

    told = verdict(heard, MILD, "next_token_divergence")
    assert told["measured"] > 0.1
    assert not told["details"]["beyond_noise"]
    assert told["outcome"] == "PASS"
    assert "10 x the noise floor" in told["lines"][2]


def test_without_an_unquantized_combination_fewer_bits_are_held_against_more(
    weighbridge: Weighbridge, pair: Engines
) -> None:
    heard = weigh(weighbridge, {MILD: pair["none"], DAMAGED: pair[MILD]}, "-k", "next_tokens")

    (told,) = heard.verdicts
    assert (told["labels"]["quantization"], told["outcome"]) == (DAMAGED, "PASS")
    assert told["labels"]["against"] == f"tiny-remote-{MILD}-context_8000"


def test_next_tokens_alone_need_no_evaluation(weighbridge: Weighbridge, pair: Engines) -> None:
    heard = weigh(weighbridge, pair, "-k", "next_tokens")

    assert heard.runs == []
    assert heard.code == 0


def test_an_engine_that_tells_no_prompt_tokens_is_not_measured(weighbridge: Weighbridge, pair: Engines) -> None:
    pair[MILD].script.faults = [Fault("no_echo")]

    heard = weigh(weighbridge, pair, "-k", "next_tokens")

    told = verdict(heard, MILD, "next_token_divergence")
    assert (told["outcome"], told["reason"]) == ("NOT_MEASURED", "no_prompt_log_probabilities")
    assert heard.code == 1


def test_a_baseline_that_tells_none_leaves_its_quants_not_measured(weighbridge: Weighbridge, pair: Engines) -> None:
    pair["none"].script.faults = [Fault("no_echo")]

    heard = weigh(weighbridge, pair, "-k", "next_tokens")

    told = verdict(heard, MILD, "next_token_divergence")
    assert (told["outcome"], told["reason"]) == ("NOT_MEASURED", "baseline_not_measured")
    assert "its baseline tiny-remote-unquantized-context_8000 was not measured" in told["lines"][0]


def test_without_prompts_the_early_warning_says_what_to_name(weighbridge: Weighbridge, pair: Engines) -> None:
    weighbridge.workloads(chat={})

    heard = weigh(weighbridge, pair, "-k", "next_tokens", tasks=[], workloads=["chat"])

    assert "next tokens need the prompts of a task; name some with --tasks" in heard.output


def test_a_matrix_without_a_quant_says_what_the_gates_need(weighbridge: Weighbridge, pair: Engines) -> None:
    heard = weigh(weighbridge, {"none": pair["none"]})

    assert heard.code == 5
    assert "quantization gates need a quant whose unquantized combination is in the matrix too" in heard.output


def test_a_quant_that_is_cut_off_more_often_fails(weighbridge: Weighbridge, pair: Engines) -> None:
    script, answer = pair[MILD].script, pair[MILD].script.answer
    order: dict[str, int] = {}

    def rambling(prompt: str, payload: dict[str, Any]) -> str:
        script.finish_reason = "stop" if (1 + order.setdefault(prompt, len(order))) % 3 else "length"
        return answer(prompt, payload)

    script.answer = rambling

    heard = weigh(weighbridge, pair, "-k", "cut_off")

    told = verdict(heard, MILD, "cut_off")
    assert (told["outcome"], told["reason"]) == ("FAIL", "cut_off_more_often")
    assert told["details"]["baseline"] == 0.0
    assert "points more answers are cut off" in told["lines"][0]
    assert "(baseline 0.0 %, candidate 32.5 %)" in told["lines"][2]


def test_a_quant_that_is_cut_off_as_often_passes(heard: Heard) -> None:
    told = verdict(heard, HARMLESS, "cut_off")

    assert (told["outcome"], told["reason"]) == ("PASS", "no_more_cut_off")
    assert "as many answers are cut off" in told["lines"][0]
