"""An engine's log-probabilities beside those of transformers: compared token by token, and held to a ceiling."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine
from fake_script import Fault, Script

from fixtures.engines.exllamav2_check import __main__ as check
from fixtures.engines.exllamav2_check import log_probabilities
from fixtures.engines.exllamav2_check.log_probabilities import CEILING, Compared, asked, compare, texts
from fixtures.matrix import Combination
from fixtures.protocols import Endpoint, EngineFailed

PROMPTS = [list(b"a first prompt"), list(b"and another")]


def of_the_fake(prompt: list[int]) -> list[float]:
    """What the fake engine says of a prompt."""
    return [-(1 + token % 7) / 8 for token in prompt[1:]]


def off_by(difference: float) -> list[list[float]]:
    return [[value - difference for value in of_the_fake(prompt)] for prompt in PROMPTS]


@pytest.fixture
def endpoint(fake_engine: FakeEngine) -> Endpoint:
    return Endpoint(fake_engine.url, "tiny")


def test_an_engine_that_says_the_same_lies_nothing_off(endpoint: Endpoint) -> None:
    found = compare("fake", PROMPTS, asked(endpoint), off_by(0), CEILING)

    assert (found.mean, found.largest, found.prompts) == (0, 0, 2)
    assert found.tokens == sum(len(prompt) - 1 for prompt in PROMPTS)
    assert found.holds


@pytest.mark.parametrize(("difference", "holds"), [(0.015, True), (0.025, False), (-0.025, False)])
def test_the_mean_difference_is_held_to_the_ceiling(endpoint: Endpoint, difference: float, holds: bool) -> None:
    found = compare("fake", PROMPTS, asked(endpoint), off_by(difference), CEILING)

    assert found.mean == pytest.approx(abs(difference))
    assert found.bias == pytest.approx(difference)
    assert found.holds is holds
    assert ("ABOVE IT" in found.said) is not holds


def test_differences_of_opposite_sign_do_not_cancel(endpoint: Endpoint) -> None:
    reference = [off_by(0.1)[0], off_by(-0.3)[1]]

    found = compare("fake", PROMPTS, asked(endpoint), reference, CEILING)

    assert found.mean > 0.1
    assert (found.worst_prompt, found.largest) == (1, pytest.approx(0.3))


def test_of_a_quant_it_is_told_how_far_it_lies_off_and_nothing_required(endpoint: Endpoint) -> None:
    found = compare("quant", PROMPTS, asked(endpoint), off_by(0.5), None)

    assert found.holds
    assert "ceiling" not in found.said


def test_scores_of_other_tokens_are_not_compared(endpoint: Endpoint) -> None:
    with pytest.raises(EngineFailed, match="prompt 0 came back with 13 log-probabilities for 12 tokens"):
        compare("fake", PROMPTS, asked(endpoint), [values[:-1] for values in off_by(0)], CEILING)


@pytest.mark.parametrize("fault", ["no_echo", "wrong_length", "no_choices"])
def test_an_endpoint_without_prompt_log_probabilities_is_named(fault: str) -> None:
    with FakeEngine(Script(faults=[Fault(fault)])) as fake, pytest.raises(EngineFailed) as caught:
        asked(Endpoint(fake.url, "tiny"))(PROMPTS[0])

    assert caught.value.reason == "no_prompt_log_probabilities"


def test_prompts_are_a_mixture_of_all_embedded_questions() -> None:
    some = texts(200)

    assert len(some) == len(set(some)) == 200
    assert [text in some[:6] for text in ("What made the Titanic sink?",)] == [True]
    assert texts(6) == some[:6]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Transformers, with a reference that lies so far off what the fake engine says."""

    def plant(difference: float) -> None:
        monkeypatch.setattr(
            log_probabilities, "computed", lambda _: lambda prompt: [v - difference for v in of_the_fake(prompt)]
        )

    return plant


@pytest.mark.parametrize(("difference", "code"), [(0.001, 0), (0.5, 1)])
def test_any_endpoint_can_be_compared(
    fake_engine: FakeEngine,
    tiny_tokenizer: Path,
    tmp_path: Path,
    planted: Callable[[float], None],
    difference: float,
    code: int,
) -> None:
    planted(difference)
    words = ["--endpoint", f"{fake_engine.url}/", "--reference", str(tiny_tokenizer), "--prompts", "5"]

    assert check.main([*words, "--out", str(tmp_path)]) == code

    kept = json.loads((tmp_path / "log_probabilities.json").read_text(encoding="utf-8"))
    (one,) = kept["compared"]
    assert one["mean"] == pytest.approx(difference)
    assert (one["prompts"], one["ceiling"]) == (5, CEILING)
    assert one["name"] == f"tiny at {fake_engine.url}"


def test_an_endpoint_that_does_not_answer_is_one_line(
    tiny_tokenizer: Path, tmp_path: Path, planted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(0)
    words = ["--endpoint", "http://127.0.0.1:1/v1", "--reference", str(tiny_tokenizer), "--out", str(tmp_path)]

    assert check.main(words) == 1
    assert capsys.readouterr().err.strip().startswith("unreachable: http://127.0.0.1:1/v1/models did not answer")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--endpoint", "http://127.0.0.1:1/v1", "--key-variable", "NO_SUCH"], "missing_key: --key-variable: the env"),
        (["--endpoint", "http://127.0.0.1:1/v1"], "unreachable: http://127.0.0.1:1/v1/models did not answer"),
        (["--combination", "smollm"], "no_combination: no combination matches --combination 'smollm'; there are: "),
    ],
    ids=["no key", "no endpoint", "no combination"],
)
def test_a_mistake_shows_before_transformers_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.setattr(log_probabilities, "computed", lambda _: pytest.fail("the reference was computed"))

    assert log_probabilities.main([*words, "--out", str(tmp_path), "--reference", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_fails_costs_only_its_own_row(
    tiny_tokenizer: Path, tmp_path: Path, planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(0)
    asked_for: list[str] = []

    def started(one: Combination, _: Path, prompts: list[list[int]], reference: list[list[float]]) -> Compared:
        file = tmp_path / "log_probabilities.json"
        kept = json.loads(file.read_text(encoding="utf-8"))["compared"] if asked_for else []
        assert len(kept) == len(asked_for)  # what came before is on the disk already
        asked_for.append(one.id)
        if len(asked_for) == 2:
            raise EngineFailed("out_of_memory", "no room\nlog …")
        if len(asked_for) == 3:
            raise KeyError("nobody thought of it")
        return compare(one.id, prompts, of_the_fake, reference, CEILING)

    monkeypatch.setattr(log_probabilities, "_started", started)

    words = ["--out", str(tmp_path), "--reference", str(tiny_tokenizer), "--prompts", "3"]
    assert log_probabilities.main(words) == 1

    rows = json.loads((tmp_path / "log_probabilities.json").read_text(encoding="utf-8"))["compared"]
    assert [row["name"] for row in rows] == asked_for
    assert [row["failed"] for row in rows] == [None, "out_of_memory", "KeyError"]
    assert rows[1]["said"] == f"{asked_for[1]}: out_of_memory: no room"
