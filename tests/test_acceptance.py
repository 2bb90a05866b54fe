"""Acceptance of drafted tokens: ratios by request, what follows of them, and the rows that floor them."""

import math
from pathlib import Path
from typing import Any

import pytest

from thresholds.acceptance import (
    Acceptance,
    Sums,
    acceptance_from,
    break_even,
    pooled,
    predicted_speed_up,
    shares_with_reach,
)
from thresholds.catalogue import Catalogue
from thresholds.measurement import NotMeasured
from thresholds.recording import as_text, recordable, speed_row
from thresholds.speed import ACCEPTANCE_LENGTH, LoadRun, ratio_of, speed
from thresholds.strict_yaml import InvalidFile

REQUESTS = [(6.0, 2.0), (9.0, 3.0), (10.0, 5.0)]
"""Accepted tokens and steps: 25 in 10."""


def accepted(**change: Any) -> Acceptance:
    usual = {
        "drafts": 10.0,
        "drafted": 40.0,
        "accepted": 20.0,
        "at": (10.0, 6.0, 4.0, 0.0),
        "tokens": 33,
        "events": 13,
        "steps": Sums.over([(18.0, 6.0), (12.0, 4.0)]),
    }
    return Acceptance(**{**usual, **change})


SAID: dict[str, Any] = {
    "answers": Sums.over([(14.0, 6.0), (6.0, 4.0)]),
    "positions": (Sums.over([(6.0, 6.0), (4.0, 4.0)]), Sums.over([(4.0, 6.0), (2.0, 4.0)])),
}
"""20 accepted tokens of 10 drafts, as two answers say themselves."""


def test_a_ratio_is_that_of_the_totals() -> None:
    assert Sums.over(REQUESTS).value == 2.5


def test_the_interval_is_by_request_and_not_by_step() -> None:
    """Residuals y - R x of 1, 1.5 and -2.5: sqrt(3 / 2 * 9.5) / 10, and Student's t of 2 degrees is 4.303."""
    low, high = Sums.over(REQUESTS).interval() or (0.0, 0.0)

    reach = 4.302653 * math.sqrt(1.5 * 9.5) / 10
    assert (low, high) == pytest.approx((2.5 - reach, 2.5 + reach), rel=1e-6)


def test_requests_that_agree_and_a_single_one_have_no_interval() -> None:
    assert Sums.over([(6.0, 2.0), (9.0, 3.0)]).interval() is None
    assert Sums.over([(6.0, 2.0)]).interval() is None
    assert Sums().value is None


def test_sums_of_runs_add_up() -> None:
    assert Sums.over(REQUESTS[:1]) + Sums.over(REQUESTS[1:]) == Sums.over(REQUESTS)


def test_a_request_without_a_step_tells_nothing() -> None:
    assert Sums.over([*REQUESTS, (0.0, 0.0)]) == Sums.over(REQUESTS)


def test_the_length_and_the_shares_by_position_are_the_servers_where_answers_say_nothing() -> None:
    assert accepted().length == 3.0
    assert accepted().length_span is None
    assert accepted().by_position == (1.0, 0.6, 0.4, 0.0)


def test_the_clients_own_count_is_compared_with_the_servers() -> None:
    assert accepted().accepted_by_client == 20
    assert accepted().difference == 0
    assert accepted(events=14).difference == pytest.approx(-0.05)
    assert accepted(tokens=None).difference is None


def test_what_answers_say_themselves_goes_before_counters_and_events() -> None:
    told = accepted(**SAID, accepted=21.0, events=99)

    assert (told.length, told.accepted_by_client) == (3.0, 20)
    assert told.difference == pytest.approx(-1 / 21)
    assert told.by_position == (1.0, 0.6)


def test_the_length_has_an_interval_by_request() -> None:
    """Residuals y - 2 x of 2 and -2: sqrt(2 / 1 * 8) / 10, and Student's t of 1 degree is 12.706."""
    reach = 12.7062 * 4 / 10

    assert accepted(**SAID).length_span == pytest.approx((1.0, 3 + reach), rel=1e-4)
    assert accepted(**SAID).position_spans[0] is None


def test_shares_are_said_with_the_reach_of_their_intervals() -> None:
    assert shares_with_reach([0.75, 0.5], [(0.7, 0.8), None]) == "75 ± 5%, 50%"
    assert shares_with_reach([0.75, 0.5], []) == "75%, 50%"


def test_it_survives_being_plain() -> None:
    assert acceptance_from(accepted().plain()) == accepted()
    assert acceptance_from(accepted(**SAID).plain()) == accepted(**SAID)


def test_what_an_older_ledger_holds_is_read_without_what_answers_said() -> None:
    older = {name: value for name, value in accepted().plain().items() if name != "answers"}

    assert acceptance_from({**older, "positions": [[1, 2.0, 3.0, 4.0, 9.0, 6.0]]}) == accepted()


