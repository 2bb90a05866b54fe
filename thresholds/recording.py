"""A measurement turned into a threshold row, and the row written into its file with the comments kept.

The recorded floor lies below the measured score by a margin that an unchanged combination does not reach: with R runs
recorded and 2 in a later session, their difference has the error sqrt(1 + R / 2) * e, with e the rerun error of the
recorded ones but never less than that of one question whose answer changes; the margin is 2.6 of these (one false alarm
in 200 sessions).

A speed's floor lies below the measured mean m (its ceiling above it) by the larger of two margins:

- how far the mean of a later session of 3 runs may lie from that of the R recorded ones when nothing has changed, at
  the same rate of false alarms: t(0.995, R - 1) * s * sqrt(1 / R + 1 / 3), s the standard deviation over the runs;
- 5 % of m, because the runs of one start do not see what differs from start to start (memory layout, clocks, placement,
  compiled kernels: up to 9.4 % between boots of one machine are reported from the field).

The bound is then rounded outward to three digits.
"""

import io
import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from pathlib import Path
from statistics import stdev
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from thresholds.measurement import Measurement, NotMeasured
from thresholds.quantities import percent
from thresholds.rows import ACCURACY_KEYS, SPEED_KEYS, AccuracyRow, SpeedRow
from thresholds.speed import SPEED
from thresholds.statistics.means import one_sided, rerun_error, run_means
from thresholds.statistics.runs import LEAST_RUNS, later_reach
from thresholds.strict_yaml import InvalidFile

FALSE_ALARM = 0.005
LATER_RUNS = 2
"""Runs of the sessions that are held against a recorded floor: the default of --runs."""
BETWEEN_STARTS = 0.05
"""Share of a speed that may differ from start to start."""
NOISIEST = 0.5
"""A margin of this share of the measured speed says nothing."""


def recordable(measurement: Measurement) -> None:
    """Refuse what cannot be a threshold.

    Raises:
        NotMeasured: From one run (its spread is unknown), with failed requests, or where no floor could ever fail. A
            speed: from fewer than 3 runs, with failed requests, of 0, or with noise that asks for too wide a margin.
    """
    if measurement.metric.name in SPEED:
        _recordable_speed(measurement)
        return
    if len(measurement.samples) < 2:  # noqa: PLR2004 - a spread needs two runs
        raise NotMeasured("one_run", "a floor cannot be recorded from one run, whose spread is unknown; use --runs 4")
    if measurement.failed_requests:
        raise NotMeasured("failed_requests", "a floor cannot be recorded while requests fail")
    if measurement.value - margin(measurement) <= measurement.metric.lowest:
        raise NotMeasured("floor_of_zero", "a floor as low as the noise allows could never fail; ask more questions")


def margin(measurement: Measurement) -> float:
    """How far from the measured value the floor or ceiling goes, on the worse side; in the metric's unit.

    See the module.
    """
    if measurement.metric.name in SPEED:
        return max(_later(measurement), BETWEEN_STARTS * measurement.value)
    one_question = 1 / len(measurement.samples[0]) / math.sqrt(2)
    error = max(rerun_error(measurement.samples) or 0.0, one_question)
    runs = len(measurement.samples)
    return one_sided(1 - FALSE_ALARM) * math.sqrt(1 + runs / min(runs, LATER_RUNS)) * error


def accuracy_row(measurement: Measurement, *, measured_on: str, run: str) -> dict[str, Any]:
    """The row for a measurement: its labels that differ from the defaults, the floor, and where it comes from."""
    defaults = {name: info.default for name, info in AccuracyRow.model_fields.items()}
    keys = {name: measurement.labels[name] for name in ACCURACY_KEYS}
    keys = {name: value for name, value in keys.items() if name == "task" or value != defaults[name]}
    if str(keys.get("samples", "")).isdigit():
        keys["samples"] = int(keys["samples"])
    floor = max(measurement.metric.lowest, measurement.value - margin(measurement))
    error = rerun_error(measurement.samples) or 0.0
    return {
        **keys,
        "floor": math.floor(floor * 1000) / 1000,
        "measured": round(measurement.value, 4),
        "runs": len(measurement.samples),
        "measured_on": measured_on,
        "run": run,
        "because": f"recorded; error of a rerun {100 * error:.1f} points, margin {100 * margin(measurement):.1f}",
    }


