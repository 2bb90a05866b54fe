"""What the stand-in replaces of ExLlamaV2 has the names and signatures of the package, whose source is read here.

Everything else that our server uses is the package's own code, which runs in the tests of the server.
"""

import ast
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from toy_engine import STAND_INS

STAND_IN = STAND_INS / "exllamav2"


@pytest.fixture(scope="module")
def real() -> Path:
    try:
        found = distribution("exllamav2")
    except PackageNotFoundError:
        pytest.fail("ExLlamaV2's source is needed here, not its extension: pip install --no-deps exllamav2==0.3.2")
    assert found.version == "0.3.2", "the server was written for exllamav2 0.3.2; read what changed, then raise both"
    return Path(str(found.locate_file("exllamav2")))


@pytest.mark.parametrize("file", ["attn.py", "model.py"])
def test_every_public_function_of_the_stand_in_has_the_real_signature(real: Path, file: str) -> None:
    stand_in, library = signatures(STAND_IN / file), signatures(real / file)

    assert stand_in
    assert stand_in == {name: library.get(name, ["missing in the library"]) for name in stand_in}


def test_every_function_of_the_extension_that_is_replaced_is_one_that_it_has(real: Path) -> None:
    bindings = (real / "exllamav2_ext" / "ext_bindings.cpp").read_text(encoding="utf-8")

    assert set(signatures(STAND_IN / "ext.py")) <= set(re.findall(r'm\.def\("(\w+)"', bindings))


def test_the_stand_in_names_nothing_that_the_package_does_not_name(real: Path) -> None:
    assert imported(STAND_IN / "__init__.py") - {"distribution"} <= imported(real / "__init__.py")


def test_the_generator_still_stops_early_by_the_length_of_a_draft(real: Path) -> None:
    source = (real / "generator" / "dynamic.py").read_text(encoding="utf-8")

    assert "self.new_tokens >= self.max_new_tokens - self.generator.num_draft_tokens" in source


def signatures(path: Path) -> dict[str, list[str]]:
    """Public functions and methods of a module, each argument with its default."""
    found = {}
    for owner in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(owner, ast.Module | ast.ClassDef):
            prefix = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
            functions = [node for node in owner.body if isinstance(node, ast.FunctionDef)]
            public = [node for node in functions if node.name == "__init__" or not node.name.startswith("_")]
            found |= {prefix + node.name: arguments(node.args) for node in public}
    return found


def arguments(taken: ast.arguments) -> list[str]:
    plain = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(one.arg) for one in taken.args],
        kwonlyargs=[ast.arg(one.arg) for one in taken.kwonlyargs],
        kw_defaults=taken.kw_defaults,
        kwarg=ast.arg(taken.kwarg.arg) if taken.kwarg else None,
        defaults=taken.defaults,
    )
    return ast.unparse(plain).split(", ")


def imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
