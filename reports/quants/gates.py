"""How the gates came out that hold a quant against what it was made from."""

from collections.abc import Iterable, Mapping

from thresholds.agreement import NEXT_TOKEN_DIVERGENCE
from thresholds.cutoffs import CUT_OFF
from thresholds.lengths import OUTPUT_TOKENS
from thresholds.upgrade import ACCURACY_DIFFERENCE, ALL_TASKS
from thresholds.verdict import Verdict

NAMES = {
    NEXT_TOKEN_DIVERGENCE.name: "next tokens",
    ACCURACY_DIFFERENCE.name: "accuracy",
    OUTPUT_TOKENS.name: "length",
    CUT_OFF.name: "cut off",
}
ANSWERS = ("next tokens", "length", "cut off")
"""Gates of all tasks together alone, which need not say so."""


def gate_outcomes(combination: str, verdicts: Iterable[Verdict]) -> Mapping[str, str]:
    """By gate in words ("accuracy gsm8k"), of a combination against the unquantized one; the last verdict counts."""
    found = {}
    for one in verdicts:
        labels = one.labels
        gated = one.details.get("beside") == "unquantized" or one.metric in (CUT_OFF.name, NEXT_TOKEN_DIVERGENCE.name)
        if gated and labels.get("against") and labels.get("combination") == combination:
            found[_name(one)] = str(one.outcome)
    return found


def _name(verdict: Verdict) -> str:
    labels, metric = verdict.labels, NAMES.get(verdict.metric, verdict.metric)
    about = labels.get("workload") or labels.get("task")
    if metric in ANSWERS or about is None:
        return metric
    statistic = f".{labels['statistic']}" if labels.get("statistic") else ""
    return f"{metric}{statistic} {'of ' if about == ALL_TASKS else ''}{about}"


def said_outcomes(outcomes: Mapping[str, str]) -> str:
    """One word where all gates agree, else those that did not pass; empty without any."""
    if len(set(outcomes.values())) <= 1:
        return next(iter(outcomes.values()), "")
    return ", ".join(f"{name} {outcome}" for name, outcome in outcomes.items() if outcome != "PASS")
