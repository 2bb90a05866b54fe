"""Our load client beside vLLM's `bench serve`, on a server whose schedule is known and whose own record is the truth.

`python -m tests.load_bench [--streams 16,256,1024] [--rounds N] [--cpu-rounds N] [--only ours]` prints what each client
says, what the server's record says of the same run, and the difference; then the client's processor time for each
streamed token, and what is made of chunks that hold several tokens. Exit code 1 when our client is outside a limit. The
machine must do nothing else meanwhile.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

TESTS = Path(__file__).parent
SCHEDULE = ("--first", "0.1", "--interval", "0.01")
TOKENS = 50
REQUESTS = {16: 320, 256: 1024, 1024: 4096}
"""Streams to requests: a p99 needs 299 of them."""

PROMPT_TOKENS = 32
LIMITS = {
    16: {"mean_ttft": 2, "p99_ttft": 12, "mean_itl": 1, "p99_itl": 10},
    256: {"mean_ttft": 3, "p99_ttft": 12, "mean_itl": 1, "p99_itl": 10},
    1024: {"mean_ttft": 8},
}
"""Streams to the largest error in per cent that our client may make."""

CHUNK = 4
CHUNK_LIMITS = {"tokens_per_second": 1, "mean_itl": 1}
CPU_STREAMS = 256
CPU_MICROSECONDS, CPU_RATIO = 12, 3
NAMES = {
    "mean_ttft": "mean TTFT, ms",
    "p99_ttft": "p99 TTFT, ms",
    "mean_itl": "mean ITL, ms",
    "p99_itl": "p99 ITL, ms",
    "tokens_per_second": "output tokens/s",
}
BENCH_SERVE = """
import sys
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Numbers:
    """What is said of one run: by a client, or by the server's record. Latencies in milliseconds."""

    mean_ttft: float
    p99_ttft: float
    mean_itl: float
    p99_itl: float
    tokens_per_second: float
    tokens: int
    cpu_seconds: float = 0.0


def _mean(values: Any) -> float:
    return float(np.mean(values))


def _p99(values: Any) -> float:
    return float(np.percentile(values, 99))


LATENCIES = {"ttft": "time_to_first_token", "itl": "inter_token_latency"}
STATISTICS = {"mean": _mean, "p99": _p99}


