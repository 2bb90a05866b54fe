"""Endpoints by name: what a preset fills in, how requests are put, and what is said of parameters that are left out."""

from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine, Script
from fake_provider import OPENAI, Provider

from fixtures import matrix
from fixtures.endpoints.account import Account
from fixtures.endpoints.dialect import Dialect
from fixtures.endpoints.presets import Preset, presets
from fixtures.endpoints.spending import Payment
from fixtures.engines.openai_api import call, headers
from fixtures.engines.remote import RemoteEngine
from fixtures.evaluate.client import Answer, Call, Exchange
from fixtures.pool import DEFAULT_CONTEXT, _context
from fixtures.protocols import Endpoint, EngineFailed, Lease
from thresholds.measurement import NotMeasured
from thresholds.strict_yaml import InvalidFile

KEY = "WEIGHBRIDGE_TEST_KEY"
ASKED = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 8,
    "temperature": 0,
    "seed": 1,
    "stop": ["\n"],
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-very-secret-4711")


def load(tmp_path: Path, block: str, model: str = "{}") -> matrix.Combination:
    path = tmp_path / "matrix.yaml"
    written = f"models:\n  tiny: {model}\ntasks: [gsm8k]\ncombinations:\n  - model: tiny\n    engine: remote\n"
    path.write_text(written + "".join(f"    {line}\n" for line in block.splitlines()), encoding="utf-8")
    (combination,) = matrix.load(path).combinations
    return combination


def started(tmp_path: Path, provider: Provider, block: str = "preset: openai") -> tuple[RemoteEngine, Endpoint]:
    engine = RemoteEngine(load(tmp_path, f"{block}\nurl: {provider.url}"), tmp_path)
    return engine, engine.start(Lease({}, "remote", account=Account()))


def test_each_of_the_studies_endpoints_has_a_preset() -> None:
    studied = {"openai", "anthropic", "gemini", "mistral", "azure", "ionos"}
    local = {"tabbyapi", "llama.cpp", "sglang", "tgi", "ollama", "vllm"}

    assert set(presets()) == studied | local
    assert all(one.source for one in presets().values())
    assert {name for name, one in presets().items() if one.key_variable} == studied


def test_a_preset_fills_in_url_key_and_route(tmp_path: Path) -> None:
    combination = load(tmp_path, "preset: openai")

    assert combination.settings.url == "https://api.openai.com/v1"
    assert combination.settings.key_variable == "OPENAI_API_KEY"
    assert combination.chat


def test_what_the_matrix_says_stands_before_the_preset(tmp_path: Path) -> None:
    settings = load(tmp_path, f"preset: openai\nurl: https://proxy.example/v1\nkey_variable: {KEY}").settings

    assert (settings.url, settings.key_variable) == ("https://proxy.example/v1", KEY)


