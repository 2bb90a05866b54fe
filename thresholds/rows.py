"""The rows of threshold files: their keys, and what is refused."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from thresholds.measurement import Metric
from thresholds.quantized import is_quantized
from thresholds.speed import ACCEPTANCE_LENGTH, LATENCIES, SPEED, STATISTICS, ratio_of
from thresholds.statistics.runs import LEAST_RUNS
from thresholds.strict_yaml import did_you_mean

NOTHING_ACCEPTED = 1.0
"""The acceptance length of a draft none of whose tokens are accepted."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Nats = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Deviation = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Word = Annotated[str, Field(min_length=1)]
Written = Annotated[str, Field(min_length=3)]

_SAMPLES = re.compile(r"all|first [1-9]\d*|seed -?\d+: [1-9]\d*")

ACCURACY_KEYS = (
    "task",
    "quantization",
    "kv_cache",
    "draft",
    "max_tokens",
    "max_model_len",
    "chat",
    "temperature",
    "top_p",
    "samples",
)
"""Labels by which an accuracy row is found. Parallelism is none of them: it must not change a score."""

SPEED_KEYS = (
    "statistic",
    "workload",
    "engine",
    "quantization",
    "kv_cache",
    "draft",
    "max_model_len",
    "tensor_parallel",
    "chat",
    "temperature",
    "top_p",
    "hardware",
    "against",
)
"""Labels by which a speed row is found. `max_tokens` is none of them: the workload sets the output lengths."""


DIVERGENCE_KEYS = ("quantization", "kv_cache", "draft", "max_tokens", "max_model_len")
"""Labels by which a row of next tokens is found. No prompt is answered, so that sampling is none of them."""


