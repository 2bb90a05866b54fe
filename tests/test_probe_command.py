"""`python -m fixtures.probe`: a table or JSON, and an exit status."""

import json
from pathlib import Path

import pytest
from fake_engine import FakeEngine, Script

from fixtures.endpoints.pace import Pace
from fixtures.probe import asking
from fixtures.probe.__main__ import main

MATRIX = """\
tasks: [embedded_gsm8k]
models: {{tiny: {{tokenizer: "{tokenizer}"}}}}
combinations:
  - {{model: tiny, engine: remote, url: "{url}"}}
"""


def test_a_complete_engine_by_its_url(tiny_tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEngine(Script(context=512)) as fake:
        code = main([fake.url, "--tokenizer", str(tiny_tokenizer)])

    told = capsys.readouterr().out
    assert code == 0
    assert "/completions" in told
    assert "/chat/completions" in told
    assert "DEFECT" not in told
    assert "log-likelihoods: can be measured" in told


def test_a_defect_is_in_the_table_and_in_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEngine(Script(context=512, defects=frozenset({"max_tokens_one_more"}))) as fake:
        code = main([fake.url])

    told = capsys.readouterr().out
    assert code == 1
    assert "generated answers: NOT_MEASURED, max_tokens: 12 tokens were asked for, and 13 came by `usage`" in told


def test_the_same_as_json_by_a_combination(
    tmp_path: Path, tiny_tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeEngine(Script(context=512)) as fake:
        matrix = tmp_path / "matrix.yaml"
        matrix.write_text(MATRIX.format(tokenizer=tiny_tokenizer, url=fake.url), encoding="utf-8")
        code = main(["tiny-remote-unquantized", "--matrix", str(matrix), "--format", "json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {row["route"] for row in told} == {"completions", "chat/completions"}
    assert {row["status"] for row in told if row["route"] == "completions"} == {"ok"}


def test_a_combination_is_probed_within_its_limits(
    tmp_path: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    booked: list[int | None] = []
    monkeypatch.setattr(Pace, "book", lambda self, _: booked.append(self.limits.requests_per_minute) or 0.0)
    with FakeEngine(Script(context=512)) as fake:
        matrix = tmp_path / "matrix.yaml"
        text = MATRIX.format(tokenizer=tiny_tokenizer, url=fake.url).replace(
            "url:", "limits: {requests_per_minute: 500}, url:"
        )
        matrix.write_text(text, encoding="utf-8")
        code = main(["tiny-remote-unquantized", "--matrix", str(matrix)])

    assert (code, set(booked)) == (0, {500}), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://127.0.0.1:9/v1"], "did not answer"),
        (["http://127.0.0.1:9/v1", "--key-variable", "NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
        (["smollm2-135m-instruct-vllm-unquantised-context_2048-t0.2"], "did you mean 'smollm2-135m-instruct-vllm-unq"),
        (["anything", "--matrix", "embeded"], "did you mean 'embedded'"),
    ],
    ids=["nobody there", "no key", "no such combination", "no such matrix"],
)
def test_what_cannot_be_probed_is_one_line_and_exit_status_4(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 4

    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_refused_key_is_no_finding_and_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("A_KEY", "not-the-right-key")
    with FakeEngine(Script(key="the-right-key")) as fake:
        code = main([fake.url, "--key-variable", "A_KEY"])

    told = capsys.readouterr()
    assert (code, told.out) == (4, "")
    assert "answered HTTP 401: wrong key: Bearer ***" in told.err


def test_an_endpoint_that_did_not_answer_is_no_silent_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "ATTEMPTS", 1)
    with FakeEngine(Script(defects=frozenset({"overloaded"}))) as fake:
        code = main([fake.url])

    assert code == 1
    assert "loads: unknown, as a probe got no answer" in capsys.readouterr().out
