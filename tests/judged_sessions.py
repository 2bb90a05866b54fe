"""A results folder and a threshold folder on disk, and short ways to fill them."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from test_reports_summary import item_of

from reports.ledger import Ledger
from thresholds.catalogue import Catalogue
from thresholds.measurement import ACCURACY, Run, accuracy
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, LoadRun, ratio_of, relative, speed
from thresholds.verdict import judge

PRIMARY = "exact_match,flexible-extract"
ORIGIN = 'runs: 4, questions: 100, measured_on: "cpu", run: "r-0", because: "recorded"'
COMBINATION: dict[str, Any] = {
    "combination": "m-vllm-none",
    "model": "m",
    "engine": "vllm",
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "none",
    "max_tokens": None,
    "max_model_len": None,
    "tensor_parallel": 1,
    "chat": False,
    "temperature": None,
    "top_p": None,
}
RATE = OUTPUT_TOKENS_PER_SECOND.name


class Campaign:
    """Sessions of one model, judged by its threshold file."""

    def __init__(self, folder: Path, *rows: str, speeds: Sequence[str] = ()) -> None:
        self.results, self.thresholds = folder / "results", folder / "thresholds"
        self.path = self.thresholds / "m.yaml"
        self.thresholds.mkdir()
        sections = [("accuracy", rows), ("speed", speeds)]
        text = "".join(f"{name}:\n" + "".join(f"  - {{{row}}}\n" for row in told) for name, told in sections if told)
        self.path.write_text(f"# agreed\nmodel: m\n{text}", encoding="utf-8")

    @property
    def folders(self) -> list[str]:
        """The options of a command that speaks of this campaign."""
        return ["--thresholds", str(self.thresholds), "--results", str(self.results)]

    def answers(self, session: str, *right: int, population: int = 100, asked: int = 100, **labels: Any) -> None:
        """A session of a run for each number of right answers; which ones are right shifts from run to run by one."""
        known = {**COMBINATION, "task": "gsm8k", "samples": "all", **labels}
        runs = [
            Run(
                known["combination"],
                known["task"],
                number,
                PRIMARY,
                tuple(item_of(i, float((i + number) % asked < share)) for i in range(asked)),
                population,
                1.0,
            )
            for number, share in enumerate(right, 1)
        ]
        self._tell(session, runs, accuracy(runs, known), known)

    def loads(self, session: str, *rates: float, digest: str = "d1", **labels: Any) -> None:
        """A session of a load for each rate."""
        known = {**COMBINATION, "workload": "chat", "hardware": "cpu", "against": None, "statistic": None, **labels}
        runs = [_load(known["combination"], number, rate, digest) for number, rate in enumerate(rates, 1)]
        self._tell(session, runs, speed(runs, OUTPUT_TOKENS_PER_SECOND, None, known), known)

    def pairs(self, session: str, *pairs: tuple[float, float]) -> None:
        """A session of loads side by side: an int8 one, then the one that it is divided by."""
        known = {**COMBINATION, "combination": "m-vllm-int8", "quantization": "int8", "workload": "chat"}
        labels = {**known, "hardware": "cpu", "against": "m-vllm-none", "statistic": None}
        ours = [_load("m-vllm-int8", number, rate, "d1") for number, (rate, _) in enumerate(pairs, 1)]
        theirs = [_load("m-vllm-none", number, rate, "d1") for number, (_, rate) in enumerate(pairs, 1)]
        both = (speed(runs, OUTPUT_TOKENS_PER_SECOND, None, labels) for runs in (ours, theirs))
        told = [run for pair in zip(ours, theirs, strict=True) for run in pair]
        self._tell(session, told, relative(*both, {"against": "m-vllm-none"}), labels)

    def _tell(self, session: str, runs: Sequence[Run | LoadRun], measurement: Any, labels: dict[str, Any]) -> None:
        metric = ratio_of(OUTPUT_TOKENS_PER_SECOND) if labels.get("against") else measurement.metric
        row = Catalogue.load(self.thresholds).find(ACCURACY if "task" in labels else metric, labels)
        with closing(Ledger(self.results / "ledger.sqlite")) as ledger:
            ledger.record_session({"session": session, "hardware": "cpu"})
            for run in runs:
                if isinstance(run, Run):
                    ledger.record_run(session, run, labels)
                else:
                    ledger.record_load(session, run, {**labels, "combination": run.combination})
            if row is not None:
                ledger.record_verdict(session, judge(measurement, row))


def _load(combination: str, number: int, rate: float, digest: str) -> LoadRun:
    return LoadRun(combination, "chat", number, digest, 30.0, 64, {}, {RATE: rate})
