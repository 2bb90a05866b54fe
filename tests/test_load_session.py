"""One run on a running engine, and the runs of a session: what becomes of loads that cannot be measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from fake_engine import FakeEngine, Fault, Schedule, Script
from load_servers import RawServer, always, answer, workload

from fixtures import matrix
from fixtures.evaluate.tokens import Tokens
from fixtures.load import session
from fixtures.load.one_run import Done, longest, run_once
from fixtures.load.prompts import from_file, source
from fixtures.load.session import LoadServices, LoadSession, Subject
from fixtures.load.workload import Named, Prompts, Workload
from fixtures.matrix import Combination
from fixtures.pool import Running
from fixtures.protocols import Endpoint, EngineFailed, Lease
from thresholds.measurement import NotMeasured
from thresholds.speed import LoadRun

pytestmark = pytest.mark.timeout(30)

STEADY = Schedule(first=0.05, interval=0.002)
DIED = EngineFailed("out_of_memory", "it ran out of memory")


@dataclass
class Engine:
    """An engine in name only, which may have died."""

    died: EngineFailed | None = None

    def failure(self) -> EngineFailed | None:
        return self.died

    def memory(self) -> int:
        return 4096


def combinations_in(folder: Path) -> tuple[Combination, ...]:
    """Two of them, read from a matrix."""
    blocks = "\n".join(f"  - {{model: {name}, engine: remote, url: http://127.0.0.1:1/v1}}" for name in ("one", "two"))
    text = f"models: {{one: {{}}, two: {{}}}}\ntasks: [embedded_gsm8k]\ncombinations:\n{blocks}\n"
    (folder / "matrix.yaml").write_text(text, encoding="utf-8")
    return matrix.load(folder / "matrix.yaml").combinations


@pytest.fixture
def combinations(tmp_path: Path) -> tuple[Combination, ...]:
    return combinations_in(tmp_path)


def running(combination: Combination, url: str, engine: Engine | None = None, **more: Any) -> Running:
    given: dict[str, Any] = {"context": 2048, "tokens": None, **more}
    return Running(
        combination=combination,
        engine=engine or Engine(),  # type: ignore[arg-type]
        endpoint=Endpoint(url, "tiny"),
        lease=Lease({}, "remote"),
        start_seconds=0.0,
        **given,
    )


def named(form: Workload | None = None, folder: Path = Path()) -> Named:
    return Named("chat", form or workload(streams=2, requests=6, at_most=True), "workloads.yaml:3", folder)


def once(where: Running, workload: Named | None = None) -> Done:
    workload = workload or named()
    prompts = source(workload, where.tokens, seed=7, chat=False, task=lambda _: [])
    return run_once(where, workload, prompts, 1, 7)


def test_a_run_tells_what_was_measured_and_how(fake_engine: FakeEngine, combinations: tuple[Combination, ...]) -> None:
    fake_engine.script.schedule = STEADY

    done = once(running(combinations[0], fake_engine.url))

    assert (done.run.combination, done.run.workload, done.run.number) == (combinations[0].id, "chat", 1)
    assert (done.run.requests, done.run.failures, done.run.invalid) == (6, {}, None)
    assert done.run.values["time_to_first_token.mean"] >= 0.05
    assert (done.run.details["engine_memory"], done.run.details["telemetry"]) == (4096, None)
    assert len(done.latencies["request_latency"]) == 6


def test_requests_carry_what_the_workload_asks_for(
    fake_engine: FakeEngine, combinations: tuple[Combination, ...]
) -> None:
    fake_engine.script.schedule = STEADY

    once(running(combinations[0], fake_engine.url), named(workload(tokens=5, requests=2)))
    fixed = fake_engine.requests[-1].payload
    once(running(combinations[0], fake_engine.url), named(workload(tokens=5, requests=2, at_most=True)))
    natural = fake_engine.requests[-1].payload

    assert (fixed["max_tokens"], fixed["ignore_eos"], fixed["temperature"]) == (5, True, 0)
    assert (natural["max_tokens"], "ignore_eos" in natural) == (5, False)
    assert fixed["stream_options"] == {"include_usage": True}


def test_an_endpoint_without_listener_is_not_measured(combinations: tuple[Combination, ...]) -> None:
    with RawServer(always(answer())) as server:
        url = server.url

    with pytest.raises(NotMeasured, match=f"{url} takes no connections: .*refused") as told:
        once(running(combinations[0], url))

    assert told.value.reason == "unreachable"


def test_an_engine_that_died_is_named_instead_of_its_silence(combinations: tuple[Combination, ...]) -> None:
    with RawServer(always(answer())) as server:
        url = server.url

    with pytest.raises(EngineFailed, match="out of memory"):
        once(running(combinations[0], url, Engine(DIED)))


def test_prompts_longer_than_the_context_are_refused_before_anything_is_sent(
    fake_engine: FakeEngine, combinations: tuple[Combination, ...]
) -> None:
    """8 tokens of a prompt and 4 of an answer need 12."""
    with pytest.raises(NotMeasured) as told:
        once(running(combinations[0], fake_engine.url, context=11))

    assert told.value.reason == "no_room"
    assert str(told.value) == (
        "workloads.yaml:3: prompts of 8 tokens and answers of 4 do not fit a context of 11 tokens; "
        "shorten them or raise max_model_len in the matrix"
    )
    assert fake_engine.requests == []


def test_prompts_that_just_fit_the_context_are_sent(
    fake_engine: FakeEngine, combinations: tuple[Combination, ...]
) -> None:
    fake_engine.script.schedule = STEADY

    assert once(running(combinations[0], fake_engine.url, context=12)).run.invalid is None


def test_the_longest_prompt_of_a_file_is_what_must_fit(
    fake_engine: FakeEngine, combinations: tuple[Combination, ...], tmp_path: Path, tiny_tokenizer: Path
) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "short"}\n{"prompt": "much longer"}\n', encoding="utf-8")
    of_file = named(workload(prompts=Prompts(file="p.jsonl"), requests=4), tmp_path)
    where = running(combinations[0], fake_engine.url, context=14, tokens=Tokens.load(str(tiny_tokenizer)))

    with pytest.raises(NotMeasured, match="prompts of 11 tokens and answers of 4 do not fit a context of 14"):
        once(where, of_file)


def test_without_a_tokenizer_the_length_of_text_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "short"}\n', encoding="utf-8")
    of_file = named(workload(prompts=Prompts(file="p.jsonl")), tmp_path)

    assert longest(of_file, lambda position, _: from_file(tmp_path / "p.jsonl")[position * 0], None) is None


@dataclass
class Book:
    """A session whose runs a test dictates, and what became of them.

    Attributes:
        script: By combination, what its runs come to, one after the other; the last repeats.
        order: The combinations in the order of their runs.
    """

    session: LoadSession
    script: dict[str, list[LoadRun | Exception]]
    order: list[str] = field(default_factory=list)
    judged: list[Any] = field(default_factory=list)

    def measure(self, subject: Subject) -> Any:
        def refuse(error: NotMeasured) -> NoReturn:
            raise error

        return self.session.measure(subject, refuse)


def lasted(seconds: float, **more: Any) -> LoadRun:
    return LoadRun("c", "chat", 1, "d", 1.0, 4, {}, {"request_latency.mean": seconds}, **more)


@pytest.fixture
def book(combinations: tuple[Combination, ...], monkeypatch: pytest.MonkeyPatch) -> Book:
    """Three runs a subject, of engines that do not exist."""
    judged: list[Any] = []

    def run_once(where: Running, *_: object) -> Done:
        name = where.combination.id
        made.order.append(name)
        said = made.script[name].pop(0) if len(made.script[name]) > 1 else made.script[name][0]
        if isinstance(said, Exception):
            raise said
        return Done(said, {"request_latency": [said.values["request_latency.mean"]]})

    def get(combination: Combination, beside: Combination | None = None) -> Running:
        del beside
        return running(combination, "http://127.0.0.1:1/v1")

    pool = SimpleNamespace(get=get, alone=get, hardware=lambda _: "remote", failed=lambda *_: None)
    journal = SimpleNamespace(start_run=lambda *given: given[-1] + 1)
    settings = SimpleNamespace(load_runs=3, max_load_runs=4, choice=SimpleNamespace(seed=1))
    services = LoadServices(lambda *_: None, judged.append, lambda _: None, lambda _: [])
    monkeypatch.setattr(session, "run_once", run_once)
    whole: Mapping[str, Any] = {"journal": journal, "pool": pool, "accepting": None, "settings": settings}
    made = Book(LoadSession(services=services, **whole), {c.id: [lasted(1.0)] for c in combinations}, judged=judged)
    return made


def test_a_load_is_measured_once_however_many_tests_ask(book: Book, combinations: tuple[Combination, ...]) -> None:
    subject = Subject(combinations[0], named())

    first, second = book.measure(subject), book.measure(subject)

    assert len(book.order) == 3
    assert first.runs == second.runs
    assert first["request_latency.mean"].value == 1.0


def test_side_by_side_runs_take_turns_in_changing_order(book: Book, combinations: tuple[Combination, ...]) -> None:
    one, two = combinations
    book.script[two.id] = [lasted(2.0)]

    loads = book.measure(Subject(one, named(), two))

    assert book.order == [one.id, two.id, two.id, one.id] * 2
    assert loads["request_latency.mean"].value == pytest.approx(0.5)


@pytest.mark.parametrize("said", [NotMeasured("device_busy", "somebody works"), DIED, "invalid"], ids=str)
def test_what_could_not_be_measured_is_not_tried_again(
    book: Book, combinations: tuple[Combination, ...], said: Exception | str
) -> None:
    """A second try that succeeds would hide the first."""
    invalid = lasted(1.0, invalid=("client_too_slow", "it was late"))
    book.script[combinations[0].id] = [lasted(1.0), invalid if isinstance(said, str) else said, lasted(1.0)]
    subject = Subject(combinations[0], named())

    for _ in range(3):
        with pytest.raises(NotMeasured):
            book.measure(subject)

    assert len(book.order) == 2
    assert len(book.judged) == 1


def test_a_pair_of_which_one_failed_leaves_no_half(book: Book, combinations: tuple[Combination, ...]) -> None:
    """Four pairs are measured; in the sixth, the second that a gate asks for, one of the two fails."""
    one, two = combinations
    subject = Subject(one, named(), two)
    loads = book.measure(subject)
    book.session.settings.max_load_runs = 6
    book.script[one.id] = [lasted(1.0), NotMeasured("device_busy", "somebody works")]
    gate = book.session.gate(subject, "request_latency.mean", lambda _: "pytest")

    with pytest.raises(NotMeasured, match="somebody works"):
        gate.more(loads["request_latency.mean"])

    assert book.order[-2:] == [two.id, one.id]
    assert book.measure(subject)["request_latency.mean"].samples == ((1.0,),) * 5


def test_failed_requests_are_counted_over_all_runs(book: Book, combinations: tuple[Combination, ...]) -> None:
    failed = replace(lasted(1.0), failures={"http_500": 2})
    book.script[combinations[0].id] = [lasted(1.0), failed]

    loads = book.measure(Subject(combinations[0], named()))

    assert loads.failed_requests == 4
    assert "2 x http_500" in repr(loads)


def test_a_run_of_an_endpoint_that_refuses_some_keeps_their_causes(
    fake_engine: FakeEngine, combinations: tuple[Combination, ...]
) -> None:
    fake_engine.script = Script(schedule=STEADY, faults=[Fault("429", every=3)])

    run = once(running(combinations[0], fake_engine.url)).run

    assert set(run.failures) == {"http_429 (Retry-After: 1)"}
    assert run.causes == [f"{run.failed_requests} x http_429 (Retry-After: 1)"]
