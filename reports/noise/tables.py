"""Noise -> tables."""

from collections.abc import Callable, Sequence

from reports.noise.components import Components
from reports.noise.measured import Noise, ScoreNoise, SpeedNoise
from reports.wording.labels import short_names
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import figure, in_speed_unit, percent, points, speed_name, speed_unit, task_names
from thresholds.speed import SPEED

SCORE_REACH = 0.01
"""One point."""
SPEED_REACH = 0.02
"""Of the mean."""

ENOUGH_STARTS = 5
"""With so many the estimate lies within 0.6 to 2.9 of the truth (chi-squared, 95 %); with two, within 0.4 to 32."""

DEVIATIONS = "over all runs; of runs of one engine start; of starts, beyond what their runs spread"
SPREADS = ("sd", "sd of runs", "sd of starts")


def noise_tables(noise: Noise) -> list[Table]:
    """What is known of the noise of answers, and of speeds."""
    return [_scores(noise.scores), _speeds(noise.speeds)]


def _scores(scores: Sequence[ScoreNoise]) -> Table:
    names, tasks = short_names(scores), task_names(list(dict.fromkeys(one.task for one in scores)))
    columns = [
        Column("combination", TEXT),
        Column("task", TEXT),
        *map(Column, ("score", "questions", "runs", "starts", "flips", *SPREADS)),
        Column("most from", TEXT),
        Column("±1.0 needs", TEXT),
    ]
    rows = [
        [
            names[one.combination],
            tasks[one.task],
            points(one.components.mean),
            str(one.questions),
            *_spread(one.components, _fine_points, percent(one.flip_rate)),
            _needed(one.components, SCORE_REACH),
        ]
        for one in scores
    ]
    meaning = [
        "Flips: questions whose score differs between two identical runs.",
        f"Standard deviations (sd) in points: {DEVIATIONS}.",
        "±1.0 needs: engine starts x runs of each, after which the mean is known to a point either way (95 %).",
    ]
    return Table("Noise of the answers", columns, rows, [*meaning, *_advice(scores, "-m accuracy --runs 2")])


def _speeds(speeds: Sequence[SpeedNoise]) -> Table:
    names = short_names(speeds)
    columns = [
        *(Column(name, TEXT) for name in ("combination", "workload", "metric")),
        *map(Column, ("mean", "runs", "starts", *SPREADS)),
        Column("most from", TEXT),
        Column("±2% needs", TEXT),
    ]
    rows = [
        [
            names[one.combination],
            one.workload if one.against is None else f"{one.workload}, side by side",
            speed_name(one.value),
            _mean(one),
            *_spread(one.components, _fine_percent),
            _needed(one.components, SPEED_REACH),
        ]
        for one in speeds
    ]
    meaning = [
        f"Standard deviations (sd) relative to the mean: {DEVIATIONS}.",
        "±2% needs: engine starts x runs of each, after which the mean is known to 2 % either way (95 %).",
    ]
    return Table("Noise of the speeds", columns, rows, [*meaning, *_advice(speeds, '-m "throughput or latency"')])


def _spread(found: Components, shown: Callable[[float | None], str], *flips: str) -> list[str]:
    deviations = map(shown, (found.deviation, found.within, found.between))
    return [str(found.runs), str(found.starts), *flips, *deviations, found.dominant or UNKNOWN]


def _needed(found: Components, reach: float) -> str:
    needed = found.starts_needed(reach)
    return UNKNOWN if needed is None else f"{needed:,} x {found.runs_per_start}"


def _advice(rows: Sequence[ScoreNoise] | Sequence[SpeedNoise], options: str) -> list[str]:
    known = [one.components.dominant for one in rows if one.components.between is not None]
    starts, left_out = known.count("starts"), sum(one.left_out for one in rows)
    said = []
    if starts:
        said.append(
            f"In {starts} of {len(known)} rows the starts spread more than the runs: there, average over sessions, or"
            " compare side by side in one."
        )
    elif known:
        said.append("In no row do the starts spread more than the runs: more runs of one session are as good as more.")
    fewest = min((one.components.starts for one in rows if one.components.between is not None), default=ENOUGH_STARTS)
    if fewest < ENOUGH_STARTS:
        said.append(f"The spread of {fewest} starts is a rough guess; {ENOUGH_STARTS} tell it well enough to act on.")
    if len(known) < len(rows):
        said.append(
            f"{UNKNOWN}: too few. The spread of starts needs two sessions of two runs each:"
            f" `pytest suites/ {options}`, twice with the same --results."
        )
    if left_out:
        said.append(
            f"Left out: {left_out} runs of other questions or loads, engine versions or hardware than the last."
        )
    return said


def _fine_points(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.2f}"


def _fine_percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.2f}%"


def _mean(one: SpeedNoise) -> str:
    metric = one.value.partition(".")[0]
    unit = SPEED[metric].unit
    shown = figure(in_speed_unit(one.mean, metric, unit))
    return f"{shown} {speed_unit(metric, unit)}" if unit == "s" else shown
