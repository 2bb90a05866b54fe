"""How often gates are wrong, by simulation: ours, TensorRT-LLM's rule and a plain "mean >= floor", on the same scores.

`python -m tests.campaigns [--sessions N]` prints the tables. Scores are drawn so that a stated share of the questions
flips between two identical runs: twice that share is a coin toss at every run, the rest always right or always wrong.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from thresholds.catalogue import Threshold
from thresholds.error_level import ErrorLevel
from thresholds.measurement import ACCURACY, Measurement
from thresholds.recording import accuracy_row
from thresholds.spending import spend
from thresholds.statistics.means import one_sided
from thresholds.statistics.pairs import difference
from thresholds.upgrade import outcome_of
from thresholds.verdict import Outcome, judge

Scores = NDArray[np.float64]
QUESTIONS, MARGIN, FLIPS, RIGHT = 1319, 0.02, 0.05, 0.75
TASKS, RECORDED_RUNS, RUNS = 6, 4, 2
TENSORRT_SIGMA, TENSORRT_ALPHA = 0.5, 0.05
LEAST_MARGIN, LEAST_DISCORDANT = 0.05, 0.10
BLOCK = 32


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as one model answers it: the chance of each question to be answered right."""

    chances: Scores

    @classmethod
    def drawn(cls, draw: np.random.Generator, questions: int, right: float, flips: float) -> "Benchmark":
        """Where so many questions are right on average, and so many flip between two identical runs."""
        tossed = draw.random(questions) < 2 * flips
        sure = draw.random(questions) < (right - flips) / (1 - 2 * flips)
        return cls(np.where(tossed, 0.5, sure.astype(float)))

    def worse(self, draw: np.random.Generator, drop: float) -> "Benchmark":
        """The same, but for so many of its questions, which are now always wrong."""
        sure = np.flatnonzero(self.chances == 1)
        lost = draw.choice(sure, size=round(drop * len(self.chances)), replace=False)
        chances = self.chances.copy()
        chances[lost] = 0
        return Benchmark(chances)

    def runs(self, draw: np.random.Generator, count: int) -> Scores:
        """Scores by run and question."""
        return (draw.random((count, len(self.chances))) < self.chances).astype(float)


def tensorrt_margin(questions: int) -> float:
    """How far below its reference TensorRT-LLM lets a score fall: z(0.95) * sqrt(2 * 0.5^2 / n)."""
    return one_sided(1 - TENSORRT_ALPHA) * math.sqrt(2 * TENSORRT_SIGMA**2 / questions)


def upgrade_rates(sessions: int, drop: float, gates: int = 1) -> dict[str, dict[Outcome, float]]:
    """Shares of upgrade sessions by verdict and rule, with a candidate that is really so much worse."""
    draw, counted = (
        np.random.default_rng(20261125),
        {name: Counter[Outcome]() for name in ("ours", "TensorRT", "plain")},
    )
    alpha = ErrorLevel(gates=gates, repeat=1).alpha
    for _ in range(sessions):
        old = Benchmark.drawn(draw, QUESTIONS, RIGHT, FLIPS)
        baseline, candidate = old.runs(draw, RUNS), old.worse(draw, drop).runs(draw, RUNS)
        found = difference(candidate, baseline)
        counted["ours"][outcome_of(found.lower(alpha), found.upper(alpha), MARGIN)] += 1
        fell = float(baseline[0].mean() - candidate[0].mean())  # these rules know one run each
        counted["TensorRT"][_either(fell <= tensorrt_margin(QUESTIONS))] += 1
        counted["plain"][_either(fell <= 0)] += 1
    return _shares(counted, sessions)


def floor_rates(sessions: int, drop: float = 0.0) -> dict[str, dict[Outcome, float]]:
    """Shares of gates by verdict and rule: a floor recorded from 4 runs, one of 6, held by later sessions of 2."""
    draw, counted = np.random.default_rng(7), {name: Counter[Outcome]() for name in ("ours", "TensorRT", "plain")}
    level = ErrorLevel(gates=TASKS)
    for _ in range(sessions):
        model = Benchmark.drawn(draw, QUESTIONS, RIGHT, FLIPS)
        recorded, later = model.runs(draw, RECORDED_RUNS), model.worse(draw, drop).runs(draw, RUNS)
        row = accuracy_row(_measurement(recorded), measured_on="a simulation", run="recorded")
        threshold = Threshold(ACCURACY, row["floor"], "hold", "simulated", row)
        counted["ours"][judge(_measurement(later), threshold, level).outcome] += 1
        fell = float(recorded.mean() - later[0].mean())
        counted["TensorRT"][_either(fell <= tensorrt_margin(QUESTIONS))] += 1
        counted["plain"][_either(fell <= 0)] += 1
    return _shares(counted, sessions)


