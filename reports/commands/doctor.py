"""`doctor`: what every threshold row can do, and which of them cannot work."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.commands import Commands, Said, opened, rendered, takes_format, takes_results
from reports.ledger import FILE
from reports.row_history import judged
from reports.summary import SCHEMA_VERSION
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, fenced, one_line
from reports.wording.words import figure, in_speed_unit, percent, points, speed_name, speed_unit, task_names
from thresholds.accepted import Noise
from thresholds.agreement import NEXT_TOKEN_DIVERGENCE
from thresholds.catalogue import ACCURACY_KEYS, SPEED_KEYS, Catalogue, Threshold
from thresholds.doctor import Finding, examine, narrow
from thresholds.measurement import NotMeasured
from thresholds.speed import key

UNFIT = 1
"""Exit status when a row cannot work."""
WORDS = {
    "above_measured": "above measured",
    "never_fails": "never fails",
    "below_chance": "below chance",
    "flakes": "flakes",
}
LEFT_OUT = "Rows of next_token_divergence are left out: one asking does not show how far such values vary."
NAMES = ("task", "metric", "statistic", "workload")
"""Keys that the name of a row is made of."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A finding, and whose noise it rests on: "row", "ledger" or "row+ledger"."""

    finding: Finding
    noise_of: str


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="what every threshold row can do; status 1 when one cannot work")
    parser.add_argument("--thresholds", type=Path, default=Path("thresholds"), metavar="DIR", help="their folder")
    said = "the drop to catch, in points of an accuracy [2] and per cent of a speed [5]"
    parser.add_argument("--margin", type=_positive, metavar="X", help=said)
    takes_format(parser)
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> Said:
    """A row for every threshold, the worst first, then what is wrong."""
    catalogue = Catalogue.load(asked.thresholds)
    rows = [row for row in catalogue.rows.values() if row.metric != NEXT_TOKEN_DIVERGENCE]
    if not rows:
        said = (
            f"holds no threshold row{' of an accuracy or a speed' if catalogue.rows else ''}; record some with --record"
        )
        raise NotMeasured("no_rows", f"{catalogue.folder}: {said}")
    measured = _measured(asked.results, catalogue)
    stated = None if asked.margin is None else asked.margin / 100
    found = [_examined(row, measured.get(row.where, {}), stated) for row in rows]
    found.sort(key=_badness)
    left_out = [LEFT_OUT] if len(rows) < len(catalogue.rows) else []
    told = rendered(asked.format, [_table(found, asked.margin, left_out)], _plain(found))
    unfit = [one.finding for one in found if not one.finding.fit]
    if unfit and asked.format != "json":
        keys = telling(rows)
        lines = [f"{one.threshold.where}: {called(one.threshold, keys)}: {one.said}" for one in unfit]
        told += "\n\n" + (f"### Unfit\n\n{fenced(lines)}" if asked.format == "markdown" else _listed(lines))
    return Said(told, UNFIT if unfit else 0)


def name_of(threshold: Threshold) -> str:
    """What a row speaks of: `gsm8k`, `TTFT p95 chat`, `output tokens/s chat / m-vllm`."""
    row = threshold.row
    if "task" in row:
        return str(row["task"])
    against = f" / {row['against']}" if row.get("against") else ""
    return f"{speed_name(key(row['metric'], row.get('statistic')))} {row['workload']}{against}"


def telling(rows: Sequence[Threshold]) -> list[str]:
    """The keys by which rows differ, beside what they speak of."""
    keys = dict.fromkeys(("model", *ACCURACY_KEYS, *SPEED_KEYS))
    wanted = [name for name in keys if name not in (*NAMES, "against", "samples", "hardware")]
    return [name for name in wanted if len({str(row.row[name]) for row in rows if name in row.row}) > 1]


def called(threshold: Threshold, keys: Iterable[str]) -> str:
    """What a row speaks of, with the keys that tell it from others: `TTFT p95 chat w8a8`."""
    told = [str(threshold.row[name]) for name in keys if threshold.row.get(name) not in {None, "none", "auto", False}]
    return " ".join([name_of(threshold), *told])


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(["Unfit", "", *map(one_line, lines)])


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:  # noqa: PLR2004 - per cent
        raise argparse.ArgumentTypeError(f"{text} is no drop; write one above 0 and at most 100")
    return value


def _measured(folder: Path, catalogue: Catalogue) -> Mapping[str, Mapping[str, Noise]]:
    """The noise that a ledger shows, by row and session; nothing is lost where there is no ledger."""
    found: dict[str, dict[str, Noise]] = {}
    if folder == Path("results") and not (folder / FILE).is_file():
        return found
    with opened(folder) as ledger:
        for session in ledger.sessions():
            for one in judged(ledger, catalogue, session.id):
                if one.accepted.noise is not None:
                    found.setdefault(one.threshold.where, {})[session.id] = one.accepted.noise
    return found


def _examined(row: Threshold, measured: Mapping[str, Noise], stated: float | None) -> Examined:
    told_twice = row.row["run"] if row.row.get("noise") is not None else None
    others = [noise for session, noise in measured.items() if session != told_twice]
    known = ["row"] if row.row.get("noise") is not None else []
    sources = [*known, *(["ledger"] if others else [])]
    return Examined(examine(row, others, stated=stated), "+".join(sources))


def _badness(one: Examined) -> tuple[bool, bool, float, str]:
    finding = one.finding
    return finding.fit, finding.red is None, -(finding.red or 0.0), finding.threshold.where