def test_runs_are_pooled_and_a_total_that_one_does_not_know_is_unknown() -> None:
    both = pooled([accepted(**SAID), accepted(**{**SAID, "at": (2.0,)})])

    assert both is not None
    assert (both.drafts, both.at[:2], both.tokens) == (20.0, (12.0, 6.0), 66)
    assert both.answers == Sums(4, 40.0, 20.0, 464.0, 104.0, 216.0)
    assert [one.value for one in both.positions] == [1.0, 0.6]
    assert pooled([accepted(**SAID), accepted()]).answers is None  # type: ignore[union-attr]
    assert pooled([accepted(), accepted(drafts=None)]).length is None  # type: ignore[union-attr]
    assert pooled([]) is None


def test_a_lookup_is_predicted_to_gain_what_it_accepts() -> None:
    assert predicted_speed_up(accepted(), 0.0) == 3.0


def test_a_draft_pays_for_every_token_that_it_drafts() -> None:
    """Four tokens a step at a tenth each: 3 / 1.4."""
    assert predicted_speed_up(accepted(), 0.1) == pytest.approx(3 / 1.4)


def test_the_prediction_is_that_of_leviathan_where_every_position_is_accepted_alike() -> None:
    share, drafted, cost = 0.8, 4, 0.05
    length = (1 - share ** (drafted + 1)) / (1 - share)
    told = accepted(drafts=100.0, drafted=400.0, accepted=100 * (length - 1), steps=Sums())

    assert predicted_speed_up(told, cost) == pytest.approx(length / (drafted * cost + 1))


def test_without_a_known_cost_nothing_is_predicted() -> None:
    assert predicted_speed_up(accepted(), None) is None


def test_break_even_lies_between_the_loads_on_either_side() -> None:
    crossing = break_even([(16, 0.8), (1, 1.6), (4, 1.2)])

    assert crossing is not None
    assert crossing.streams == pytest.approx(8.0)
    assert crossing.gains


@pytest.mark.parametrize(("gain", "gains"), [(1.2, True), (0.8, False)])
def test_break_even_beyond_what_was_measured_is_no_number(gain: float, gains: bool) -> None:
    crossing = break_even([(1, gain), (8, gain)])

    assert crossing is not None
    assert (crossing.streams, crossing.least, crossing.most, crossing.gains) == (None, 1, 8, gains)


def test_there_is_no_break_even_without_a_load() -> None:
    assert break_even([]) is None


ROW = (
    "  - {metric: acceptance_length, workload: chat, engine: vllm, draft: ngram, floor: 2.85, measured: 3.0, runs: 3,"
    ' measured_on: "2 x AMD EPYC", run: earlier, because: a test wants it}\n'
)
LABELS = {
    "model": "smol",
    "workload": "chat",
    "engine": "vllm",
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "ngram",
    "max_model_len": None,
    "tensor_parallel": 1,
    "chat": False,
    "temperature": None,
    "top_p": None,
    "statistic": None,
    "hardware": "8 x H200",
    "against": None,
}


def catalogue(folder: Path, row: str) -> Catalogue:
    (folder / "smol.yaml").write_text(f"model: smol\nspeed:\n{row}", encoding="utf-8")
    return Catalogue.load(folder)


def test_a_floor_of_acceptance_holds_on_any_machine(tmp_path: Path) -> None:
    found = catalogue(tmp_path, ROW).find(ACCEPTANCE_LENGTH, LABELS)

    assert found is not None
    assert found.value == 2.85


def test_a_ratio_of_acceptance_lengths_is_another_row(tmp_path: Path) -> None:
    rows = catalogue(tmp_path, ROW)

    assert rows.find(ratio_of(ACCEPTANCE_LENGTH), {**LABELS, "against": "other"}) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW.replace("measured_on", "hardware"), "acceptance_length holds on any machine; write `measured_on:`"),
        (ROW.replace('measured_on: "2 x AMD EPYC", ', ""), "the key 'measured_on' is missing"),
        (ROW.replace("floor: 2.85", "floor: 1.0"), "never below 1: a floor of 1 or less can never fail"),
        (ROW.replace("floor: 2.85", "ceiling: 2.85"), "write `floor:`, not `ceiling:`"),
    ],
    ids=["hardware", "nowhere", "floor of one", "ceiling"],
)
def test_a_row_that_cannot_be_is_refused(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        catalogue(tmp_path, row)

    assert said in str(refused.value)


def measured(*lengths: float) -> Any:
    runs = [
        LoadRun("smol-vllm", "chat", number, "d", 1.0, 8, {}, {"acceptance_length": length})
        for number, length in enumerate(lengths, 1)
    ]
    return speed(runs, ACCEPTANCE_LENGTH, None, LABELS)


def test_a_recorded_row_names_no_machine_and_is_valid(tmp_path: Path) -> None:
    row = speed_row(measured(3.0, 3.01, 2.99), measured_on="8 x H200", run="now and here")

    assert (row["measured_on"], row["floor"]) == ("8 x H200", 2.82)
    assert "hardware" not in row
    assert catalogue(tmp_path, f"  - {as_text(row)}\n").find(ACCEPTANCE_LENGTH, LABELS) is not None


def test_an_acceptance_so_low_that_its_floor_could_never_fail_is_not_recorded() -> None:
    with pytest.raises(NotMeasured, match="can never fail"):
        recordable(measured(1.03, 1.03, 1.03))
