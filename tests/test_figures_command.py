"""`python -m reports figures`."""

import argparse
import json
from contextlib import closing
from pathlib import Path

import pytest
from test_reports_summary import item_of, labels_of

from reports.commands import Said, figures
from reports.ledger import Ledger
from reports.migrations import LedgerUnreadable
from thresholds.measurement import NotMeasured, Run
from thresholds.strict_yaml import InvalidFile


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder of one session."""
    with closing(Ledger(tmp_path / "results" / "ledger.sqlite")) as ledger:
        ledger.record_session({"session": "s1", "started": "2026-11-25T10:00:00+0000"})
        for number, quantization in enumerate(("none", "int4"), 1):
            items = tuple(item_of(i, float(i < 9 - number)) for i in range(10))
            run = Run(f"m-vllm-{quantization}", "gsm8k", number, "exact_match,flexible-extract", items, 10, 2.0)
            ledger.record_run("s1", run, labels_of(quantization))
    return tmp_path / "results"


def asked(*words: str) -> str:
    parser = argparse.ArgumentParser()
    figures.add(parser.add_subparsers())
    namespace = parser.parse_args(["figures", *words])
    said = namespace.run(namespace)
    assert not isinstance(said, Said)
    return str(said)


def test_the_figures_of_the_last_session_are_written_beside_its_results(results: Path) -> None:
    told = asked("--results", str(results))

    assert sorted(path.name for path in (results / "figures").iterdir()) == [
        "accuracy-bits.svg",
        "accuracy-throughput.svg",
        "ranking.svg",
    ]
    assert f"Ranking by accuracy on gsm8k: {results / 'figures' / 'ranking.svg'}" in told


def test_png_and_json_are_written_too(results: Path, tmp_path: Path) -> None:
    for form in ("png", "json"):
        asked("--results", str(results), "--session", "s1", "--out", str(tmp_path), "--format", form)

    assert (tmp_path / "ranking.png").read_bytes().startswith(b"\x89PNG")
    spec = json.loads((tmp_path / "ranking.json").read_text(encoding="utf-8"))
    assert spec["title"]["text"] == "Ranking by accuracy on gsm8k"


def test_all_sessions_merged_are_drawn(results: Path, tmp_path: Path) -> None:
    assert "ranking.svg" in asked("--results", str(results), "--session", "all", "--out", str(tmp_path))


def test_a_study_is_drawn_without_a_results_folder(tmp_path: Path) -> None:
    told = asked("--published", "three-model-study", "--results", str(tmp_path / "none"), "--out", str(tmp_path))

    assert len(told.splitlines()) == 5
    assert (tmp_path / "accuracy-heatmap.svg").exists()


def test_an_unknown_study_is_named_with_what_might_be_meant(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="did you mean 'three-model-study'"):
        asked("--published", "three-model-studies", "--out", str(tmp_path))


def test_without_a_ledger_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnreadable, match="nothing was measured into it yet"):
        asked("--results", str(tmp_path))


def test_an_unknown_session_is_refused(results: Path) -> None:
    with pytest.raises(NotMeasured, match="there is no session 'nightly'"):
        asked("--results", str(results), "--session", "nightly")


def test_a_folder_that_cannot_be_written_is_named(results: Path) -> None:
    taken = results / "taken"
    taken.write_text("a file", encoding="utf-8")

    with pytest.raises(NotMeasured, match=r"taken.*cannot be written.*try another --out"):
        asked("--results", str(results), "--out", str(taken))
