"""Where in the page everything about a combination stands, and what combinations are called there."""

from reports.summary import Summary
from reports.wording.labels import Labelled, short_names


def places(summary: Summary) -> dict[str, str]:
    """The id in the page of each combination's part: those that were ranked in their order, then the others."""
    named = [row.combination for row in labelled(summary)]
    return {name: f"combination-{number}" for number, name in enumerate(dict.fromkeys(named), 1)}


def links(summary: Summary) -> dict[str, str]:
    """Places by what combinations are called in tables; a name that may mean several leads nowhere."""
    ids = places(summary)
    told: dict[str, set[str]] = {name: {place} for name, place in ids.items()}
    for rows in (summary.rows, summary.speed):
        for name, short in short_names(rows).items():
            told.setdefault(short, set()).add(ids[name])
    return {text: min(found) for text, found in told.items() if len(found) == 1}


def names(summary: Summary) -> dict[str, str]:
    """Short names by combination."""
    return short_names(labelled(summary))


def labelled(summary: Summary) -> list[Labelled]:
    """Every row about a combination: of answers, then of speed."""
    return [*summary.rows, *summary.speed]