@dataclass(frozen=True)
class Spending:
    """What `--spend least` did over many sessions, as shares.

    Attributes:
        used: Questions, on average.
        decided: Sessions that came to PASS or FAIL.
        wrong: Sessions whose verdict contradicts the difference over all questions.
        bolder: Sessions that came to a verdict where the rule for all questions stays INCONCLUSIVE: it asks about other
            questions of this kind, `--spend least` about these.
    """

    used: float
    decided: float
    wrong: float
    bolder: float


def spending(sessions: int, questions: int, drop: float, gates: int = 1) -> Spending:
    """Paired sessions that stop as soon as they are decided, against what all of their questions say."""
    draw, level = np.random.default_rng(11), ErrorLevel(gates=gates)
    used, decided, wrong, bolder = [], 0, 0, 0
    for _ in range(sessions):
        values = _discordant(draw, questions, drop)
        outcome, count = _least(values, level)
        used.append(count / questions)
        decided += outcome is not Outcome.INCONCLUSIVE
        truth = Outcome.PASS if values.mean() >= -LEAST_MARGIN else Outcome.FAIL
        wrong += outcome not in (truth, Outcome.INCONCLUSIVE)
        reach = one_sided(1 - level.alpha) * values.std(ddof=1) / math.sqrt(questions)
        whole = outcome_of(values.mean() - reach, values.mean() + reach, LEAST_MARGIN)
        bolder += outcome is not Outcome.INCONCLUSIVE and whole is Outcome.INCONCLUSIVE
    return Spending(float(np.mean(used)), decided / sessions, wrong / sessions, bolder / sessions)


def _discordant(draw: np.random.Generator, questions: int, drop: float) -> Scores:
    """Differences of which a tenth is not 0, or more where the drop needs it."""
    discordant = max(LEAST_DISCORDANT, drop + 0.02)
    fell, rose = (discordant + drop) / 2, (discordant - drop) / 2
    return draw.choice([-1.0, 1.0, 0.0], size=questions, p=[fell, rose, 1 - discordant])


def _least(values: Scores, level: ErrorLevel) -> tuple[Outcome, int]:
    for end in range(BLOCK, len(values) + BLOCK, BLOCK):
        spent = spend([float(v) for v in values[:end]], -LEAST_MARGIN, level, len(values), -1.0)
        if spent.outcome is not Outcome.INCONCLUSIVE:
            return spent.outcome, spent.used
    return Outcome.INCONCLUSIVE, len(values)


def _measurement(scores: Scores) -> Measurement:
    labels = {"task": "simulated", "model": "simulated", "samples": "all", **_KEYS}
    return Measurement(ACCURACY, tuple(map(tuple, scores.tolist())), labels, scores.shape[1])


_KEYS = {
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "none",
    "max_tokens": None,
    "max_model_len": None,
    "chat": False,
    "temperature": None,
    "top_p": None,
}


def _either(fine: bool) -> Outcome:
    return Outcome.PASS if fine else Outcome.FAIL


def _shares(counted: dict[str, Counter[Outcome]], total: int) -> dict[str, dict[Outcome, float]]:
    return {name: {one: count[one] / total for one in Outcome} for name, count in counted.items()}


def _print(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    print(f"\n{title}", tabulate(rows, headers, disable_numparse=True), sep="\n", flush=True)  # noqa: T201


def _rates(title: str, simulate: Callable[[float], dict[str, dict[Outcome, float]]], drops: Sequence[float]) -> None:
    rows = [
        [f"{100 * drop:.0f} points", name, *(f"{100 * shares[one]:.1f} %" for one in list(Outcome)[:3])]
        for drop in drops
        for name, shares in simulate(drop).items()
    ]
    _print(title, ["true drop", "rule", "PASS", "FAIL", "INCONCLUSIVE"], rows)


def main(words: list[str]) -> int:
    """Print how often each rule is right."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    sessions = parser.parse_args(words).sessions
    told = f"{sessions:,} sessions of {QUESTIONS:,} questions, {RUNS} runs, {100 * FLIPS:.0f} % of items flip"
    upgrades = f"Upgrade, margin {100 * MARGIN:.0f} points: {told}"
    _rates(upgrades, lambda drop: upgrade_rates(sessions, drop), (0.0, 0.03, 0.05))
    _rates(f"{upgrades}; one of 12 gates", lambda drop: upgrade_rates(sessions, drop, 12), (0.0, 0.03))
    _rates(f"Floors of {TASKS} tasks: {told}", lambda drop: floor_rates(sessions, drop), (0.0, 0.02, 0.03))
    rows = [
        [
            f"{questions:,}",
            f"{100 * drop:.0f} points",
            str(gates),
            *(f"{100 * one:.1f} %" for one in (s.used, s.decided, s.wrong, s.bolder)),
        ]
        for gates in (1, 12)
        for drop in (0.0, 0.15)
        for questions in (410, 1319, 10_042)
        for s in (spending(max(20, sessions // 10), questions, drop, gates),)
    ]
    headers = ["questions", "true drop", "gates", "questions used", "decided", "wrong", "bolder than all"]
    _print(f"--spend least, paired, margin {100 * LEAST_MARGIN:.0f} points, 10 % discordant", headers, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