def speed_row(measurement: Measurement, *, measured_on: str, run: str) -> dict[str, Any]:
    """The row for a speed or a ratio: its labels that differ from the defaults, the bound, and where it comes from.

    A row of fewer than 3 runs is no valid one; `recordable` says so.
    """
    metric, labels, value = measurement.metric, measurement.labels, measurement.value
    against = labels.get("against")
    placed = {**labels, "against": against, "hardware": None if against else labels["hardware"]}
    keys = {name: placed[name] for name in SPEED_KEYS if placed[name] != SpeedRow.model_fields[name].default}
    sign, rounding = (-1, ROUND_FLOOR) if metric.bound == "floor" else (1, ROUND_CEILING)
    bound = Context(prec=3, rounding=rounding).create_decimal(repr(value + sign * margin(measurement)))
    origin = {"measured_on": measured_on} if against else {}
    asks = {"asks": labels["asks"]} if labels.get("asks") else {}
    return {
        "metric": metric.name,
        **keys,
        **asks,
        metric.bound: float(bound),
        "measured": float(f"{value:.4g}"),
        "runs": len(measurement.samples),
        **origin,
        "run": run,
        "because": f"recorded; {_parts(measurement)}",
    }


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
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(path.read_text(encoding="utf-8")) if path.exists() else CommentedMap(model=model)
        document.setdefault(section, CommentedSeq()).append(_flow(row))
        text = io.StringIO()
        yaml.dump(document, text)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(text.getvalue(), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise InvalidFile(path, None, f"cannot be written: {error}") from None


def _recordable_speed(measurement: Measurement) -> None:
    word, runs, value = measurement.metric.bound, len(measurement.samples), measurement.value
    if measurement.failed_requests:
        raise NotMeasured("failed_requests", f"a {word} cannot be recorded while requests fail")
    if runs < LEAST_RUNS:
        said = f"a {word} of a speed cannot be recorded from fewer than {LEAST_RUNS} runs; use --runs {LEAST_RUNS + 2}"
        raise NotMeasured("too_few_runs", said)
    if value <= 0:
        raise NotMeasured("bound_of_zero", f"a {word} cannot be recorded from a measured 0; mend the load first")
    if margin(measurement) >= NOISIEST * value:
        said = f"too noisy: its {word} would be off by {percent(margin(measurement) / value)} % of what was measured"
        raise NotMeasured(
            "too_noisy", f"{said}; use more runs (--runs {2 * runs}), or a longer load on a quieter machine"
        )


def _later(measurement: Measurement) -> float:
    """How far a later session's mean may lie from this one; 0 for one run, whose spread is unknown."""
    values = run_means(measurement.samples)
    if len(values) == 1:
        return 0.0
    return later_reach(len(values), stdev(values), LEAST_RUNS, 1 - FALSE_ALARM)


def _parts(measurement: Measurement) -> str:
    """Of what the margin of a speed consists, in per cent of the measured value."""
    value, runs = measurement.value or math.inf, len(measurement.samples)
    later, starts = percent(_later(measurement) / value), percent(BETWEEN_STARTS)
    spread = percent(stdev(run_means(measurement.samples)) / value) if runs > 1 else "unknown"
    return (
        f"margin {percent(margin(measurement) / value)} %, the larger of {later} % for {LEAST_RUNS} later runs "
        f"({spread} % between {runs}) and {starts} % between starts"
    )


_QUOTED = ("asks", "hardware", "measured_on", "run", "because")


def _flow(row: Mapping[str, Any]) -> CommentedMap:
    quoted = {name: DoubleQuotedScalarString(row[name]) for name in _QUOTED if name in row}
    node = CommentedMap({**row, **quoted})
    node.fa.set_flow_style()
    return node
