"""YAML files that are read strictly: every mistake is one line with file and line, and what to write instead."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Schema = TypeVar("Schema", bound=BaseModel)
_PASSWORD = re.compile(r"//[^/@\s]+@")
"""User and password in a URL, which an error must not repeat."""


class InvalidFile(ValueError):
    """A file that its user has to mend: what is wrong, where (path:line) and what to do."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        where = f"{shown(path)}:{line}" if line else shown(path)
        super().__init__(f"{where}: {message}")


def shown(path: Path) -> str:
    """The path as a person types it: relative to the working directory where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or the whole list when nothing is near."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(options) or 'none'}"


def read(path: Path, schema: type[Schema]) -> tuple[Schema, CommentedMap]:
    """Parse and validate a file.

    Returns:
        The validated content, and the parsed document, whose nodes `line_of` can place.

    Raises:
        InvalidFile: The file cannot be read or parsed, or does not fit the schema.
    """
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(path, None, f"cannot be read: {error}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidFile(path, mark.line + 1 if mark else None, f"is not valid YAML: {_first_line(error)}") from None
    except YAMLError as error:
        raise InvalidFile(path, None, f"is not valid YAML: {_first_line(error)}") from None
    if not isinstance(document, CommentedMap):
        raise InvalidFile(path, 1, "holds no mapping; write `key: value` lines")
    try:
        return schema.model_validate(document), document
    except ValidationError as error:
        # a misspelt key is unknown and the right one missing: the first is what its writer can see
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise InvalidFile(path, line_of(document, first["loc"]), _explain(first, schema)) from None


def line_of(document: CommentedMap | CommentedSeq, where: Sequence[str | int]) -> int:
    """Line (from 1) of the node that the keys and positions in `where` lead to, or of its nearest parent."""
    node: Any = document
    line: int = document.lc.line + 1
    for step in where:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
        else:
            continue
        node = node[step]
    return line


def _first_line(error: YAMLError) -> str:
    problem = str(getattr(error, "problem", None) or str(error).splitlines()[0])
    return "a tab stands where YAML wants blanks; indent with blanks" if r"character '\t'" in problem else problem


def _keys_only(where: Sequence[str | int]) -> list[str | int]:
    """Without the names of types that pydantic adds for the members of a union."""
    return [step for step in where if step not in _TYPES]


_TYPES = frozenset({"bool", "float", "int", "str"})


def _explain(error: Any, schema: type[BaseModel]) -> str:
    path = [str(step) for step in _keys_only(error["loc"]) if isinstance(step, int) or step.replace("_", "").isalnum()]
    name = next((step for step in reversed(path) if not step.isdigit()), "the file")
    if error["type"] == "extra_forbidden":
        return f"unknown key {name!r}{did_you_mean(name, _keys_beside(schema, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"the key {name!r} is missing"
    if error["type"] == "literal_error":
        choices = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{name} is {error['input']!r}{did_you_mean(str(error['input']), choices)}"
    said = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    if path and path[-1].isdigit():  # a row of a list has no name; its keys do not fit together
        return str(said)
    plain = _PASSWORD.sub("//***@", repr(given))
    short = "" if isinstance(given, CommentedMap | CommentedSeq) else f" (got {plain})"
    return f"{name}: {said[0].lower()}{said[1:]}{short}"


def _keys_beside(schema: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    current: Any = schema
    for step in where:
        if isinstance(current, type) and issubclass(current, BaseModel) and step in current.model_fields:
            current = _model_inside(current.model_fields[str(step)].annotation)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_inside(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_inside(inner)
        if found is not None:
            return found
    return None
