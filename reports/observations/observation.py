"""One thing that the numbers say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Observation:
    """A sentence or two that rest on numbers.

    Attributes:
        kind: The rule that found it ("dominated"): a stable code.
        text: What the numbers mean and no more, with the interval or a note that there is none.
        about: The combinations it speaks of, the first one foremost.
        numbers: What the text rests on, not rounded: shares of 1, tokens/s, bytes; None is unknown.
    """

    kind: str
    text: str
    about: tuple[str, ...]
    numbers: Mapping[str, Any]
