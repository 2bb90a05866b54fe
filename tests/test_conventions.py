import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import fixtures
from fixtures import hookspecs, options
from fixtures.endpoints.pace import Limits
from fixtures.endpoints.spending import Prices
from fixtures.load.workload import Arrivals, Output, Prompts, Workload, WorkloadFile
from fixtures.matrix_file import Compare, Expected, Shape
from fixtures.plugin import MARKERS
from thresholds.rows import AccuracyRow, DivergenceRow, SpeedRow

ROOT = Path(__file__).parents[1]
FORMS = (
    *(AccuracyRow, SpeedRow, DivergenceRow, WorkloadFile, Workload, Prompts, Output, Arrivals),
    *(Compare, Limits, Prices, Shape, Expected),
)
"""What people write into threshold, workload and matrix files."""

OURS = ("fixtures", "reports", "suites", "tests", "thresholds")
PACKAGES = ("fixtures", "reports", "suites", "thresholds")
HEAVY = {
    "aiohttp",
    "altair",
    "datasets",
    "jinja2",
    "lm_eval",
    "pandas",
    "pyarrow",
    "ray",
    "requests",
    "scipy",
    "torch",
    "transformers",
    "vl_convert",
    "vllm",
}
PROBE = """
import sys
import time


def pytest_unconfigure():
    print("\\nmodules:", *sorted(sys.modules), "seconds:", time.process_time())
"""
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_source = pytest.mark.parametrize("path", SOURCES, ids=name_of)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imports(path)}


def foreign(path: Path) -> set[str]:
    return {name for name in packages(path) if name not in sys.stdlib_module_names and name not in OURS}


@pytest.mark.parametrize("path", [path for path in SOURCES if name_of(path).startswith("thresholds/")], ids=name_of)
def test_thresholds_is_pure(path: Path) -> None:
    assert packages(path) & set(OURS) <= {"thresholds"}
    assert foreign(path) <= {"pydantic", "ruamel", "numpy", "scipy"}


@pytest.mark.parametrize("folder", ["fixtures", "reports"])
def test_fixtures_and_reports_meet_only_in_thresholds(folder: str) -> None:
    paths = [path for path in SOURCES if name_of(path).startswith(f"{folder}/")]

    assert {name_of(path): packages(path) & set(OURS) - {folder, "thresholds"} for path in paths} == {
        name_of(path): set() for path in paths
    }


@pytest.mark.parametrize("path", sorted((ROOT / "suites").rglob("*.py")), ids=name_of)
def test_suites_import_pytest_and_nothing_else(path: Path) -> None:
    assert packages(path) == {"pytest"}


@each_source
def test_lm_eval_is_imported_in_one_package_only(path: Path) -> None:
    assert name_of(path).startswith("fixtures/evaluate/") or "lm_eval" not in packages(path)


@each_source
def test_vllm_is_imported_nowhere(path: Path) -> None:
    assert "vllm" not in packages(path)


@each_source
def test_nothing_is_imported_relatively(path: Path) -> None:
    assert [module for module in imports(path) if module.startswith(".")] == []


@each_source
def test_a_module_is_named_after_what_it_holds(path: Path) -> None:
    assert path.stem.strip("_") not in {"utils", "util", "helpers", "helper", "common", "misc", "base"}


@each_source
def test_a_source_file_has_at_most_300_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")

    assert lines <= 300


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_file_has_at_most_400_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")

    assert lines <= 400


@each_source
def test_a_function_has_at_most_40_lines(path: Path) -> None:
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions if node.end_lineno is not None}

    assert {name: lines for name, lines in long.items() if lines > 40} == {}


def test_our_fixtures_are_those_of_the_checkout_and_not_of_a_package_of_that_name() -> None:
    assert fixtures.__file__ is not None
    assert Path(fixtures.__file__).resolve() == ROOT / "fixtures" / "__init__.py"


class Collected(NamedTuple):
    """What `pytest suites/ --collect-only` found and imported, and the seconds of the processor that it took."""

    tests: list[str]
    modules: set[str]
    seconds: float


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> list[Collected]:
    """Three of them one after the other; all but the first find compiled modules, as a user's second call does."""
    folder = tmp_path_factory.mktemp("probe")
    (folder / "module_probe.py").write_text(PROBE, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment |= {"PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
    return [collect(environment) for _ in range(3)]


def collect(environment: dict[str, str]) -> Collected:
    command = [sys.executable, "-m", "pytest", "suites/", "--collect-only", "-q", "-p", "module_probe"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    told, _, said = done.stdout.partition("modules: ")
    modules, _, seconds = said.partition("seconds: ")
    return Collected([line for line in told.splitlines() if "::" in line], set(modules.split()), float(seconds))


def test_the_suites_ask_accuracy_speed_and_quantization_of_the_default_matrix(collected: list[Collected]) -> None:
    names = Counter(line.partition("[")[0] for line in collected[0].tests)

    assert names == {
        "suites/test_accuracy.py::test_accuracy_reaches_its_floor": 2 * 6,
        "suites/test_accuracy.py::test_answers_are_not_cut_off": 2 * 2,
        "suites/test_latency.py::test_latency_stays_below_its_ceiling": 2 * (2 + 3),
        "suites/test_quantization.py::test_answers_are_cut_off_no_more_often": 1,
        "suites/test_quantization.py::test_answers_are_no_longer": 1,
        "suites/test_quantization.py::test_answers_are_recovered": 6,
        "suites/test_quantization.py::test_answers_are_recovered_over_all_tasks": 1,
        "suites/test_quantization.py::test_it_keeps_nobody_waiting_longer": 2 + 3,
        "suites/test_quantization.py::test_it_writes_no_slower": 2,
        "suites/test_quantization.py::test_next_tokens_stay_near": 1,
        "suites/test_throughput.py::test_throughput_reaches_its_floor": 2 * 2,
    }


def test_collecting_the_suites_imports_nothing_heavy(collected: list[Collected]) -> None:
    modules = collected[0].modules

    assert "fixtures.plugin" in modules
    assert modules & HEAVY == set()


def test_collecting_the_suites_takes_little_time(collected: list[Collected]) -> None:
    """Of the processor, and the least of three: other work on the machine can only add to it."""
    assert min(one.seconds for one in collected) < 1.5


def option_names() -> list[str]:
    tree = ast.parse(Path(str(options.__file__)).read_text(encoding="utf-8"))
    add = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "add")
    words = (node.value for node in ast.walk(add) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [word for word in words if word.startswith("--")]


def test_the_options_are_found_in_their_module() -> None:
    assert {"--matrix", "--runs", "--record", "--resume"} <= set(option_names())


@pytest.mark.parametrize(
    "word",
    [
        *option_names(),
        *MARKERS,
        *(name for name in vars(hookspecs) if name.startswith("pytest_weighbridge_")),
        *dict.fromkeys(name for form in FORMS for name in form.model_fields),
    ],
)
def test_the_readme_speaks_of(word: str) -> None:
    said = re.findall(rf"`{re.escape(word)}\b|\b{re.escape(word)}:", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert said != []
