"""The toy of the ExLlamaV2 server with a tokenizer as SentencePiece's are: blanks in front, bytes for the unknown."""

import json
from pathlib import Path
from typing import Any

from toy_engine import checkpoint

LETTERS = "aehinprst"
MERGES = [("t", "h"), ("th", "e"), ("▁", "the"), ("i", "n"), ("▁", "in"), ("r", "a"), ("ra", "in"), ("▁", "rain")]
SAID = {"e": "▁the", "t": "▁", "a": "▁rain", "s": "<0xC3>", "h": "<0xA9>", " ": "in"}
"""What the toy says instead of a letter; two of its letters are a character together, if they come in turn."""

START, END, UNKNOWN = "<s>", "<|end|>", "<unk>"


def vocabulary() -> list[str]:
    """Tokens by id: bytes where the toy has letters, but for those that say something else."""
    merged = [one + other for one, other in MERGES]
    names = [f"<0x{byte:02X}>" for byte in range(256)] + [END, START, UNKNOWN, "▁", *LETTERS, *merged]
    for letter, wanted in SAID.items():
        here, there = ord(letter), names.index(wanted)
        names[here], names[there] = names[there], names[here]
    return names


def tokenizer(*, metaspace: bool) -> Any:
    """As new tokenizer.json files have it (Metaspace), or as those of Llama 2."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    ids = {name: place for place, name in enumerate(vocabulary())}
    made = Tokenizer(models.BPE(ids, MERGES, unk_token=UNKNOWN, byte_fallback=True, fuse_unk=True))
    if metaspace:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    else:
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        blanks = decoders.Replace("▁", " ")
        parts = [blanks, decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        made.decoder = decoders.Sequence(parts)
    made.add_special_tokens([AddedToken(name, special=True) for name in (UNKNOWN, START, END)])
    made.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, ids[START])])
    return made


def sentencepiece_checkpoint(folder: Path, *, metaspace: bool) -> Path:
    """The toy's checkpoint with such a tokenizer."""
    checkpoint(folder, vocab_size=len(vocabulary()))
    tokenizer(metaspace=metaspace).save(str(folder / "tokenizer.json"))
    told = {"eos_token": END, "bos_token": START, "unk_token": UNKNOWN}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    return folder
