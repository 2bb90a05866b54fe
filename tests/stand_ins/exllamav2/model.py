import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from exllamav2.attn_params import PagedParams

WINDOW = 3
"""Tokens that decide about the next one: text comes to repeat itself, so that drafts from it are accepted."""

ALPHABET = b"etaoin shrdlu. "
RARELY = 41
"""One place of so many ends the text."""

POISON = 0
"""A prompt with this token makes the step fail."""


class ExLlamaV2:
    """Its logits follow from the last few tokens alone, which it reads in the cache: there it keeps their ids.

    `toy: {errs: N}` in config.json makes it differ from its like at N of 100 places, as a draft.
    """

    def __init__(self, config: Any, lazy_load: bool = False, archparams: Any = None) -> None:
        del lazy_load, archparams
        told = json.loads((Path(config.model_dir) / "config.json").read_text(encoding="utf-8"))
        self.config = config
        self.cache_map: dict[int, str] = {}
        self._errs = told.get("toy", {}).get("errs", 0)
        self._quantized = "quantization_config" in told

    def load(
        self,
        gpu_split: list[float] | None = None,
        lazy: bool = False,
        stats: bool = False,
        callback: Callable[[int, int], None] | None = None,
        callback_gen: Callable[[int, int], None] | None = None,
        progress: bool = False,
    ) -> None:
        del lazy, stats, callback, callback_gen, progress
        assert gpu_split is None or all(isinstance(share, float) for share in gpu_split)
        self.cache_map = dict.fromkeys(range(self.config.num_hidden_layers), "cpu")

    def load_autosplit(
        self,
        cache: Any,
        reserve_vram: int | list[int] | None = None,
        last_id_only: bool = False,
        callback: Callable[[int, int], None] | None = None,
        callback_gen: Callable[[int, int], None] | None = None,
        progress: bool = False,
    ) -> None:
        del reserve_vram, last_id_only, callback, callback_gen, progress
        self.config.max_input_len = min(self.config.max_input_len, self.config.max_seq_len)
        self.cache_map = dict.fromkeys(range(self.config.num_hidden_layers), "cpu")
        cache.update_cache_tensors()

    def is_quant(self) -> bool:
        return self._quantized

    def get_cache_devices(self) -> list[str]:
        return list(set(self.cache_map.values()))

    def forward(
        self,
        input_ids: torch.Tensor,
        cache: Any = None,
        input_mask: torch.Tensor | None = None,
        preprocess_only: bool = False,
        last_id_only: bool = False,
        loras: Any = None,
        return_last_state: bool = False,
        position_offsets: torch.Tensor | None = None,
        abort_event: Any = None,
        cpu_logits: bool = False,
        **kwargs: Any,
    ) -> torch.Tensor:
        del input_mask, preprocess_only, last_id_only, loras, return_last_state
        del position_offsets, abort_event, cpu_logits, kwargs
        past, count = cache.current_seq_len, input_ids.shape[1]
        assert past + count <= cache.max_seq_len, "Total sequence length exceeds cache size in model.forward"
        cache.current_seq_len += count
        return self._computed(cache, input_ids[0].tolist(), past, lambda place: place).unsqueeze(0)

    def forward_chunk(
        self,
        input_ids: torch.Tensor,
        cache: Any = None,
        input_mask: torch.Tensor | None = None,
        preprocess_only: bool = False,
        last_id_only: bool = False,
        loras: Any = None,
        return_last_state: bool = False,
        position_offsets: torch.Tensor | None = None,
        abort_event: Any = None,
        attn_params: Any = None,
        extract_state_indices: list[int] | None = None,
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        del input_mask, last_id_only, loras, return_last_state
        del position_offsets, abort_event, extract_state_indices, kwargs
        if POISON in input_ids[0].tolist():
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        time.sleep(float(os.environ.get("STAND_IN_STEP", "0")))
        rows = []
        for number, ids in enumerate(input_ids.tolist()):
            past, place = _placed(attn_params, number)
            assert past + len(ids) <= self.config.max_seq_len, "positions beyond those that are known"
            rows.append(self._computed(cache, ids, past, place))
        return {} if preprocess_only else {"logits": torch.stack(rows)}

    def _computed(self, cache: Any, ids: list[int], past: int, place: Callable[[int], int]) -> torch.Tensor:
        keys = cache.key_states[0][0]
        for number, token in enumerate(ids):
            keys[place(past + number), 0, :2] = torch.tensor([token % 256, token // 256]).to(keys.dtype)
        known = [keys[place(at), 0, :2].tolist() for at in range(max(0, past - WINDOW + 1), past + len(ids))]
        told = [int(low) + 256 * int(high) for low, high in known]
        first = len(told) - len(ids)
        return torch.stack([self._row(told[: first + number + 1]) for number in range(len(ids))])

    def _row(self, ids: Sequence[int]) -> torch.Tensor:
        config = self.config
        return _row(tuple(ids[-WINDOW:]), config.vocab_size, config.eos_token_id, self._errs)


def _placed(attn_params: Any, number: int) -> tuple[int, Callable[[int], int]]:
    """How much of a sequence is in the cache, and where its positions are there."""
    if isinstance(attn_params, PagedParams):
        pages, size = attn_params.block_index[number].tolist(), attn_params.page_size
        return int(attn_params.cache_seqlens[number]), lambda at: pages[at // size] * size + at % size
    return attn_params.past_len, lambda at: at


@functools.lru_cache(maxsize=100_000)
def _row(window: tuple[int, ...], vocabulary: int, end: int | None, errs: int) -> torch.Tensor:
    digest = int.from_bytes(hashlib.blake2b(repr(window).encode(), digest_size=8).digest())
    draw = torch.Generator().manual_seed(digest >> 2)
    logits = torch.full((-(-vocabulary // 32) * 32,), -65504.0)
    logits[:vocabulary] = torch.randn(vocabulary, generator=draw) - 4
    logits[POISON] = -65504.0  # never drawn, or a load without a seed would now and then kill the engine
    letters = digest + (1 if digest // 7 % 100 < errs else 0)
    logits[list(ALPHABET)] += 5
    logits[ALPHABET[letters % len(ALPHABET)]] += 3
    if end is not None and digest % RARELY == 0:
        logits[end] += 14
    return logits.half()
