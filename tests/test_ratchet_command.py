import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from judged_sessions import ORIGIN, Campaign

from reports.__main__ import main
from reports.ledger import Ledger
from thresholds.catalogue import Catalogue
from thresholds.verdict import not_measured

ROOT = Path(__file__).parents[1]
ROW = f"task: gsm8k, floor: 0.564, measured: 0.6, noise: 0.01, {ORIGIN}"
OTHER = ROW.replace("gsm8k", "arc")
SPEED = (
    "metric: output_tokens_per_second, workload: chat, engine: vllm, hardware: cpu, floor: 93, measured: 100, "
    'noise: 0.01, runs: 3, run: "r-0", because: "recorded"'
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def improved(tmp_path: Path) -> Campaign:
    """Two sessions: one as good as accepted, and one that is better beyond doubt."""
    campaign = Campaign(tmp_path, ROW, OTHER, speeds=[SPEED])
    campaign.answers("s-1", 60, 60)
    campaign.answers("s-2", 80, 80, 80, 80)
    return campaign


def told(capsys: pytest.CaptureFixture[str], campaign: Campaign, *arguments: str) -> tuple[int, str]:
    status = main(["ratchet", *campaign.folders, *arguments])
    return status, capsys.readouterr().out


def floors(campaign: Campaign) -> list[float]:
    return [row.value for row in Catalogue.load(campaign.thresholds).rows.values()]


def test_a_better_session_proposes_an_edit_as_a_diff_and_writes_nothing(
    improved: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    before = improved.path.read_text(encoding="utf-8")

    status, said = told(capsys, improved)

    assert status == 0
    lines = said.splitlines()
    assert lines[:4] == ["--- a/thresholds/m.yaml", "+++ b/thresholds/m.yaml", "@@ -4 +4 @@", f"-  - {{{ROW}}}"]
    assert lines[4].startswith(
        "+  - {task: gsm8k, floor: 0.768, measured: 0.8, noise: 0.0129, runs: 4, questions: 100,"
    )
    assert "thresholds/m.yaml:4: gsm8k: floor tightened from 56.4 to 76.8; 80.0 over 4 runs" in lines
    assert lines[-1] == "1 row judged by session s-2: 1 tightened, 0 loosened, 0 unchanged; --write applies it"
    assert improved.path.read_text(encoding="utf-8") == before


def test_write_applies_what_the_diff_shows_and_leaves_the_rest(
    improved: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    before = improved.path.read_text(encoding="utf-8").splitlines()
    shown = told(capsys, improved)[1].splitlines()[4]

    status, said = told(capsys, improved, "--write")

    after = improved.path.read_text(encoding="utf-8").splitlines()
    assert status == 0
    assert said.endswith("1 tightened, 0 loosened, 0 unchanged; written\n")
    assert after == [*before[:3], shown.removeprefix("+"), *before[4:]]
    assert floors(improved) == [0.768, 0.564, 93]


def test_what_was_written_is_not_proposed_again(improved: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, improved, "--write")

    status, said = told(capsys, improved)

    assert status == 0
    assert said == "nothing to do: 1 row judged by session s-2: 0 tightened, 0 loosened, 1 unchanged\n"


def test_a_session_before_the_last_can_be_accepted(improved: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, improved, "--session", "s-1")[1]

    assert "gsm8k: 6 accepted runs propose `floor: 0.568`; it takes 8 to tighten it" in said
    assert said.endswith("nothing to do: 1 row judged by session s-1: 0 tightened, 0 loosened, 1 unchanged\n")


def test_a_session_before_the_one_that_a_row_rests_on_is_no_news(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, ROW)
    campaign.answers("s-1", 90, 90)
    campaign.answers("r-0", 60, 60)

    assert told(capsys, campaign)[1].startswith("nothing to do: ")


def test_a_worse_session_that_failed_is_not_accepted_without_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, ROW)
    campaign.answers("s-1", 40, 40)

    status, said = told(capsys, campaign, "--write")

    assert status == 0
    assert "gsm8k: not accepted: FAIL in this session; --because accepts it all the same" in said
    assert floors(campaign) == [0.564]


def test_a_reason_accepts_it_is_written_into_the_row_and_the_golden_value_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, ROW)
    campaign.answers("s-1", 40, 40)

    status, said = told(capsys, campaign, "--write", "--because", 'int8 kernels: "faster" # wanted')

    (row,) = Catalogue.load(campaign.thresholds).rows.values()
    assert status == 1
    assert "floor loosened from 56.4 to 37" in said
    assert row.value < 0.4
    assert str(row.row["because"]).startswith('int8 kernels: "faster" # wanted (ratchet: floor 0.564 -> 0.3')
    assert row.row["golden"] == {"value": 0.6, "run": "r-0"}
    assert (
        "Dropped\n\nthresholds/m.yaml:4: gsm8k: 40.0 (run s-1) is 20.0 points worse than the golden 60.0 (run r-0)"
        in said
    )


def test_a_reason_loosens_only_the_rows_that_are_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path, ROW, OTHER)
    campaign.answers("s-1", 40, 40)
    campaign.answers("s-1", 40, 40, task="arc")

    told(capsys, campaign, "--write", "--because", "int8 kernels", "--only", "a*")

    assert floors(campaign)[0] == 0.564
    assert floors(campaign)[1] < 0.4


def test_a_faster_session_tightens_the_floor_of_a_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path, ROW, speeds=[SPEED])
    campaign.loads("s-1", 199, 200, 201)

    said = told(capsys, campaign, "--write")[1]

    assert "output tokens/s chat: floor tightened from 93 tokens/s to 187 tokens/s; 200 tokens/s over 3 runs" in said
    assert floors(campaign) == [0.564, 187]


def test_a_file_that_cannot_be_written_is_one_line(
    improved: Campaign, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", refused)

    assert main(["ratchet", *improved.folders, "--write"]) == 4

    assert "thresholds/m.yaml: cannot be written: [Errno 13] Permission denied" in capsys.readouterr().err
    assert floors(improved) == [0.564, 0.564, 93]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--session", "nope"], "there is no session 'nope'; the last are: s-1, s-2, s-3"),
        (["--session", "s-3"], "session 's-3' judged nothing that the threshold files in "),
        (["--only", "mmlu*"], "session s-2 judged no row that fits --only 'mmlu*'; it did: gsm8k"),
        (["--thresholds", "nowhere"], "nowhere: is no folder"),
        (["--results", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_nothing_to_accept_is_one_line_and_exit_code_4(
    arguments: list[str], said: str, improved: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Ledger(improved.results / "ledger.sqlite")) as ledger:
        ledger.record_session({"session": "s-3"})
        ledger.record_verdict("s-3", not_measured("accuracy", {"task": "gsm8k"}, "engine_failed", "out of memory"))

    assert main(["ratchet", *improved.folders, *arguments]) == 4

    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert said in output.err


def test_a_ledger_in_which_nothing_was_judged_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path, ROW)
    Ledger(campaign.results / "ledger.sqlite").close()

    assert main(["ratchet", *campaign.folders]) == 4

    assert capsys.readouterr().err.startswith("no session has yet judged anything that the threshold files in ")


@pytest.mark.parametrize("reason", ["", " ", "ok"])
def test_a_reason_that_says_nothing_is_a_usage_error(
    reason: str, improved: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ratchet", *improved.folders, f"--because={reason}"])

    assert stopped.value.code == 2
    assert "is no reason; say in words why the bound may get looser" in capsys.readouterr().err


def test_the_module_runs_as_a_command(improved: Campaign) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reports", "ratchet", *improved.folders, "--write"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert floors(improved)[0] == 0.768
