"""Fixtures of the storms, and the table of their figures at the end of the run."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

# Before it is imported: its assertions shall say what they compared.
pytest.register_assert_rewrite("tests.storms.storm")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine import postgres
    from tests.storms.storm import Storm
    from tests.support.models import Model

FIGURES = "storm figures"
USUAL_JOBS = 200
# A storm of many jobs takes longer: in seconds, for each job beyond the usual number.
PER_JOB = 0.3


# First: the time-outs of tests/conftest.py are for those that have none.
@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Give more time to storms of many jobs."""
    usual = item.get_closest_marker("timeout")
    more = item.config.getoption("--storm-jobs") - USUAL_JOBS
    if usual is not None and more > 0:
        item.add_marker(pytest.mark.timeout(usual.args[0] + more * PER_JOB), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all storms as a table."""
    from tests.storms.figures import Figures, table  # noqa: PLC0415  # only when there was one

    found = [
        Figures.load(str(value))
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == FIGURES
    ]
    if found:
        terminalreporter.section("storms")
        for line in table(sorted(found, key=lambda each: each.storm)):
            terminalreporter.write_line(line)


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """What the dice of a storm begin with."""
    given: int | None = pytestconfig.getoption("--storm-seed")
    return random.SystemRandom().randrange(1_000_000) if given is None else given


@pytest.fixture
def storm(
    pytestconfig: pytest.Config, models: Callable[[str], Model], tmp_path: Path, seed: int
) -> Callable[..., Storm]:
    """Make a storm, from `engine_url` and whatever else a `Storm` takes that is not known here."""
    from tests.storms.storm import Storm  # noqa: PLC0415  # only when used

    numbers = itertools.count(1)

    def make(**options: Any) -> Storm:
        folder = tmp_path / f"storm-{next(numbers)}"
        folder.mkdir()
        options.setdefault("worker_url", options["engine_url"])
        options.setdefault("jobs", pytestconfig.getoption("--storm-jobs"))
        return Storm(model=models("task.bpmn20.xml"), folder=folder, seed=seed, **options)

    return make


@pytest.fixture
def postgres_server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL server of the test's own, with an empty database."""
    from engine import postgres  # noqa: PLC0415  # only when used

    with postgres.start() as server:
        yield server
