"""The pool of engines and the leases of their devices."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from filelock import FileLock

from fixtures import pool as pools
from fixtures.matrix import Combination, load
from fixtures.placement import local
from fixtures.placement.local import LocalPlacement
from fixtures.pool import Pool
from fixtures.protocols import Endpoint, EngineFailed, Lease

MATRIX = """
models: {tiny: {weights: {none: ./nowhere, w8a8: ./nowhere}}}
tasks: [embedded_gsm8k]
combinations:
  - {model: tiny, engine: vllm, quantization: [none, w8a8]}
"""


class StubEngine:
    """Counts what happens to it; what it does at its start, a test says."""

    quantizations: ClassVar[frozenset[str]] = frozenset({"none", "w8a8"})
    needs_weights: ClassVar[bool] = True
    events: ClassVar[list[str]] = []
    trouble: ClassVar[BaseException | None] = None

    def __init__(self, combination: Combination, logs: Path) -> None:
        del logs
        self.name = combination.quantization

    def start(self, lease: Lease) -> Endpoint:
        assert lease.hardware == "a stub"
        self.events.append(f"start {self.name}")
        if self.trouble is not None:
            raise self.trouble
        return Endpoint("http://127.0.0.1:1/v1", "tiny")

    def failure(self) -> None: ...

    def memory(self) -> None: ...

    def describe(self) -> Mapping[str, Any]:
        return {"engine_version": "stub"}

    def stop(self) -> None:
        self.events.append(f"stop {self.name}")


class StubPlacement:
    """Notes when devices are taken and given back."""

    def acquire(self, combination: Combination) -> Lease:
        StubEngine.events.append(f"acquire {combination.quantization}")
        return Lease({}, "a stub", (self,))

    def release(self) -> None:
        StubEngine.events.append("release")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(pools, "engine_class", lambda _name: StubEngine)
    monkeypatch.setattr(pools, "_context", lambda *_: 2048)
    monkeypatch.setattr(pools, "_tokens", lambda *_: None)
    monkeypatch.setattr(StubEngine, "events", [])
    return Pool(
        StubPlacement(), tmp_path, lambda labels, _: StubEngine.events.append(f"ready {labels['quantization']}")
    )


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Combination, ...]:
    (tmp_path / "m.yaml").write_text(MATRIX, encoding="utf-8")
    return load(tmp_path / "m.yaml").combinations


def test_a_combination_is_started_once_and_stopped_before_the_next_begins(
    pool: Pool, pair: tuple[Combination, ...]
) -> None:
    plain, quantized = pair

    assert pool.get(plain) is pool.get(plain)
    pool.get(quantized)
    pool.stop()
    pool.stop()

    assert StubEngine.events == [
        *("acquire none", "start none", "ready none", "stop none", "release"),
        *("acquire w8a8", "start w8a8", "ready w8a8", "stop w8a8", "release"),
    ]


def test_a_failed_start_is_cleared_away_remembered_and_not_tried_again(
    pool: Pool, pair: tuple[Combination, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StubEngine, "trouble", EngineFailed("out_of_memory", "no room"))

    for _ in range(3):
        with pytest.raises(EngineFailed, match="no room"):
            pool.get(pair[0])

    assert StubEngine.events == ["acquire none", "start none", "stop none", "release"]


def test_ctrl_c_during_a_start_stops_the_engine_and_gives_its_devices_back(
    pool: Pool, pair: tuple[Combination, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StubEngine, "trouble", KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        pool.get(pair[0])

    assert StubEngine.events == ["acquire none", "start none", "stop none", "release"]


def test_an_engine_that_died_is_not_started_again(pool: Pool, pair: tuple[Combination, ...]) -> None:
    pool.get(pair[0])
    pool.failed(pair[0], EngineFailed("crashed", "it died at question 7"))

    with pytest.raises(EngineFailed, match="it died at question 7"):
        pool.get(pair[0])

    assert StubEngine.events == ["acquire none", "start none", "ready none", "stop none", "release"]


def test_engines_beside_each_other_share_one_lease_until_the_last_of_them_stops(
    pool: Pool, pair: tuple[Combination, ...]
) -> None:
    plain, quantized = pair

    first, second = pool.get(plain, beside=quantized), pool.get(quantized, beside=plain)
    assert pool.get(plain, beside=quantized) is first
    assert second.lease is first.lease
    pool.stop()

    assert StubEngine.events == [
        *("acquire none", "start none", "ready none", "start w8a8", "ready w8a8"),
        *("stop none", "stop w8a8", "release"),
    ]


def test_a_running_engine_is_given_without_stopping_the_one_that_idles_beside_it(
    pool: Pool, pair: tuple[Combination, ...]
) -> None:
    plain, quantized = pair
    first = pool.get(plain)
    pool.get(quantized, beside=plain)
    before = len(StubEngine.events)

    assert pool.get(plain) is first
    pool.stop(quantized)

    assert StubEngine.events[before:] == ["stop w8a8"]
    pool.stop()


def test_an_engine_that_is_asked_for_alone_stops_the_one_beside_it_and_keeps_its_devices(
    pool: Pool, pair: tuple[Combination, ...]
) -> None:
    plain, quantized = pair
    first = pool.get(plain)
    pool.get(quantized, beside=plain)
    before = len(StubEngine.events)

    assert pool.alone(plain) is first
    assert StubEngine.events[before:] == ["stop w8a8"]
    pool.stop()
    assert StubEngine.events[before:] == ["stop w8a8", "stop none", "release"]


def test_a_third_engine_stops_those_that_it_does_not_stand_beside(
    pool: Pool, pair: tuple[Combination, ...], tmp_path: Path
) -> None:
    (tmp_path / "m.yaml").write_text(MATRIX.replace("engine: vllm,", "engine: vllm, chat: true,"), encoding="utf-8")
    third = load(tmp_path / "m.yaml").combinations[0]
    plain, quantized = pair
    pool.get(plain)
    pool.get(quantized, beside=plain)
    before = len(StubEngine.events)

    pool.get(third, beside=plain)

    assert StubEngine.events[before:] == ["stop w8a8", "start none", "ready none"]


def test_a_second_engine_that_does_not_start_leaves_the_first_and_its_devices(
    pool: Pool, pair: tuple[Combination, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, quantized = pair
    first = pool.get(plain)
    before = len(StubEngine.events)
    monkeypatch.setattr(StubEngine, "trouble", EngineFailed("out_of_memory", "no room for two"))

    with pytest.raises(EngineFailed, match="no room for two"):
        pool.get(quantized, beside=plain)

    assert pool.get(plain, beside=quantized) is first
    assert StubEngine.events[before:] == ["start w8a8", "stop w8a8"]


def test_an_engine_that_died_leaves_the_one_beside_it(pool: Pool, pair: tuple[Combination, ...]) -> None:
    plain, quantized = pair
    pool.get(plain)
    second = pool.get(quantized, beside=plain)
    before = len(StubEngine.events)

    pool.failed(plain, EngineFailed("crashed", "it died"))

    assert StubEngine.events[before:] == ["stop none"]
    assert pool.get(quantized, beside=plain) is second
    assert (pool.hardware(quantized), pool.hardware(plain)) == ("a stub", None)


def hold(lock: str, taken: Any, give_back: Any) -> None:
    with FileLock(lock):
        taken.set()
        give_back.wait(20)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Another process that holds the lock of a device until the returned event is set."""
    context = multiprocessing.get_context("spawn")
    events, processes = [], []

    def start(device: str) -> Any:
        taken, give_back = context.Event(), context.Event()
        process = context.Process(target=hold, args=(str(tmp_path / f"{device}.lock"), taken, give_back))
        process.start()
        events.append(give_back)
        processes.append(process)
        assert taken.wait(20)
        return give_back

    yield start
    for event in events:
        event.set()
    for process in processes:
        process.join(10)