def _table(found: Sequence[Examined], margin: float | None, more: Sequence[str] = ()) -> Table:
    rows = [one.finding.threshold for one in found]
    keys, names = telling(rows), task_names([str(row.row["task"]) for row in rows if "task" in row.row])
    files = {_file(row) for row in rows}
    columns = [
        Column("row" if len(files) > 1 else "line", TEXT),
        Column("of", TEXT),
        *(Column(name.replace("_", " "), TEXT) for name in keys),
        *map(Column, ("asked", "measured", "bound", "noise", "red", "FAIL", "catches 80, 95%", "needs")),
        Column("verdict", TEXT),
    ]
    title = "Doctor" if len(files) > 1 else f"Doctor: {rows[0].where.rpartition(':')[0]}"
    cells = [
        [
            _place(one.finding.threshold, alone=len(files) == 1),
            names.get(name_of(one.finding.threshold)) or name_of(one.finding.threshold),
            *_cells(one, keys),
        ]
        for one in found
    ]
    return Table(title, columns, cells, [*_notes(found, margin), *more])


def _cells(one: Examined, keys: Iterable[str]) -> list[str]:
    finding, row = one.finding, one.finding.threshold.row
    base = finding.base
    runs = f"{base.runs} {'run' if base.runs == 1 else 'runs'}"
    return [
        *(UNKNOWN if row.get(name) is None else str(row[name]) for name in keys),
        runs if base.questions is None else f"{base.questions:,} x {runs}",
        _value(finding.threshold, base.value),
        _value(finding.threshold, finding.threshold.value),
        _noise(one),
        _rate(finding.red),
        _rate(finding.fails),
        UNKNOWN if finding.catches is None else ", ".join(_drop(finding, drop) for drop in finding.catches),
        _need(finding),
        WORDS[finding.wrong] if finding.wrong else "noise unknown" if finding.red is None else "fit",
    ]


def _file(threshold: Threshold) -> str:
    return threshold.where.rpartition(":")[0]


def _place(threshold: Threshold, *, alone: bool = False) -> str:
    path, _, line = threshold.where.rpartition(":")
    return line if alone else f"{Path(path).stem}:{line}"


def _noise(one: Examined) -> str:
    base = one.finding.base
    if base.noise is None:
        return UNKNOWN
    noise = percent(base.noise.deviation) if base.of_speed else points(base.noise.deviation)
    return f"{noise} {one.noise_of}" if one.noise_of != "row" else noise


def _value(threshold: Threshold, value: float) -> str:
    metric = threshold.metric
    if "task" in threshold.row:
        return points(value)
    unit = speed_unit(metric.name, metric.unit)
    return f"{figure(in_speed_unit(value, metric.name, metric.unit))}{f' {unit}' if unit in {'ms', 's', 'x'} else ''}"


def _rate(share: float | None) -> str:
    """0.5%; <0.1% where one decimal would show nothing."""
    return "<0.1%" if share is not None and 0 <= share < 0.0005 else percent(share)  # noqa: PLR2004 - half of 0.1 %


def _drop(finding: Finding, drop: float) -> str:
    return percent(drop / finding.base.value) if finding.base.of_speed else points(drop)


def _need(finding: Finding) -> str:
    need = finding.need
    if need is None:
        return UNKNOWN
    if need.amount is None:
        return "no number"
    return "enough" if need.enough else f"{need.amount:,} {need.unit}"


def _notes(found: Sequence[Examined], margin: float | None) -> Iterable[str]:
    speeds = any(one.finding.base.of_speed for one in found)
    points_of, share = (2.0, 5.0) if margin is None else (margin, margin)
    stated = f"{points_of:g} points" + (f" ({share:g}% of a speed)" if speeds else "")
    yield "Accuracies, their noise and drops in points; noise and drops of a speed in per cent of what was measured."
    yield "red: how often an unchanged combination is not PASS (more than 1% is unfit); FAIL: how often it fails."
    yield f"catches: the drop that is red so often. needs: what would catch {stated} 80% of the time."
    if speeds:
        yield "The noise is that between identical runs; what differs from start to start of an engine is not in it."
    if any("ledger" in one.noise_of for one in found):
        yield "Noise is that of the row; +ledger: pooled with the sessions of the ledger that measured the same."
    near = [one.finding.threshold.where for one in found if narrow(one.finding)]
    if near:
        yield f"Nearer than what --record leaves for another start (5%, of a ratio 7%): {', '.join(near)}."


def _plain(found: Sequence[Examined]) -> dict[str, Any]:
    rows = [
        {
            "where": one.finding.threshold.where,
            "metric": one.finding.threshold.metric.name,
            "labels": {name: one.finding.threshold.row.get(name) for name in ("model", *ACCURACY_KEYS, *SPEED_KEYS)},
            "bound": one.finding.threshold.value,
            "measured": one.finding.base.value,
            "noise": one.finding.base.noise.deviation if one.finding.base.noise else None,
            "noise_of": one.noise_of,
            "red": one.finding.red,
            "fails": one.finding.fails,
            "catches_80": one.finding.catches[0] if one.finding.catches else None,
            "catches_95": one.finding.catches[1] if one.finding.catches else None,
            "needs": one.finding.need.amount if one.finding.need else None,
            "needs_unit": one.finding.need.unit if one.finding.need else None,
            "wrong": one.finding.wrong,
            "said": one.finding.said,
            "holds": one.finding.holds,
        }
        for one in found
    ]
    return {"schema_version": SCHEMA_VERSION, "rows": rows}
