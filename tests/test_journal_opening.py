"""The journal of one results folder, opened by several processes at once, as the workers of pytest-xdist do."""

import multiprocessing
from pathlib import Path
from typing import Any

from fixtures.journal import Journal, JournalFailed

WORKERS, FOLDERS = 3, 20


def work(folder: Path, at_once: Any, told: Any) -> None:
    for number in range(FOLDERS):
        at_once.wait(30)
        try:
            Journal(folder / str(number), "a command", session="shared").close()
        except JournalFailed as error:
            told.put(str(error))
    told.put("done")


def test_workers_that_open_a_new_journal_at_once_all_get_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    at_once, told = context.Barrier(WORKERS), context.Queue()
    processes = [context.Process(target=work, args=(tmp_path, at_once, told)) for _ in range(WORKERS)]

    for process in processes:
        process.start()
    said = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)

    assert said == ["done"] * WORKERS
