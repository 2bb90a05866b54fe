"""What the numbers say: each rule speaks where the statistics carry it, and only there."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from test_reports_summary import item_of

from reports.ledger import Ledger
from reports.observations.observation import Observation
from reports.observations.rules import observe
from reports.observations.told import bullets, lines
from reports.summarising import summarise
from reports.summary import Summary
from thresholds.measurement import Run
from thresholds.verdict import not_measured


class Campaign:
    """A session in memory: `asked` tells the runs of a combination, of which the first `right` questions are right."""

    def __init__(self) -> None:
        self.ledger = Ledger(None)
        self.ledger.record_session({"session": "s1", "started": "now"})

    def asked(
        self,
        model: str,
        *right: int,
        of: int = 400,
        task: str = "gsm8k",
        speed: float = 10.0,
        memory: int | None = None,
        labels: dict[str, Any] | None = None,
        **item: Any,
    ) -> None:
        """One run for each count of right answers; a run of n questions and 10 tokens each takes 10 n / speed."""
        known = {"engine": "vllm", "quantization": "none", "draft": "none", **(labels or {})}
        combination = "-".join([model, *map(str, known.values())])
        for number, count in enumerate(right, 1):
            items = tuple(item_of(position, float(position < count), **item) for position in range(of))
            seconds = 10 * of / speed * (1 + 0.01 * number)
            run = Run(
                combination, task, number, "exact_match,flexible-extract", items, of, seconds, engine_memory=memory
            )
            told = {"combination": combination, "model": model, **known, "task": task}
            self.ledger.record_run("s1", run, told)

    def summary(self) -> Summary:
        return summarise(self.ledger)


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


def of_kind(summary: Summary, kind: str) -> list[Observation]:
    return [one for one in summary.observations if one.kind == kind]


def said(summary: Summary, kind: str) -> str:
    return " ".join(one.text for one in of_kind(summary, kind))


def kinds(summary: Summary) -> Sequence[str]:
    return [one.kind for one in summary.observations]


def test_the_best_is_named_with_its_lead_and_the_interval(campaign: Campaign) -> None:
    campaign.asked("good", 300, 300)
    campaign.asked("poor", 200, 200)

    told = said(campaign.summary(), "best_overall")
    assert told.startswith("good unquantized has the highest score: 75.0 (95% interval 70.")
    assert "25.0 points (95% interval +20." in told
    assert "not told apart" not in told


def test_a_lead_that_noise_may_explain_is_not_told_apart(campaign: Campaign) -> None:
    campaign.asked("good", 301, 301)
    campaign.asked("poor", 300, 300)

    (found,) = of_kind(campaign.summary(), "best_overall")
    assert "0.2 points (95% interval -0." in found.text
    assert "not told apart) above poor unquantized" in found.text
    assert found.numbers["ties"] == ["poor-vllm-none-none"]


def test_equal_scores_have_no_best(campaign: Campaign) -> None:
    campaign.asked("one", 200)
    campaign.asked("two", 200)

    summary = campaign.summary()
    assert said(summary, "all_equal") == "All 2 combinations have the same score: 50.0."
    assert "best_overall" not in kinds(summary)
    assert "largest_gap" not in kinds(summary)


def test_several_may_share_the_highest_score(campaign: Campaign) -> None:
    campaign.asked("one", 300)
    campaign.asked("two", 300)
    campaign.asked("three", 100)

    assert said(campaign.summary(), "best_overall").startswith(
        "one unquantized and two unquantized share the highest score"
    )


def test_a_combination_alone_is_compared_with_nothing(campaign: Campaign) -> None:
    campaign.asked("lonely", 200)

    summary = campaign.summary()
    assert "There is no other to compare it with." in said(summary, "alone")
    assert set(kinds(summary)) == {"alone"}


def test_the_best_that_runs_locally_is_named_where_an_api_is_better(campaign: Campaign) -> None:
    campaign.asked("api", 350, labels={"engine": "remote"})
    campaign.asked("here", 300)
    campaign.asked("there", 200)

    told = said(campaign.summary(), "best_local")
    assert told.startswith("here unquantized is the best that runs locally: 75.0 (95% interval 70.")
    assert "25.0 points (95% interval" in told


def test_the_best_local_one_is_not_named_where_it_is_the_best_of_all(campaign: Campaign) -> None:
    campaign.asked("api", 100, labels={"engine": "remote"})
    campaign.asked("here", 300)

    assert "best_local" not in kinds(campaign.summary())


def test_each_of_several_tasks_has_its_best_and_its_ties(campaign: Campaign) -> None:
    for task, rights in {"gsm8k": (300, 299), "arc": (100, 300)}.items():
        for model, right in zip(("one", "two"), rights, strict=True):
            campaign.asked(model, right, task=task)

    gsm8k, arc = of_kind(campaign.summary(), "best_of_task")
    assert gsm8k.text.startswith("gsm8k: one unquantized scores highest: 75.0, 0.2 points (95% interval")
    assert gsm8k.numbers["ties"] == ["two-vllm-none-none"]
    assert arc.text.startswith("arc: two unquantized is best: 75.0, 50.0 points (95% interval +45.")
    assert arc.numbers["ties"] == []


def test_the_only_task_needs_no_best_of_its_own(campaign: Campaign) -> None:
    campaign.asked("one", 300)
    campaign.asked("two", 200)

    assert "best_of_task" not in kinds(campaign.summary())


def test_the_largest_gap_is_that_of_the_task_on_which_they_lie_furthest_apart(campaign: Campaign) -> None:
    for task, rights in {"gsm8k": (300, 280), "arc": (300, 60)}.items():
        for model, right in zip(("one", "two"), rights, strict=True):
            campaign.asked(model, right, task=task)

    assert said(campaign.summary(), "largest_gap").startswith(
        "The largest gap is on arc: 60.0 points (95% interval +55."
    )


def test_who_is_beaten_in_accuracy_and_speed_is_dominated(campaign: Campaign) -> None:
    campaign.asked("good", 300, 300, 300, speed=20.0)
    campaign.asked("poor", 200, 200, 200, speed=10.0)

    (found,) = of_kind(campaign.summary(), "dominated")
    assert found.text.startswith("poor unquantized is Pareto-dominated by good unquantized in aggregate: good")
    assert "25.0 points higher (75.0 against 50.0; 95% interval +20." in found.text
    assert "2.00 times the speed (19.6 against 9.8 tokens/s; 95% interval 1.9" in found.text
    assert found.about == ("poor-vllm-none-none", "good-vllm-none-none")


@pytest.mark.parametrize(("runs", "speed"), [(1, 20.0), (3, 10.3)])
def test_domination_that_noise_may_explain_is_none(campaign: Campaign, runs: int, speed: float) -> None:
    campaign.asked("good", *[301] * runs, speed=speed)
    campaign.asked("poor", *[300] * runs, speed=10.0)

    assert "dominated" not in kinds(campaign.summary())


def test_a_dominated_one_that_leads_a_task_keeps_that(campaign: Campaign) -> None:
    for task, rights in {"gsm8k": (300, 100), "arc": (200, 220)}.items():
        for model, right, speed in zip(("good", "poor"), rights, (20.0, 10.0), strict=True):
            campaign.asked(model, right, task=task, speed=speed)

    assert said(campaign.summary(), "dominated").endswith("Even so it is ahead on arc (55.0 against 50.0).")


def test_many_dominated_by_the_same_one_are_told_together(campaign: Campaign) -> None:
    campaign.asked("good", 300, 300, speed=20.0)
    for number, right in enumerate((299, 200, 150, 100)):
        campaign.asked(f"poor{number}", right, right)

    (found,) = of_kind(campaign.summary(), "dominated")
    assert "Pareto-dominates 4 others" in found.text
    assert "Shown to be slower, in accuracy not told apart from it: poor0 unquantized." in found.text
    assert "It beats poor1 unquantized by 25.0 points (95% interval" in found.text


def test_nobody_is_dominated_where_the_faster_one_is_worse(campaign: Campaign) -> None:
    campaign.asked("good", 300, 300, speed=10.0)
    campaign.asked("quick", 200, 200, speed=30.0)

    summary = campaign.summary()
    assert "dominated" not in kinds(summary)
    told = said(summary, "fastest")
    assert told.startswith("quick unquantized is the fastest: 3.00 times the speed (29.6 against 9.9 tokens/s")
    assert "It scores 25.0 points (95% interval +20." in told


def test_a_speed_that_a_single_run_gave_is_not_called_the_fastest(campaign: Campaign) -> None:
    campaign.asked("good", 300, speed=10.0)
    campaign.asked("quick", 200, speed=30.0)

    told = said(campaign.summary(), "fastest")
    assert told.startswith("quick unquantized has the most output tokens/s: 3.00 times the speed (29.7 against 9.9 ")
    assert "; a single run has no interval) of good unquantized" in told
    assert told.endswith(" In speed it cannot be told apart from any other.")


def test_near_speeds_are_named_beside_the_highest(campaign: Campaign) -> None:
    for model, right, speed in (("good", 300, 10.0), ("quick", 200, 30.0), ("also", 100, 29.0)):
        campaign.asked(model, right, right, speed=speed)

    told = said(campaign.summary(), "fastest")
    assert told.startswith("quick unquantized has the most output tokens/s: ")
    assert told.endswith(" In speed it cannot be told apart from also unquantized.")


def test_the_fastest_is_not_told_where_it_is_the_best_too(campaign: Campaign) -> None:
    campaign.asked("good", 300, speed=20.0)
    campaign.asked("poor", 200, speed=10.0)

    assert "fastest" not in kinds(campaign.summary())


def test_neighbours_on_a_front_of_three_trade_points_for_speed(campaign: Campaign) -> None:
    for model, right, speed in (("a", 300, 10.0), ("b", 200, 20.0), ("c", 100, 40.0)):
        campaign.asked(model, right, right, speed=speed)

    found = of_kind(campaign.summary(), "trade_off")
    assert [one.about for one in found] == [
        ("a-vllm-none-none", "b-vllm-none-none"),
        ("b-vllm-none-none", "c-vllm-none-none"),
    ]
    assert "a unquantized scores 25.0 points (95% interval +20." in found[0].text
    assert "b unquantized has 2.00 times the speed" in found[0].text


def test_neighbours_that_differ_in_nothing_shown_trade_nothing(campaign: Campaign) -> None:
    for model, right, speed in (("a", 300, 10.0), ("b", 299, 10.2), ("c", 298, 10.4)):
        campaign.asked(model, right, right, speed=speed)

    assert "trade_off" not in kinds(campaign.summary())


def test_the_three_most_important_come_first_and_the_rest_is_counted(campaign: Campaign) -> None:
    campaign.asked("good", 300, speed=20.0)
    campaign.asked("poor", 200)
    summary = campaign.summary()

    shown = lines(summary.observations, 60, most=1)
    assert shown[0].startswith("- good unquantized has the highest score")
    assert max(map(len, shown)) <= 60
    assert shown[-1] == f"- {len(summary.observations) - 1} more: python -m reports show"


def test_a_combination_without_a_finished_run_is_named_with_the_reason(campaign: Campaign) -> None:
    campaign.asked("good", 300)
    labels = {"combination": "lost", "model": "lost", "engine": "vllm", "task": "gsm8k"}
    campaign.ledger.record_verdict("s1", not_measured("accuracy", labels, "engine_failed", "out of memory"))

    assert said(campaign.summary(), "no_finished_run") == "lost has no finished run (engine_failed): it is not ranked."


def test_one_that_lacks_a_task_is_named_and_not_compared(campaign: Campaign) -> None:
    campaign.asked("whole", 300)
    campaign.asked("whole", 300, task="arc")
    campaign.asked("half", 399)

    summary = campaign.summary()
    assert said(summary, "lacks_tasks") == "half unquantized has no score in arc: it ranks last and is not compared."
    assert "half-vllm-none-none" not in [name for one in of_kind(summary, "dominated") for name in one.about]


@pytest.mark.parametrize(
    "name", ["a|b", "two\nlines", "rocket \N{ROCKET}", "x" * 300, "<script>alert(1)</script>", "`*_~"]
)
def test_any_name_stays_on_its_line_and_is_shown_as_it_is(campaign: Campaign, name: str) -> None:
    campaign.asked(name, 300)
    campaign.asked("other", 200)
    found = campaign.summary().observations

    assert "\n" not in "".join(lines(found))
    assert max(map(len, lines(found, 80))) <= 80
    assert len(bullets(found).splitlines()) == len(found)
    assert "<script" not in bullets(found)


def test_without_any_interval_a_comparison_is_a_plain_one_and_says_so(campaign: Campaign) -> None:
    campaign.asked("good", 300)
    campaign.asked("poor", 200)
    summary = campaign.summary()
    bare = replace(
        summary,
        gaps=tuple(replace(gap, low=None, high=None, told_apart=None) for gap in summary.gaps),
    )

    first = observe(bare)[0]
    assert first.text.endswith("above poor unquantized. No interval is known: a plain comparison.")
    assert "95%" not in first.text


def test_nothing_measured_says_nothing() -> None:
    campaign = Campaign()
    labels = {"combination": "lost", "model": "lost", "engine": "vllm", "task": "gsm8k"}
    campaign.ledger.record_verdict("s1", not_measured("accuracy", labels, "engine_failed", "out of memory"))

    assert kinds(campaign.summary()) == ["no_finished_run"]
