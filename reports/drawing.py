"""What a session leaves to look at: the page and the figures. They tell nothing that the tables do not."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reports.history.points import Point, points
from reports.ledger import Ledger
from reports.summary import Summary
from thresholds.measurement import NotMeasured

FIGURES = "figures"


@dataclass(slots=True)
class Drawn:
    """The files that were written, and a line for each thing that could not be."""

    written: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def draw(summary: Summary, ledger: Ledger, folder: Path) -> Drawn:
    """Write `report.html` and `figures/*.svg`. Nothing that fails here is an error: the numbers are safe."""
    drawn = Drawn()
    course = history(ledger, summary)
    drawings: dict[str, Callable[[], list[Path]]] = {
        "report.html": lambda: _page(summary, ledger, course, folder),
        f"{FIGURES}/": lambda: _figures(summary, course, folder / FIGURES),
    }
    for name, act in drawings.items():
        try:
            drawn.written += act()
        except ImportError as error:
            drawn.problems.append(f"{name}: {error.name or error} is not installed; `make` installs it")
        except Exception as error:  # noqa: BLE001 - a drawing that fails must not cost the session
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            drawn.problems.append(f"{name}: {said}")
    return drawn


def _page(summary: Summary, ledger: Ledger, course: Sequence[Point], folder: Path) -> list[Path]:
    from reports.page import write_page

    session = summary.sessions[-1]
    written = write_page(
        summary,
        iter(ledger.runs(session)),
        folder,
        engines=ledger.engines(session),
        questions=ledger.questions,
        history=course,
    )
    return written[:1]


def _figures(summary: Summary, course: Sequence[Point], folder: Path) -> list[Path]:
    """Those of an earlier session that are not drawn again are removed, as they would speak of other numbers."""
    from reports.figures import figures, svg

    drawn = {f"{re.sub(r'[^A-Za-z0-9._-]+', '-', one.name)}.svg": svg(one) for one in figures(summary, course)}
    for old in folder.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    if not drawn:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    return [folder]


def history(ledger: Ledger, summary: Summary) -> list[Point]:
    """The course of what this session measured."""
    here = {row.combination for row in summary.rows} | {row.combination for row in summary.speed}
    try:
        return [point for point in points(ledger) if point.combination in here]
    except NotMeasured:
        return []
