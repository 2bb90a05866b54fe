"""A page of metrics, as any server may write it: every finite sample is counted, whatever stands around it."""

import math
import time
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as draw
from prometheus_client.parser import text_string_to_metric_families

from fixtures.engines.counters import GENERATED, at, by_position, parsed

COUNTED = f"vllm:{GENERATED}"


@pytest.mark.parametrize(
    "line",
    [
        f"{COUNTED} 42",
        f"{COUNTED} 42 1395066363000",
        f"{COUNTED} 4.2e+01 -1",
        f"{COUNTED} 42 1520879607.789",
        f'{COUNTED}{{model_name="a"}} 42 1395066363000',
        f'{COUNTED}{{model_name="a",}} 42.0',
        f'{COUNTED} {{ model_name="a" , engine="0" }}\t42',
        f'{COUNTED}{{model_name="a"}}42',
        f'{COUNTED}{{model_name="C:\\\\DIR\\\\ }} # 7 \\"x\\" \\n"}} 42',
        f'{COUNTED}{{model_name="a"}} 42 # {{trace_id="KOO"}} 0.67',
        f"  {COUNTED}  +42.  1395066363000  \r",
        f"sglang:{GENERATED} 42",
        f"{GENERATED} 42",
    ],
)
def test_a_sample_counts_whatever_stands_around_it(line: str) -> None:
    assert parsed(f"# HELP {COUNTED} Tokens.\n{line}\nother 1\n")[GENERATED] == 42


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "Nan 1395066363000", "1e999", "", "x"])
def test_what_is_no_finite_number_counts_nothing(value: str) -> None:
    assert GENERATED not in parsed(f"{COUNTED} {value}\n")


def test_a_line_of_blanks_costs_no_more_time_than_another() -> None:
    began = time.process_time()

    assert parsed(f"{COUNTED} {' ' * 50_000}x\n{COUNTED} 42\n")[GENERATED] == 42
    assert time.process_time() - began < 2


def test_a_label_that_looks_like_a_position_is_none() -> None:
    told = parsed('drafts{model="a,position=\\"3\\"",position="1"} 5 1395066363000\ndrafts{position="0"} 7\n')

    assert told["drafts"] == 12
    assert by_position(told, "drafts") == {0: 7, 1: 5}
    assert at("drafts", 3) not in told


LABELS = draw.dictionaries(draw.sampled_from(["model", "engine", "le"]), draw.text(max_size=12), max_size=3)
VALUES = draw.floats() | draw.integers(-(10**6), 10**9).map(float)
STAMPS = draw.none() | draw.integers(0, 2**41)


def _line(name: str, labels: dict[str, str], value: float, stamp: int | None) -> str:
    escaped = {key: text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for key, text in labels.items()}
    inside = ",".join(f'{key}="{text}"' for key, text in escaped.items())
    written = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
    return f"{name}{{{inside}}} {written}" + ("" if stamp is None else f" {stamp}")


@given(draw.lists(draw.tuples(draw.sampled_from(["a_total", "b"]), LABELS, VALUES, STAMPS), max_size=6))
def test_the_official_parser_reads_the_same(samples: list[tuple[str, dict[str, str], float, int | None]]) -> None:
    page = "\n".join(_line(*sample) for sample in samples) + "\n"
    official: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if math.isfinite(sample.value):
                official[sample.name] += sample.value

    assert parsed(page) == pytest.approx(official)
