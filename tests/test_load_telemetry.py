"""What the machine says of itself: GPUs through NVML, and whether somebody else is at work."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from fixtures.engines.process import free_port
from fixtures.load import quiet
from fixtures.load.quiet import processes_at, wait_for_quiet
from fixtures.load.telemetry import Telemetry
from thresholds.measurement import NotMeasured

pytestmark = pytest.mark.timeout(30)


class NVMLError(Exception):
    """NVML's own."""


class Nvml:
    """A stand-in for pynvml: two GPUs, the second of which draws twice the power.

    Attributes:
        asked: The names of its functions in the order of their calls, and whether the main thread called.
        mute: Functions that this GPU does not know.
        slow: Seconds that every answer takes.
        energy: Millijoules that each GPU says it has used; a call adds 5,000 of them.
    """

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.mute: set[str] = set()
        self.slow = 0.0
        self.busy = 0
        self.energy = [1_000_000, 2_000_000]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            self.asked.append((name, threading.current_thread() is threading.main_thread()))
            time.sleep(self.slow)
            if name in self.mute:
                raise NVMLError(name)
            return self._answer(name, *given)

        return call

    def _answer(self, name: str, handle: int = 0, *_: Any) -> Any:
        if name == "nvmlDeviceGetTotalEnergyConsumption":
            self.energy[handle] += 5_000
            return self.energy[handle]
        return {
            "nvmlInit": None,
            "nvmlDeviceGetHandleByIndex": handle,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=10 * 2**30),
            "nvmlDeviceGetClockInfo": 1_800 + 100 * handle,
            "nvmlDeviceGetTemperature": 50 + handle,
            "nvmlDeviceGetPowerUsage": 300_000 * (1 + handle),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=self.busy),
        }[name]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    stub = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", stub)  # type: ignore[arg-type]
    return stub


def sampled(numbers: tuple[int, ...], tokens: int | None = None) -> dict[str, float] | None:
    telemetry = Telemetry(numbers)
    telemetry.start()
    telemetry.end()
    return telemetry.stop(tokens)


def test_memory_and_power_add_up_over_gpus_and_heat_is_that_of_the_hottest(nvml: Nvml) -> None:
    del nvml

    assert sampled((0, 1), 500) == {
        "memory_bytes_peak": 20 * 2**30,
        "sm_clock_mhz": 1_850,
        "temperature_c": 51,
        "power_w": 900,
        "joules": 10,
        "joules_per_1000_tokens": 20,
    }


def test_only_the_gpus_of_the_lease_are_asked(nvml: Nvml) -> None:
    told = sampled((1,))

    assert told is not None
    assert (told["power_w"], nvml.energy[0]) == (600, 1_000_000)


def test_without_a_gpu_nothing_is_told_and_nothing_is_asked(nvml: Nvml) -> None:
    assert sampled(()) is None
    assert nvml.asked == []


def test_without_a_gpu_nvml_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert sampled(()) is None


@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetHandleByIndex"])
def test_a_driver_that_does_not_answer_is_no_gpu(nvml: Nvml, function: str) -> None:
    nvml.mute = {function}

    assert sampled((0,)) is None


def test_what_a_gpu_does_not_know_is_left_out(nvml: Nvml) -> None:
    nvml.mute = {"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetClockInfo"}

    assert set(sampled((0,), 500) or {}) == {"memory_bytes_peak", "temperature_c", "power_w"}


@pytest.mark.parametrize("tokens", [None, 0])
def test_without_tokens_there_is_no_energy_of_a_token(nvml: Nvml, tokens: int | None) -> None:
    del nvml

    assert set(sampled((0,), tokens) or {}) >= {"joules"}
    assert "joules_per_1000_tokens" not in (sampled((0,), tokens) or {})


def test_energy_is_counted_until_the_end_and_not_until_somebody_asks_for_it(nvml: Nvml) -> None:
    telemetry = Telemetry((0,))
    telemetry.start()
    telemetry.end()
    deadline = time.monotonic() + 5
    while len(nvml.asked) < 12 and time.monotonic() < deadline:  # the handle, two energies, and twice four samples
        time.sleep(0.01)
    nvml.energy = [9_000_000, 0]

    told = telemetry.stop(None)

    assert told is not None
    assert told["joules"] == 5


