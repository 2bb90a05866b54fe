import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.journal import Journal, JournalFailed, Slot

SLOT = Slot("smol-vllm-w8a8", "gsm8k", 1, 0, 0)
Opener = Callable[..., Journal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens journals of one results folder; closes them at the end."""
    journals = []

    def open_one(fingerprint: str = "a", *, resume: bool = False) -> Journal:
        journals.append(Journal(tmp_path / "results", fingerprint, resume=resume))
        return journals[-1]

    yield open_one
    for journal in journals:
        journal.close()


def kept(journal: Journal) -> dict[tuple[int, int, str], dict[str, object]]:
    return journal.kept(SLOT.combination, SLOT.task, SLOT.run)


def number(journal: Journal, position: int = 0, task: str = "gsm8k") -> int:
    return journal.start_run(SLOT.combination, task, position)


def test_the_results_folder_is_made(opened: Opener, tmp_path: Path) -> None:
    assert opened().path == tmp_path / "results" / "journal.sqlite"
    assert (tmp_path / "results" / "journal.sqlite").is_file()


def test_a_kept_response_comes_back(opened: Opener) -> None:
    journal = opened()
    journal.keep(SLOT, "d1", {"text": "żółć\n", "logprob": -0.1234567890123456, "greedy": True, "seconds": None})

    assert kept(journal) == {
        (0, 0, "d1"): {"text": "żółć\n", "logprob": -0.1234567890123456, "greedy": True, "seconds": None}
    }


def test_a_run_without_responses_has_none(opened: Opener) -> None:
    assert kept(opened()) == {}


def test_responses_are_told_apart_by_every_part_of_their_slot(opened: Opener) -> None:
    journal = opened()
    others = [("x", "gsm8k", 1, 0, 0), ("smol-vllm-w8a8", "x", 1, 0, 0), ("smol-vllm-w8a8", "gsm8k", 2, 0, 0)]
    for parts in others:
        journal.keep(Slot(*parts), "d", {"text": "another"})
    for item, request in [(0, 0), (0, 1), (1, 0)]:
        journal.keep(Slot(SLOT.combination, SLOT.task, 1, item, request), "d", {"text": f"{item}.{request}"})

    assert kept(journal) == {
        (0, 0, "d"): {"text": "0.0"},
        (0, 1, "d"): {"text": "0.1"},
        (1, 0, "d"): {"text": "1.0"},
    }


def test_the_answer_to_a_changed_request_replaces_the_old_one(opened: Opener) -> None:
    journal = opened()
    journal.keep(SLOT, "old", {"text": "1"})
    journal.keep(SLOT, "new", {"text": "2"})

    assert kept(journal) == {(0, 0, "new"): {"text": "2"}}


def test_runs_are_numbered_from_one_for_each_task(opened: Opener) -> None:
    journal = opened()

    assert [number(journal, 0), number(journal, 1), number(journal, 0, "arc_easy")] == [1, 2, 1]


def test_asking_for_the_same_run_again_gives_its_number_again(opened: Opener) -> None:
    journal = opened()

    assert [number(journal), number(journal)] == [1, 1]


def test_the_next_session_goes_on_with_new_numbers(opened: Opener) -> None:
    first = opened()
    number(first, 0)
    number(first, 1)
    first.finish()

    assert number(opened()) == 3


def test_the_numbers_of_an_abandoned_session_are_never_reused(opened: Opener) -> None:
    number(opened("abandoned"))

    assert number(opened()) == 2


def test_two_sessions_at_once_never_share_a_number(opened: Opener) -> None:
    one, other = opened(), opened()

    assert [number(one, 0), number(other, 0), number(one, 1), number(other, 1)] == [1, 2, 3, 4]
    assert one.session != other.session


def test_two_sessions_at_once_see_what_the_other_keeps(opened: Opener) -> None:
    one, other = opened(), opened()
    one.keep(SLOT, "d", {"text": "1"})

    assert kept(other) == {(0, 0, "d"): {"text": "1"}}


def test_a_resumed_session_has_its_runs_and_responses_back(opened: Opener) -> None:
    first = opened()
    number(first)
    first.keep(SLOT, "d", {"text": "1"})
    first.close()

    again = opened(resume=True)

    assert again.resumed
    assert again.session == first.session
    assert number(again) == 1
    assert kept(again) == {(0, 0, "d"): {"text": "1"}}


def test_a_new_session_is_not_resumed(opened: Opener) -> None:
    assert not opened().resumed


def test_resuming_without_a_session_is_refused(opened: Opener, tmp_path: Path) -> None:
    with pytest.raises(JournalFailed, match="no session to resume; leave --resume out") as refused:
        opened(resume=True)

    assert str(tmp_path / "results" / "journal.sqlite") in str(refused.value)


def test_resuming_a_finished_session_is_refused(opened: Opener) -> None:
    first = opened()
    first.finish()

    with pytest.raises(JournalFailed, match=rf"the last session \({first.session}\) finished; leave --resume out"):
        opened(resume=True)


def test_resuming_another_command_is_refused(opened: Opener) -> None:
    first = opened("runs 2")

    with pytest.raises(JournalFailed, match=rf"the last session \({first.session}\) was another command"):
        opened("runs 4", resume=True)


def test_the_last_session_is_the_one_that_is_resumed(opened: Opener) -> None:
    opened("a")
    last = opened("a")

    assert opened("a", resume=True).session == last.session


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(JournalFailed, match=r"file/journal\.sqlite: cannot be opened"):
        Journal(tmp_path / "file", "a")


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("no database, but long enough to be read as one" * 40, encoding="utf-8")

    with pytest.raises(JournalFailed, match=r"journal\.sqlite: cannot be opened: file is not a database"):
        Journal(tmp_path, "a")


def test_a_full_disk_says_so_and_what_to_do(opened: Opener) -> None:
    journal = opened()
    journal.keep(SLOT, "d", {"text": "kept before"})
    fill(journal)

    with pytest.raises(JournalFailed, match=r"journal\.sqlite: cannot be written: .*full.*make room, then repeat"):
        journal.keep(Slot("c", "t", 1, 1, 0), "d", {"text": "x" * 100_000})


def test_what_was_kept_before_the_disk_was_full_stays_usable(opened: Opener) -> None:
    journal = opened()
    journal.keep(SLOT, "d", {"text": "kept before"})
    fill(journal)
    with pytest.raises(JournalFailed):
        journal.keep(Slot("c", "t", 1, 1, 0), "d", {"text": "x" * 100_000})
    journal.close()

    assert kept(opened(resume=True)) == {(0, 0, "d"): {"text": "kept before"}}


def fill(journal: Journal) -> None:
    """Leave no room in the file, as a full disk does."""
    journal._database.execute("PRAGMA max_page_count = 1")


def test_a_response_survives_kill_9(opened: Opener, tmp_path: Path) -> None:
    script = f"""
        import os, pathlib, signal
        from fixtures.journal import Journal, Slot
        journal = Journal(pathlib.Path({str(tmp_path / "results")!r}), "a")
        journal.keep(Slot(*{("smol-vllm-w8a8", "gsm8k", 1, 0, 0)!r}), "d", {{"text": "safe"}})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=root, check=False, timeout=60)

    assert done.returncode == -9
    assert kept(opened(resume=True)) == {(0, 0, "d"): {"text": "safe"}}


def test_the_file_is_written_ahead_so_that_a_reader_never_blocks(opened: Opener) -> None:
    journal = opened()
    reader = sqlite3.connect(journal.path)
    try:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        reader.close()


plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()


@settings(deadline=None, max_examples=30, database=None)
@given(st.dictionaries(st.text(max_size=8), plain, max_size=5))
def test_any_response_comes_back_as_it_was(response: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), "a")
        journal.keep(SLOT, "d", response)
        found = kept(journal)
        journal.close()

    assert found == {(0, 0, "d"): response}
