"""How many drafted tokens a target accepts, with intervals by request, and the speed-up that this lets one expect."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from itertools import pairwise, zip_longest
from typing import Any

from thresholds.evidence import CONFIDENCE
from thresholds.statistics.runs import student_reach

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sums:
    """What a ratio of two totals over requests, and its interval, are made of; those of several runs add up.

    Attributes:
        requests: n.
        counted, of: Sums of y_i (accepted tokens of request i) and of x_i (its steps).
        counted_squared, of_squared, product: Sums of y_i^2, x_i^2 and x_i y_i.
    """

    requests: int = 0
    counted: float = 0.0
    of: float = 0.0
    counted_squared: float = 0.0
    of_squared: float = 0.0
    product: float = 0.0

    @classmethod
    def over(cls, requests: Iterable[tuple[float, float]]) -> "Sums":
        """Of each request what was counted, and out of how many; a request without any tells nothing."""
        told = [(y, x) for y, x in requests if x > 0]
        counted, of = (math.fsum(one[side] for one in told) for side in (0, 1))
        own, steps = math.fsum(y * y for y, _ in told), math.fsum(x * x for _, x in told)
        return cls(len(told), counted, of, own, steps, math.fsum(x * y for y, x in told))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    @property
    def value(self) -> float | None:
        """R = sum y_i / sum x_i; None without a request."""
        return self.counted / self.of if self.of else None

    def interval(self, confidence: float = CONFIDENCE) -> Span | None:
        """R -+ t(n - 1) sqrt(n / (n - 1) sum (y_i - R x_i)^2) / sum x_i: the request is the unit, not the step.

        Steps of one request resemble each other (Cochran, Sampling Techniques, 1977, sections 2.11 and 9.3). None for
        fewer than two requests, and where all agree to the last token, which is no certainty.
        """
        ratio, count = self.value, self.requests
        if ratio is None or count < 2:  # noqa: PLR2004 - a spread needs two values
            return None
        squares = self.counted_squared - 2 * ratio * self.product + ratio * ratio * self.of_squared
        if squares <= 1e-9 * self.counted_squared:
            return None
        error = math.sqrt(count / (count - 1) * squares) / self.of
        reach = student_reach(0.5 + confidence / 2, count - 1) * error
        return max(0.0, ratio - reach), ratio + reach

    def plain(self) -> list[float]:
        """For JSON; `Sums(*plain)` is its inverse."""
        return list(astuple(self))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What one load, or several of the same, showed of a draft. None is unknown.

    Attributes:
        drafts, drafted, accepted: By the server's counters: times that tokens were drafted, such tokens, and those of
            them that the target accepted.
        at: Accepted tokens by draft position (0 is the first), by the counters.
        tokens, events: Of the answers as the client read them: output tokens, and the events that carried them. With a
            draft an event is one step of the target, unless the server merges them.
        steps: y_i the tokens of an answer after its first event, x_i its events after the first.
        answers: y_i the accepted tokens of an answer, x_i its drafts, as each answer says itself; None where one says
            nothing of them.
        positions: For each draft position, y_i the drafts of an answer whose token there was accepted, x_i its drafts;
            empty where `answers` is None.
    """

    drafts: float | None
    drafted: float | None
    accepted: float | None
    at: tuple[float, ...]
    tokens: int | None
    events: int
    steps: Sums
    answers: Sums | None = None
    positions: tuple[Sums, ...] = field(default=())

    @property
    def length(self) -> float | None:
        """1 + accepted / drafts, as the answers say; by the counters where they do not."""
        if self.answers is not None:
            return None if self.answers.value is None else 1 + self.answers.value
        return None if not self.drafts or self.accepted is None else 1 + self.accepted / self.drafts

    @property
    def length_span(self) -> Span | None:
        """The 95 % interval of the length by request; None where answers do not say, or all say the same."""
        span = None if self.answers is None else self.answers.interval()
        return None if span is None else (1 + span[0], 1 + span[1])

    @property
    def by_position(self) -> tuple[float, ...]:
        """Share of drafts whose token at each position was accepted, as the answers say; else by the counters."""
        if self.positions:
            return tuple(one.value or 0.0 for one in self.positions)
        return tuple(count / self.drafts for count in self.at) if self.drafts else ()

    @property
    def position_spans(self) -> tuple[Span | None, ...]:
        """The 95 % intervals of `by_position` by request; empty where answers do not say."""
        return tuple(one.interval() for one in self.positions)

    @property
    def accepted_by_client(self) -> int | None:
        """What the answers say of themselves; else output tokens minus events: each step gives one of its own."""
        if self.answers is not None:
            return round(self.answers.counted)
        return None if self.tokens is None else self.tokens - self.events

    @property
    def difference(self) -> float | None:
        """Accepted tokens that the client saw minus those that the server counted, as a share of the latter.

        0 where answers say themselves. Else below 0 where answers end within a draft: the server counts what is then
        cut off; and above 0 where it merges steps.
        """
        if self.accepted_by_client is None or not self.accepted:
            return None
        return self.accepted_by_client / self.accepted - 1

    @property
    def tokens_per_step(self) -> float | None:
        """Of the target, steps without a draft among them, as the client saw; else by the counters of drafts."""
        return self.steps.value or self.length

    @property
    def drafted_per_step(self) -> float | None:
        """Drafted tokens for every step of the target."""
        if self.drafted is None or not self.drafts:
            return None
        return self.drafted / max(self.drafts, self.steps.of)

    def plain(self) -> dict[str, Any]:
        """For JSON; `acceptance_from` is its inverse."""
        return {
            **{name: getattr(self, name) for name in ("drafts", "drafted", "accepted", "tokens", "events")},
            "at": list(self.at),
            "steps": self.steps.plain(),
            "answers": None if self.answers is None else self.answers.plain(),
            "positions": [one.plain() for one in self.positions],
        }


