"""All rules, and the order of what they find."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from reports.observations.best import best_local, best_of_task, best_overall, largest_gap
from reports.observations.evidence import Evidence
from reports.observations.front import dominated, fastest, trade_off
from reports.observations.observation import Observation
from reports.observations.recommended import recommended
from reports.observations.settings import draft_changed_answers, drafts, each_draft, other_settings, quantizations
from reports.observations.suspicious import (
    all_or_nothing,
    below_chance,
    cut_off,
    impossible,
    no_better_than_chance,
    unparsed,
    unstable,
    without_score,
)
from reports.observations.under_load import under_load
from reports.summary import Summary
from reports.wording.sentences import PLAIN

Rule = Callable[[Evidence], Iterable[Observation]]
RULES: tuple[Rule, ...] = (
    impossible,
    draft_changed_answers,
    below_chance,
    all_or_nothing,
    best_overall,
    best_local,
    drafts,
    quantizations,
    each_draft,
    under_load,
    dominated,
    fastest,
    trade_off,
    other_settings,
    largest_gap,
    best_of_task,
    no_better_than_chance,
    unstable,
    cut_off,
    unparsed,
    without_score,
    recommended,
)


def observe(summary: Summary) -> tuple[Observation, ...]:
    """What the rules find, the most important first."""
    evidence = Evidence(summary)
    found = [one for rule in RULES for one in rule(evidence)]
    return tuple(_marked(one, evidence) for one in found)


def _marked(found: Observation, evidence: Evidence) -> Observation:
    """Where nothing has an interval, a comparison says that it is a plain one."""
    if not evidence.plain or "interval" in found.text or len(found.about) < 2:  # noqa: PLR2004 - it speaks of one alone
        return found
    return replace(found, text=f"{found.text} {PLAIN[evidence.unknown]}")
