"""Published results -> tables."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from reports.answers.rank_words import place, ranges_explained
from reports.comparison.tables import span
from reports.published.changes import Change
from reports.published.standings import Standing
from reports.published.studies import Study
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import count, points, signed_points, spread, task_names

TOTALS_ONLY = (
    "Only totals of runs are published: nothing can be paired question by question, so that what the questions"
)
TOTALS_MEAN = "have in common does not cancel out, and intervals and ties are wider than the truth."
OVER_MANY = (
    "Among so many rows, an interval that leaves out 0 is not enough by itself.",
    "Except under draft, a row pools runs with and without a draft, as the study does. — is as the provider serves it.",
)
OTHER_QUESTIONS = "of other questions like these, error sqrt(p (1 - p) / n + sd^2 / runs)"


def standings_table(study: Study, standings: Sequence[Standing], beside: str) -> Table:
    """The configurations of a study and perhaps ours, ranked."""
    tasks, about = task_names(study.tasks), study.about
    scores = {name: _task(task) for task, name in tasks.items()} if len(tasks) > 1 else {}
    known = any(row.low is not None for row in standings)
    numbers: dict[str, Callable[[Standing], str]] = {
        **scores,
        "score ± sd" if len(tasks) == 1 else "mean ± sd": _mean,
        **({"95% interval": _interval, "lead over the next": _lead} if known else {}),
        **({about.reference or "reference": _mark} if any(row.marks for row in standings) else {}),
        **({"tokens/s": _rate} if any(row.output_tokens_per_second for row in standings) else {}),
    }
    columns = [Column("rank"), Column("configuration", TEXT), *map(Column, numbers)]
    cells = [
        [place(row.rank, row.rank_best, row.rank_worst), row.name, *(told(row) for told in numbers.values())]
        for row in standings
    ]
    return Table(about.title, columns, cells, [*_notes(study, standings, known=known), beside])


def changes_table(study: Study, changes: Sequence[Change]) -> Table:
    """What one setting changed, or the difference of two that were named."""
    named = any(change.setting is None for change in changes)
    words: Mapping[str, Callable[[Change], str]] = {
        **(
            {}
            if named
            else {"setting": lambda one: one.setting or UNKNOWN, "configuration": lambda one: one.subject or UNKNOWN}
        ),
        "before": lambda one: one.before,
        "after": lambda one: one.after,
    }
    numbers: Mapping[str, Callable[[Change], str]] = {
        "scores": lambda one: f"{points(one.before_mean)}, {points(one.after_mean)}",
        "runs": lambda one: f"{one.before_runs}, {one.after_runs}",
        "change": lambda one: signed_points(one.difference),
        "other questions": lambda one: span(one.low, one.high),
        "these again": lambda one: span(one.again_low, one.again_high),
    }
    columns = [*(Column(name, TEXT) for name in words), *map(Column, numbers), Column("told apart", TEXT)]
    cells = [[*(told(one) for told in (*words.values(), *numbers.values())), one.told_apart] for one in changes]
    title = f"What one setting changed: {study.name}" if not named else f"Two configurations of {study.name}"
    return Table(title, columns, cells, _change_notes(named=named))


def _change_notes(*, named: bool) -> list[str]:
    level = "at 5 %" if named else "at 5 % over all rows together; Holm"
    return [
        f"Other questions: 95 % interval {OTHER_QUESTIONS} for either.",
        TOTALS_ONLY,
        TOTALS_MEAN,
        "These again: 95 % interval of another run of the same questions (Student's t over run means, one common sd).",
        f"Told apart: yes about other questions; here only about these; no: noise may explain it ({level}).",
        *([] if named else OVER_MANY),
    ]


def _notes(study: Study, standings: Sequence[Standing], *, known: bool) -> list[str]:
    about = study.about
    said = [f"By: {about.by}. Published: {about.published}.", f"Source: {about.source}"]
    said += [about.note] if about.note else []
    said.append(_runs(standings))
    if known:
        said += [
            "± is the run-to-run standard deviation (sd).",
            f"The interval: {OTHER_QUESTIONS}.",
            TOTALS_ONLY,
            TOTALS_MEAN,
            ranges_explained([(row.rank, row.rank_best, row.rank_worst) for row in standings if row.rank_best]),
            "Lead: of this mean over the next, with the interval of this one difference; = not told apart.",
        ]
    else:
        said.append("Without the number of questions there is no interval, and near means may be ties.")
    if any(row.marks for row in standings):
        who = about.reference or "the reference"
        said.append(f"{about.reference}: the study's own marks of its runs against the number that {who} published.")
    return said


def _runs(standings: Sequence[Standing]) -> str:
    made = Counter(row.runs for row in standings)
    usual = made.most_common(1)[0][0]
    others = {count: [row.name for row in standings if row.runs == count] for count in sorted(made) if count != usual}
    return (
        "; ".join([f"Runs: {usual} each", *(f"{count} of {', '.join(names)}" for count, names in others.items())]) + "."
    )


def _task(task: str) -> Callable[[Standing], str]:
    return lambda row: points(row.tasks[task].mean) if task in row.tasks else UNKNOWN


def _mean(row: Standing) -> str:
    shown = spread(row.mean, row.run_to_run_deviation)
    tasks = len(row.tasks) + len(row.missing)
    return f"{shown} ({len(row.tasks)} of {tasks} tasks)" if row.missing else shown


def _interval(row: Standing) -> str:
    return UNKNOWN if row.low is None else f"{points(row.low)} to {points(row.high)}"


def _lead(row: Standing) -> str:
    if row.lead is None or row.lead_low is None:
        return UNKNOWN
    tied = " =" if row.tied_with_next else ""
    return f"{signed_points(row.lead)} ({span(row.lead_low, row.lead_high)}){tied}"


def _mark(row: Standing) -> str:
    return f"{' '.join(row.marks)} {points(row.reference)}" if row.marks else UNKNOWN


def _rate(row: Standing) -> str:
    return UNKNOWN if row.ours else count(row.output_tokens_per_second)
