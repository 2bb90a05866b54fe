"""A measurement turned into a threshold row, and rows written into their files with the comments kept.

How far the recorded bound lies from the measured value is said in `thresholds.accepted`.
"""

import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from thresholds.accepted import (
    FALSE_ALARM,
    Accepted,
    accepted,
    bound,
    difference_error,
    reach,
    sampled,
    told_noise,
    told_value,
)
from thresholds.accepted import margin as margin_of
from thresholds.agreement import NEXT_TOKEN_DIVERGENCE
from thresholds.catalogue import Threshold
from thresholds.doctor import examine
from thresholds.measurement import Measurement, NotMeasured
from thresholds.quantities import percent
from thresholds.rows import (
    ACCURACY_KEYS,
    DIVERGENCE_KEYS,
    SPEED_KEYS,
    AccuracyRow,
    DivergenceRow,
    SpeedRow,
    ThresholdFile,
    holds_anywhere,
)
from thresholds.statistics.runs import LEAST_RUNS
from thresholds.strict_yaml import InvalidFile

NOISIEST = 0.5
"""A margin of this share of the measured speed says nothing."""


def recordable(measurement: Measurement) -> None:
    """Refuse what cannot be a threshold.

    Raises:
        NotMeasured: From one run (its spread is unknown), with failed requests, where no floor could ever fail, or
            where an unchanged combination would turn red in more than 1 % of the sessions. A speed: from fewer than 3
            runs, with failed requests, of 0, or with noise that asks for too wide a margin.
    """
    base = accepted(measurement)
    if not base.of_speed and base.noise is None:
        raise NotMeasured("one_run", "a floor cannot be recorded from one run, whose spread is unknown; use --runs 4")
    if measurement.failed_requests:
        raise NotMeasured("failed_requests", f"a {measurement.metric.bound} cannot be recorded while requests fail")
    if refused := refusal(base):
        raise NotMeasured(*refused)


def refusal(base: Accepted) -> tuple[str, str] | None:
    """Why this value cannot set a bound (a stable code, and words); None when it can."""
    refused = _refused_speed(base) if base.of_speed else _refused_accuracy(base)
    if refused is not None:
        return refused
    row = {"measured": base.value, "run": base.run, "runs": base.runs, "questions": base.questions}
    if base.noise is not None:
        row["noise"] = base.noise.deviation
    finding = examine(Threshold(base.metric, bound(base), "hold", "", row))
    return None if finding.fit else ("would_flake", finding.said)


def margin(measurement: Measurement) -> float:
    """How far from the measured value the floor or ceiling goes, on the worse side; in the metric's unit."""
    return margin_of(accepted(measurement))


def accuracy_row(measurement: Measurement, *, measured_on: str, run: str) -> dict[str, Any]:
    """The row for a measurement: its labels that differ from the defaults, the floor, and where it comes from."""
    defaults = {name: info.default for name, info in AccuracyRow.model_fields.items()}
    keys = {name: measurement.labels[name] for name in ACCURACY_KEYS}
    keys = {name: value for name, value in keys.items() if name == "task" or value != defaults[name]}
    if str(keys.get("samples", "")).isdigit():
        keys["samples"] = int(keys["samples"])
    base = accepted(measurement, run=run, measured_on=measured_on)
    said = {} if sampled(keys.get("samples")) == base.questions else {"questions": base.questions}
    return {
        **keys,
        "floor": bound(base),
        **resting_on(base),
        **said,
        "measured_on": measured_on,
        "run": run,
        "because": f"recorded; {basis(base)}",
    }


def speed_row(measurement: Measurement, *, measured_on: str, run: str) -> dict[str, Any]:
    """The row for a speed or a ratio: its labels that differ from the defaults, the bound, and where it comes from.

    A row of fewer than 3 runs is no valid one; `recordable` says so.
    """
    metric, labels, base = measurement.metric, measurement.labels, accepted(measurement)
    against = labels.get("against")
    anywhere = holds_anywhere(metric.name, against)
    placed = {**labels, "against": against, "hardware": None if anywhere else labels["hardware"]}
    keys = {name: placed[name] for name in SPEED_KEYS if placed[name] != SpeedRow.model_fields[name].default}
    origin = {"measured_on": measured_on} if anywhere else {}
    asks = {"asks": labels["asks"]} if labels.get("asks") else {}
    return {
        "metric": metric.name,
        **keys,
        **asks,
        metric.bound: bound(base),
        **resting_on(base),
        **origin,
        "run": run,
        "because": f"recorded; {basis(base)}",
    }


def divergence_row(
    measurement: Measurement, *, ceiling: float, noise: float, instead_of: float, measured_on: str, run: str
) -> dict[str, Any]:
    """The row that accepts how far a quant's next tokens lie: its labels that differ from the defaults, and the rest.

    Args:
        ceiling, noise: In nats; the noise is that of the unquantized engine.
        instead_of: The ceiling that holds without the row, in nats.
    """
    fields, labels = DivergenceRow.model_fields, measurement.labels
    keys = {name: labels[name] for name in DIVERGENCE_KEYS if labels[name] != fields[name].default}
    return {
        **keys,
        NEXT_TOKEN_DIVERGENCE.bound: ceiling,
        "measured": float(f"{measurement.value:.3g}"),
        "noise": float(f"{noise:.3g}"),
        "measured_on": measured_on,
        "run": run,
        "because": f"recorded; above the {instead_of:.3g} nats that hold without a row",
    }


