from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import matrix
from fixtures.matrix import Combination, Matrix
from fixtures.matrix_file import AXES, Block, Model, Sampling
from thresholds.strict_yaml import InvalidFile

HEAD = """\
models:
  smol: {weights: {none: org/smol, w8a8: org/smol-int8}}
  large: {weights: {none: org/large}, tokenizer: org/tokens, served_as: Large-1}
drafts:
  ngram: {method: ngram, tokens: 3}
tasks: [gsm8k, arc_easy]
combinations:
"""


def loaded(folder: Path, *blocks: str, more: str = "") -> Matrix:
    path = folder / "some.yaml"
    path.write_text(HEAD + "".join(f"  - {{{block}}}\n" for block in blocks) + more, encoding="utf-8")
    return matrix.load(path)


def ids(folder: Path, *blocks: str, more: str = "") -> list[str]:
    return [combination.id for combination in loaded(folder, *blocks, more=more).combinations]


def refusal(folder: Path, *blocks: str, more: str = "") -> str:
    with pytest.raises(InvalidFile) as refused:
        loaded(folder, *blocks, more=more)
    return str(refused.value).removeprefix(str(folder / "some.yaml"))


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ("model: smol, engine: vllm", "smol-vllm-unquantized"),
        ("model: smol, engine: vllm, quantization: w8a8", "smol-vllm-w8a8"),
        ("model: smol, engine: vllm, kv_cache: fp8", "smol-vllm-unquantized-kv_fp8"),
        ("model: smol, engine: vllm, draft: ngram", "smol-vllm-unquantized-draft_ngram"),
        ("model: smol, engine: vllm, max_tokens: 96", "smol-vllm-unquantized-max_tokens_96"),
        ("model: smol, engine: vllm, max_model_len: 2048", "smol-vllm-unquantized-context_2048"),
        ("model: smol, engine: vllm, tensor_parallel: 2", "smol-vllm-unquantized-tp2"),
        ("model: smol, engine: vllm, chat: true", "smol-vllm-unquantized-chat"),
        ("model: smol, engine: vllm, sampling: {temperature: 0.2}", "smol-vllm-unquantized-t0.2"),
        ("model: smol, engine: vllm, sampling: {temperature: 1.0}", "smol-vllm-unquantized-t1"),
        ("model: smol, engine: vllm, sampling: {temperature: 0}", "smol-vllm-unquantized-t0"),
        (
            "model: smol, engine: vllm, quantization: w8a8, kv_cache: fp8, draft: ngram, max_tokens: 9, chat: true",
            "smol-vllm-w8a8-kv_fp8-draft_ngram-max_tokens_9-chat",
        ),
    ],
)
def test_the_id_of_a_combination_stays(block: str, name: str, tmp_path: Path) -> None:
    assert ids(tmp_path, block) == [name]


def test_the_embedded_matrix_lists_the_two_combinations_of_the_default_run() -> None:
    plan = matrix.load(matrix.find("embedded"))

    assert [combination.id for combination in plan.combinations] == [
        "smollm2-135m-instruct-vllm-unquantized-context_2048-t0.2",
        "smollm2-135m-instruct-vllm-w8a8-context_2048-t0.2",
    ]
    assert len(plan.tasks) == 6


def test_lists_stand_for_all_their_products_in_order(tmp_path: Path) -> None:
    assert ids(tmp_path, "model: smol, engine: vllm, quantization: [none, w8a8], max_tokens: [32, 64]") == [
        "smol-vllm-unquantized-max_tokens_32",
        "smol-vllm-unquantized-max_tokens_64",
        "smol-vllm-w8a8-max_tokens_32",
        "smol-vllm-w8a8-max_tokens_64",
    ]


def test_several_blocks_add_up(tmp_path: Path) -> None:
    assert ids(tmp_path, "model: smol, engine: vllm", "model: large, engine: vllm") == [
        "smol-vllm-unquantized",
        "large-vllm-unquantized",
    ]


