"""What a handler is told besides its variables."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.testing import make_job


class AwaitableStop(threading.Event):
    """A stop that coroutines can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    async def wait_async(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - the protocol's
        """Say that it is to stop."""
        self.asked.append(timeout)
        await asyncio.sleep(0)
        return True


def test_a_context_of_a_job_alone_is_enough_for_a_test() -> None:
    """Nothing ever stops."""
    job = make_job(element_id="the task")
    context = Context(job)
    assert (context.job, context.topic, context.worker_id, context.client) == (job, "the task", "", None)
    assert (context.attempt, context.shared, context.stop_requested) == (1, None, False)
    assert context.wait_for_stop(0.001) is False
    assert asyncio.run(context.wait_for_stop_async(0.001)) is False
    assert abs(context.now() - time.monotonic()) < 5
    with pytest.raises(RuntimeError, match="waiting for it would never end"):
        context.wait_for_stop()
    with pytest.raises(RuntimeError, match="waiting for it would never end"):
        asyncio.run(context.wait_for_stop_async())
    assert repr(context) == "Context(job_id='job-1', topic='the task', attempt=1)"


def test_time_is_that_of_the_lock() -> None:
    """Until the job can be somebody else's."""
    ends = datetime.now(UTC) + timedelta(minutes=5)
    context = Context(make_job(lock_expiration_time=ends.replace(tzinfo=None)))
    assert context.deadline == ends
    assert context.time_left is not None
    assert 290 < context.time_left <= 300
    without = Context(make_job(lock_expiration_time=None))
    assert (without.deadline, without.time_left) == (None, None)


def test_a_stop_can_be_seen_and_waited_for() -> None:
    """By functions and by coroutines, with a stop that knows those or not."""
    stop = threading.Event()
    context = Context(make_job(), stop=stop)
    assert not context.stop_requested
    assert asyncio.run(context.wait_for_stop_async(0.01)) is False
    timer = threading.Timer(0.01, stop.set)
    timer.start()
    assert asyncio.run(context.wait_for_stop_async()) is True
    timer.join()
    assert context.wait_for_stop()
    assert context.stop_requested
    awaitable = AwaitableStop()
    assert asyncio.run(Context(make_job(), stop=awaitable).wait_for_stop_async(5)) is True
    assert awaitable.asked == [5]


def test_its_logger_says_which_job(caplog: pytest.LogCaptureFixture) -> None:
    """Besides what a call says itself; it is named after the module of the handler."""

    def handler(context: Context) -> None:
        context.logger.info("at work", extra={"mine": 1, "job_id": "mine too"})
        context.logger.warning("still at work")

    caplog.set_level(logging.INFO)
    job = make_job(id="7", element_id="task", correlation_id="c")
    declare(handler).run(job)
    first, second = (vars(record) for record in caplog.records)
    assert {name: first[name] for name in ("name", "topic", "job_id", "correlation_id", "mine")} == {
        "name": __name__,
        "topic": "task",
        "job_id": "mine too",
        "correlation_id": "c",
        "mine": 1,
    }
    assert second["job_id"] == "7"


def test_a_context_stays_in_its_process() -> None:
    """With a word about what can be done."""
    with pytest.raises(TypeError, match="can take the job instead"):
        pickle.dumps(Context(make_job()))