class GoldenShare(BaseModel):
    """The best accuracy that was ever accepted, and the session that measured it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    value: Share
    run: Written

    @field_validator("value", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        return _number(value)


class GoldenSpeed(BaseModel):
    """The best speed that was ever accepted, and the session that measured it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    value: Positive
    run: Written

    @field_validator("value", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        return _number(value)


class AccuracyRow(BaseModel):
    """One floor. Keys that are left out have the value that a combination has when its matrix leaves them out.

    `noise` is the standard deviation of a run's score between identical runs, a share of 1 like the score; `chance` is
    what a guess reaches; `questions` is how many were asked, where `samples` does not say.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    quantization: str = "none"
    kv_cache: str = "auto"
    draft: str = "none"
    max_tokens: Count | None = None
    max_model_len: Count | None = None
    chat: bool = False
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    samples: Count | str = "all"
    floor: Share
    must: Literal["hold", "show"] = "hold"
    measured: Share
    noise: Share | None = None
    runs: Count
    questions: Count | None = None
    chance: Share | None = None
    cut_off: Share | None = None
    golden: GoldenShare | None = None
    measured_on: Written
    run: Written
    because: Written

    @field_validator("samples")
    @classmethod
    def _samples_are_known(cls, value: int | str) -> str:
        if isinstance(value, int) or _SAMPLES.fullmatch(value):
            return str(value)
        raise ValueError("write a number, `all`, `first N` or `seed S: N`")

    @field_validator("floor", "measured", "noise", "chance", "temperature", "top_p", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        return _number(value)


class SpeedRow(BaseModel):
    """One floor of a rate or ceiling of a latency, on one machine; or of its ratio to another combination's, on any.

    An acceptance length holds on any machine as it is. Latencies are in seconds, rates in tokens or requests per
    second, ratios plain numbers (0.9: nine tenths). `noise` is the standard deviation between identical runs as
    a share of their mean.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    metric: str
    statistic: Literal["mean", "p50", "p90", "p95", "p99"] | None = None
    workload: Word
    engine: Word
    quantization: str = "none"
    kv_cache: str = "auto"
    draft: str = "none"
    max_model_len: Count | None = None
    tensor_parallel: Count = 1
    chat: bool = False
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    asks: Word | None = None
    hardware: Written | None = None
    against: Word | None = None
    floor: Positive | None = None
    ceiling: Positive | None = None
    must: Literal["hold", "show"] = "hold"
    measured: Positive
    noise: Deviation | None = None
    runs: Annotated[int, Field(ge=LEAST_RUNS)]
    golden: GoldenSpeed | None = None
    measured_on: Written | None = None
    run: Written
    because: Written

    @field_validator("metric")
    @classmethod
    def _metric_is_known(cls, value: str) -> str:
        if value not in SPEED:
            raise ValueError(f"no speed has this name{did_you_mean(value, SPEED)}")
        return value

    @field_validator("floor", "ceiling", "measured", "noise", "temperature", "top_p", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        return _number(value)

    @model_validator(mode="after")
    def _keys_fit_together(self) -> "SpeedRow":
        metric = SPEED[self.metric]
        wrong, right = ("ceiling", "floor") if metric.bound == "floor" else ("floor", "ceiling")
        if getattr(self, wrong) is not None:
            raise ValueError(f"{metric.name} is better when {metric.direction}; write `{right}:`, not `{wrong}:`")
        if getattr(self, right) is None:
            raise ValueError(f"the key {right!r} is missing")
        if metric in LATENCIES and self.statistic is None:
            raise ValueError(f"{metric.name} has many values a run; add `statistic:`, one of {', '.join(STATISTICS)}")
        if metric not in LATENCIES and self.statistic is not None:
            raise ValueError(f"{metric.name} has one value a run; delete `statistic:`")
        self._check_machine()
        return self

    def _check_machine(self) -> None:
        if self.metric == ACCEPTANCE_LENGTH.name and self.against is None and (self.floor or 0) <= NOTHING_ACCEPTED:
            raise ValueError("acceptance_length is never below 1: a floor of 1 or less can never fail")
        if not holds_anywhere(self.metric, self.against):
            if self.hardware is None:
                raise ValueError("say where: add `hardware:`, or for a ratio `against:` (the id of a combination)")
            if self.measured_on is not None:
                raise ValueError("`hardware:` says on what it was measured; delete `measured_on:`")
        elif self.hardware is not None:
            what = "a ratio (`against:`)" if self.against else self.metric
            raise ValueError(f"{what} holds on any machine; write `measured_on:`, not `hardware:`")
        elif self.measured_on is None:
            raise ValueError("the key 'measured_on' is missing")

    @property
    def judged(self) -> Metric:
        """What is held against the bound: the metric, or its ratio to another combination's."""
        return ratio_of(SPEED[self.metric]) if self.against else SPEED[self.metric]

    @property
    def bound(self) -> float:
        """The floor or the ceiling, whichever the metric has."""
        value = self.floor if self.ceiling is None else self.ceiling
        if value is None:
            raise ValueError(f"a row of {self.metric} has neither floor nor ceiling")
        return value


class DivergenceRow(BaseModel):
    """How far the next tokens of one quant may lie from the unquantized engine's: in nats, mean over positions.

    It takes the place of the ceiling that holds for every quant without one. `noise` is how far a second run of the
    unquantized engine lay from its first.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    quantization: str = "none"
    kv_cache: str = "auto"
    draft: str = "none"
    max_tokens: Count | None = None
    max_model_len: Count | None = None
    ceiling: Positive
    measured: Nats
    noise: Nats | None = None
    measured_on: Written
    run: Written
    because: Written

    @field_validator("ceiling", "measured", "noise", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        return _number(value)

    @model_validator(mode="after")
    def _can_be_reached(self) -> "DivergenceRow":
        if not is_quantized({"quantization": self.quantization, "kv_cache": self.kv_cache}):
            raise ValueError("next tokens are compared for quants only; add `quantization:` or `kv_cache:`")
        if self.ceiling < self.measured:
            raise ValueError(f"its ceiling of {self.ceiling:g} lies below the {self.measured:g} that was measured")
        return self


class ThresholdFile(BaseModel):
    """The content of thresholds/<model>.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Word
    accuracy: list[AccuracyRow] = []
    speed: list[SpeedRow] = []
    next_token_divergence: list[DivergenceRow] = []


def holds_anywhere(metric: str, against: Any) -> bool:
    """Whether a row of this speed says nothing about a machine: a ratio, and what a target accepts of its draft."""
    return bool(against) or metric == ACCEPTANCE_LENGTH.name


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a number belongs here, without quotes")  # noqa: TRY004 - pydantic collects ValueErrors
    return value