def test_what_a_block_leaves_out_has_its_default(tmp_path: Path) -> None:
    (combination,) = loaded(tmp_path, "model: smol, engine: vllm").combinations

    assert combination.labels() == {
        "combination": "smol-vllm-unquantized",
        "model": "smol",
        "engine": "vllm",
        "quantization": "none",
        "kv_cache": "auto",
        "draft": "none",
        "max_tokens": None,
        "max_model_len": None,
        "tensor_parallel": 1,
        "chat": False,
        "temperature": None,
        "top_p": None,
    }
    assert combination.settings.sampling.seed == "per_run"


def test_weights_are_those_of_the_quantization(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: smol, engine: vllm, quantization: [none, w8a8]")

    assert [combination.weights for combination in plan.combinations] == ["org/smol", "org/smol-int8"]


def test_the_tokenizer_is_with_the_weights_unless_it_is_named(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: [smol, large], engine: vllm")

    assert [combination.tokenizer for combination in plan.combinations] == ["org/smol", "org/tokens"]


def test_requests_carry_the_name_of_the_model_unless_another_is_given(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: [smol, large], engine: vllm")

    assert [combination.served_as for combination in plan.combinations] == ["smol", "Large-1"]


def test_a_draft_comes_with_its_settings(tmp_path: Path) -> None:
    (combination,) = loaded(tmp_path, "model: smol, engine: vllm, draft: ngram").combinations

    assert combination.draft_source is not None
    assert (combination.draft_source.method, combination.draft_source.tokens) == ("ngram", 3)


def test_a_combination_says_where_it_is_listed(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: smol, engine: vllm", "model: large, engine: vllm")

    assert plan.combinations[1].where == f"{tmp_path / 'some.yaml'}:9"


def test_a_task_says_where_it_is_listed(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: smol, engine: vllm")

    assert plan.lines == dict.fromkeys(("gsm8k", "arc_easy"), f"{tmp_path / 'some.yaml'}:6")


def test_an_exclude_leaves_out_what_all_its_axes_name(tmp_path: Path) -> None:
    block = "model: smol, engine: vllm, quantization: [none, w8a8], chat: [false, true]"
    rule = "exclude:\n  - {quantization: w8a8, chat: true, because: int8 has no template}\n"

    assert ids(tmp_path, block, more=rule) == [
        "smol-vllm-unquantized",
        "smol-vllm-unquantized-chat",
        "smol-vllm-w8a8",
    ]


def test_an_exclude_without_a_reason_is_refused(tmp_path: Path) -> None:
    rule = "exclude:\n  - {quantization: w8a8}\n"

    assert refusal(tmp_path, "model: smol, engine: vllm", more=rule) == ":10: the key 'because' is missing"


def test_excluding_everything_is_refused(tmp_path: Path) -> None:
    rule = "exclude:\n  - {model: smol, because: too small}\n"

    said = refusal(tmp_path, "model: smol, engine: vllm", more=rule)

    assert said == ":9: every combination is excluded; nothing would run"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("model: smol", "the key 'engine' is missing"),
        ("model: smol, engine: vlm", "engine: unknown engine 'vlm'; did you mean 'vllm'?"),
        ("model: smoll, engine: vllm", "model 'smoll' is not under `models:`; did you mean 'smol'?"),
        ("model: smol, engine: vllm, quantization: w8a9", "quantization: unknown quantization 'w8a9'; did you mean"),
        ("model: large, engine: vllm, quantization: w8a8", "model 'large' has no weights for 'w8a8'"),
        ("model: smol, engine: vllm, draft: ngrm", "draft 'ngrm' is not under `drafts:`; did you mean 'ngram'?"),
        ("model: smol, engine: vllm, kv_cache: fp9", "vllm has no KV cache of type 'fp9'; did you mean 'fp8'?"),
        ("model: smol, engine: vllm, kv_cache: [auto, q4]", "vllm has no KV cache of type 'q4'; known: auto, bfloat16"),
        ("model: smol, engine: remote", "engine 'remote' needs `url:`"),
        ("model: smol, engine: vllm, max_tokns: 3", "unknown key 'max_tokns'; did you mean 'max_tokens'?"),
        ("model: smol, engine: vllm, max_tokens: 0", "max_tokens: input should be greater than 0 (got 0)"),
        ("model: smol, engine: vllm, max_tokens: '7'", "max_tokens: input should be a valid integer (got '7')"),
        ("model: smol, engine: vllm, chat: 3", "chat: input should be a valid boolean (got 3)"),
        ("model: 5, engine: vllm", "model: input should be a valid string (got 5)"),
        ("model: smol, engine: vllm, sampling: {temprature: 1}", "unknown key 'temprature'; did you mean"),
        ("model: smol, engine: vllm, sampling: {temperature: .nan}", "temperature: input should be a finite number"),
    ],
)
def test_a_wrong_block_says_where_and_what(block: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, block).startswith(f":8: {said}")


def test_the_kv_cache_of_a_remote_endpoint_is_what_its_user_says(tmp_path: Path) -> None:
    block = "model: smol, engine: remote, url: 'http://there/v1', kv_cache: their own 6 bits"

    assert ids(tmp_path, block) == ["smol-remote-unquantized-kv_their own 6 bits"]


def test_an_empty_list_of_values_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "model: smol, engine: vllm", "model: smol, engine: vllm, draft: []").startswith(
        ":9: draft"
    )


def test_a_duplicate_combination_names_both_places(tmp_path: Path) -> None:
    said = refusal(tmp_path, "model: smol, engine: vllm", "model: smol, engine: vllm, concurrency: 8")

    assert said == f":9: smol-vllm-unquantized is already listed at {tmp_path / 'some.yaml'}:8; delete one"


def test_a_task_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(HEAD.replace("arc_easy", "gsm8k") + "  - {model: smol, engine: vllm}\n", encoding="utf-8")

    with pytest.raises(InvalidFile, match=r"some\.yaml:6: gsm8k is listed twice"):
        matrix.load(path)


BOTH = "model: smol, engine: vllm, quantization: [none, w8a8]"


def comparing(**keys: str) -> str:
    rule = {"combination": "'*w8a8'", "against": "'*unquantized'", "workloads": "[chat]", **keys}
    return "compare:\n  - {" + ", ".join(f"{name}: {value}" for name, value in rule.items()) + "}\n"


def test_a_comparison_pairs_combinations_with_their_reference(tmp_path: Path) -> None:
    plan = loaded(tmp_path, BOTH, "model: large, engine: vllm", more=comparing(combination="'*'", against="smol*-unq*"))

    assert [(pair.combination.id, pair.against.id, pair.workloads) for pair in plan.pairs] == [
        ("smol-vllm-w8a8", "smol-vllm-unquantized", ("chat",)),
        ("large-vllm-unquantized", "smol-vllm-unquantized", ("chat",)),
    ]


def test_a_workload_that_is_only_compared_says_where(tmp_path: Path) -> None:
    second = comparing(combination="'*unquantized'", against="'*w8a8'", workloads="[chat, burst]").partition("\n")[2]

    plan = loaded(tmp_path, BOTH, more=comparing() + second)

    where = {name: plan.lines[name] for name in ("chat", "burst")}
    assert where == {"chat": f"{tmp_path / 'some.yaml'}:10", "burst": f"{tmp_path / 'some.yaml'}:11"}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"against": "'*w9a9'"},
            "against '*w9a9' matches 0 combinations; it must match one of: smol-vllm-unquantized, smol-vllm-w8a8",
        ),
        (
            {"against": "'smol*'"},
            "against 'smol*' matches 2 combinations; it must match one of: smol-vllm-unquantized, smol-vllm-w8a8",
        ),
        (
            {"combination": "'*w9a9'"},
            "combination '*w9a9' matches none to compare; it lists: smol-vllm-unquantized, smol-vllm-w8a8",
        ),
        (
            {"combination": "'*unquantized'"},
            "combination '*unquantized' matches none to compare; it lists: smol-vllm-unquantized, smol-vllm-w8a8",
        ),
        ({"workloads": "[]"}, "workloads: list should have at least 1 item after validation, not 0"),
        ({"workload": "chat"}, "unknown key 'workload'; did you mean 'workloads'?"),
    ],
    ids=["no reference", "two references", "nothing", "itself", "no workload", "unknown key"],
)
def test_a_wrong_comparison_says_where_and_what(keys: dict[str, str], said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, BOTH, more=comparing(**keys)).startswith(f":10: {said}")


