"""A gate proves its power: a planted slowdown of 10 % is FAIL every time, and an unchanged engine never is.

`python -m tests.planted_slowdown [--tries N]` weighs an engine behind a proxy that stretches its answers, in turns with
the engine itself, as `compare:` in a matrix does: three pairs of runs, a floor of 0.95 for the ratio of tokens a second
and a ceiling of 1.05 for that of the latency.
"""

import argparse
import sys
from collections import Counter

from fixtures.load.outcome import outcome
from fixtures.load.run import Plan, drive
from fixtures.load.workload import Arrivals, Output, Prompts, Workload
from fixtures.protocols import Endpoint
from tests.load_bench import serving
from thresholds.catalogue import Threshold
from thresholds.measurement import Metric
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, REQUEST_LATENCY, LoadRun, ratio_of, relative, speed
from thresholds.verdict import judge

SCHEDULE = ("--first", "0.05", "--interval", "0.005")
TOKENS = 20
FORM = Workload(
    prompts=Prompts(tokens=2), output=Output(tokens=TOKENS), arrivals=Arrivals(concurrency=8), requests=48, warm_up=8
)
BODY = (
    b'{"model": "tiny", "prompt": [7, 8], "max_tokens": 20, "ignore_eos": true, "temperature": 0, "stream": true,'
    b' "stream_options": {"include_usage": true}}'
)
PAIRS = 3
LABELS = {"combination": "candidate", "workload": "planted", "against": "reference", "hardware": None}


def load(url: str, number: int) -> LoadRun:
    """One run on one server."""
    plan = Plan("completions", lambda _: BODY, FORM.arrivals, FORM.before, FORM.requests, 30)
    came = outcome(drive(Endpoint(url, "tiny"), plan), plan, FORM, {})
    assert came.invalid is None, came.invalid
    return LoadRun(
        "one", "planted", number, "", came.seconds, came.requests, dict(came.failures), dict(came.numbers.values)
    )


def verdicts(reference: str, candidate: str) -> dict[str, str]:
    """The gates' outcomes on a candidate, by metric."""
    runs: dict[str, list[LoadRun]] = {reference: [], candidate: []}
    for pair in range(PAIRS):
        for url in (candidate, reference) if pair % 2 == 0 else (reference, candidate):
            runs[url].append(load(url, pair + 1))
    bounds: list[tuple[Metric, str | None, float]] = [
        (OUTPUT_TOKENS_PER_SECOND, None, 0.95),
        (REQUEST_LATENCY, "p50", 1.05),
    ]
    told = {}
    for metric, statistic, bound in bounds:
        measured = [speed(runs[url], metric, statistic, LABELS) for url in (candidate, reference)]
        row = {"measured": 1.0, "run": "planted"}
        threshold = Threshold(ratio_of(metric), bound, "hold", "planted:1", row)
        told[metric.name] = str(judge(relative(*measured, {}), threshold).outcome)
    return told


def main(words: list[str]) -> int:
    """Plant, look, and say whether the gates saw what there was to see."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted_slowdown", description=__doc__)
    parser.add_argument("--tries", type=int, default=20)
    tries = parser.parse_args(words).tries
    wrong = 0
    for factor in (1.1, 1.0):
        counted: dict[str, Counter[str]] = {}
        with (
            serving("fake_engine.py", *SCHEDULE) as server,
            serving("slow_proxy.py", "--target", server.url.removesuffix("/v1"), "--factor", str(factor)) as slow,
            serving("slow_proxy.py", "--target", server.url.removesuffix("/v1"), "--factor", "1.0") as plain,
        ):
            for _ in range(tries):
                for metric, outcome_ in verdicts(plain.url, slow.url).items():
                    counted.setdefault(metric, Counter())[outcome_] += 1
        for metric, outcomes in counted.items():
            right = outcomes["FAIL"] == (tries if factor > 1 else 0)
            wrong += not right
            said = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
            print(f"{metric}, slower by {factor - 1:.0%}: {said} of {tries}{'' if right else '  NOT OK'}", flush=True)  # noqa: T201
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
