"""The text of `report.json`."""

import json
import math
from collections.abc import Mapping
from typing import Any

from reports.summary import Summary


def report_json(summary: Summary) -> str:
    """The whole summary as JSON that every reader takes: what is no finite number is null."""
    return json.dumps(_strict(summary.to_dict()), indent=2, ensure_ascii=False, default=str, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _strict(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(one) for one in value]
    return value
