"""What the generator calls of the compiled extension, in Python."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

none_tensor = torch.empty((1, 1), device="meta")


def partial_strings_match(match: Any, offsets: Any, strings: Any) -> int:
    """Where the first string of the list begins; -2 where the text ends within one, -1 where there is none."""
    text = np.frombuffer(match, dtype=np.uint8).tobytes().decode("utf-32-le")
    bounds = np.frombuffer(offsets, dtype=np.int32).tolist()
    joined = np.frombuffer(strings, dtype=np.uint8).tobytes()
    for beginning, end in pairwise(bounds):
        wanted = joined[beginning:end].decode("utf-32-le")
        for place in range(len(text)):
            if text.startswith(wanted, place):
                return place
            if wanted.startswith(text[place:]):
                return -2
    return -1


def count_match(a: torch.Tensor, b: torch.Tensor, max_a: int) -> int:
    """How many ids two rows have in common at their beginning."""
    length = min(max_a, a.shape[-1], b.shape[-1])
    return int((a[0, :length] == b[0, :length]).int().cumprod(0).sum())


def cache_rotate(cache: torch.Tensor, order: torch.Tensor, temp: torch.Tensor) -> None:
    """Every page takes the content of the one behind it in the order, the last that of the first."""
    pages = order.tolist()
    temp.view(-1)[: cache.shape[1]] = cache[pages[0]]
    for page, source in pairwise(pages):
        cache[page] = cache[source]
    cache[pages[-1]] = temp.view(-1)[: cache.shape[1]]


def apply_rep_penalty(
    sequence: torch.Tensor, penalty: float, _range: int, _decay: int, _frequency: float, _presence: float, logits: Any
) -> None:
    """A penalty that is felt; its exact size is not the library's."""
    logits[..., sequence.unique()] -= penalty


def sample_basic(
    logits: torch.Tensor, temperature: float, top_k: int, top_p: float, _top_a: float, min_p: float, *more: Any
) -> list[float]:
    """Draws a token; what our server never asks for is left out."""
    _tfs, _typical, random, tokens, found = more[:5]
    probabilities, order = (logits[0, 0].float() / temperature).softmax(0).sort(descending=True, stable=True)
    kept = top_k or len(probabilities)
    if 0 < top_p < 1:
        kept = min(kept, int((probabilities.cumsum(0) < top_p).sum()) + 1)
    if 0 < min_p < 1:
        kept = min(kept, int((probabilities >= probabilities[0] * min_p).sum()))
    sums = probabilities[:kept].cumsum(0) / probabilities[:kept].sum()
    place = min(int((sums <= random).sum()), kept - 1)
    tokens[0, 0], found[0, 0] = order[place], probabilities[place]
    return []


exllamav2_ext = SimpleNamespace(
    partial_strings_match=partial_strings_match,
    count_match=count_match,
    cache_rotate=cache_rotate,
    apply_rep_penalty=apply_rep_penalty,
    sample_basic=sample_basic,
)