def test_a_session_waits_for_the_device_of_another_and_says_so(
    tmp_path: Path,
    pair: tuple[Combination, ...],
    elsewhere: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "gpus", tuple)
    give_back = elsewhere("processor")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        give_back.set()

    lease = LocalPlacement(say, 20, tmp_path).acquire(pair[0])

    assert said == [f"waiting for processor: another session uses it ({tmp_path / 'processor.lock'})"]
    assert lease.locks[0].is_locked
    lease.release()


def test_a_device_that_does_not_become_free_is_a_failure(
    tmp_path: Path,
    pair: tuple[Combination, ...],
    elsewhere: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "gpus", tuple)
    elsewhere("processor")

    with pytest.raises(EngineFailed, match="processor was not free within 0 s") as caught:
        LocalPlacement(lambda _: None, 0.1, tmp_path).acquire(pair[0])

    assert caught.value.reason == "device_busy"


def test_two_sessions_get_different_gpus(
    tmp_path: Path, pair: tuple[Combination, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "gpus", lambda: ("H200", "H200"))
    placement = LocalPlacement(lambda _: None, 0.1, tmp_path)

    leases = [placement.acquire(pair[0]), placement.acquire(pair[0])]

    assert [lease.environment["CUDA_VISIBLE_DEVICES"] for lease in leases] == ["0", "1"]
    with pytest.raises(EngineFailed, match="not free"):
        placement.acquire(pair[0])
    for lease in leases:
        lease.release()
    placement.acquire(pair[0]).release()


def test_an_engine_that_found_no_room_beside_another_may_still_start_alone(
    pool: Pool, pair: tuple[Combination, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, quantized = pair
    pool.get(plain)
    monkeypatch.setattr(StubEngine, "trouble", EngineFailed("out_of_memory", "no room for two"))
    for _ in range(2):
        with pytest.raises(EngineFailed, match="no room for two"):
            pool.get(quantized, beside=plain)
    monkeypatch.setattr(StubEngine, "trouble", None)

    assert pool.get(quantized).combination is quantized
    assert StubEngine.events.count("start w8a8") == 2
