"""Tables of quants, of what they recover on each task, and of token limits."""

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any

from reports.answers.rank_words import place
from reports.quants.gates import said_outcomes
from reports.quants.limits import LimitRow
from reports.quants.rows import QuantRow, TaskRecovery
from reports.quants.siblings import Interval, quant_name
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import GIBIBYTE, count, figure, percent, points, signed_points, task_names
from thresholds.recovery import Recovery
from thresholds.statistics.ranks import Rank

ANSWERING = "*"
NAMED = "~"
"""Before bits that only a name tells of."""

TELLING = ("engine", "kv_cache", "draft", "max_tokens", "max_model_len", "tensor_parallel", "temperature", "top_p")


def quants_table(rows: Sequence[QuantRow]) -> Table:
    """Bits, size, score and recovery, early warning, speed and what is gained, of each quant."""
    subjects = _subjects(rows)
    many = len(set(subjects.values())) > 1
    columns = [
        *([Column("model", TEXT)] if many else []),
        Column("quantization", TEXT),
        *map(Column, ("bits/weight", "weights GiB", "cache tokens", "memory GiB", "score", "recovery", "95% interval")),
        Column("rank"),
        Column("tied with", TEXT),
        *map(Column, ("KLD nats", "same top token", "tokens/answer", "tokens/s", "TTFT")),
        Column("gains", TEXT),
        Column("verdict", TEXT),
    ]
    names = {row.combination: quant_name(row.labels) for row in rows}
    mixed = any(row.speed_under_load for row in rows)
    cells = [[*([subjects[row.combination]] if many else []), *_cells(row, names, mixed=mixed)] for row in rows]
    title = "Quants" if many or not rows else f"Quants of {subjects[rows[0].combination]}"
    return _without_unknown(Table(title, columns, cells, _notes(rows)))


def recovery_table(rows: Sequence[QuantRow]) -> Table:
    """What each quant keeps on each task."""
    subjects, quants = _subjects(rows), [row for row in rows if row.base is not None]
    many = len(set(subjects.values())) > 1
    names = task_names(list(dict.fromkeys(task for row in quants for task in row.tasks)))
    columns = [
        *([Column("model", TEXT)] if many else []),
        Column("quantization", TEXT),
        Column("task", TEXT),
        *map(Column, ("before", "after", "recovery", "95% interval")),
    ]
    cells = [
        [*([subjects[row.combination]] if many else []), quant_name(row.labels), names[task], *_recovered(told)]
        for row in quants
        for task, told in row.tasks.items()
        if len(names) > 1
    ]
    return Table("Recovery by task", columns, cells, [RECOVERY_NOTE])


def limits_table(rows: Sequence[LimitRow]) -> Table:
    """Accuracy, answers cut off and accuracy among finished answers, by limit."""
    names = task_names(list(dict.fromkeys(row.task for row in rows)))
    subjects = {row.combination: _in_words(row.labels, ("model", "quantization", "kv_cache", "draft")) for row in rows}
    many = len(set(subjects.values())) > 1
    columns = [
        *([Column("combination", TEXT)] if many else []),
        *([Column("task", TEXT)] if len(names) > 1 else []),
        *map(Column, ("limit", "accuracy", "95% interval", "cut off", "among finished", "95% interval")),
        *map(Column, ("tokens/answer", "change", "95% interval")),
        Column("verdict", TEXT),
    ]
    cells = [
        [
            *([subjects[row.combination]] if many else []),
            *([names[row.task]] if len(names) > 1 else []),
            "task's" if row.limit is None else f"{row.limit:,}",
            *_pointed(row.accuracy),
            percent(row.cut_off),
            *_pointed(row.finished),
            figure(row.tokens),
            *_pointed(row.change, signed_points),
            row.outcome or UNKNOWN,
        ]
        for row in rows
    ]
    notes = [CUT_OFF_NOTE] if any(row.cut_off is not None for row in rows) else []
    notes += [CHANGE_NOTE] if any(row.change is not None for row in rows) else []
    title = "Token limits" if many or not rows else f"Token limits of {subjects[rows[0].combination]}"
    return _without_unknown(Table(title, columns, cells, notes))


RECOVERY_NOTE = (
    "Recovery: the score as a share of that of the quant with the most bits; its interval about other questions of "
    "this kind, by the delta method."
)
CUT_OFF_NOTE = "Cut off: answers that ended at the limit; among finished: accuracy of the others."
CHANGE_NOTE = "Change: in points, from the lowest limit."


