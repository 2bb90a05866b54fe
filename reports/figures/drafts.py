"""What a draft model changed: speed, answers, and how many tokens were accepted."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from reports.figures.figure import Figure
from reports.figures.marks import chart, finished, layered, whisker
from reports.figures.names import drawable, shortened
from reports.figures.spans import hundred
from reports.figures.theme import COLOURS
from reports.figures.tips import TOOLTIP, with_tips
from reports.speed.rows import SpeedRow
from reports.speed.values import SpeedValue
from reports.summary import Change, Summary
from thresholds.speed import ACCEPTANCE_LENGTH, OUTPUT_TOKENS_PER_SECOND

NONE = ("none", "None", "")
WIDTH, STEP = 230, 30
LONGEST = 70
"""Letters of a line's name, which names model and draft."""

PANELS = {
    "speed": ("output tokens/s, with draft ÷ without", 1.0, ".2f"),
    "change": ("change of accuracy (points)", 0.0, "+.1f"),
    "accepted": ("acceptance length (tokens)", 1.0, ".2f"),
}
"""By field, what an axis is called, where nothing has changed, and how a value is written."""


def drafts(summary: Summary, names: Mapping[str, str]) -> list[Figure]:
    """One figure, where anything was measured with a draft."""
    data = [
        *(_changed(one, names) for one in summary.changes if one.setting == "draft"),
        *(_loaded(row, names) for row in summary.speed if str(row.labels.get("draft")) not in NONE),
    ]
    data = [datum for datum in data if any(datum[field] is not None for field in PANELS)]
    data = with_tips(
        data, name="what", of="measured by", **{field: f"{PANELS[field][0]}|.2f" for field in PANELS}, n="runs"
    )
    shown = [field for field in PANELS if any(datum[field] is not None for datum in data)]
    if not shown:
        return []
    panels = [
        _panel(data, field, first=number == 0, last=number == len(shown) - 1) for number, field in enumerate(shown)
    ]
    drawn = alt.hconcat(*panels, spacing=18)
    return [Figure("drafts", "What a draft changed", _caption(data, shown), finished(drawn))]


def _changed(one: Change, names: Mapping[str, str]) -> dict[str, Any]:
    plain = one.subject or names.get(one.combinations[0], one.combinations[0])
    return {
        **_nothing(),
        "name": _line(plain, one.after),
        "of": "answers",
        "n": f"runs: {one.before_runs} without, {one.after_runs} with",
        **_ends("speed", *((one.speed.value, one.speed.low, one.speed.high) if one.speed else (None, None, None))),
        **_ends("change", hundred(one.difference), hundred(one.low), hundred(one.high)),
    }


def _loaded(row: SpeedRow, names: Mapping[str, str]) -> dict[str, Any]:
    ratio = row.ratios.get(OUTPUT_TOKENS_PER_SECOND.name)
    runs = len(row.run_numbers)
    return {
        **_nothing(),
        "name": _line(f"{names[row.combination]}, {row.workload}", str(row.labels.get("draft"))),
        "of": "load",
        "n": f"{runs} {'run' if runs == 1 else 'runs'}",
        **_ends("speed", *_spread(ratio)),
        **_ends("accepted", *_spread(row.values.get(ACCEPTANCE_LENGTH.name))),
    }


def _line(subject: str, draft: str) -> str:
    short = drawable(draft).rpartition("/")[2]
    subject = drawable(subject)
    return shortened(subject if short in subject else f"{subject} + {short}", LONGEST)


def _nothing() -> dict[str, None]:
    return {f"{field}{end}": None for field in PANELS for end in ("", "_low", "_high")}


def _ends(field: str, value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {field: value, f"{field}_low": low, f"{field}_high": high}


def _spread(value: SpeedValue | None) -> tuple[float | None, float | None, float | None]:
    if value is None or value.mean is None:
        return None, None, None
    deviation = value.run_to_run_deviation
    return value.mean, *((None, None) if deviation is None else (value.mean - deviation, value.mean + deviation))


def _panel(data: Sequence[dict[str, Any]], field: str, *, first: bool, last: bool) -> alt.LayerChart:
    title, same, form = PANELS[field]
    lines = list(dict.fromkeys(datum["name"] for datum in data))
    labels = alt.Axis(labelLimit=0, ticks=False, domain=False, grid=True, labelPadding=6) if first else None
    base = chart([datum for datum in data if datum[field] is not None]).encode(
        y=alt.Y("name:N", sort=None, scale=alt.Scale(domain=lines), title=None, axis=labels)
    )
    dots = base.mark_point(filled=True, size=60, color=COLOURS[0], opacity=1, tooltip=TOOLTIP).encode(
        x=alt.X(f"{field}:Q", title=title, scale=alt.Scale(zero=False, nice=True, padding=12))
    )
    unchanged = chart([{"at": same}]).mark_rule(style="faint", strokeDash=[4, 3]).encode(x="at:Q")
    bars = whisker(base, f"{field}_low", f"{field}_high", horizontal=True)
    value = base.mark_text(style="label", dy=-9).encode(x=f"{field}:Q", text=alt.Text(f"{field}:Q", format=form))
    counts = base.mark_text(style="note", align="left").encode(x=alt.value(WIDTH + 8), text="n:N")
    return layered(unchanged, bars, dots, value, *([counts] if last else []), width=WIDTH, height=alt.Step(STEP))


def _caption(data: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> str:
    kinds = {datum["of"] for datum in data}
    lacking = any(datum[field] is not None and datum[f"{field}_low"] is None for datum in data for field in shown)
    said = [
        "Each line: the same model, quantization and limits with a draft and without.",
        "Dashed: no change.",
        "Bars: 95 % intervals; those of speed over runs, those of accuracy about other questions of this kind."
        if "answers" in kinds
        else "",
        "Bars of loads: ± standard deviation from run to run." if "load" in kinds else "",
        "Without a bar: a single run on one side gives no interval." if lacking else "",
    ]
    return " ".join(one for one in said if one)