def acceptance_from(plain: Mapping[str, Any]) -> Acceptance:
    """Rebuild from `Acceptance.plain`."""
    counts = {name: plain[name] for name in ("drafts", "drafted", "accepted", "tokens", "events")}
    told = Acceptance(**counts, at=tuple(plain["at"]), steps=Sums(*plain["steps"]))
    if plain.get("answers") is None:  # older ledgers have positions by steps, which are something else
        return told
    return replace(told, answers=Sums(*plain["answers"]), positions=tuple(Sums(*one) for one in plain["positions"]))


def pooled(several: Sequence[Acceptance]) -> Acceptance | None:
    """Of several runs of the same load; a total is known where every run knows its part. None of none."""
    if not several:
        return None
    return Acceptance(
        drafts=_total([one.drafts for one in several]),
        drafted=_total([one.drafted for one in several]),
        accepted=_total([one.accepted for one in several]),
        at=tuple(map(math.fsum, zip_longest(*(one.at for one in several), fillvalue=0.0))),
        tokens=_total([one.tokens for one in several]),
        events=sum(one.events for one in several),
        steps=sum((one.steps for one in several), Sums()),
        answers=_total([one.answers for one in several]),
        positions=tuple(_total(same) for same in zip(*(one.positions for one in several), strict=False)),
    )


def _total(counts: Sequence[Any]) -> Any:
    return None if None in counts else sum(counts[1:], counts[0])


def shares_with_reach(shares: Sequence[float], spans: Sequence[Span | None]) -> str:
    """Shares in words, each with the reach of its interval where that is known: "75 ± 4%, 50 ± 6%"."""
    return ", ".join(
        f"{100 * share:.0f}%" if span is None else f"{100 * share:.0f} ± {100 * (span[1] - share):.0f}%"
        for share, span in zip_longest(shares, spans[: len(shares)])
    )


def predicted_speed_up(told: Acceptance, cost: float | None) -> float | None:
    """Tokens per step / (drafted tokens per step * c + 1): the speed-up of a target whose steps cost what they did.

    Leviathan, Kalman and Matias (ICML 2023, theorem 3.8) with the measured tokens per step in the place of
    (1 - a^(g + 1)) / (1 - a): their a supposes that every position is accepted alike, which no draft shows.

    Args:
        cost: c, the cost of one step of the draft as a share of one of the target; 0 for a lookup. None is unknown.
    """
    gained, drafted = told.tokens_per_step, told.drafted_per_step
    if gained is None or cost is None or (drafted is None and cost > 0):
        return None
    return gained / (1 + (drafted or 0.0) * cost)


def of_whole_answers(speed_up: float | None, first: float) -> float | None:
    """1 / (f + (1 - f) / s): the speed-up of answers whose first token takes a share f of their time (Amdahl 1967).

    No draft shortens the time to the first token.
    """
    return None if not speed_up else 1 / (first + (1 - first) / speed_up)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where the speed-up of a draft crosses 1 as more requests are under way.

    Attributes:
        streams: Requests at once, between two that were measured; None where no two are on either side.
        least, most: The fewest and the most that were measured.
        gains: Without a crossing: the draft gained at all of these loads (True), or at none.
    """

    streams: float | None
    least: float
    most: float
    gains: bool


def break_even(measured: Iterable[tuple[float, float]]) -> BreakEven | None:
    """The crossing of speed-ups by requests under way; None without a load.

    Between two loads on a straight line over the logarithm of the requests, along which batches grow; the first place
    where a gain becomes a loss, or where there is none the first other crossing.
    """
    told = sorted(measured)
    if not told:
        return None
    least, most = told[0][0], told[-1][0]
    crossings = [
        (before < 1, first * (second / first) ** ((before - 1) / (before - after)))
        for (first, before), (second, after) in pairwise(told)
        if (before >= 1) != (after >= 1)
    ]
    if not crossings:
        return BreakEven(None, least, most, told[0][1] >= 1)
    _, streams = min(crossings, key=lambda one: one[0])
    return BreakEven(streams, least, most, told[0][1] >= 1)
