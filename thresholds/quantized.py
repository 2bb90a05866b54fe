"""What of a combination is quantized: its weights, its KV cache, both or neither."""

from collections.abc import Mapping
from typing import Any

WHOLE_KV_CACHES = ("auto", "fp16", "float16", "bfloat16")
"""Types of KV cache that are not quantized. `auto` is the engine's own choice: what a matrix means that says none."""


EIGHT_BITS = ("fp8", "w8a8")
FOUR_BITS = ("w4a16", "awq", "nvfp4", "mxfp4")
"""Quantizations whose names tell the bits of a weight. Where a matrix lists no whole weights, others are held against
those of eight."""


def weights_are(labels: Mapping[str, Any]) -> bool:
    """Whether its weights are quantized."""
    return labels.get("quantization") not in (None, "none")


def kv_cache_is(labels: Mapping[str, Any]) -> bool:
    """Whether its KV cache is quantized."""
    return labels.get("kv_cache") not in (None, *WHOLE_KV_CACHES)


def is_quantized(labels: Mapping[str, Any]) -> bool:
    """Whether anything of it is."""
    return weights_are(labels) or kv_cache_is(labels)