def test_a_password_in_a_url_is_refused_before_a_report_could_show_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="key_variable") as refused:
        load(tmp_path, "url: https://somebody:secret@proxy.example/v1")

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("block", "line", "said"),
    [
        ("preset: opnai", 7, "unknown preset 'opnai'; did you mean 'openai'?"),
        ("preset: azure", 7, "preset 'azure' needs `url:`, where the endpoint is"),
        (
            "preset: openai\nchat: false",
            8,
            "preset 'openai' has no completions; leave `chat` out, or write `chat: true`",
        ),
        (
            "preset: openai\nlimits: {requests_per_hour: 3}",
            8,
            "unknown key 'requests_per_hour'; did you mean 'requests_",
        ),
        ("preset: openai\nleave_out: [temprature]", 8, "no request has a parameter 'temprature'; did you mean 'temper"),
        (
            "preset: openai\nleave_out: [stream_options.include_usge]",
            8,
            "no request has a parameter 'stream_options.include_usge'; did you mean 'stream_options.include_usage'?",
        ),
        ("preset: openai\nleave_out: [max_tokens]", 8, "leave_out: no request can do without 'max_tokens'"),
        ("preset: openai\nlimits: {requests_per_minute: 0}", 8, "requests_per_minute: input should be greater than 0"),
    ],
)
def test_a_wrong_endpoint_is_named_with_its_line(tmp_path: Path, block: str, line: int, said: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        load(tmp_path, block)

    assert f"matrix.yaml:{line}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("said", [{"drop": ["sed"]}, {"rename": {"sed": "random_seed"}}], ids=["drop", "rename"])
def test_a_preset_speaks_only_of_parameters_that_requests_have(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no request has a parameter 'sed'; did you mean 'seed'"):
        Preset(**said)


def test_prices_below_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"matrix.yaml:2: input: input should be greater than or equal to 0"):
        load(tmp_path, "preset: openai", "{prices: {input: -1, output: 1}}")


def test_a_preset_says_nothing_to_an_engine_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(
        "models:\n  tiny: {weights: {none: ./w}}\ntasks: [gsm8k]\n"
        "combinations:\n  - {model: tiny, engine: vllm, preset: vllm}\n",
        encoding="utf-8",
    )

    with pytest.raises(InvalidFile, match="'preset' is only for engine 'remote', not for 'vllm'"):
        matrix.load(path)


def test_openai_is_asked_in_its_own_words() -> None:
    said = presets()["openai"].dialect([]).spoken(ASKED)

    assert set(said) <= OPENAI
    assert said["max_completion_tokens"] == 8
    assert said["stream_options"] == {"include_usage": True}


def test_mistral_calls_the_seed_otherwise_and_takes_no_stream_options() -> None:
    said = presets()["mistral"].dialect([]).spoken(ASKED)

    assert (said["random_seed"], said["max_tokens"]) == (1, 8)
    assert not {"seed", "stream_options", "ignore_eos"} & set(said)


def test_a_request_without_a_dialect_stays_as_it_is() -> None:
    assert Dialect().spoken(ASKED) == ASKED


def test_an_object_that_loses_its_only_part_goes_too_and_the_request_is_not_changed() -> None:
    asked: dict[str, Any] = {"stream_options": {"include_usage": True}}

    assert Dialect(dropped=("stream_options.include_usage",)).spoken(asked) == {}
    assert asked == {"stream_options": {"include_usage": True}}


def test_the_proof_and_the_questions_are_put_in_the_same_dialect(tmp_path: Path) -> None:
    with Provider() as provider:
        _, endpoint = started(tmp_path, provider)
        answers: list[Answer] = []
        asked = {name: value for name, value in ASKED.items() if name != "stream"}
        Exchange(endpoint, 1, 10, lambda: None).send(
            [Call("chat/completions", asked)], lambda _, answer: answers.append(answer)
        )

    assert [answer.failed for answer in answers] == [None]
    assert [set(asked.payload) <= OPENAI for asked in provider.asked] == [True, True]


def test_without_the_preset_the_provider_refuses_the_proof(tmp_path: Path) -> None:
    with (
        Provider() as provider,
        pytest.raises(EngineFailed, match="Unrecognized request argument supplied: 'max_tokens'"),
    ):
        started(tmp_path, provider, "chat: true")


def test_a_parameter_that_a_model_refuses_is_left_out_and_told(tmp_path: Path) -> None:
    with Provider(takes=OPENAI - {"temperature"}) as provider:
        engine, _ = started(tmp_path, provider, "preset: openai\nleave_out: [temperature]")

    assert "temperature" not in provider.asked[0].payload
    assert "temperature" in engine.describe()["left_out"]


def test_the_exact_version_is_in_the_description(tmp_path: Path) -> None:
    with Provider(fingerprint=lambda _: "fp_1") as provider:
        engine, _ = started(tmp_path, provider)

    told = engine.describe()
    assert (told["preset"], told["answered_as"], told["system_fingerprint"]) == ("openai", "tiny-2026-11-01", "fp_1")


def test_another_version_in_the_middle_is_no_measurement(tmp_path: Path) -> None:
    with Provider(version=lambda number: f"tiny-{1 + number // 3}") as provider:
        _, endpoint = started(tmp_path, provider)
        exchange = Exchange(endpoint, 1, 10, lambda: None)

        with pytest.raises(NotMeasured, match="answered as 'tiny-1', and now answers as 'tiny-2'") as caught:
            exchange.send([Call("chat/completions", {"messages": [{"content": "hello"}]})] * 5, lambda *_: None)

    assert caught.value.reason == "model_changed"


def test_a_version_is_kept_as_it_may_be_shown_and_is_the_same_when_an_answer_is_read_again() -> None:
    account = Account()

    account.answered({"model": "tiny\t 1", "system_fingerprint": "fp\x1b[2J"}, Payment(0.0))
    account.gave("tiny 1")

    assert (account.answered_as, account.fingerprints) == ("tiny 1", ["fp\N{REPLACEMENT CHARACTER}[2J"])


def test_azure_gets_its_key_and_its_version_where_it_looks_for_them(tmp_path: Path) -> None:
    with Provider() as provider:
        block = f"preset: azure\nurl: {provider.url}/deployments/tiny?api-version=2024-10-21"
        engine = RemoteEngine(load(tmp_path, block), tmp_path)
        engine.start(Lease({}, "remote"))

    (asked,) = provider.asked
    assert asked.path == "/v1/deployments/tiny/chat/completions?api-version=2024-10-21"
    assert asked.headers["api-key"] == "sk-very-secret-4711"
    assert "Authorization" not in asked.headers


def test_a_bearer_is_sent_where_nothing_else_is_said() -> None:
    assert headers(Endpoint("http://x/v1", "tiny", KEY)) == {"Authorization": "Bearer sk-very-secret-4711"}


def test_a_proof_that_the_budget_does_not_allow_is_not_sent() -> None:
    from fixtures.endpoints.spending import Prices, Purse

    with Provider() as provider:
        account = Account(Prices(input=1.0, output=1.0), Purse(0.0))
        endpoint = Endpoint(provider.url, "tiny", account=account)

        with pytest.raises(EngineFailed) as caught:
            call(endpoint, "chat/completions", ASKED)

    assert (caught.value.reason, provider.asked) == ("budget", [])


@pytest.mark.parametrize(
    ("block", "told", "length"),
    [
        ("max_model_len: 700", 512, 700),
        ("chat: false", 512, 512),
        ("chat: false", None, DEFAULT_CONTEXT),
        ("preset: anthropic", 512, DEFAULT_CONTEXT),
    ],
)
def test_a_context_is_as_long_as_the_matrix_says_else_as_the_endpoint_tells(
    tmp_path: Path, block: str, told: int | None, length: int
) -> None:
    with FakeEngine(Script(context=told)) as fake:  # type: ignore[arg-type]
        combination = load(tmp_path, f"{block}\nurl: {fake.url}")

        assert _context(combination, Endpoint(fake.url, "tiny")) == length
