"""The one view model: everything that is told, computed and neither rounded nor worded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reports.answers.changes import Change
from reports.answers.differences import Gap
from reports.answers.front import Front
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.drafts.rows import Drafts
from reports.observations.observation import Observation
from reports.quants.limits import LimitRow
from reports.quants.rows import QuantRow
from reports.speed.rows import SpeedRow
from reports.upgrades import UpgradeRow

__all__ = [
    "SCHEMA_VERSION",
    "Change",
    "Front",
    "Gap",
    "NotPassed",
    "Observation",
    "RunRow",
    "Source",
    "Summary",
]

SCHEMA_VERSION = 1
"""Of the plain form: it changes when a field changes its meaning or goes, not when one is added."""

ABOUT_TASK = ("task", "task_version", "samples", "spend", "against")
"""Labels that a run or its verdict has beside those of its combination."""


@dataclass(frozen=True, slots=True)
class NotPassed:
    """A verdict that is not PASS, in its own words; it speaks of a task, or of a workload."""

    combination: str
    task: str
    workload: str | None
    against: str | None
    metric: str
    statistic: str | None
    outcome: str
    reason: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Who published what; "not stated" where the text at hand says none."""

    name: str
    title: str
    authors: str
    date: str
    url: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that reports tell about one session, about all sessions of a ledger together, or about a study.

    Attributes:
        rows: Combinations whose answers were weighed, ranked over all `tasks`.
        speed: Combinations that were put under load, ranked within each workload.
        upgrades: Candidates beside their baselines, gate by gate.
        runs: The runs that count, by combination as in `rows`, then by task and number.
        observations: What the numbers say, the most important first.
        front: Of mean accuracy against output tokens/s.
        gaps: Differences of two: the best against each other one, of each task and of the mean; the best that runs here
            against the others that do; members of the front against those that they dominate, and against the next one.
        changes: What one setting changed.
        drafts: What drafts gain under each load, what is accepted of them, and whether they change answers.
        quants: What each quant keeps, costs and gains beside the base of its model.
        limits: Answers that were cut off, by token limit.
        not_now: Measured by earlier sessions and not by this one: the tasks, by combination.
        source: The study; None for sessions of ours.
    """

    sessions: tuple[str, ...]
    started: str | None
    finished: str | None
    exit_status: int | None
    provenance: Mapping[str, Any]
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    speed: tuple[SpeedRow, ...]
    upgrades: tuple[UpgradeRow, ...]
    verdicts: Mapping[str, int]
    not_passed: tuple[NotPassed, ...]
    runs: tuple[RunRow, ...] = ()
    observations: tuple[Observation, ...] = ()
    front: Front = field(default_factory=lambda: Front((), {}))
    gaps: tuple[Gap, ...] = ()
    changes: tuple[Change, ...] = ()
    drafts: Drafts = field(default_factory=lambda: Drafts((), ()))
    quants: tuple[QuantRow, ...] = ()
    limits: tuple[LimitRow, ...] = ()
    not_now: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: Source | None = None

    @property
    def measured(self) -> bool:
        """There is something to tell."""
        return bool(self.rows or self.speed)

    @property
    def plain(self) -> bool:
        """No two answer so that an interval of their difference is known."""
        return all(gap.low is None for gap in self.gaps)

    @property
    def beaten(self) -> Mapping[str, str]:
        """Whom another one beats in accuracy and speed, as far as it is shown; by the means where nothing can be."""
        return self.front.dominated if self.plain else self.front.shown

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON, with the version of its schema."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}
