"""An engine that is away, and what the topics of one client make of its return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.faults.conftest import PATIENCE, Workshop, worker_of

from flowable.external_worker_client.testing import Process, Task

Workshops = Callable[..., Workshop]
BACK = 100.0  # seconds: pauses have grown to half a minute
TOPICS = ["t", "u", "v", "x", "y"]


def _away(workshop: Workshop, *, since: float = 0.0, until: float = BACK) -> list[tuple[float, str]]:
    """Let nobody reach the engine for some time; return when what was asked before and after that."""
    clock = workshop.clock
    assert clock is not None
    asked: list[tuple[float, str]] = []

    def before(operation: str, body: dict[str, Any]) -> None:
        now = clock.now()
        if since <= now < until:
            message = "down"
            raise requests.ConnectionError(message)
        asked.append((now, str(body.get("topic", operation))))

    workshop.wire.before = before
    return asked


def test_one_topic_says_that_the_engine_is_down_and_all_ask_soon_after_the_first_answer(
    workshops: Workshops, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines of the others are there for who wants them."""
    workshop = workshops()
    engine = workshop.engine
    for topic in TOPICS[1:]:
        engine.deploy(Process(topic, Task("work", topic)))
    asked = _away(workshop)
    client = workshop.client()
    for topic in TOPICS:
        client.subscribe(topic, lambda job, result: None)
    instances = [engine.start("p"), *(engine.start(topic) for topic in TOPICS[1:])]
    engine.wait_for_end(*instances)

    first = {topic: min(at for at, what in asked if what == topic) for topic in TOPICS}
    assert max(first.values()) - min(first.values()) <= 1.1
    lines = [record for record in caplog.records if "cannot acquire jobs" in record.getMessage()]
    loud = [record for record in lines if record.levelno >= logging.WARNING]
    assert {record.levelno for record in lines} == {logging.INFO, logging.WARNING}
    assert len({record.getMessage().partition(":")[0] for record in loud}) == 1
    assert len(lines) >= 3 * len(loud)
    back = [record.levelname for record in caplog.records if "the engine answers again" in record.getMessage()]
    assert sorted(back) == ["INFO"] * 4 + ["WARNING"]


@pytest.mark.parametrize("back", [12.0, 200.0], ids=["on the threads of handlers", "after they have left these"])
def test_results_that_wait_to_be_sent_again_are_sent_when_one_of_them_was_taken(
    workshops: Workshops, back: float
) -> None:
    """Although nobody is there to acquire: all threads have a result to deliver, at first."""
    workshop = workshops()
    engine = workshop.engine
    workshop.start(3)
    # They were acquired before, and are done meanwhile.
    asked = _away(workshop, since=0.5, until=back)

    def handler(job: Any, result: Any) -> None:
        assert workshop.clock is not None
        workshop.clock.wait(threading.Event(), 1.0)

    # One more than there are: so it is known that there are no others, and nobody asks ahead.
    workshop.client().subscribe("t", handler, concurrency=3, number_of_tasks=4, lock_duration="1h")
    engine.wait_until(lambda engine: len(engine.sent("complete")) >= 3)
    completed = [at for at, what in asked if what == "complete"]
    assert len(completed) == 3
    assert min(completed) >= back
    assert max(completed) - min(completed) <= 0.05


@pytest.mark.parametrize("back", [4.0, 31.0, 100.0])
def test_a_look_that_is_answered_ends_an_outage_for_all_idle_topics(
    workshops: Workshops, caplog: pytest.LogCaptureFixture, back: float
) -> None:
    """Though nobody acquires: each says so, and the next outage begins anew. They go on as one topic would."""
    workshop = workshops()
    clock, wire = workshop.clock, workshop.wire
    assert clock is not None
    # When they are idle.
    begin, again = 20.0, 20.0 + back + 60.0
    _away(workshop, since=begin, until=begin + back)
    with worker_of(*TOPICS).running(workshop.client()):
        workshop.engine.wait_until(lambda engine: clock.now() >= again - 9.0, timeout=PATIENCE)
        said = [record.getMessage() for record in caplog.records]
        failed = {line.partition(":")[0] for line in said if "cannot acquire jobs" in line}
        assert failed
        assert failed == {line.partition(":")[0] for line in said if "the engine answers again" in line}
        asked, listed = len(wire.asked), len(wire.listed)
        workshop.engine.wait_until(lambda engine: clock.now() >= again, timeout=PATIENCE)
        assert len(wire.asked) == asked
        assert 9 <= len(wire.listed) - listed <= 18
        caplog.clear()
        _away(workshop, since=again, until=again + 3.0)
        workshop.engine.wait_until(lambda engine: clock.now() >= again + 2.5, timeout=PATIENCE)
        first = next(line.getMessage() for line in caplog.records if "cannot acquire jobs" in line.getMessage())
        assert "(failure 1 in 0 s)" in first


def test_idle_topics_share_their_looks_again_as_soon_as_the_engine_answers(workshops: Workshops) -> None:
    """And not half a minute after the look that failed."""
    workshop = workshops()
    clock, wire = workshop.clock, workshop.wire
    assert clock is not None
    _away(workshop, since=20.0, until=23.0)
    with worker_of(*TOPICS).running(workshop.client()):
        workshop.engine.wait_until(lambda engine: clock.now() >= 30.0, timeout=PATIENCE)
        asked = len(wire.asked)
        workshop.engine.wait_until(lambda engine: clock.now() >= 45.0, timeout=PATIENCE)
        assert len(wire.asked) == asked


def test_one_result_says_that_it_waits_for_the_engine(workshops: Workshops, caplog: pytest.LogCaptureFixture) -> None:
    """Of sixteen, in each outage; and the others say the same to whoever wants to know."""
    workshop = workshops()
    engine, clock = workshop.engine, workshop.clock
    assert clock is not None

    def handler(job: Any, result: Any) -> None:
        clock.wait(threading.Event(), 1.0)

    client = workshop.client()
    for outage in (1, 2):
        caplog.clear()
        workshop.start(16)
        _away(workshop, since=clock.now() + 0.5, until=clock.now() + 20.0)
        subscription = client.subscribe("t", handler, concurrency=16, number_of_tasks=17, lock_duration="1h")
        engine.wait_until(lambda engine, done=16 * outage: len(engine.sent("complete")) >= done)  # type: ignore[misc]
        subscription.unsubscribe()
        lines = [record for record in caplog.records if "was not delivered" in record.getMessage()]
        assert len([record for record in lines if record.levelno == logging.WARNING]) == 1
        assert len({record.job_id for record in lines}) == 16  # type: ignore[attr-defined]  # one of the facts
