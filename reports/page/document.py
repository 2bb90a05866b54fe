"""Summary -> `report.html`: one file that needs no network, and the scripts beside it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from reports.figures.spans import mean_span
from reports.history.points import Point
from reports.ledger import RecordedEngine, RecordedRun
from reports.page.answers import FOLDER, Known, Scripts
from reports.page.drawings import Drawing, bundle, drawings, specs
from reports.page.findings import headline, refusals, remarks
from reports.page.inert import embedded, policy, script, visible
from reports.page.parts import parts, provenance, spans
from reports.page.places import links, names, places
from reports.page.view import Shown, Span, drawn, shown
from reports.summary import Summary
from reports.tables import TABLES

FILE = "report.html"
MOST_BYTES = 3_000_000
"""Of the page, without its siblings; the libraries that draw move to one of them where they would exceed it."""

LIBRARIES = "figures"
"""The sibling that holds them then."""

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("written.js", "tables.js", "places.js", "figures.js", "answers.js", "questions.js", "browser.js")


def write_page(  # noqa: PLR0913 - what a page is made of
    summary: Summary,
    runs: Iterable[RecordedRun],
    folder: Path,
    *,
    engines: Iterable[RecordedEngine] = (),
    results: Path | None = None,
    questions: Known | None = None,
    history: Sequence[Point] = (),
) -> list[Path]:
    """Write the page about a summary.

    Args:
        runs: Those whose answers can be looked through; read one after another, so that an iterator is enough.
        folder: Gets `report.html` and `report-items/`.
        engines: What was started; of a combination the last counts.
        results: The results folder, in whose `logs/` their logs are looked for; by default the page's own folder.
        questions: What the questions of a run ask, as far as that was kept: see `Ledger.questions`.
        history: The course of what the summary speaks of, for the figures of history.

    Returns:
        The page, and the folder of its scripts where there are any.

    Raises:
        OSError: Something cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scripts = Scripts(folder, "\n".join([*summary.sessions, str(summary.finished)]), questions or (lambda _: {}))
    index = scripts.add_runs(runs)
    figures = drawings(summary, history)
    page = _fitting(_context(summary, index, figures, parts(summary, engines, results or folder)), scripts)
    path = folder / FILE
    path.write_bytes(page)
    return [path, scripts.folder] if scripts.finish() else [path]


def _fitting(context: dict[str, Any], scripts: Scripts) -> bytes:
    """The page with all that its figures need; where that is too much, their specs and libraries move beside it."""
    libraries = bundle() if context["figures"] else ""
    page = rendered(context, libraries).encode(errors="xmlcharrefreplace")
    if len(page) <= MOST_BYTES or not libraries:
        return page
    scripts.add(LIBRARIES, f"{libraries}\nwindow.weighbridgeFigures={embedded(context['data']['figures'])};\n")
    data = {**context["data"], "figures": None}
    return rendered({**context, "data": data}, "").encode(errors="xmlcharrefreplace")


def rendered(context: Mapping[str, Any], libraries: str) -> str:
    """The page, with these libraries inside it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(ASSETS),
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, first, code = _asset("style.css"), script(_asset("theme.js")), script("\n".join(map(_asset, SCRIPTS)))
    inside = {name: Markup(embedded(value)) for name, value in context["data"].items()}  # noqa: S704 - see `embedded`
    return environment.get_template("report.html.j2").render(
        context,
        policy=Markup(policy([one for one in (first, code, libraries) if one], [style])),  # noqa: S704 - hashes and words of ours
        style=Markup(style),  # noqa: S704 - a file of ours
        first=Markup(first),  # noqa: S704 - a file of ours
        code=Markup(code),  # noqa: S704 - files of ours
        libraries=Markup(libraries),  # noqa: S704 - a package of ours' choosing; see `script`
        data=inside,
    )


def _context(summary: Summary, index: dict[str, Any], figures: Sequence[Drawing], own: Sequence[Any]) -> dict[str, Any]:
    about = places(summary)
    return {
        "summary": summary,
        "title": _title(summary),
        "headline": headline(summary),
        "refusals": refusals(summary.not_passed, names(summary)),
        "observations": remarks(summary),
        "tables": _tables(summary),
        "figures": figures,
        "parts": own,
        "places": about,
        "names": names(summary),
        "provenance": provenance(summary),
        "asked": bool(index["tasks"]),
        "pairs": _pairs(summary, index["combinations"]),
        "data": {
            "figures": specs(figures),
            "items": {**index, "folder": FOLDER, **_called(summary, index["combinations"])},
        },
    }


def _title(summary: Summary) -> str:
    if summary.source is not None:
        return summary.source.title
    return f"{len(summary.sessions)} sessions" if len(summary.sessions) > 1 else ", ".join(summary.sessions)


def _tables(summary: Summary) -> dict[str, Shown]:
    leads, ids = links(summary), places(summary)
    built = {name: build(summary) for name, build in TABLES.items()}
    about = {"ranking": [ids[row.combination] for row in summary.rows]}
    told = {
        name: shown(f"table-{name}", table, leads, about.get(name, ())) for name, table in built.items() if table.rows
    }
    if "ranking" in told:
        told["ranking"] = drawn(told["ranking"], "mean ± sd", _means(summary))
    if "task" in told:
        told["task"] = drawn(told["task"], "95% interval", spans(summary))
    return told


def _means(summary: Summary) -> list[Span]:
    """Mean scores with their 95 % intervals about other questions, as the figure of the ranking draws them."""
    ends = [(row.mean, *mean_span(row)) for row in summary.rows]
    return [Span(mean, *(None if end is None else end / 100 for end in (low, high))) for mean, low, high in ends]


def _pairs(summary: Summary, known: Sequence[str]) -> list[tuple[str, str]]:
    """Baselines and candidates whose answers both are here."""
    pairs = dict.fromkeys((row.baseline, row.candidate) for row in summary.upgrades)
    return [pair for pair in pairs if set(pair) <= set(known)]


def _called(summary: Summary, known: Sequence[str]) -> dict[str, Any]:
    """Names and order of the combinations whose answers are here, and which two are compared at first."""
    short, ranked = names(summary), list(places(summary))
    order = sorted(range(len(known)), key=lambda i: ranked.index(known[i]) if known[i] in ranked else len(ranked))
    pairs = _pairs(summary, known)
    first = [known.index(name) for name in pairs[0]] if pairs else order[:2]
    return {"names": [short.get(name, name) for name in known], "order": order, "first": first}


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8").replace("\r\n", "\n")
