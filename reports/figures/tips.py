"""What a figure tells when one of its marks is pointed at: whatever is known of it, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

TOOLTIP = alt.ExprRef("datum.tip")
"""For marks whose data come from `with_tips`."""


def with_tips(data: Sequence[Mapping[str, Any]], **fields: str) -> list[dict[str, Any]]:
    """The data, each with a `tip`; by field its title, and after a `|` the format of a number."""
    return [{**datum, "tip": _tip(datum, fields)} for datum in data]


def _tip(datum: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, str]:
    told = {}
    for field, words in fields.items():
        title, _, form = words.partition("|")
        if datum.get(field) is not None:
            told[title] = format(datum[field], form)
    return told
