"""Ceilings of next tokens that somebody has accepted, and the KV cache as an axis of quantization, on fake engines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_engine import Script
from fake_quant import FakeQuant

from conftest import Heard, Weighbridge
from fixtures.matrix import load
from fixtures.reachable import unused
from thresholds.catalogue import Catalogue

GSM8K = "embedded_gsm8k"
DAMAGE = 1.0
"""Standard deviation of what is added to each logit: 0.3 nats, three times the ceiling of a quant without a row."""
ACCEPTED = "measured: 0.3, measured_on: a test, run: earlier, because: int4 of so small a model"


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[FakeQuant, FakeQuant]]:
    """An engine, and one that is damaged."""
    with FakeQuant(Script()) as whole, FakeQuant(Script(), DAMAGE) as damaged:
        yield whole, damaged


Engines = tuple[FakeQuant, FakeQuant]


def weigh(inner: Weighbridge, engines: Engines, *words: str, row: str | None = None, **axes: Any) -> Heard:
    """Next tokens of the damaged engine, which the matrix says to be w4a16 unless it says otherwise."""
    whole, damaged = (one.url for one in engines)
    inner.matrix([GSM8K], {"url": whole}, {"url": damaged, **(axes or {"quantization": "w4a16"})})
    rows = f"next_token_divergence:\n  - {{{row}}}\n" if row else ""
    (inner.path / "thresholds" / "tiny.yaml").write_text(f"model: tiny\n{rows}", encoding="utf-8")
    return inner.run("-m", "quantization", "-k", "next_tokens", "-p", "no:reports.plugin", *words)


def told(heard: Heard) -> dict[str, Any]:
    (found,) = heard.verdicts
    return found


def test_without_a_row_the_verdict_holds_the_line_that_would_accept_it(
    weighbridge: Weighbridge, engines: Engines
) -> None:
    heard = weigh(weighbridge, engines)

    verdict = told(heard)
    assert (verdict["outcome"], verdict["required"]) == ("FAIL", 0.1)
    assert "to accept it, say why in thresholds/tiny.yaml under `next_token_divergence:`" in heard.output
    (line,) = [line for line in verdict["lines"] if line.startswith("  - {quantization: w4a16, ceiling: ")]
    assert 'because: "recorded; above the 0.1 nats that hold without a row"' in line
    assert (weighbridge.path / "thresholds" / "tiny.yaml").read_text() == "model: tiny\n"


def test_a_row_accepts_what_lies_above_the_ceiling_of_all_quants(weighbridge: Weighbridge, engines: Engines) -> None:
    heard = weigh(weighbridge, engines, row=f"quantization: w4a16, ceiling: 0.9, {ACCEPTED}")

    verdict = told(heard)
    assert (verdict["outcome"], verdict["required"], verdict["where"]) == ("PASS", 0.9, "thresholds/tiny.yaml:3")
    assert heard.code == 0


def test_what_lies_above_the_ceiling_of_its_row_fails_and_is_not_offered_another(
    weighbridge: Weighbridge, engines: Engines
) -> None:
    row = f"quantization: w4a16, ceiling: 0.12, {ACCEPTED}".replace("measured: 0.3", "measured: 0.11")

    heard = weigh(weighbridge, engines, "--record", row=row)

    verdict = told(heard)
    assert (verdict["outcome"], verdict["required"]) == ("FAIL", 0.12)
    assert "to accept it" not in heard.output
    assert heard.code == 1


def test_a_row_of_another_quant_says_nothing(weighbridge: Weighbridge, engines: Engines) -> None:
    heard = weigh(weighbridge, engines, row=f"quantization: w8a8, ceiling: 0.9, {ACCEPTED}")

    assert told(heard)["required"] == 0.1


def test_a_recorded_row_fails_once_and_passes_from_then_on(weighbridge: Weighbridge, engines: Engines) -> None:
    heard = weigh(weighbridge, engines, "--record")

    measured = told(heard)["measured"]
    assert told(heard)["lines"][-3] == "recorded; this run fails all the same"
    assert heard.code == 1
    (row,) = Catalogue.load(weighbridge.path / "thresholds").rows.values()
    assert measured < row.value < 1.5 * measured
    assert (row.row["measured"], row.row["noise"]) == (pytest.approx(measured, rel=0.01), 0.0)

    again = weighbridge.run("-m", "quantization", "-k", "next_tokens", "-p", "no:reports.plugin")
    assert (told(again)["outcome"], again.code) == ("PASS", 0)


def test_nothing_is_recorded_of_a_quant_that_passes_without_a_row(weighbridge: Weighbridge, engines: Engines) -> None:
    whole, _ = engines

    heard = weigh(weighbridge, (whole, whole), "--record")

    assert heard.code == 0
    assert (weighbridge.path / "thresholds" / "tiny.yaml").read_text() == "model: tiny\n"


def test_a_quantized_kv_cache_is_weighed_as_a_quant(weighbridge: Weighbridge, engines: Engines) -> None:
    heard = weigh(weighbridge, engines, kv_cache="q4")

    verdict = told(heard)
    assert verdict["outcome"] == "FAIL"
    assert (verdict["labels"]["kv_cache"], verdict["labels"]["against"]) == ("q4", "tiny-remote-unquantized")
    assert "tiny-remote-unquantized-kv_q4-against-tiny-remote-unquantized" in heard.output
    assert [line for line in verdict["lines"] if line.startswith("  - {kv_cache: q4, ceiling: ")]


def test_a_row_may_accept_a_kv_cache(weighbridge: Weighbridge, engines: Engines) -> None:
    row = f"kv_cache: q4, ceiling: 0.9, {ACCEPTED}"

    assert told(weigh(weighbridge, engines, row=row, kv_cache="q4"))["outcome"] == "PASS"


def catalogue(folder: Path, *rows: str) -> Catalogue:
    text = "".join(f"  - {{{row}}}\n" for row in rows)
    (folder / "smol.yaml").write_text(f"model: smol\nnext_token_divergence:\n{text}", encoding="utf-8")
    return Catalogue.load(folder)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"quantization: w8a8, ceilng: 0.3, {ACCEPTED}", ":3: unknown key 'ceilng'; did you mean 'ceiling'?"),
        (f"quantization: w8a8, {ACCEPTED}", ":3: the key 'ceiling' is missing"),
        (f"quantization: w8a8, ceiling: '0.3', {ACCEPTED}", ":3: ceiling: a number belongs here, without quotes"),
        (f"quantization: w8a8, ceiling: 0, {ACCEPTED}", ":3: ceiling: input should be greater than 0 (got 0)"),
        (f"quantization: w8a8, ceiling: .inf, {ACCEPTED}", ":3: ceiling: input should be a finite number (got inf)"),
        (f"quantization: w8a8, ceiling: 0.4, noise: -1, {ACCEPTED}", ":3: noise: input should be greater than or"),
        (
            f"quantization: w8a8, ceiling: 0.2, {ACCEPTED}",
            ":3: its ceiling of 0.2 lies below the 0.3 that was measured",
        ),
        (
            f"ceiling: 0.4, {ACCEPTED}",
            ":3: next tokens are compared for quants only; add `quantization:` or `kv_cache:`",
        ),
        ("quantization: w8a8, ceiling: 0.4, measured: 0.3, measured_on: x-1, run: r-1", ":3: the key 'because' is"),
    ],
)
def test_a_wrong_row_says_where_and_what(row: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"smol\.yaml:3") as refused:
        catalogue(tmp_path, row)

    assert str(refused.value).removeprefix(str(tmp_path / "smol.yaml")).startswith(said)


def test_two_rows_of_one_quant_are_refused(tmp_path: Path) -> None:
    row = f"quantization: w8a8, ceiling: 0.4, {ACCEPTED}"

    with pytest.raises(ValueError, match=r"smol\.yaml:4: a second ceiling for what .*smol\.yaml:3 speaks of"):
        catalogue(tmp_path, row, row)


@pytest.mark.parametrize(
    ("block", "used"),
    [
        ("quantization: [none, w8a8]", True),
        ("quantization: [none, w4a16]", False),
        ("quantization: w8a8", False),  # nothing that it could be held against
        ("quantization: [none, w8a8], max_model_len: 2048", False),
    ],
)
def test_a_row_that_no_pair_of_the_matrix_can_use_is_unused(block: str, used: bool, tmp_path: Path) -> None:
    known = catalogue(tmp_path, f"quantization: w8a8, ceiling: 0.4, {ACCEPTED}")
    weights = "{none: org/smol, w8a8: org/smol-int8, w4a16: org/smol-int4}"
    path = tmp_path / "matrices" / "some.yaml"
    path.parent.mkdir()
    path.write_text(
        f"models:\n  smol: {{weights: {weights}}}\ntasks: [gsm8k]\n"
        f"combinations:\n  - {{model: smol, engine: vllm, {block}}}\n"
    )

    assert [row.where for row in unused(load(path), known)] == ([] if used else [f"{tmp_path / 'smol.yaml'}:3"])
