"""A measurement turned into a threshold row, and the row written into its file with the comments kept.

The recorded floor lies below the measured score by a margin that an unchanged combination does not reach: with R runs
recorded and 2 in a later session, their difference has the error sqrt(1 + R / 2) * e, with e the rerun error of the
recorded ones but never less than that of one question whose answer changes; the margin is 2.6 of these (one false alarm
in 200 sessions).
"""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from thresholds.catalogue import ACCURACY_KEYS, AccuracyRow
from thresholds.measurement import Measurement, NotMeasured
from thresholds.statistics import one_sided, rerun_error
from thresholds.strict_yaml import InvalidFile

FALSE_ALARM = 0.005
LATER_RUNS = 2
"""Runs of the sessions that are held against a recorded floor: the default of --runs."""


def recordable(measurement: Measurement) -> None:
    """Refuse what cannot be a threshold.

    Raises:
        NotMeasured: From one run (its spread is unknown), with failed requests, or where no floor could ever fail.
    """
    if len(measurement.samples) < 2:  # noqa: PLR2004 - a spread needs two runs
        raise NotMeasured("one_run", "a floor cannot be recorded from one run, whose spread is unknown; use --runs 4")
    if measurement.failed_requests:
        raise NotMeasured("failed_requests", "a floor cannot be recorded while requests fail")
    if measurement.value - margin(measurement) <= measurement.metric.lowest:
        raise NotMeasured("floor_of_zero", "a floor as low as the noise allows could never fail; ask more questions")


def margin(measurement: Measurement) -> float:
    """How far below the measured score the floor goes; in the metric's unit. See the module."""
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


def as_text(row: Mapping[str, Any]) -> str:
    """The row as one line of YAML, ready to paste behind `- `."""
    text = io.StringIO()
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.dump(_flow(row), text)
    return text.getvalue().strip()


def write(path: Path, model: str, row: Mapping[str, Any]) -> None:
    """Append the row to the model's file, which is created when there is none. Comments stay.

    Raises:
        InvalidFile: The file cannot be written.
    """
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(path.read_text(encoding="utf-8")) if path.exists() else CommentedMap(model=model)
        document.setdefault("accuracy", CommentedSeq()).append(_flow(row))
        text = io.StringIO()
        yaml.dump(document, text)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(text.getvalue(), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise InvalidFile(path, None, f"cannot be written: {error}") from None


def _flow(row: Mapping[str, Any]) -> CommentedMap:
    quoted = {name: DoubleQuotedScalarString(row[name]) for name in ("measured_on", "run", "because") if name in row}
    node = CommentedMap({**row, **quoted})
    node.fa.set_flow_style()
    return node