def _notes(rows: Sequence[QuantRow]) -> list[str]:
    notes = [RECOVERY_NOTE]
    if any(row.rank is not None and row.rank.ties for row in rows):
        notes.append("Rank: by score, and the places that it may have (5 % over all pairs of a model; Holm).")
    if any(row.warning is not None for row in rows):
        floor = max(row.warning.noise for row in rows if row.warning is not None)
        notes.append(
            "KLD: how far next tokens lie from those of the baseline, with the place among its quants, the nearest "
            f"first; a second run of it lies {figure(floor)} away."
        )
    if any(row.speed is not None for row in rows):
        notes.append(f"tokens/s and TTFT: ratios to the quant with the most bits, {_how(rows)}; with 95 % intervals.")
    if any("draft" not in row.labels for row in rows):
        notes.append("Memory and speed are those without a draft, where both have runs without one.")
    if any(row.bits is not None and not row.bits_measured for row in rows):
        notes.append(f"{NAMED}: as its name says; the checkpoint was not measured.")
    return notes


def _how(rows: Sequence[QuantRow]) -> str:
    """How speeds were measured; where both ways occur, the cells of one are marked."""
    under_load = {row.speed_under_load for row in rows if row.speed is not None}
    loaded = "under load, measured in turns, the workload that gains least"
    if under_load == {True, False}:
        return f"{loaded} (marked {ANSWERING}: while answering)"
    return loaded if under_load == {True} else "while answering"


def _cells(row: QuantRow, names: Mapping[str, str], *, mixed: bool) -> list[str]:
    return [
        quant_name(row.labels),
        _bits(row),
        _gibibytes(row.weight_bytes),
        count(row.cache_tokens),
        _gibibytes(row.memory),
        points(row.score.value),
        *_recovery(row.recovery),
        *_place(row.rank, names),
        *_warning(row),
        figure(row.tokens_an_answer),
        _ratio(row.speed) + (ANSWERING if row.speed is not None and not row.speed_under_load and mixed else ""),
        _ratio(row.first_token),
        _gains(row),
        said_outcomes(row.outcomes or {}) or UNKNOWN,
    ]


def _place(rank: Rank | None, names: Mapping[str, str]) -> list[str]:
    if rank is None:
        return [UNKNOWN, UNKNOWN]
    return [place(rank.rank, rank.best, rank.worst), ", ".join(names[one] for one in rank.ties) or UNKNOWN]


def _recovered(told: TaskRecovery) -> list[str]:
    return [points(told.before), points(told.after), *_recovery(told.recovery)]


def _recovery(found: Recovery | None) -> list[str]:
    return [percent(None if found is None else found.value), _pointed(found)[1]]


def _warning(row: QuantRow) -> list[str]:
    if row.warning is None:
        return [UNKNOWN, UNKNOWN]
    tied = "=" if row.warning.ties else ""
    warned = "" if row.warning.outcome == "PASS" else f" {row.warning.outcome}"
    shown = figure(row.warning.divergence.value) if row.warning.divergence.value else "0"
    return [f"{shown} ({row.warning.rank}{tied}){warned}", percent(row.warning.agreement)]


def _ratio(found: Interval | None) -> str:
    if found is None:
        return UNKNOWN
    ends = "" if found.low is None or found.high is None else f" ({found.low:.2f}-{found.high:.2f})"
    return f"{found.value:.2f} x{ends}"


def _gains(row: QuantRow) -> str:
    if row.gains is None:
        return UNKNOWN
    return ", ".join(row.gains) or "nothing"


def _bits(row: QuantRow) -> str:
    return UNKNOWN if row.bits is None else f"{'' if row.bits_measured else NAMED}{row.bits:.2f}"


def _gibibytes(size: int | None) -> str:
    return UNKNOWN if size is None else figure(size / GIBIBYTE)


def _pointed(found: Interval | Recovery | None, words: Callable[[float | None], str] = points) -> list[str]:
    """A value and its interval."""
    if found is None:
        return [UNKNOWN, UNKNOWN]
    return [words(found.value), UNKNOWN if found.low is None else f"{words(found.low)} to {words(found.high)}"]


def _subjects(rows: Sequence[QuantRow]) -> dict[str, str]:
    """The model of each, and what else tells the groups apart."""
    bases = [row for row in rows if row.base is None]
    telling = [name for name in TELLING if len({str(row.labels.get(name)) for row in bases}) > 1]
    of_base = {row.combination: _in_words(row.labels, ("model", *telling)) for row in bases}
    return {row.combination: of_base[row.base or row.combination] for row in rows}


def _in_words(labels: Mapping[str, Any], names: Sequence[str]) -> str:
    shown = [
        f"max_tokens {labels[name]:,}" if name == "max_tokens" else str(labels[name])
        for name in names
        if labels.get(name) not in (None, "none", "auto")
    ]
    return " ".join(shown)


def _without_unknown(table: Table) -> Table:
    """Without the columns of which nothing is known in any row."""
    if not table.rows:
        return table
    kept = [any(cell != UNKNOWN for cell in cells) for cells in zip(*table.rows, strict=True)]
    rows = [list(compress(row, kept)) for row in table.rows]
    return Table(table.title, list(compress(table.columns, kept)), rows, table.notes)
