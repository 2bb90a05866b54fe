"""A figure: a Vega-Lite spec whose data are inline, with what it shows and what it means; as SVG, PNG and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from textwrap import wrap
from typing import Any

from reports.figures.theme import theme

CAPTION_WIDTH = 110
"""Letters in a line of a caption that is drawn above its figure."""

GLOBALS = "window.vega = vega; window.vegaLite = vegaLite; window.vegaEmbed = vegaEmbed;"


NO_BREAK = "\u00a0"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a Summary.

    Attributes:
        name: Of its file and its place in a page: letters, digits and hyphens.
        title, caption: What is shown; what it means and how it was computed.
        spec: Vega-Lite, without a title and without colours of text, axes and background: `theme` gives those.
    """

    name: str
    title: str
    caption: str
    spec: Mapping[str, Any]


def complete(figure: Figure) -> dict[str, Any]:
    """The spec as it stands alone: with title, caption and description, on a light background.

    Where the title is empty, as in a page that says it elsewhere, the picture begins with the figure itself.
    """
    spec = {**figure.spec, "config": theme()}
    if figure.title:
        caption = wrap(figure.caption.replace(" %", f"{NO_BREAK}%"), CAPTION_WIDTH, break_on_hyphens=False)
        spec["title"] = {"text": figure.title, "subtitle": caption}
        spec["description"] = f"{figure.title}. {figure.caption}"
    return spec


def svg(figure: Figure) -> str:
    """The figure as an SVG document that refers to nothing outside itself; text is text."""
    from vl_convert import vegalite_to_svg

    return str(vegalite_to_svg(complete(figure), allowed_base_urls=[]))


def png(figure: Figure, scale: float = 2.0) -> bytes:
    """The figure as a picture, `scale` pixels to a point of the SVG."""
    from vl_convert import vegalite_to_png

    return bytes(vegalite_to_png(complete(figure), scale=scale, allowed_base_urls=[]))


@cache
def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets these three globals and no other; no network is used.

    The first call takes seconds.
    """
    from vl_convert import javascript_bundle

    return f"(()=>{{{javascript_bundle(GLOBALS)}\n}})();"
