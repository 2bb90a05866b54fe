"""How figures look: colours that the colour-blind tell apart, shapes and dashes for print, light and dark."""

from collections.abc import Mapping, Sequence
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's (2008), without the black and the yellow that one of the two backgrounds would swallow."""

SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
)
"""One more than the colours, so that both together repeat only after 56 names."""

DASHES = ((1, 0), (6, 3), (2, 2), (9, 3, 2, 3), (12, 5))

INK, FAINT, GRID = ("#1b1f24", "#f0f2f5"), ("#57606a", "#a5adb8"), ("#e4e7eb", "#353b44")
"""Text and error bars; captions and what stands behind; grid lines. On light and on dark."""

BACKGROUND = ("#ffffff", "#14171c")

SMALL = 10
"""Size of the letters of labels, in points of the SVG."""


def theme(*, dark: bool = False) -> dict[str, Any]:
    """A Vega-Lite `config` for a light or a dark page. Specs use its styles `ink`, `faint`, `label` and `note`."""
    ink, faint, grid = INK[dark], FAINT[dark], GRID[dark]
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": SMALL, "titleFontSize": SMALL + 1}
    return {
        "background": BACKGROUND[dark],
        "font": "Helvetica, Arial, 'Liberation Sans', sans-serif",
        "padding": 12,
        "view": {"stroke": grid},
        "axis": {**text, "titleFontWeight": "normal", "gridColor": grid, "domainColor": faint, "tickColor": faint},
        "point": {"opacity": 1},
        "axisYQuantitative": {"labelFlush": True},
        "legend": {**text, "titleFontWeight": "normal", "labelLimit": 0, "symbolStrokeWidth": 1.5, "symbolLimit": 0},
        "header": {**text, "titleFontSize": SMALL + 1, "labelFontSize": SMALL + 1, "labelLimit": 0},
        "title": {
            "anchor": "start",
            "frame": "bounds",
            "color": ink,
            "fontSize": 15,
            "subtitleColor": faint,
            "subtitleFontSize": SMALL + 1,
            "subtitlePadding": 6,
            "offset": 14,
        },
        "style": {
            "ink": {"color": ink},
            "faint": {"color": faint},
            "dot": {"color": ink},
            "halo": {"color": BACKGROUND[dark], "stroke": BACKGROUND[dark], "strokeWidth": 3, "fontSize": SMALL},
            "label": {"color": ink, "fontSize": SMALL},
            "note": {"color": faint, "fontSize": SMALL},
        },
    }


def cycled(values: Sequence[Any], count: int) -> list[Any]:
    """So many values, beginning anew where there are fewer."""
    return [values[number % len(values)] for number in range(count)]


def looks(names: Sequence[str]) -> Mapping[str, list[Any]]:
    """For each name a colour, a shape and a dash, in the order of the names."""
    return {
        "colour": cycled(COLOURS, len(names)),
        "shape": cycled(SHAPES, len(names)),
        "dash": [list(dash) for dash in cycled(DASHES, len(names))],
    }
