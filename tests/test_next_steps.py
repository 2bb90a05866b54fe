"""Messages for a newcomer's mistakes end with what to do next."""

from pathlib import Path

import pytest
from fake_engine import FakeEngine

from fixtures import matrix
from fixtures.accepting import Accepting
from fixtures.engines.openai_api import served_models
from fixtures.models import weights
from fixtures.probe.__main__ import main
from fixtures.protocols import Endpoint, EngineFailed
from thresholds.catalogue import Catalogue
from thresholds.measurement import ACCURACY, Measurement
from thresholds.strict_yaml import InvalidFile

LABELS = {
    "combination": "tiny",
    "model": "tiny",
    "task": "embedded_gsm8k",
    "chat": False,
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "none",
    **dict.fromkeys(("max_tokens", "max_model_len", "temperature", "top_p")),
}
MATRIX = """\
models: {tiny: {weights: {none: /nowhere/tiny}}}
tasks: [embedded_gsm8k]
combinations: [{model: tiny, engine: vllm}]
"""


def test_a_tab_is_told_to_be_written_as_blanks(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("models:\n\ttiny: {}\n", encoding="utf-8")

    with pytest.raises(InvalidFile, match=r"m\.yaml:2: is not valid YAML: a tab stands .*; indent with blanks"):
        matrix.load(tmp_path / "m.yaml")


def test_weights_that_are_not_there_name_the_entry_to_mend(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MATRIX, encoding="utf-8")
    (combination,) = matrix.load(tmp_path / "m.yaml").combinations

    with pytest.raises(EngineFailed, match=r"no folder /nowhere/tiny; see `weights:` of tiny in .*m\.yaml$") as caught:
        weights.local(combination)

    assert caught.value.reason == "missing_weights"


def test_an_address_without_v1_is_told_what_usually_ends_it(fake_engine: FakeEngine) -> None:
    with pytest.raises(EngineFailed, match=r"/models answered 404: .*; `url:` usually ends in /v1$"):
        served_models(Endpoint(fake_engine.url.removesuffix("/v1"), "tiny"))


def test_an_endpoint_without_a_scheme_is_told_how_one_begins(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["localhost:8000"])

    told = capsys.readouterr().err
    assert code == 4
    assert "no combination 'localhost:8000'; " in told
    assert told.endswith("; an endpoint begins with http:// or https://\n")


@pytest.mark.parametrize(("record", "said"), [(False, "--record would not write it"), (True, "not recorded")])
def test_a_row_that_could_never_fail_is_not_offered_without_a_word(tmp_path: Path, record: bool, said: str) -> None:
    nothing_right = Measurement(ACCURACY, ((0.0,) * 40,) * 2, {**LABELS, "samples": "40"}, 40)

    verdict = Accepting(Catalogue.load(tmp_path), "now", record).verdict(nothing_right, "a test", "pytest")

    assert not verdict
    assert verdict.lines[-1].startswith(f"{said}: ")
    assert "could never fail" in verdict.lines[-1]
    assert list(tmp_path.iterdir()) == []
