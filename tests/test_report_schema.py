import json
import math
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from test_reports_ledger import LABELS, load_of, speed_verdict
from test_reports_summary import Told, item_of

from reports.published.studies import known_studies, read_study
from reports.published.summary import summary_of
from reports.schema.described import SCHEMA, WORDS, schema, words
from reports.schema.document import report_json
from reports.summarising import summarise, summarise_all
from reports.summary import SCHEMA_VERSION, Summary
from thresholds.verdict import Outcome

WRITTEN = json.loads(SCHEMA.read_text(encoding="utf-8"))


def faults(summary: Summary) -> list[str]:
    document = json.loads(report_json(summary))
    return [f"{list(one.absolute_path)}: {one.message}" for one in Draft202012Validator(WRITTEN).iter_errors(document)]


@pytest.fixture
def told() -> Told:
    """A session with answers, failed ones too, verdicts of every outcome, and loads."""
    told = Told()
    for quantization, shift in (("none", 0), ("int8", 1)):
        for number in (1, 2):
            items = [item_of(i, float((i + number) % 3 < shift + 1), guess=0.25) for i in range(12)]
            told.run(quantization, number, [*items, item_of(12, 0.0, scores={}, failed="HTTP 503")])
    for outcome in Outcome:
        told.verdict(outcome, "int8", "gsm8k", measured=0.5, required=0.4, headroom=0.1)
    told.ledger.record_engine("s1", LABELS, {"seconds": 3.0})
    told.ledger.record_load("s1", load_of(), LABELS | {"workload": "chat", "hardware": "cpu", "against": None})
    told.ledger.record_verdict("s1", speed_verdict("engine_failed"))
    return told


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(WRITTEN)


def test_the_schema_and_its_documentation_are_those_of_the_view_model() -> None:
    """After a change of the view model: python -m reports.schema."""
    assert schema() == WRITTEN
    assert words(WRITTEN) == WORDS.read_text(encoding="utf-8")


def test_every_field_says_what_it_means() -> None:
    parts: dict[str, Any] = {"report": WRITTEN, **WRITTEN["$defs"]}
    silent = {
        f"{part}.{name}"
        for part, definition in parts.items()
        for name, field in definition["properties"].items()
        if not field.get("description")
    }

    assert silent == set()


def test_the_report_of_a_session_obeys_the_schema(told: Told) -> None:
    assert faults(summarise(told.ledger)) == []


def test_the_report_of_all_sessions_obeys_the_schema(told: Told) -> None:
    told.session("s2")
    told.scores("none", 1, 1.0, 0.0)

    assert faults(summarise_all(told.ledger)) == []


@pytest.mark.parametrize("name", known_studies())
def test_the_report_of_a_published_study_obeys_the_schema(name: str) -> None:
    assert faults(summary_of(read_study(name))) == []


def test_the_schema_refuses_another_version_and_a_field_of_another_type(told: Told) -> None:
    document = json.loads(report_json(summarise(told.ledger)))
    validator = Draft202012Validator(WRITTEN)

    assert not validator.is_valid({**document, "schema_version": SCHEMA_VERSION + 1})
    assert not validator.is_valid({**document, "tasks": "gsm8k"})
    assert not validator.is_valid({name: value for name, value in document.items() if name != "rows"})


def test_a_field_that_was_added_later_is_no_fault(told: Told) -> None:
    document = json.loads(report_json(summarise(told.ledger)))

    assert Draft202012Validator(WRITTEN).is_valid({**document, "more": 1})


def test_what_is_no_finite_number_is_null_in_the_file(told: Told) -> None:
    session = told.ledger.record_session({"session": "s2", "odd": [math.nan, math.inf], "path": Path("a")})
    told.now = session
    told.scores("none", 1, 1.0)

    text = report_json(summarise(told.ledger))

    assert "NaN" not in text
    assert json.loads(text)["provenance"]["odd"] == [None, None]
