"""What a JUnit file says beside pass and fail: properties of the session, and of each test its verdicts."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from thresholds.speed import key
from thresholds.verdict import Verdict


def tell_suite(config: pytest.Config, properties: Mapping[str, Any]) -> None:
    """Add properties to the test suite of the JUnit file, if one is written.

    The fixture `record_testsuite_property` does the same; a controller of pytest-xdist runs no fixture.
    """
    for plugin in config.pluginmanager.get_plugins():
        add = getattr(plugin, "add_global_property", None)
        if callable(add):
            for name, value in properties.items():
                add(f"weighbridge.{name}", str(value))


class Testimony:
    """Keeps the test that runs, and adds to its properties what was decided in it."""

    def __init__(self) -> None:
        self._item: pytest.Item | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Know which test runs: https://docs.pytest.org/en/stable/reference/reference.html#test-running-runtest-hooks."""
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_judged(self, verdict: Verdict) -> None:
        """See fixtures/hookspecs.py. A later verdict on the same takes the place of an earlier one."""
        if self._item is None:
            return
        told = properties_of(verdict)
        kept = [(name, value) for name, value in self._item.user_properties if name not in told]
        self._item.user_properties[:] = [*kept, *told.items()]


def properties_of(verdict: Verdict) -> dict[str, str]:
    """By name: accuracy.verdict, accuracy.measured, accuracy.required; what is unknown is left out."""
    name = key(verdict.metric, verdict.labels.get("statistic"))
    known = {
        "verdict": str(verdict.outcome),
        "reason": verdict.reason,
        "measured": verdict.measured,
        "low": verdict.low,
        "high": verdict.high,
        "required": verdict.required,
        "where": verdict.where,
    }
    return {f"{name}.{what}": str(value) for what, value in known.items() if value is not None}
