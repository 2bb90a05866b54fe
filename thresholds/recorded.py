"""What an earlier session left: its runs with the labels they were announced with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from thresholds.measurement import Run
from thresholds.speed import LoadRun


@dataclass(frozen=True, slots=True)
class Recorded:
    """A session of a ledger.

    Attributes:
        session, where: Its id, and the results folder that holds it.
        runs, loads: What it measured, each with its labels.
    """

    session: str
    where: str
    runs: Sequence[tuple[Mapping[str, Any], Run]] = field(repr=False)
    loads: Sequence[tuple[Mapping[str, Any], LoadRun]] = field(default=(), repr=False)

    @property
    def combinations(self) -> list[str]:
        """The ids of what it measured."""
        named = [labels["combination"] for labels, _ in self.runs] + [run.combination for _, run in self.loads]
        return list(dict.fromkeys(named))

    def of_task(self, combination: str, task: str) -> list[tuple[Mapping[str, Any], Run]]:
        """Its runs of a task on a combination."""
        return [(labels, run) for labels, run in self.runs if (run.combination, run.task) == (combination, task)]

    def of_workload(self, combination: str, workload: str) -> list[tuple[Mapping[str, Any], LoadRun]]:
        """Its runs of a workload on a combination that stood alone."""
        return [
            (labels, run)
            for labels, run in self.loads
            if (run.combination, run.workload) == (combination, workload) and not labels.get("against")
        ]
