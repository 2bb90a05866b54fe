import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.accepted import Accepted, Noise, bound
from thresholds.catalogue import Catalogue, Threshold
from thresholds.doctor import examine
from thresholds.measurement import ACCURACY, Metric
from thresholds.ratchet import Proposal, propose
from thresholds.recording import edited
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND, TIME_TO_FIRST_TOKEN

ORIGIN = 'runs: 4, measured_on: cpu, run: "r-1", because: "recorded"'
ACCURACY_TEXT = f"""\
# agreed in January
model: smol
accuracy:  # per task
  - {{task: gsm8k, samples: 400, floor: 0.555, measured: 0.6, noise: 0.02, {ORIGIN}}}
"""
SPEED_TEXT = """\
model: smol
speed:
  - metric: METRIC
    workload: chat
    engine: vllm
    hardware: cpu
    BOUND
    measured: 100
    noise: 0.02
    runs: 5
    run: "r-1"
    because: "recorded"  # by hand
"""


def row_of(text: str = ACCURACY_TEXT) -> Threshold:
    """The only row of a threshold file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "smol.yaml").write_text(text, encoding="utf-8")
        (row,) = Catalogue.load(Path(folder)).rows.values()
    return row


def rate_row(floor: float = 93.2) -> Threshold:
    return row_of(SPEED_TEXT.replace("METRIC", "output_tokens_per_second").replace("BOUND", f"floor: {floor}"))


def latency_row(ceiling: float = 107.0) -> Threshold:
    text = SPEED_TEXT.replace("METRIC", "time_to_first_token\n    statistic: p50")
    return row_of(text.replace("BOUND", f"ceiling: {ceiling}"))


def score(value: float, run: str = "r-2", **changes: Any) -> Accepted:
    return replace(Accepted(ACCURACY, value, 4, Noise(0.02, 3), 400, run, "cpu"), **changes)


def speed(value: float, run: str = "r-2", metric: Metric = OUTPUT_TOKENS_PER_SECOND, noise: float = 0.02) -> Accepted:
    return Accepted(metric, value, 5, Noise(noise, 4), None, run, "cpu")


def edit(proposal: Proposal) -> Mapping[str, Any]:
    assert proposal.edit is not None
    return proposal.edit


def applied(text: str, proposal: Proposal) -> str:
    assert proposal.threshold.place is not None
    return edited(text, [(*proposal.threshold.place[1:], edit(proposal))])


def test_without_history_nothing_is_proposed() -> None:
    proposal = propose(row_of(), [])

    assert (proposal.edit, proposal.notes, proposal.drop) == (None, (), None)


def test_the_session_that_a_row_rests_on_proposes_nothing_and_neither_do_those_before_it() -> None:
    assert propose(row_of(), [score(0.9, "r-0"), score(0.6, "r-1")]).edit is None


def test_a_better_session_tightens_the_floor_by_the_margin_of_recording() -> None:
    proposal = propose(row_of(), [score(0.7)])

    assert edit(proposal)["floor"] == bound(score(0.7)) == 0.655
    assert (edit(proposal)["measured"], edit(proposal)["run"], edit(proposal)["runs"]) == (0.7, "r-2", 4)
    assert not proposal.loosens


def test_the_first_edit_pins_the_better_of_the_two_as_golden() -> None:
    assert edit(propose(row_of(), [score(0.7)]))["golden"] == {"value": 0.7, "run": "r-2"}
    less_noise = score(0.595, noise=Noise(0.001, 3))
    assert edit(propose(row_of(), [less_noise] * 3))["golden"] == {"value": 0.6, "run": "r-1"}


def test_the_golden_value_only_gets_better() -> None:
    text = ACCURACY_TEXT.replace("runs: 4", 'runs: 4, golden: {value: 0.65, run: "r-0"}')

    assert edit(propose(row_of(text), [score(0.64)]))["golden"] == {"value": 0.65, "run": "r-0"}
    assert edit(propose(row_of(text), [score(0.7)]))["golden"] == {"value": 0.7, "run": "r-2"}


def test_a_lower_latency_tightens_its_ceiling() -> None:
    proposal = propose(latency_row(), [speed(80.0, metric=TIME_TO_FIRST_TOKEN)])

    assert edit(proposal)["ceiling"] == bound(speed(80.0, metric=TIME_TO_FIRST_TOKEN)) < 107
    assert edit(proposal)["golden"] == {"value": 80.0, "run": "r-2"}


def test_one_lucky_session_is_averaged_with_those_from_which_it_is_not_told_apart() -> None:
    lucky = score(0.63)

    proposal = propose(row_of(), [score(0.6, "r-2"), replace(lucky, run="r-3")])

    assert edit(proposal)["measured"] == pytest.approx(0.61)
    assert edit(proposal)["runs"] == 12
    assert edit(proposal)["floor"] < bound(lucky)


def false_alarms(*, ratcheted: bool) -> float:
    """Share of red sessions of an unchanged combination; if not ratcheted, the best session sets the floor."""
    draw = np.random.default_rng(20260117)
    red = 0
    for _ in range(100):
        recorded = score(float(draw.normal(0.6, 0.02 / 4**0.5)), "r-0")
        keys = {"samples": "400", "runs": 4, "noise": 0.02, "measured": recorded.value, "run": "r-0"}
        row = Threshold(ACCURACY, bound(recorded), "hold", "", {**keys, "measured_on": "cpu", "because": "recorded"})
        history: list[Accepted] = []
        for number in range(30):
            session = score(float(draw.normal(0.6, 0.02 / 2**0.5)), f"s-{number}", runs=2)
            if session.value < row.value:
                red += 1
                continue
            history.append(session)
            best = {"floor": max(row.value, bound(session))}
            changed = propose(row, history).edit if ratcheted else best
            row = replace(row, value=changed["floor"], row={**row.row, **changed}) if changed else row
    return red / 3000


def test_an_unchanged_combination_stays_green_however_often_its_floor_is_ratcheted() -> None:
    assert false_alarms(ratcheted=True) <= 0.01
    assert false_alarms(ratcheted=False) >= 0.03


def test_a_bound_tightens_once_twice_the_runs_were_accepted() -> None:
    first = score(0.61, "r-2", runs=3)

    waiting = propose(row_of(), [first])
    done = propose(row_of(), [first, score(0.61, "r-3", runs=1)])

    assert waiting.edit is None
    assert waiting.notes == ("7 accepted runs propose `floor: 0.562`; it takes 8 to tighten it",)
    assert edit(done)["runs"] == 8


def test_a_value_that_is_better_beyond_doubt_tightens_at_once() -> None:
    assert edit(propose(row_of(), [score(0.7, runs=2)]))["measured"] == 0.7


def test_where_several_machines_were_accepted_the_least_demanding_decides() -> None:
    other = score(0.68, measured_on="gpu")

    proposal = propose(row_of(), [replace(other, run="r-2"), score(0.9, "r-3")])

    assert edit(proposal)["floor"] == bound(other)
    assert (edit(proposal)["measured_on"], edit(proposal)["run"]) == ("gpu", "r-2")


def test_a_floor_that_was_set_wider_by_hand_is_tightened_with_a_word_to_read() -> None:
    proposal = propose(row_of(ACCURACY_TEXT.replace("0.555", "0.4")), [score(0.6)])

    assert edit(proposal)["floor"] > 0.55
    assert proposal.notes == ("its floor was set wider than its own measurement asks for; read first why: recorded",)


def test_a_worse_session_never_loosens_without_a_reason_and_says_what_would_hold() -> None:
    proposal = propose(row_of(), [score(0.56)])

    assert proposal.edit is None
    assert proposal.notes == (
        "red in 38.6 % of the sessions at the accepted 56.0; `floor: 0.515` would hold, but that needs --because",
    )


def test_a_reason_loosens_the_floor_and_is_written_into_the_row() -> None:
    proposal = propose(row_of(), [score(0.5)], "new  int8\nkernels")

    assert proposal.loosens
    assert edit(proposal)["floor"] == bound(score(0.5))
    assert edit(proposal)["because"] == (
        "new int8 kernels (ratchet: floor 0.555 -> 0.455; error of a rerun 1.0 points, margin 4.5)"
    )
    assert edit(proposal)["golden"] == {"value": 0.6, "run": "r-1"}


def test_a_reason_loosens_nothing_that_need_not_be() -> None:
    proposal = propose(row_of(), [score(0.585)], "new kernels")

    assert proposal.edit is None


def test_a_reason_does_not_keep_a_better_session_from_tightening() -> None:
    proposal = propose(row_of(), [score(0.7)], "new kernels")

    assert not proposal.loosens
    assert edit(proposal)["floor"] == 0.655


def test_small_passing_drops_do_not_add_up() -> None:
    row, text, drops = row_of(), ACCURACY_TEXT, []
    for step in range(1, 6):
        proposal = propose(row, [score(0.6 - 0.02 * step, f"s-{step}")], "step by step")
        drops.append(proposal.drop)
        text = applied(text, proposal) if proposal.edit else text
        row = row_of(text)

    assert drops[0] is None
    assert drops[-1] is not None
    assert drops[-1] == ("50.0 (run s-5) is 10.0 points worse than the golden 60.0 (run r-1), beyond the margin of 4.5")


def test_a_drop_below_the_golden_value_is_told_as_long_as_it_lasts() -> None:
    text = ACCURACY_TEXT.replace("runs: 4", 'runs: 4, golden: {value: 0.7, run: "r-0"}')

    assert propose(row_of(text), []).drop is not None
    assert propose(row_of(text), [score(0.69)]).drop is None


def test_a_slower_accepted_speed_is_told_in_per_cent_of_the_golden_one() -> None:
    drop = propose(rate_row(), [speed(80.0)]).drop

    assert drop is not None
    assert drop.startswith("80 tokens/s (run r-2) is 20.0 % worse than the golden 100 tokens/s (run r-1), beyond")


def test_a_session_that_cannot_set_a_bound_says_why() -> None:
    noisy = propose(rate_row(), [speed(400.0, noise=0.5)])
    few = propose(rate_row(), [replace(speed(400.0), runs=2)])

    assert (noisy.edit, few.edit) == (None, None)
    assert noisy.notes[0].startswith("cannot set a floor: too noisy: ")
    assert few.notes[0].startswith("cannot set a floor: a floor of a speed cannot be recorded from fewer than 3 runs")


@pytest.mark.parametrize("reason", ["", "  ", "ok"])
def test_a_reason_that_says_nothing_is_an_error(reason: str) -> None:
    with pytest.raises(ValueError, match="a reason has at least 3 letters"):
        propose(row_of(), [score(0.5)], reason)


def test_a_history_of_another_metric_is_an_error() -> None:
    with pytest.raises(ValueError, match="the history of a threshold of accuracy holds another metric"):
        propose(row_of(), [speed(100)])


def test_an_edited_row_keeps_its_line_its_comments_and_the_order_of_its_keys() -> None:
    after = applied(ACCURACY_TEXT, propose(row_of(), [score(0.7)]))

    assert after == ACCURACY_TEXT.replace(
        f"floor: 0.555, measured: 0.6, noise: 0.02, {ORIGIN}",
        'floor: 0.655, measured: 0.7, noise: 0.02, runs: 4, golden: {value: 0.7, run: "r-2"}, measured_on: "cpu", '
        'run: "r-2", because: "ratchet: floor 0.555 -> 0.655; error of a rerun 1.0 points, margin 4.5"',
    )


def test_an_edited_row_of_many_lines_stays_one() -> None:
    text = SPEED_TEXT.replace("METRIC", "output_tokens_per_second").replace("BOUND", "floor: 93.2")

    after = applied(text, propose(row_of(text), [speed(200.0)]))

    assert len(after.splitlines()) == len(text.splitlines()) + 1
    assert '    golden: {value: 200.0, run: "r-2"}\n' in after
    assert after.endswith('between starts" # by hand\n')


scores = st.builds(
    score,
    st.floats(0, 1),
    st.sampled_from(["r-0", "r-1", "r-2", "r-3"]),
    runs=st.integers(1, 8),
    noise=st.none() | st.builds(Noise, st.floats(0, 0.3), st.integers(1, 9)),
    questions=st.sampled_from([None, 40, 400]),
    measured_on=st.sampled_from(["cpu", "gpu", None]),
)
speeds = st.builds(speed, st.floats(1e-3, 1e6), st.sampled_from(["r-0", "r-1", "r-2"]), noise=st.floats(0, 0.3))
rows = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.2), st.sampled_from(["hold", "show"]))


@settings(deadline=None, max_examples=150, database=None)
@given(rows, st.lists(scores, max_size=5), st.none() | st.just("a reason"))
def test_no_edit_of_a_floor_loosens_it_without_a_reason_whatever_the_history(
    row: tuple[float, float, float, str], history: Sequence[Accepted], because: str | None
) -> None:
    floor, measured, noise, must = row
    keys = f"floor: {floor!r}, measured: {measured!r}, noise: {noise!r}, must: {must}"
    text = ACCURACY_TEXT.replace("floor: 0.555, measured: 0.6, noise: 0.02", keys)
    before = row_of(text)

    proposal = propose(before, history, because)
    after = row_of(applied(text, proposal)) if proposal.edit else before

    assert after.value >= before.value or (proposal.loosens and because is not None)
    assert (after.value < before.value) == proposal.loosens
    assert not proposal.edit or examine(after).fit
    assert not proposal.edit or after.row["golden"]["value"] >= before.row["measured"]
    assert not proposal.loosens or str(after.row["because"]).startswith(str(because))


@settings(deadline=None, max_examples=100, database=None)
@given(st.floats(1, 1e4), st.lists(speeds, max_size=5), st.none() | st.just("a reason"))
def test_no_edit_of_a_speed_loosens_it_without_a_reason_whatever_the_history(
    floor: float, history: Sequence[Accepted], because: str | None
) -> None:
    text = SPEED_TEXT.replace("METRIC", "output_tokens_per_second").replace("BOUND", f"floor: {floor!r}")
    before = row_of(text)

    proposal = propose(before, history, because)
    after = row_of(applied(text, proposal)) if proposal.edit else before

    assert after.value >= before.value or (proposal.loosens and because is not None)
    assert not proposal.edit or examine(after).fit


@settings(deadline=None, max_examples=100, database=None)
@given(st.lists(scores, min_size=1, max_size=6))
def test_session_after_session_without_a_reason_the_floor_and_the_golden_value_only_rise(
    history: Sequence[Accepted],
) -> None:
    text, floors, golden = ACCURACY_TEXT, [0.555], [0.6]
    for number in range(1, len(history) + 1):
        sessions = [replace(one, run=f"s-{position}") for position, one in enumerate(history[:number])]
        proposal = propose(row_of(text), sessions)
        text = applied(text, proposal) if proposal.edit else text
        row = row_of(text)
        floors.append(row.value)
        golden.append((row.row["golden"] or {"value": 0.6})["value"])

    assert floors == sorted(floors)
    assert golden == sorted(golden)
