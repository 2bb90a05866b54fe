"""The memory of an engine on a GPU is that of the GPU."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from fixtures.engines import process
from fixtures.engines.gpu_memory import held
from fixtures.engines.process import ServerProcess

Told = dict[int, int | None]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """Bytes by process of each GPU, as a driver would tell them."""
    told: list[Told] = []

    def running(number: int) -> Sequence[Any]:
        if not told[number]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in told[number].items()]

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(told))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda number: number)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", running)
    return told


def test_it_is_what_its_processes_hold_on_all_gpus(gpus: list[Told]) -> None:
    gpus += [{11: 5_000, 12: 3_000, 99: 70_000}, {12: 2_000}]

    assert held({10, 11, 12}) == 10_000


@pytest.mark.parametrize("told", [{99: 70_000}, {11: None}, {}], ids=["other numbers", "no size", "not to be asked"])
def test_what_the_driver_does_not_tell_is_unknown_and_not_zero(gpus: list[Told], told: Told) -> None:
    gpus.append(told)

    assert held({11}) is None


def test_without_a_driver_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)

    assert held({11}) is None


@pytest.mark.parametrize(("environment", "memory"), [({"CUDA_VISIBLE_DEVICES": "0"}, 5_000), ({}, 800)])
def test_a_server_on_a_gpu_is_weighed_there_and_another_on_its_machine(
    gpus: list[Told], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], memory: int
) -> None:
    gpus.append({11: 5_000})
    of_the_machine = SimpleNamespace(uss=800)
    found = SimpleNamespace(pid=11, memory_full_info=lambda: of_the_machine)
    monkeypatch.setattr(process, "marked", lambda _: [found])

    assert ServerProcess(["serve"], environment, Path("log")).memory() == memory
