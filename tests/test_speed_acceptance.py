"""A speed threshold's life: missing, recorded, held, broken by a slowdown, and unused."""

import re
from collections.abc import Callable, Iterator

import pytest
from fake_engine import FakeEngine, Schedule, Script
from slow_proxy import SlowProxy

from conftest import Heard, Weighbridge
from thresholds.catalogue import Catalogue

CHAT = {"arrivals": {"concurrency": 2}, "requests": 6, "latencies": {"request_latency": ["p50"]}}
STALE = (
    "  - {metric: output_tokens_per_second, workload: gone, engine: remote, hardware: remote, floor: 1, measured: 2,"
    " runs: 3, "
)
ELSEWHERE = STALE.replace("workload: gone", "workload: chat").replace("hardware: remote", "hardware: 8 x H200")
ORIGIN = "run: earlier, because: a test wants it}\n"


@pytest.fixture(scope="module")
def life(checkout: Callable[[], Weighbridge]) -> Iterator[dict[str, Heard]]:
    """Four sessions of one combination."""
    inner = checkout()
    inner.workloads(chat=CHAT)
    file = inner.path / "thresholds" / "tiny.yaml"
    file.write_text("# kept by hand\nmodel: tiny\n", encoding="utf-8")
    heard = {}
    with FakeEngine(Script(schedule=Schedule(0.08, 0.004))) as fake, SlowProxy(fake.url, 1.3) as slow:
        inner.matrix([], {"url": fake.url}, workloads=["chat"])
        heard["recorded"] = inner.run("--record", "--runs", "4")
        recorded = file.read_text("utf-8")
        file.write_text(f"{recorded}{ELSEWHERE}{ORIGIN}", encoding="utf-8")
        fake.script.schedule = Schedule(0.072, 0.0036)  # so that a busy machine makes no difference
        heard["held"] = inner.run("--runs", "1")
        file.write_text(f"{recorded}{STALE}{ORIGIN}", encoding="utf-8")
        heard["with a stale row"] = inner.run()
        fake.script.schedule = Schedule(0.08, 0.004)
        inner.matrix([], {"url": slow.url}, workloads=["chat"])
        heard["slowed"] = inner.run("-k", "tiny")
        file.write_text(recorded, encoding="utf-8")
        heard["file"] = Heard(0, recorded, [])
        yield heard


def outcomes(heard: Heard) -> dict[str, str]:
    return {verdict["metric"]: verdict["outcome"] for verdict in heard.verdicts}


def test_recording_writes_the_rows_and_fails_all_the_same(life: dict[str, Heard]) -> None:
    heard = life["recorded"]

    assert heard.code == 1
    assert outcomes(heard) == {"request_latency": "FAIL", "output_tokens_per_second": "FAIL"}
    assert heard.output.count("recorded; this run fails all the same") == 2
    assert "recorded thresholds: read them, then run again" in heard.output


def test_a_recorded_row_says_on_what_in_which_run_and_why(life: dict[str, Heard]) -> None:
    (session,) = [row["session"] for row in life["recorded"].told if row["kind"] == "session"]

    text = life["file"].output

    assert text.startswith("# kept by hand\nmodel: tiny\nspeed:\n  - {metric: ")
    assert len(re.findall(rf'hardware: "remote", .*runs: 4, run: "{session}", because: "recorded; margin', text)) == 2


def test_a_recorded_row_is_valid(life: dict[str, Heard], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "tiny.yaml").write_text(life["file"].output, encoding="utf-8")

    assert len(Catalogue.load(folder).rows) == 2


def test_recorded_thresholds_pass_at_the_next_run(life: dict[str, Heard]) -> None:
    heard = life["held"]

    assert (heard.code, set(outcomes(heard).values())) == (0, {"PASS"})


def test_fewer_than_three_runs_are_never_made(life: dict[str, Heard]) -> None:
    assert len(life["held"].loads) == 3


def test_a_row_of_other_hardware_is_not_unused(life: dict[str, Heard]) -> None:
    assert "thresholds that nothing uses" not in life["held"].output


def test_a_row_that_no_workload_asks_for_fails_a_full_run(life: dict[str, Heard]) -> None:
    heard = life["with a stale row"]

    assert (heard.code, set(outcomes(heard).values())) == (1, {"PASS"})
    assert "thresholds that nothing uses: delete them, or mend their keys" in heard.output
    assert re.search(r"^thresholds/tiny\.yaml:6: no combination can use it", heard.output, re.MULTILINE)


def test_a_slowdown_of_a_third_fails_what_was_recorded(life: dict[str, Heard]) -> None:
    heard = life["slowed"]

    assert heard.code == 1
    assert outcomes(heard) == {"request_latency": "FAIL", "output_tokens_per_second": "FAIL"}
    assert [verdict["reason"] for verdict in heard.verdicts] == ["above_ceiling", "below_floor"]


def test_run_numbers_go_on_over_the_sessions_of_a_results_folder(life: dict[str, Heard]) -> None:
    numbers = {name: [run["number"] for run in heard.loads] for name, heard in life.items() if heard.loads}

    assert numbers == {
        "recorded": [1, 2, 3, 4],
        "held": [5, 6, 7],
        "with a stale row": [8, 9, 10],
        "slowed": [11, 12, 13],
    }
