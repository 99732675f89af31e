"""Exclusive jobs of one process instance starve in batches: the engine answers nothing, and one gets around it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest
from tests.faults.conftest import Workshop

from flowable.external_worker_client.testing import Parallel, Process, Task

Workshops = Callable[..., Workshop]
STARVING = Process("pair", Parallel(Task("a", "t"), Task("b", "t")))
SAID = (
    "Topic 't': the engine gave no jobs in a batch, and one when asked for one: exclusive jobs of one process instance "
    'block each other. Batches are smaller from now on; better set flowable:exclusive="false" on the external worker '
    "tasks of this topic"
)


@pytest.mark.parametrize("slots", [1, 3], ids=["serial", "concurrent"])
def test_starving_jobs_are_found_by_asking_for_one(
    workshops: Workshops, slots: int, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, or after two batches; seen three times, batches are halved until they bring something, which is said."""
    workshop = workshops()
    engine, clock = workshop.engine, workshop.clock
    assert clock is not None
    engine.deploy(STARVING)
    instances = workshop.start(3, "pair")
    clock.advance(1.0)
    workshop.client().subscribe("t", lambda job, result: None, number_of_tasks=5, concurrency=slots)
    engine.wait_for_end(*instances)
    # With several slots, there are looks in between, after settled jobs.
    asked = workshop.wire.asked[:9] if slots == 1 else [count for count, _ in groupby(workshop.wire.asked)][:7]
    assert asked == ([5, 1, 5, 5, 1, 5, 5, 1, 2] if slots == 1 else [5, 1, 5, 1, 5, 1, 2])
    assert clock.now() < 5
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [SAID]


def test_jobs_that_appear_between_an_empty_batch_and_a_question_for_one_are_not_taken_for_starving_ones(
    workshops: Workshops, caplog: pytest.LogCaptureFixture
) -> None:
    """However often: a process that starts as soon as the one before has ended is as regular as the questions are."""
    workshop = workshops()
    engine = workshop.engine
    started: list[str] = []

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "acquire" and body["numberOfTasks"] == 1:
            started.append(engine.start("p"))

    workshop.wire.before = before
    workshop.client().subscribe("t", lambda job, result: None, number_of_tasks=5)
    engine.wait_until(lambda engine: sum(engine.instance(each).ended for each in tuple(started)) >= 8)
    assert set(workshop.wire.asked) == {5, 1}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_jobs_that_are_not_exclusive_come_in_whole_batches(
    workshops: Workshops, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is said, and nothing becomes smaller."""
    workshop = workshops()
    engine = workshop.engine
    engine.deploy(Process("pair", Parallel(Task("a", "t", exclusive=False), Task("b", "t", exclusive=False))))
    instances = workshop.start(5, "pair")
    workshop.client().subscribe("t", lambda job, result: None, number_of_tasks=5)
    engine.wait_for_end(*instances)
    assert workshop.wire.asked[:2] == [5, 5]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