@dataclass(frozen=True)
class Server:
    """A fake engine in a process of its own."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def truth(self) -> Numbers:
        """What its record says of all streams since it was last forgotten."""
        with self._record("GET") as response:
            streams = [s for s in json.load(response)["streams"] if s["writes"]]
        ttfts = [stream["writes"][0][0] - stream["received"] for stream in streams]
        gaps = [
            (after - before) / tokens
            for stream in streams
            for (before, _), (after, tokens) in pairwise(stream["writes"])
            for _ in range(tokens)
        ]
        tokens = sum(count for stream in streams for _, count in stream["writes"])
        seconds = max(s["writes"][-1][0] for s in streams) - min(s["received"] for s in streams)
        latencies = (1000 * f(values) for values in (ttfts, gaps) for f in STATISTICS.values())
        return Numbers(*latencies, tokens / seconds, tokens)

    def forget(self) -> None:
        """Begin a new record."""
        self._record("DELETE").close()

    def _record(self, method: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/record", method=method)
        return urllib.request.urlopen(request, timeout=60)  # noqa: S310


@contextlib.contextmanager
def serving(program: str, *flags: str) -> Iterator[Server]:
    """A program of this folder that serves, for as long as the block lasts."""
    words = [sys.executable, str(TESTS / program), "--port", "0", *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(int(process.stdout.readline().removeprefix("serving on ")))
        finally:
            process.kill()


Client = Callable[[str, int, int, int], Numbers]
"""URL, streams, requests and tokens to what the client says of its run."""


def ours(url: str, streams: int, requests: int, tokens: int, *, continuous: bool = False) -> Numbers:
    """Our client, in a process of its own."""
    asked = {"url": url, "streams": streams, "requests": requests, "tokens": tokens, "continuous": continuous}
    output, cpu = _measured([sys.executable, "-m", "tests.load_bench", "--as-client", json.dumps(asked)])
    return Numbers(**json.loads(output.splitlines()[-1]), cpu_seconds=cpu)


def as_client(url: str, streams: int, requests: int, tokens: int, *, continuous: bool) -> dict[str, float]:
    """What `ours` does in its process, as a suite does it: drive the load, then read and sum up all of its traces."""
    from fixtures.load import run
    from fixtures.load.outcome import outcome
    from fixtures.load.workload import Arrivals, Output, Prompts, Workload
    from fixtures.protocols import Endpoint

    options = {"include_usage": True, **({"continuous_usage_stats": True} if continuous else {})}
    settings = {"max_tokens": tokens, "ignore_eos": True, "temperature": 0, "stream": True, "stream_options": options}
    body = json.dumps({"model": "tiny", "prompt": [7] * PROMPT_TOKENS, **settings}).encode()
    arrivals = Arrivals(concurrency=streams)
    plan = run.Plan("completions", lambda _: body, arrivals, 0, requests, 600.0)
    form = Workload(
        prompts=Prompts(tokens=PROMPT_TOKENS),
        output=Output(tokens=tokens),
        arrivals=arrivals,
        requests=requests,
        latencies={},
    )
    came = outcome(run.drive(Endpoint(url, "tiny"), plan), plan, form, {})
    if came.failures or came.invalid:
        sys.exit(f"failed: {dict(came.failures)} {came.invalid}")
    latencies = {name: np.array(came.latencies[metric]) for name, metric in LATENCIES.items()}
    told = {
        f"{name}_{short}": 1000 * f(values) for short, values in latencies.items() for name, f in STATISTICS.items()
    }
    rate = came.numbers.values["output_tokens_per_second"]
    return {**told, "tokens_per_second": rate, "tokens": came.details["client_tokens"]}


def bench_serve(url: str, streams: int, requests: int, tokens: int) -> Numbers:
    """vLLM's own client, as its users run it; the numbers are those that it reports."""
    from fixtures.models.weights import local_folder

    with tempfile.TemporaryDirectory() as folder:
        flags = {
            "base-url": url.removesuffix("/v1"),
            "model": "tiny",
            "tokenizer": local_folder("embedded:smollm2-135m-instruct/bf16"),
            "dataset-name": "random",
            "random-input-len": PROMPT_TOKENS,
            "random-output-len": tokens,
            "num-prompts": requests,
            "max-concurrency": streams,
            "result-dir": folder,
            "result-filename": "result.json",
        }
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        switches = ["--ignore-eos", "--disable-tqdm", "--save-result", "--save-detailed"]
        _, cpu = _measured([sys.executable, "-c", BENCH_SERVE, *words, *switches], HF_HUB_OFFLINE="1")
        said = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    latencies = (said[f"{statistic}_{name}_ms"] for name in ("ttft", "itl") for statistic in ("mean", "p99"))
    return Numbers(*latencies, said["output_throughput"], said["total_output_tokens"], cpu)


