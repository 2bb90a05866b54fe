"""The gates of drafts under load, red and green: accepted as before, and faster than the target alone."""

from collections.abc import Callable

import pytest
from planted_drafts import TARGET, Planted, Weighed, weigh

from conftest import Weighbridge

CHAT = {"arrivals": {"concurrency": 2}, "warm_up": 0, "requests": 4, "output": {"tokens": 16}, "latencies": {}}
UNDRAFTED = {"draft": "none", "because": "a test wants it"}
ROW = {"metric": "acceptance_length", "floor": 2.85, "measured": 3.0, "measured_on": "a test", "hardware": None}
FASTER = {"metric": "output_tokens_per_second", "against": TARGET, "floor": 1.2, "measured": 1.6}
DRAFTS = {
    "usual": Planted(),
    "collapsed": Planted(accepted=(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)),
    "better": Planted(accepted=(2, 2, 3), told=True),
    "idle": Planted(accepted=()),
}
"""Acceptance lengths of 3, 1.09 and 3.3 where answers are long; of the last, none."""


@pytest.fixture(scope="module")
def loaded(checkout: Callable[[], Weighbridge]) -> Weighed:
    inner = checkout()
    inner.workloads(chat={**CHAT, "output": {"tokens": 34}})
    inner.floors(speed=[{**row, "draft": name} for name in DRAFTS for row in (ROW, FASTER)])
    return weigh(inner, ("-k", "faster or accepted", "-rA"), DRAFTS, workloads=["chat"])


def test_a_draft_that_is_accepted_as_before_passes(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "acceptance_length")

    assert (verdict["outcome"], verdict["measured"]) == ("PASS", pytest.approx(3.0))


def test_the_floor_of_acceptance_says_nothing_about_a_machine(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "acceptance_length")

    assert verdict["labels"]["hardware"] == "remote"
    assert verdict["where"].startswith("thresholds/tiny.yaml:")


def test_a_collapse_of_acceptance_fails(loaded: Weighed) -> None:
    verdict = loaded.of("collapsed", "acceptance_length")

    assert (verdict["outcome"], verdict["reason"]) == ("FAIL", "below_floor")
    assert verdict["measured"] == pytest.approx(1.09, abs=0.02)


def test_an_improvement_of_acceptance_passes(loaded: Weighed) -> None:
    verdict = loaded.of("better", "acceptance_length")

    assert verdict["outcome"] == "PASS"
    assert verdict["measured"] >= 3.28


def test_acceptance_needs_no_load_of_its_own(loaded: Weighed) -> None:
    pair = [f"{TARGET}-draft_usual", TARGET]
    made = [run["combination"] for run in loaded.heard.loads if run["labels"]["against"] == TARGET]

    assert made[:8] == [*pair, *pair[::-1], *pair, *pair[::-1]]
    assert len(made) == len(loaded.heard.loads)


def test_a_draft_makes_its_target_faster(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "output_tokens_per_second")

    assert verdict["outcome"] == "PASS"
    assert 1.2 < verdict["measured"] < 3.0


def test_the_count_of_the_client_stands_beside_the_servers(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "acceptance_length")
    told = verdict["details"]["acceptance"]

    assert verdict["details"]["predicted"] == pytest.approx(3.0)
    assert told["tokens"] - told["events"] == told["accepted"]
    (said,) = [line for line in verdict["lines"] if line.startswith("by client")]
    assert said == f"by client {told['accepted']:,.0f} accepted tokens, to the token what the server counted"


def test_what_answers_say_of_themselves_is_what_the_server_counts(loaded: Weighed) -> None:
    """34 tokens: 1, then 3 3 4 three times and a step whose last two are cut off, which both count."""
    verdict = loaded.of("better", "acceptance_length")
    accepted, drafts = verdict["details"]["acceptance"]["answers"][1:3]

    (said,) = [line for line in verdict["lines"] if line.startswith("by answer")]
    assert f"{accepted:,.0f} tokens of {drafts:,.0f} drafts, to the token what the server counted" in said
    assert accepted == verdict["details"]["acceptance"]["accepted"] > 0
    assert not any(line.startswith("by client") for line in verdict["lines"])


def test_a_draft_that_does_not_draft_is_not_measured(loaded: Weighed) -> None:
    idle = [loaded.of("idle", metric) for metric in ("acceptance_length", "output_tokens_per_second")]

    assert {(verdict["outcome"], verdict["reason"]) for verdict in idle} == {("NOT_MEASURED", "not_drafting")}
    assert f"the counters at {loaded.fakes['idle'].url} show no drafted token" in loaded.heard.output
    assert not any(run["combination"].endswith("idle") for run in loaded.heard.loads)


def test_a_missing_floor_of_acceptance_is_a_line_to_paste_and_is_recorded(
    checkout: Callable[[], Weighbridge],
) -> None:
    inner = checkout()
    inner.workloads(chat=CHAT)
    inner.floors()
    words = ("-k", "accepted", "--runs", "3")
    recorded = weigh(inner, (*words, "--record"), {"usual": Planted()}, workloads=["chat"])
    passed = weigh(inner, words, {"usual": Planted()}, workloads=["chat"])

    verdict = recorded.of("usual", "acceptance_length")
    assert verdict["reason"] == "missing_threshold"
    assert "floor: 2.85, measured: 3.0" in verdict["lines"][2]
    assert 'measured_on: "remote"' in verdict["lines"][2]
    assert "hardware:" not in verdict["lines"][2]
    assert passed.of("usual", "acceptance_length")["outcome"] == "PASS"


def test_a_draft_without_its_target_beside_is_asked_for_acceptance_alone(
    checkout: Callable[[], Weighbridge],
) -> None:
    inner = checkout()
    inner.workloads(chat=CHAT)
    inner.floors(speed=[{**ROW, "draft": "usual"}])

    heard = weigh(
        inner, ("--combination", "*usual"), {"usual": Planted()}, workloads=["chat"], exclude=[UNDRAFTED]
    ).heard

    assert [(v["metric"], v["outcome"]) for v in heard.verdicts] == [("acceptance_length", "PASS")]
    assert f"{TARGET}-draft_usual has a draft, but the matrix does not list it without one" in heard.output
