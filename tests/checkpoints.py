"""Folders that look like checkpoints: true headers, configurations and vocabularies, and zeros for data."""

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Shapes = Mapping[str, tuple[str, Sequence[int]]]
"""By the tensor's name its type and shape."""

CONFIG = {"num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 32, "model_type": "llama"}
INT4 = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32}}},
}


def plain(layers: int = 2, hidden: int = 64, vocabulary: int = 32) -> dict[str, tuple[str, Sequence[int]]]:
    """The tensors of a very small unquantized model."""
    each = {f"model.layers.{n}.mlp.up_proj.weight": ("BF16", [128, hidden]) for n in range(layers)}
    norms = {f"model.layers.{n}.input_layernorm.weight": ("BF16", [hidden]) for n in range(layers)}
    return {"model.embed_tokens.weight": ("BF16", [vocabulary, hidden]), **each, **norms}


def quantized(**parts: tuple[str, Sequence[int]]) -> dict[str, tuple[str, Sequence[int]]]:
    """The same with each projection's weight as these tensors, by the last part of their names."""
    kept = {name: said for name, said in plain().items() if "up_proj" not in name}
    return kept | {f"model.layers.{n}.mlp.up_proj.{part}": said for n in range(2) for part, said in parts.items()}


def write_safetensors(path: Path, tensors: Shapes) -> None:
    """A file of tensors, its data zeros (a hole, so that it takes no room)."""
    header, offset = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * int((re.findall(r"\d+", dtype) or [8])[0]) // 8
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    said = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    with path.open("wb") as file:
        file.write(len(said).to_bytes(8, "little") + said)
        file.truncate(8 + len(said) + offset)


def checkpoint(folder: Path, tensors: Shapes | None = None, **config: Any) -> Path:
    """A folder with config.json and one file of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}), encoding="utf-8")
    write_safetensors(folder / "model.safetensors", plain() if tensors is None else tensors)
    return folder


def tokenizer(folder: Path, words: Sequence[str], special: Mapping[int, str] | None = None, end: str = "</s>") -> Path:
    """Add a tokenizer.json of these words, and special tokens at these ids."""
    folder.mkdir(parents=True, exist_ok=True)
    added = [{"id": number, "content": text, "special": True} for number, text in (special or {}).items()]
    content = {"added_tokens": added, "model": {"type": "BPE", "vocab": {word: i for i, word in enumerate(words)}}}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": end}), encoding="utf-8")
    return folder


def write_gguf(path: Path, fields: Mapping[str, Any], tensors: Mapping[str, tuple[int, Sequence[int]]]) -> None:
    """A GGUF header (text, whole numbers and lists of texts; tensors by type number and shape) without data."""
    data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields))
    for name, value in fields.items():
        data += _text(name) + _value(value)
    for name, (kind, shape) in tensors.items():
        sizes = list(reversed(shape))
        data += _text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, 0)
    path.write_bytes(data)


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data
