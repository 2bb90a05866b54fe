import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from fixtures.evaluate.tokens import Tokens
from fixtures.models.weights import cache_folder
from fixtures.protocols import EngineFailed

MODEL = cache_folder() / "models" / "smollm2-135m-instruct" / "bf16"
prepared = pytest.mark.skipif(not (MODEL / "tokenizer.json").is_file(), reason="the embedded model is not prepared")

TEXTS = [
    "",
    " ",
    "Question: What is 2 + 2?\nAnswer:",
    " leading and trailing blanks  ",
    "\n\n\ttabs and\r\nline ends\n",
    "1234567890 3.14159 1,000,000",
    "don't  can't I'll we've",
    "Żółta łódź, Straße, naïve, 日本語, العربية",
    "👩‍🔬 e\u0301 \u00e9 \u200b zero width",
    "<|im_start|>user\nhello<|im_end|>",
    "<|endoftext|> <s></s>",
    "def f(x):\n    return x ** 2  # x²",
]

IN_TRANSFORMERS = """
import json, sys
sys.modules["torch"] = None  # a tokenizer needs none, and its import takes seconds
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.load(sys.stdin)
ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
print(json.dumps([ids, tokenizer.eos_token_id, tokenizer.bos_token_id]))
"""

BEGIN, END = {"bos_token": "<s>"}, {"eos_token": "</s>"}
UNKNOWN = {"bos_token": "<b>", "eos_token": "<e>"}
WORDS = {"<s>": 0, "</s>": 1, "[?]": 2, "two": 3, "words": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer of words that puts <s> before a text."""
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[?]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def configure(folder: Path, **config: object) -> Tokens:
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return Tokens.load(str(folder))


def test_text_is_encoded_without_special_tokens(folder: Path) -> None:
    assert Tokens.load(str(folder)).encode("two words more") == [3, 4, 2]


def test_special_tokens_are_added_when_they_are_asked_for(folder: Path) -> None:
    assert Tokens.load(str(folder)).encode("two words", special=True) == [0, 3, 4]


def test_no_text_is_no_tokens(folder: Path) -> None:
    assert Tokens.load(str(folder)).encode("") == []


def test_an_empty_context_is_replaced_by_the_beginning_of_text(folder: Path) -> None:
    tokens = configure(folder, **BEGIN, **END)

    assert (tokens.prefix, tokens.end) == (0, 1)


def test_without_a_beginning_of_text_the_end_of_text_stands_in(folder: Path) -> None:
    tokens = configure(folder, **END)

    assert (tokens.prefix, tokens.end) == (1, 1)


def test_special_tokens_may_be_written_as_objects(folder: Path) -> None:
    tokens = configure(folder, bos_token={"content": "<s>", "lstrip": False}, eos_token={"content": "</s>"})

    assert (tokens.prefix, tokens.end) == (0, 1)


def test_a_folder_without_a_tokenizer_config_knows_no_special_tokens(folder: Path) -> None:
    tokens = Tokens.load(str(folder))

    assert (tokens.prefix, tokens.end) == (None, None)


def test_special_tokens_that_the_vocabulary_lacks_are_unknown(folder: Path) -> None:
    tokens = configure(folder, **UNKNOWN)

    assert (tokens.prefix, tokens.end) == (None, None)


def test_a_folder_without_a_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match=r"tokenizer\.json is missing") as refused:
        Tokens.load(str(tmp_path))

    assert str(tmp_path) in str(refused.value)


def test_a_broken_tokenizer_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")

    with pytest.raises(EngineFailed, match=r"tokenizer\.json"):
        Tokens.load(str(tmp_path))


@prepared
def test_the_embedded_model_is_encoded_exactly_as_transformers_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_TRANSFORMERS, str(MODEL)],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ids, end, beginning = json.loads(done.stdout.splitlines()[-1])
    tokens = Tokens.load(str(MODEL))

    assert [tokens.encode(text) for text in TEXTS] == ids
    assert (tokens.prefix, tokens.end) == (beginning, end)


@prepared
@settings(deadline=None, max_examples=100, database=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_plain_text_is_encoded_without_loss(text: str) -> None:
    tokenizer = embedded()

    assert tokenizer.tokenizer.decode(tokenizer.encode(text), skip_special_tokens=False) == text


@functools.cache
def embedded() -> Tokens:
    return Tokens.load(str(MODEL))