def test_a_slow_driver_does_not_hold_up_the_load(nvml: Nvml) -> None:
    """`start` and `end` are called by the event loop that reads the streams."""
    telemetry = Telemetry((0,))
    before, nvml.slow = len(nvml.asked), 0.02

    telemetry.start()
    telemetry.end()
    telemetry.stop(None)

    assert [name for name, in_main in nvml.asked[before:] if in_main] == []


def test_stopping_what_never_began_tells_nothing(nvml: Nvml) -> None:
    del nvml

    assert Telemetry((0,)).stop(10) is None


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, tuple[str, float]]]:
    """What psutil sees, look after look: the names of processes, and their seconds of processor time so far."""
    looks: list[dict[int, tuple[str, float]]] = []

    def look(_: list[str]) -> list[Any]:
        seen = looks.pop(0) if len(looks) > 1 else looks[0]
        return [
            SimpleNamespace(pid=pid, info={"cpu_times": SimpleNamespace(user=used, system=0.0), "name": name})
            for pid, (name, used) in seen.items()
        ]

    monkeypatch.setattr(psutil, "process_iter", look)
    monkeypatch.setattr(quiet, "LOOK_SECONDS", 0.02)
    return looks


def test_an_idle_machine_is_quiet_at_once(processes: list[dict[int, tuple[str, float]]]) -> None:
    processes += [{1: ("init", 5.0), 7: ("browser", 100.0)}]

    wait_for_quiet(())


def test_a_busy_machine_is_refused_with_the_name_of_who_is_at_work(
    processes: list[dict[int, tuple[str, float]]],
) -> None:
    processes += [{1: ("init", 5.0), 7: ("compiler", 1.0)}, {1: ("init", 5.0), 7: ("compiler", 99.0)}]

    with pytest.raises(
        NotMeasured, match=r"cores are busy, most by compiler \(process 7\); .* end it, then run"
    ) as told:
        wait_for_quiet((), patience=0)

    assert told.value.reason == "device_busy"


def test_work_of_processes_that_begin_meanwhile_counts_too(processes: list[dict[int, tuple[str, float]]]) -> None:
    """A build has many processes, none of which lives long."""
    processes += [{1: ("init", 5.0)}, {1: ("init", 5.0), 8: ("cc1plus", 9.0)}]

    with pytest.raises(NotMeasured, match="most by cc1plus"):
        wait_for_quiet((), patience=0)


def test_work_that_ends_is_waited_for(processes: list[dict[int, tuple[str, float]]]) -> None:
    processes += [{7: ("compiler", 1.0)}, {7: ("compiler", 99.0)}, {7: ("compiler", 99.0)}]

    wait_for_quiet((), patience=5)

    assert len(processes) == 1


def test_what_the_engine_that_is_to_be_measured_still_does_is_no_work_of_others(
    processes: list[dict[int, tuple[str, float]]],
) -> None:
    processes += [{7: ("vllm", 1.0)}, {7: ("vllm", 99.0)}]

    wait_for_quiet((), {7}, patience=0)


def test_the_processes_of_a_server_are_the_one_that_listens_and_its_children() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            found = processes_at(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    finally:
        child.kill()
        child.wait()

    assert {os.getpid(), child.pid} <= found


def test_a_server_that_is_not_here_has_no_processes() -> None:
    assert processes_at(f"http://127.0.0.1:{free_port()}/v1") == frozenset()


def test_a_server_elsewhere_has_no_processes_here_though_its_port_is_taken_here() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert processes_at(f"http://elsewhere.example:{listener.getsockname()[1]}/v1") == frozenset()


@pytest.mark.parametrize(("busy", "refused"), [(0, False), (5, False), (60, True)])
def test_a_gpu_that_is_at_work_is_refused_by_its_number(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch, busy: int, *, refused: bool
) -> None:
    monkeypatch.setattr(quiet, "LOOK_SECONDS", 0.01)
    nvml.busy = busy

    if refused:
        with pytest.raises(NotMeasured, match="GPU 3 is 60 % busy before the load begins"):
            wait_for_quiet((3,), patience=0)
    else:
        wait_for_quiet((3,), patience=0)


def test_with_gpus_of_our_own_the_processor_is_not_looked_at(
    nvml: Nvml, processes: list[dict[int, tuple[str, float]]]
) -> None:
    del nvml
    processes += [{7: ("compiler", 1.0)}, {7: ("compiler", 99.0)}]

    wait_for_quiet((0,), patience=0)

    assert len(processes) == 2
