"""Figures of a Summary, each one declarative Vega-Lite spec: SVG, PNG, JSON, and interactive in a page.

    from reports.figures import figures, javascript, png, svg, theme

Only `figures`, `svg`, `png` and `javascript` import the packages that draw, and only when they are called.
"""

from reports.figures.album import figures
from reports.figures.figure import Figure, complete, javascript, png, svg
from reports.figures.theme import theme

__all__ = ["Figure", "complete", "figures", "javascript", "png", "svg", "theme"]
