"""ExLlamaV2 without CUDA, for the tests of our server: a toy model under the library's own generator.

Only what computes is replaced, by modules of the same name in this folder: the model, attention's question for
flash-attn, and the compiled extension. Generator, cache, pages, sampler's settings, tokenizer and configuration are the
installed library's. Put the parent of this folder on the PYTHONPATH of the server's process. Environment variables:
STAND_IN_PAGED=0 has no flash-attn, STAND_IN_STEP is the seconds that a step takes.
"""

from importlib.metadata import distribution

__path__.append(str(distribution("exllamav2").locate_file("exllamav2")))

from exllamav2.cache import (
    ExLlamaV2Cache,
    ExLlamaV2Cache_8bit,
    ExLlamaV2Cache_Q4,
    ExLlamaV2Cache_Q6,
    ExLlamaV2Cache_Q8,
    ExLlamaV2CacheBase,
)
from exllamav2.config import ExLlamaV2Config
from exllamav2.lora import ExLlamaV2Lora
from exllamav2.model import ExLlamaV2
from exllamav2.tokenizer.tokenizer import ExLlamaV2Tokenizer
from exllamav2.util import SeqTensor, Timer
from exllamav2.version import __version__

__all__ = [
    "ExLlamaV2",
    "ExLlamaV2Cache",
    "ExLlamaV2CacheBase",
    "ExLlamaV2Cache_8bit",
    "ExLlamaV2Cache_Q4",
    "ExLlamaV2Cache_Q6",
    "ExLlamaV2Cache_Q8",
    "ExLlamaV2Config",
    "ExLlamaV2Lora",
    "ExLlamaV2Tokenizer",
    "SeqTensor",
    "Timer",
    "__version__",
]
