"""The JSON Schema of `report.json` and its documentation, both derived from the view model and its docstrings."""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reports.schema.meanings import MEANINGS
from reports.summary import SCHEMA_VERSION, Summary

FOLDER = Path(__file__).parent
SCHEMA, WORDS = FOLDER / "report.schema.json", FOLDER / "README.md"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

INTRODUCTION = f"""# `report.json`

Every session ends with a `report.json` in its results folder; `python -m reports show --format json` prints the same of
any session. [report.schema.json](report.schema.json) is its JSON Schema, version {SCHEMA_VERSION} (`schema_version`).

- The version changes when a field goes or changes its meaning. Fields may be added at any time: ignore what you do not
  know.
- Numbers are not rounded. Shares and scores lie in 0..1, times are seconds, memory is bytes.
- `null` is unknown, or not measured; it is never 0.
- Texts of models and engines stand as they came: escape them where you show them.

This page and the schema are written by `python -m reports.schema` from the docstrings of `reports/`; a test holds them
together.
"""


def schema() -> dict[str, Any]:
    """The JSON Schema."""
    from pydantic import TypeAdapter

    found = TypeAdapter(Summary).json_schema(mode="serialization")
    definitions = found.pop("$defs", {})
    version = {"const": SCHEMA_VERSION, "description": "The version of this form."}
    found["properties"] = {"schema_version": version, **found["properties"]}
    classes = {cls.__name__: cls for cls in _classes(Summary)}
    _describe(found, Summary)
    for name, definition in definitions.items():
        _describe(definition, classes[name])
    return {
        "$schema": DIALECT,
        **found,
        "title": "report.json of Weighbridge",
        "$defs": dict(sorted(definitions.items())),
    }


def words(described: Mapping[str, Any]) -> str:
    """The documentation of a schema, as Markdown."""
    parts = [INTRODUCTION, _part("The report", described)]
    parts += [_part(f"`{name}`", one) for name, one in described["$defs"].items()]
    return "\n".join(parts)


def write() -> None:
    """Bring both files up to date."""
    described = schema()
    SCHEMA.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    WORDS.write_text(words(described), encoding="utf-8")


def _classes(cls: type) -> Iterator[type]:
    """The dataclasses that a dataclass holds, itself included."""
    seen: dict[type, None] = {}
    waiting = [cls]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen[one] = None
        known = vars(sys.modules[one.__module__])
        hints = inspect.get_annotations(one, globals=dict(known), eval_str=True)
        waiting += [inner for hint in hints.values() for inner in _held(hint)]
    yield from seen


def _held(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        yield hint
    for inner in getattr(hint, "__args__", ()):
        yield from _held(inner)


def _describe(definition: dict[str, Any], cls: type) -> None:
    """Every field is always written; what it means is said where it is defined."""
    told = re.sub(r"\bNone\b", "null", inspect.getdoc(cls) or "")
    definition["description"] = " ".join(told.partition("\nAttributes:")[0].split())
    meanings = _meanings(told)
    definition["required"] = list(definition["properties"])
    for name, field in definition["properties"].items():
        field.pop("title", None)
        field.pop("default", None)
        if name in meanings:
            field["description"] = meanings[name]


def _meanings(told: str) -> dict[str, str]:
    """The `Attributes:` of a docstring, by name; several may share a line."""
    _, _, section = told.partition("\nAttributes:\n")
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8,}.*)*)", section, re.MULTILINE)
    return MEANINGS | {name.strip(): " ".join(text.split()) for names, text in entries for name in names.split(",")}


def _part(title: str, definition: Mapping[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_kind(field)} | {field.get('description', '').replace('|', chr(92) + '|')} |"
        for name, field in definition["properties"].items()
    ]
    head = ["| field | is | meaning |", "|---|---|---|"]
    return "\n".join([f"## {title}", "", definition["description"], "", *head, *rows, ""])


def _kind(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"{field['const']}"
    if "$ref" in field:
        return f"`{field['$ref'].rpartition('/')[2]}`"
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if field.get("type") == "array":
        inner = field.get("items") or (field.get("prefixItems") or [{}])[0]
        return f"list of {_kind(inner)}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"object of {_kind(inner)}" if isinstance(inner, dict) and inner else "object"
    return str(field.get("type", "anything"))
