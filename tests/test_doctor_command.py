import json
import subprocess
import sys
from pathlib import Path

import pytest
from judged_sessions import ORIGIN, Campaign

from reports.__main__ import main
from reports.wording.layout import as_text

ROOT = Path(__file__).parents[1]
FIT = f"task: gsm8k, floor: 0.55, measured: 0.6, noise: 0.01, {ORIGIN}"
FLAKY = f"task: arc, floor: 0.595, measured: 0.6, noise: 0.02, {ORIGIN}"
SPEED = (
    "metric: output_tokens_per_second, workload: chat, engine: vllm, hardware: cpu, floor: 93, measured: 100, "
    'noise: 0.02, runs: 5, run: "r-0", because: "recorded"'
)
RATIO = SPEED.replace("hardware: cpu", "quantization: int8, against: m-vllm-none, measured_on: cpu")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], campaign: Campaign, *arguments: str) -> tuple[int, str]:
    results = ["--results", str(campaign.results)] if campaign.results.exists() else []
    status = main(["doctor", "--thresholds", str(campaign.thresholds), *results, *arguments])
    return status, capsys.readouterr().out


def test_the_thresholds_of_this_repository_are_fit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reports", "doctor", "--format", "json", "--thresholds", "thresholds"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["rows"]
    embedded = [row for row in rows if row["labels"]["model"] == "smollm2-135m-instruct"]
    published = [row for row in rows if row["labels"]["model"] != "smollm2-135m-instruct"]
    assert len(embedded) >= 38
    assert len(published) == 30 + 15
    assert max(row["red"] for row in embedded) <= 0.01
    assert max(row["red"] or 0.0 for row in published) <= 0.01


def test_rows_that_are_fit_end_with_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told(capsys, Campaign(tmp_path, FIT, speeds=[SPEED]))

    assert status == 0
    assert "Unfit" not in said
    assert [line.split()[-1] for line in said.splitlines() if line.startswith(("4 ", "6 "))] == ["fit", "fit"]


TOKENS = (
    "next_token_divergence:\n  - {quantization: int4, ceiling: 0.4, measured: 0.3, measured_on: cpu, run: r-0, "
    "because: accepted}\n"
)


def test_rows_of_next_tokens_are_left_out_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path, FIT)
    campaign.path.write_text(campaign.path.read_text() + TOKENS)

    status, said = told(capsys, campaign)

    assert status == 0
    assert "int4" not in said
    assert "Rows of next_token_divergence are left out: one asking does not show how far such values vary." in said


def test_rows_of_next_tokens_alone_are_nothing_to_examine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path)
    campaign.path.write_text(campaign.path.read_text() + TOKENS)

    status = main(["doctor", "--thresholds", str(campaign.thresholds)])

    assert status == 4
    assert "holds no threshold row of an accuracy or a speed" in capsys.readouterr().err


def test_a_planted_bad_row_comes_first_and_is_named_with_what_would_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = told(capsys, Campaign(tmp_path, FIT, FLAKY))

    assert status == 1
    assert [line.split()[:2] for line in said.splitlines() if line.endswith((" fit", " flakes"))] == [
        ["5", "arc"],
        ["4", "gsm8k"],
    ]
    assert said.endswith(
        "Unfit\n\n"
        "thresholds/m.yaml:5: arc: an unchanged combination is red in 38.6 % of the sessions: its margin of 0.5 points "
        "is below the noise of 1.7; `floor: 0.555` would hold\n"
    )


def test_every_kind_of_bad_row_is_told_in_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = [
        FIT.replace("gsm8k", "a").replace("0.55", "0.65"),
        FIT.replace("gsm8k", "b").replace("0.55", "0.0"),
        FIT.replace("gsm8k", "c").replace("0.55", "0.2, chance: 0.25"),
        FIT.replace("gsm8k", "d").replace("noise: 0.01, ", ""),
    ]

    status, said = told(capsys, Campaign(tmp_path, *bad))

    assert status == 1
    for word in ("above measured", "never fails", "below chance", "noise unknown"):
        assert sum(line.endswith(word) for line in said.splitlines()) == 1