def resting_on(base: Accepted) -> dict[str, Any]:
    """The keys of a row that say what its bound rests on."""
    noise = {} if base.noise is None else {"noise": told_noise(base.noise)}
    return {"measured": told_value(base), **noise, "runs": base.runs}


def basis(base: Accepted) -> str:
    """How the margin of a bound comes about, in words."""
    width = margin_of(base)
    if not base.of_speed:
        error = base.deviation / math.sqrt(base.runs)
        return f"error of a rerun {100 * error:.1f} points, margin {100 * width:.1f}"
    value = base.value or math.inf
    later = percent(reach(base, 1 - FALSE_ALARM) * difference_error(base) / value if base.noise else 0.0)
    spread = "unknown" if base.noise is None else percent(base.noise.deviation)
    return (
        f"margin {percent(width / value)} %, the root of the summed squares of {later} % for {LEAST_RUNS} later runs "
        f"({spread} % between {base.runs}) and {percent(base.between_starts / value)} % between starts"
    )


def as_text(row: Mapping[str, Any]) -> str:
    """The row as one line of YAML, ready to paste behind `- `."""
    text = io.StringIO()
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.dump(_flow(row), text)
    return text.getvalue().strip()


def write(path: Path, model: str, row: Mapping[str, Any], section: str = "accuracy") -> None:
    """Append the row to its section of the model's file, which is created when there is none. Comments stay.

    Raises:
        InvalidFile: The file cannot be written.
    """
    try:
        document = _round_trip().load(path.read_text(encoding="utf-8")) if path.exists() else CommentedMap(model=model)
    except OSError as error:
        raise InvalidFile(path, None, f"cannot be written: {error}") from None
    document.setdefault(section, CommentedSeq()).append(_flow(row))
    text = io.StringIO()
    _round_trip().dump(document, text)
    replace_text(path, text.getvalue())


def edited(text: str, changes: Iterable[tuple[str, int, Mapping[str, Any]]]) -> str:
    """The text of a threshold file with rows changed: (section, position, keys with their new values).

    Comments, order and style stay; a key that is new stands where `--record` writes it.

    Raises:
        ValueError: The file would not be a valid one.
    """
    document = _round_trip().load(text)
    for section, position, values in changes:
        node = document[section][position]
        for name, value in values.items():
            _set(node, name, value)
    ThresholdFile.model_validate(document)
    changed = io.StringIO()
    _round_trip().dump(document, changed)
    return changed.getvalue()


def replace_text(path: Path, text: str) -> None:
    """Put a new text in the place of a file, all at once.

    Raises:
        InvalidFile: The file cannot be written.
    """
    unfinished = path.with_suffix(".tmp")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise InvalidFile(path, None, f"cannot be written: {error}") from None


def _refused_accuracy(base: Accepted) -> tuple[str, str] | None:
    if base.noise is None:
        return "one_run", "one run does not show its spread; use --runs 4"
    if bound(base) <= base.metric.lowest:
        return "floor_of_zero", "a floor as low as the noise allows could never fail; ask more questions"
    return None


def _refused_speed(base: Accepted) -> tuple[str, str] | None:
    word = base.metric.bound
    if base.runs < LEAST_RUNS:
        said = f"a {word} of a speed cannot be recorded from fewer than {LEAST_RUNS} runs; use --runs {LEAST_RUNS + 2}"
        return "too_few_runs", said
    if base.value <= 0:
        return "bound_of_zero", f"a {word} cannot be recorded from a measured 0; mend the load first"
    width = margin_of(base)
    if width >= NOISIEST * base.value:
        said = f"too noisy: its {word} would be off by {percent(width / base.value)} % of what was measured"
        return "too_noisy", f"{said}; use more runs (--runs {2 * base.runs}), or a longer load on a quieter machine"
    return None


_QUOTED = ("asks", "hardware", "measured_on", "run", "because")
_ORDER = ("floor", "ceiling", "measured", "noise", "runs", "questions", "golden", "measured_on", "run", "because")


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _set(node: CommentedMap, name: str, value: Any) -> None:
    new = _flow(value) if isinstance(value, Mapping) else DoubleQuotedScalarString(value) if name in _QUOTED else value
    if name in node:
        node[name] = new
        return
    before = [known for known in _ORDER[: _ORDER.index(name)] if known in node]
    node.insert(list(node).index(before[-1]) + 1 if before else len(node), name, new)


def _flow(row: Mapping[str, Any]) -> CommentedMap:
    quoted = {name: DoubleQuotedScalarString(row[name]) for name in _QUOTED if name in row}
    node = CommentedMap({**row, **quoted})
    node.fa.set_flow_style()
    return node
