"""The questions of a sample as one packed text, which two sessions that asked the same share."""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from thresholds.questions import Question

Questions = Mapping[int, Question]
"""What was asked, by its position in the task."""


def packed_questions(questions: Sequence[Question]) -> tuple[str, bytes]:
    """A digest of the questions, and all of them in few bytes."""
    text = json.dumps(as_rows(questions), separators=(",", ":")).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest(), zlib.compress(text)


def unpacked_questions(content: bytes) -> dict[int, Question]:
    """The questions of `packed_questions`.

    Raises:
        ValueError, TypeError, KeyError: The bytes are something else.
    """
    try:
        rows = json.loads(zlib.decompress(content))
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return {question.item: question for question in from_rows(rows)}


def as_rows(questions: Sequence[Question]) -> list[list[Any]]:
    """A plain form for JSON; `from_rows` is its inverse."""
    return [[one.item, one.text, one.options, one.right] for one in questions]


def from_rows(rows: Sequence[Sequence[Any]]) -> list[Question]:
    """The questions of `as_rows`."""
    return [Question(item, text, tuple(options), tuple(right)) for item, text, options, right in rows]