def test_two_comparisons_of_the_same_pair_and_workload_are_refused(tmp_path: Path) -> None:
    second = comparing(combination="smol-vllm-w8a8").partition("\n")[2]

    said = refusal(tmp_path, BOTH, more=comparing() + second)

    twice = "chat is already compared for smol-vllm-w8a8 against smol-vllm-unquantized"
    assert said == f":11: {twice} at {tmp_path / 'some.yaml'}:10; delete one"


def test_a_workload_that_is_listed_twice_in_a_comparison_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, BOTH, more=comparing(workloads="[chat, chat]"))

    assert said.startswith(":10: chat is already compared for smol-vllm-w8a8 against smol-vllm-unquantized")


def test_a_workload_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "model: smol, engine: vllm", more="workloads:\n  - chat\n  - burst\n  - chat\n")

    assert said == ":12: chat is listed twice; delete one"


def test_every_combination_is_selected_without_a_glob(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: [smol, large], engine: vllm")

    assert plan.select(None) == plan.combinations


def test_a_glob_selects_by_id(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: smol, engine: vllm, quantization: [none, w8a8]", "model: large, engine: vllm")

    assert [combination.id for combination in plan.select("smol-*")] == ["smol-vllm-unquantized", "smol-vllm-w8a8"]
    assert [combination.id for combination in plan.select("*-w8a8")] == ["smol-vllm-w8a8"]


def test_a_glob_that_selects_nothing_lists_the_ids(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "model: [smol, large], engine: vllm")

    with pytest.raises(InvalidFile, match=r"--combination 'tiny\*'; it lists: smol-vllm-unquantized, large-vllm-un"):
        plan.select("tiny*")


def test_a_matrix_is_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "nightly.yaml").write_text("", encoding="utf-8")

    assert matrix.find("nightly", tmp_path) == tmp_path / "nightly.yaml"


def test_a_matrix_is_found_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("", encoding="utf-8")

    assert matrix.find(str(tmp_path / "mine.yml")) == tmp_path / "mine.yml"


def test_a_misspelt_matrix_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "nightly.yaml").write_text("", encoding="utf-8")

    with pytest.raises(InvalidFile, match="there is no matrix 'nigtly'; did you mean 'nightly'"):
        matrix.find("nigtly", tmp_path)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"none\.yaml: there is no such matrix file"):
        matrix.find(str(tmp_path / "none.yaml"))


word = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=6)
limit = st.none() | st.integers(1, 10**6)
points: dict[str, st.SearchStrategy[Any]] = {
    "model": word,
    "engine": word,
    "quantization": st.sampled_from(["none", "w8a8", "awq"]),
    "kv_cache": st.just("auto") | word,
    "draft": st.just("none") | word,
    "max_tokens": limit,
    "max_model_len": limit,
    "tensor_parallel": st.integers(1, 16),
    "chat": st.booleans(),
}
point = st.fixed_dictionaries(points)


def combination_of(axes: dict[str, Any]) -> Combination:
    block = Block(model="m", engine="vllm", sampling=Sampling(temperature=0.2))
    return Combination(**axes, weights=None, settings=block, source=Model(), draft_source=None, where="some.yaml:1")


@settings(deadline=None, max_examples=100, database=None)
@given(point, point)
def test_ids_differ_whenever_any_axes_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (combination_of(one).id == combination_of(other).id) == (one == other)


@settings(deadline=None, max_examples=100, database=None)
@given(point, st.sampled_from(AXES), st.data())
def test_ids_differ_when_a_single_axis_does(one: dict[str, Any], axis: str, data: st.DataObject) -> None:
    other = {**one, axis: data.draw(points[axis])}

    assert (combination_of(one).id == combination_of(other).id) == (one[axis] == other[axis])