def test_noise_that_a_ledger_measured_is_pooled_with_that_of_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, FIT, speeds=[SPEED, RATIO])
    campaign.answers("s1", 60, 60, 60)
    campaign.loads("s2", 90, 100, 110)
    campaign.pairs("s3", (90, 100), (100, 100), (110, 100))

    _, said = told(capsys, campaign, "--format", "json")

    rows = {row["where"].rpartition(":")[2]: row for row in json.loads(said)["rows"]}
    assert {row["noise_of"] for row in rows.values()} == {"row+ledger"}
    # one question after the other: two of a hundred differ between runs, each with the variance 1/3
    assert rows["4"]["noise"] == pytest.approx(((3 * 0.01**2 + 2 * (4 / 3 / 100**2)) / 5) ** 0.5)
    of_speeds = ((4 * 0.02**2 + 2 * 0.1**2) / 6) ** 0.5
    assert [rows["6"]["noise"], rows["7"]["noise"]] == pytest.approx([of_speeds] * 2)


def test_the_table_says_whose_noise_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path, FIT.replace("noise: 0.01, ", ""), FLAKY)
    campaign.answers("s1", 60, 60, 60)

    _, said = told(capsys, campaign)

    assert "1.2 ledger" in said
    assert "+ledger: pooled with the sessions of the ledger that measured the same" in said


def test_the_session_that_a_row_was_recorded_in_is_not_counted_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, FIT)
    campaign.answers("r-0", 60, 60, 60)

    assert '"noise_of": "row"' in told(capsys, campaign, "--format", "json")[1]


def test_a_part_of_the_questions_and_another_load_say_nothing_of_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, FIT, speeds=[f"{SPEED}, asks: aaaa"])
    campaign.answers("s1", 30, 30, asked=50)
    campaign.answers("s2", 30, 30, asked=50, population=50, samples="40")
    campaign.loads("s3", 90, 100, 110, asks="bbbb")

    rows = json.loads(told(capsys, campaign, "--format", "json")[1])["rows"]

    assert [row["noise_of"] for row in rows] == ["row", "row"]


def test_a_stated_margin_asks_for_more_or_fewer_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path, f"{FIT}, samples: 100".replace("questions: 100, ", ""))

    needs = [
        json.loads(told(capsys, campaign, "--format", "json", *margin)[1])["rows"][0]["needs"]
        for margin in ([], ["--margin", "1"], ["--margin", "10"])
    ]

    assert needs[1] > needs[0] > needs[2]


@pytest.mark.parametrize("margin", ["0", "-1", "101", "nan", "much"])
def test_a_margin_that_is_none_is_a_usage_error(margin: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", f"--margin={margin}"])

    assert stopped.value.code == 2
    assert "--margin" in capsys.readouterr().err


def test_markdown_lists_the_unfit_rows_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told(capsys, Campaign(tmp_path, FLAKY), "--format", "markdown")

    assert status == 1
    assert said.startswith("### Doctor: thresholds/m.yaml\n")
    assert "### Unfit\n\n```text\nthresholds/m.yaml:4: arc: an unchanged" in said


def test_rows_of_several_models_are_told_apart_by_their_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(tmp_path, FIT)
    (campaign.thresholds / "n.yaml").write_text(f"model: n\naccuracy:\n  - {{{FIT}}}\n", encoding="utf-8")

    said = told(capsys, campaign)[1]

    assert "\nm:4 " in said
    assert "\nn:3 " in said


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits_the_terminal(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.commands.as_text", lambda table, _: as_text(table, width))

    said = told(capsys, Campaign(tmp_path, FIT, speeds=[SPEED, RATIO]))[1]

    assert max(map(len, said.split("Accuracies")[0].splitlines())) <= width


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--thresholds", "nowhere"], "nowhere: is no folder"),
        (["--thresholds", "empty"], "empty: holds no threshold row; record some with --record"),
        (["--thresholds", "thresholds", "--results", "nowhere"], "nowhere: there is no such folder"),
        (["--thresholds", "thresholds", "--results", "empty"], "empty: holds no ledger.sqlite"),
    ],
)
def test_nothing_to_examine_is_one_line_and_exit_code_4(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Campaign(tmp_path, FIT)
    (tmp_path / "empty").mkdir()

    assert main(["doctor", *arguments]) == 4

    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert said in output.err