def _measured(words: list[str], **environment: str) -> tuple[str, float]:
    """What a command prints, and the processor time of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=TESTS.parent,
        env={**os.environ, **environment},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(words[:3])} … ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@dataclass
class Report:
    """Prints tables, and remembers whether anything of ours was outside its limit."""

    failed: bool = False

    def compared(
        self, title: str, rounds: Sequence[tuple[Numbers, Numbers]], limits: dict[str, float], idle: float
    ) -> None:
        """Rounds of one client, each with the record of the same run; `idle` is what the client spends on starting.

        Judged is the median error of the rounds: what else runs on a machine shows in single ones.
        """
        rows = []
        for name, label in NAMES.items():
            errors = [100 * (getattr(said, name) / getattr(truth, name) - 1) for said, truth in rounds]
            told, true = (statistics.median(getattr(pair[side], name) for pair in rounds) for side in (0, 1))
            error, spread = statistics.median(errors), f"{min(errors):+.1f} to {max(errors):+.1f}"
            rows.append([label, told, true, f"{error:+.1f} %", spread, *self._judged(error, limits.get(name))])
        spent = statistics.median(1e5 * (said.cpu_seconds - idle) / truth.tokens for said, truth in rounds)
        rows.append(["processor s / 100,000 tokens", spent])
        self._table(
            f"{title}, {len(rounds)} rounds", ["", "says", "truth", "error", "of the rounds", "limit", ""], rows
        )

    def stated(self, title: str, rows: list[tuple[str, float, float | None]]) -> None:
        """Numbers that have no truth beside them: name, value, and the most that it may be."""
        told = [[name, value, *self._judged(value, most)] for name, value, most in rows]
        self._table(title, ["", "", "limit", ""], told)

    def _judged(self, value: float, limit: float | None) -> list[str]:
        if limit is None:
            return ["", ""]
        fine = abs(value) <= limit
        self.failed |= not fine
        return [f"{limit:g}", "ok" if fine else "NOT OK"]

    def _table(self, title: str, headers: list[str], rows: list[list[Any]]) -> None:
        print(f"\n{title}", tabulate(rows, headers, floatfmt=",.2f"), sep="\n", flush=True)  # noqa: T201


def accuracy(
    report: Report, server: Server, clients: dict[str, Client], idle: dict[str, float], streams: int, rounds: int
) -> None:
    """Every client in turn, with so many streams, and all of that so many times."""
    told: dict[str, list[tuple[Numbers, Numbers]]] = {name: [] for name in clients}
    for _ in range(rounds):
        for name, client in clients.items():
            server.forget()
            said = client(server.url, streams, REQUESTS.get(streams, 4 * streams), TOKENS)
            told[name].append((said, server.truth()))
    for name, client in clients.items():
        limits: dict[str, float] = LIMITS.get(streams, {}) if client is ours else {}
        report.compared(f"{name}, {streams} streams", told[name], limits, idle[name])


def cpu_per_token(server: Server, client: Client, rounds: int) -> tuple[float, float]:
    """Microseconds for each streamed token, in the least disturbed rounds and in the median one.

    A long run less a short one, so that starting costs nothing. What else runs on the machine only ever adds to a
    processor time, by caches and clocks that it takes: the least of several is nearest to the client's own, as timeit
    has it.
    """
    spent: dict[int, list[float]] = {CPU_STREAMS: [], 8 * CPU_STREAMS: []}
    tokens = {}
    for _ in range(rounds):
        for requests, seconds in spent.items():
            server.forget()
            seconds.append(client(server.url, CPU_STREAMS, requests, TOKENS).cpu_seconds)
            tokens[requests] = server.truth().tokens
    short, long = spent
    more = 1e-6 * (tokens[long] - tokens[short])
    differences = [after - before for before, after in zip(spent[short], spent[long], strict=True)]
    return (min(spent[long]) - min(spent[short])) / more, statistics.median(differences) / more


def processor_time(report: Report, server: Server, clients: dict[str, Client], rounds: int) -> None:
    """Each client's processor time; ours against its limits."""
    costs = {name: cpu_per_token(server, client, rounds) for name, client in clients.items()}
    rows: list[tuple[str, float, float | None]] = []
    for name, (least, median) in costs.items():
        rows.append((f"{name}, µs per token, least", least, CPU_MICROSECONDS if clients[name] is ours else None))
        rows.append((f"{name}, µs per token, median", median, None))
    if len(costs) > 1:
        rows.append(("ours / bench serve", costs["ours"][0] / costs["bench serve"][0], 1 / CPU_RATIO))
    report.stated(f"processor time of the client, {CPU_STREAMS} streams, {rounds} rounds", rows)


def chunks(report: Report, idle: float) -> None:
    """Several tokens a chunk: ours must count tokens, whether the server says how many a chunk holds or not."""
    with serving("fake_engine.py", *SCHEDULE, "--per-chunk", str(CHUNK)) as server:
        for continuous in (False, True):
            server.forget()
            said = ours(server.url, 64, 640, 12 * CHUNK, continuous=continuous)
            title = f"ours, {CHUNK} tokens a chunk, {'with' if continuous else 'without'} continuous_usage_stats"
            report.compared(title, [(said, server.truth())], CHUNK_LIMITS, idle)


def main(words: list[str]) -> int:
    """Compare, and say whether ours is within its limits."""
    parser = argparse.ArgumentParser(prog="python -m tests.load_bench", description=__doc__)
    parser.add_argument("--streams", default=",".join(map(str, REQUESTS)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu-rounds", type=int, default=5, help="of the processor time")
    parser.add_argument("--only", choices=["ours"], help="leave vLLM's client out")
    parser.add_argument("--as-client", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.as_client:
        print(json.dumps(as_client(**given.as_client)))  # noqa: T201
        return 0
    clients: dict[str, Client] = {"ours": ours} if given.only else {"ours": ours, "bench serve": bench_serve}
    report = Report()
    with serving("fake_engine.py", *SCHEDULE) as server:
        idle = {name: client(server.url, 1, 1, 2).cpu_seconds for name, client in clients.items()}
        for streams in map(int, given.streams.split(",")):
            accuracy(report, server, clients, idle, streams, given.rounds)
        processor_time(report, server, clients, given.cpu_rounds)
    chunks(report, idle["ours"])
    print("\nours is", "outside a limit" if report.failed else "within its limits", flush=True)  # noqa: T201
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
