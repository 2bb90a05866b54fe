"""An engine for inner runs: fake_engine.py as a process of its own, behind the ServerProcess that real engines use."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fixtures.engines.names import QUANTIZATIONS
from fixtures.engines.process import ServerProcess, answers, free_port
from fixtures.matrix import Combination
from fixtures.protocols import Endpoint, EngineFailed, Lease

FAKE = Path(__file__).with_name("fake_engine.py")


class SpawnedEngine:
    """What VllmEngine is to vLLM, without its proofs. The matrix's `engine_arguments` go to fake_engine.py."""

    quantizations: ClassVar[frozenset[str]] = QUANTIZATIONS
    kv_caches: ClassVar[frozenset[str] | None] = None
    needs_weights: ClassVar[bool] = True

    def __init__(self, combination: Combination, logs: Path) -> None:
        self.combination = combination
        self._port = free_port()
        command = [sys.executable, str(FAKE), "--port", str(self._port), *combination.settings.engine_arguments]
        self._server = ServerProcess(command, {}, logs / f"{combination.id}.log")

    def start(self, lease: Lease) -> Endpoint:
        del lease
        self._server.start()
        self._server.wait_until(lambda: answers(f"http://127.0.0.1:{self._port}/health"), 20)
        return Endpoint(f"http://127.0.0.1:{self._port}/v1", "tiny")

    def failure(self) -> EngineFailed | None:
        return None if self._server.alive() else self._server.failure("it ended while it was measured")

    def memory(self) -> int | None:
        return self._server.memory()

    def describe(self) -> Mapping[str, Any]:
        return {"engine_version": "fake", "command": list(self._server.command)}

    def stop(self) -> None:
        self._server.stop()
