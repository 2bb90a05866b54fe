"""Figures in the page: a picture each at first, drawn anew with tooltips by the same spec when a reader comes to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from reports.figures import Figure, figures, javascript, svg, theme
from reports.history.points import Point
from reports.page.inert import script
from reports.summary import Summary

TRADE_OFF = "accuracy-throughput"
"""The figure that stands near the top of the page."""

_TAG = re.compile(r"<[a-z][^>]*>")
_UNUSED = re.compile(r' (?:aria-[a-z]+|role|class|xmlns:xlink|version)="[^"]*"')
_FONT = re.compile(r' font-family="([^"]*)"')
_DECIMALS = re.compile(r"\d+\.\d{3,}")
_PLAIN = " !$()*+,-./:;=?@[]^_`{|}~'"
"""What may stand in a URL inside an attribute: all but what would end either, or is escaped there."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, and its picture as a URL that holds all of it: inside an image nothing of an SVG can run."""

    figure: Figure
    picture: str

    @property
    def first(self) -> bool:
        """It stands above the tables."""
        return self.figure.name == TRADE_OFF


def drawings(summary: Summary, history: Sequence[Point] = ()) -> list[Drawing]:
    """All figures of a summary and its history; title and caption are the page's, which can be read aloud and found."""
    return [Drawing(figure, _picture(figure)) for figure in figures(summary, history)]


def specs(drawn: Sequence[Drawing]) -> dict[str, Any]:
    """What the page's script draws from, by name, and how it looks in both themes."""
    told: dict[str, Mapping[str, Any]] = {one.figure.name: one.figure.spec for one in drawn}
    return {"specs": told, "light": theme(), "dark": theme(dark=True)}


def bundle() -> str:
    """The libraries that draw, closed off so that none of their names meets another script's."""
    return script(f"(()=>{{{javascript()}\n}})();")


def compact(svg_: str) -> str:
    """An SVG without what only a reader of its elements would hear, and with two decimals; it looks the same."""
    fonts = set(_FONT.findall(svg_))
    bare = _TAG.sub(lambda tag: _DECIMALS.sub(_rounded, _UNUSED.sub("", tag[0])), svg_)
    if len(fonts) != 1:
        return bare
    return bare.replace(f' font-family="{(font := min(fonts))}"', "").replace("<svg", f'<svg font-family="{font}"', 1)


def _picture(figure: Figure) -> str:
    bare = compact(svg(replace(figure, title="", caption="")))
    return f"data:image/svg+xml,{quote(bare.encode('utf-8', 'replace'), safe=_PLAIN)}"


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
