"""How subscriptions and workers ask, on the embedded engine: woken, looking, with many topics, ahead of handlers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.faults.conftest import PATIENCE, Workshop, eventually, worker_of

from flowable.external_worker_client import Call, CallNext, ExternalWorkerSubscription, Worker
from flowable.external_worker_client.limiter import Allowance
from flowable.external_worker_client.testing import EmbeddedEngine, Fault, Process, Task

Workshops = Callable[..., Workshop]

LONG = 3600.0  # seconds: a wait that nobody sits out
ANY_JOB = {"unlocked": "true", "size": "0"}


def _pass_time(workshop: Workshop, seconds: float) -> None:
    """Let time pass, with everything that happens in it."""
    assert workshop.clock is not None
    until = workshop.clock.now() + seconds

    def passed(engine: EmbeddedEngine) -> bool:
        return workshop.clock is not None and workshop.clock.now() >= until

    workshop.engine.wait_until(passed, PATIENCE)


def _asleep(workshop: Workshop, *threads: threading.Thread) -> None:
    """Wait until all threads of the clock wait, without letting time pass."""
    clock = workshop.clock
    assert clock is not None

    def asleep() -> bool:
        # Whose moment has come is about to be awake.
        due = [moment for moment in clock._wakeups.values() if moment <= clock.now()]
        return clock.sleepers >= clock.threads >= len(threads) and not due

    eventually(asleep, "threads to wait")


def _idle(workshop: Workshop, **options: Any) -> ExternalWorkerSubscription:
    """Return a subscription that has found nothing for hours, and asks next in half an hour at the earliest."""
    client = workshop.client()
    subscription = client.subscribe("t", lambda job, result: None, wait_period_seconds=LONG, **options)
    _pass_time(workshop, 3 * LONG)
    _asleep(workshop, subscription.thread)
    return subscription


# ---------------------------------------------------------------- wake


@pytest.mark.parametrize("concurrency", [1, 4])
def test_who_is_woken_finds_a_job_at_once(workshops: Workshops, concurrency: int) -> None:
    """From any thread; the clock stands still meanwhile."""
    workshop = workshops()
    subscription = _idle(workshop, concurrency=concurrency)
    (instance,) = workshop.start(1)
    waker = threading.Thread(target=subscription.wake)
    waker.start()
    waker.join(PATIENCE)
    eventually(lambda: workshop.engine.instance(instance).ended, "the job to be done without any time")


def test_without_being_woken_it_waits(workshops: Workshops) -> None:
    """What the other tests of this file rely on."""
    workshop = workshops()
    _idle(workshop)
    assert workshop.clock is not None
    asked, before = len(workshop.wire.asked), workshop.clock.now()
    (instance,) = workshop.start(1)
    workshop.engine.wait_for_end(instance)
    assert workshop.clock.now() - before > 100.0
    assert len(workshop.wire.asked) - asked <= 2


def test_a_handler_wakes_another_subscription(workshops: Workshops) -> None:
    """Before its own job is settled, and so before anybody looks by himself."""
    workshop = workshops()
    workshop.engine.deploy(Process("other", Task("first", "other")))
    subscription = _idle(workshop)
    seen: list[bool] = []

    def handler(job: Any, result: Any) -> None:
        (instance,) = workshop.start(1)
        subscription.wake()
        eventually(lambda: workshop.engine.instance(instance).ended, "the job of the other topic to be done")
        seen.append(True)

    workshop.start(1, "other")
    workshop.client().subscribe("other", handler)
    eventually(lambda: seen, "the handler to end")


def test_a_handler_may_wake_its_own_subscription(workshops: Workshops) -> None:
    """Its thread is the one that would ask, which it does when it is free."""
    workshop = workshops()
    handled: list[str] = []
    subscriptions: list[ExternalWorkerSubscription] = []

    def handler(job: Any, result: Any) -> None:
        subscriptions[0].wake()
        handled.append(job.id)

    subscriptions.append(workshop.client().subscribe("t", handler, wait_period_seconds=LONG))
    workshop.engine.wait_for_end(*workshop.start(3))
    assert len(handled) == 3


def test_to_wake_a_subscription_that_has_ended_does_nothing(workshops: Workshops) -> None:
    """Nor one that is told to stop, and never an error."""
    workshop = workshops()
    subscription = _idle(workshop)
    subscription.event.set()
    subscription.wake()
    assert subscription.unsubscribe(PATIENCE)
    asked = len(workshop.wire.asked)
    workshop.start(1)
    for _ in range(3):
        subscription.wake()
    assert len(workshop.wire.asked) == asked
    assert not subscription.thread.is_alive()


def test_who_is_woken_again_and_again_asks_one_question_at_a_time(workshops: Workshops) -> None:
    """However many threads do it, and as fast as they can."""
    workshop = workshops()
    subscription = _idle(workshop, concurrency=3)
    under_way, most = Counter[str](), list[int]()

    def before(operation: str, body: dict[str, Any]) -> None:
        under_way[operation] += 1
        most.append(under_way["acquire"])
        under_way[operation] -= 1

    workshop.wire.before = before
    asked = len(workshop.wire.asked)

    def wake_often() -> None:
        for _ in range(50):
            subscription.wake()

    threads = [threading.Thread(target=wake_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    eventually(lambda: len(workshop.wire.asked) > asked, "a question")
    _asleep(workshop)
    assert max(most) == 1
    assert len(workshop.wire.asked) - asked <= 2 * 200


def test_who_is_woken_while_a_question_is_on_the_wire_asks_once_more(workshops: Workshops) -> None:
    """That question may have missed the job."""
    workshop = workshops()
    subscription = _idle(workshop)
    on_the_wire, go_on = threading.Event(), threading.Event()

    def before(operation: str, body: dict[str, Any]) -> None:
        on_the_wire.set()
        assert go_on.wait(PATIENCE)

    workshop.wire.before = before
    asked = len(workshop.wire.asked)
    subscription.wake()
    assert on_the_wire.wait(PATIENCE)
    subscription.wake()
    go_on.set()
    eventually(lambda: len(workshop.wire.asked) == asked + 2, "another question, without any time")
    _asleep(workshop, subscription.thread)
    assert len(workshop.wire.asked) == asked + 2


def test_who_is_woken_while_the_engine_is_away_asks_again_within_a_second(workshops: Workshops) -> None:
    """Otherwise it waits for up to half a minute."""
    workshop = workshops()
    clock = workshop.clock
    assert clock is not None
    away = True

    def before(operation: str, body: dict[str, Any]) -> None:
        if away:
            raise requests.ConnectionError("the engine is away")

    workshop.wire.before = before
    subscription = workshop.client().subscribe("t", lambda job, result: None)
    _pass_time(workshop, 300.0)
    _asleep(workshop, subscription.thread)
    (instance,) = workshop.start(1)
    away, before_it = False, clock.now()
    subscription.wake()
    workshop.engine.wait_for_end(instance)
    assert clock.now() - before_it <= 1.0


# ---------------------------------------------------------------- looks


def test_a_chain_of_topics_is_worked_off_in_one_go(workshops: Workshops) -> None:
    """With `subscribe` as it is, which waits for up to thirty seconds: the first time, and the next ones."""
    workshop = workshops()
    clock = workshop.clock
    assert clock is not None
    topics = [f"step-{number}" for number in range(5)]
    workshop.engine.deploy(Process("chain", *(Task(topic, topic) for topic in topics)))
    client = workshop.client()
    subscriptions = [client.subscribe(topic, lambda job, result: None) for topic in topics]
    for _ in range(3):
        _pass_time(workshop, 300.0)
        before = clock.now()
        instances = workshop.start(1, "chain")
        subscriptions[0].wake()
        workshop.engine.wait_for_end(*instances)
        assert clock.now() - before <= 1.0


def test_the_next_task_of_the_same_topic_is_looked_for_as_well(workshops: Workshops) -> None:
    """Other handlers of the topic may have left it idle: here one runs for a minute while nothing else comes."""
    workshop = workshops()
    clock = workshop.clock
    assert clock is not None
    workshop.engine.deploy(Process("twice", Task("first", "t"), Task("second", "t")))
    began: list[float] = []

    def handler(job: Any, result: Any) -> None:
        began.append(clock.now())
        if len(began) == 1:
            # Long enough for the other thread to have given up asking often.
            ended = threading.Event()
            clock.wait(ended, 50.0)

    client = workshop.client()
    subscription = client.subscribe("t", handler, lock_duration="1h", wait_period_seconds=LONG, concurrency=2)
    _pass_time(workshop, LONG)
    (instance,) = workshop.start(1, "twice")
    subscription.wake()
    workshop.engine.wait_for_end(instance)
    assert 50.0 <= began[1] - began[0] <= 51.0


# ---------------------------------------------------------------- many topics


def test_the_idle_topics_of_a_worker_cost_one_look(workshops: Workshops) -> None:
    """Instead of a question each; a job for one of them is found as soon as it would be alone."""
    workshop = workshops()
    clock, wire = workshop.clock, workshop.wire
    assert clock is not None
    topics = ("t", *(f"idle-{number}" for number in range(7)))
    with worker_of(*topics).running(workshop.client()):
        _pass_time(workshop, 5.0)
        asked, listed = len(wire.asked), len(wire.listed)
        _pass_time(workshop, 30.0)
        assert len(wire.asked) == asked
        assert 30 <= len(wire.listed) - listed <= 50
        assert all(filters == ANY_JOB for filters in wire.listed)
        before = clock.now()
        workshop.engine.wait_for_end(*workshop.start(1))
        assert clock.now() - before <= 1.0
        eventually(lambda: len(wire.asked) - asked >= len(topics), "all to ask")
        clock.end()


def test_work_that_nobody_here_does_brings_back_a_question_for_each_topic(workshops: Workshops) -> None:
    """At the pause of each; and looks become rare."""
    workshop = workshops()
    clock, wire = workshop.clock, workshop.wire
    assert clock is not None
    workshop.engine.deploy(Process("foreign", Task("theirs", "theirs")))
    workshop.start(1, "foreign")
    with worker_of("t", "a", "b").running(workshop.client()):
        _pass_time(workshop, 20.0)
        asked, listed = len(wire.asked), len(wire.listed)
        _pass_time(workshop, 20.0)
        assert 3 * 25 <= len(wire.asked) - asked <= 3 * 36
        assert len(wire.listed) - listed <= 4
        clock.end()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_worker_that_may_not_list_jobs_asks_for_each_topic(workshops: Workshops, status: int) -> None:
    """Its handlers get their jobs all the same."""
    workshop = workshops()
    clock, wire = workshop.clock, workshop.wire
    assert clock is not None
    workshop.engine.faults.add(Fault(operation="list", status=status), times=None)
    with worker_of("t", "a", "b").running(workshop.client()):
        _pass_time(workshop, 10.0)
        before = clock.now()
        workshop.engine.wait_for_end(*workshop.start(1))
        assert clock.now() - before <= 1.0
        assert len(wire.listed) <= 2
        clock.end()


def test_subscriptions_without_a_worker_and_workers_of_one_topic_never_list(workshops: Workshops) -> None:
    """They send what version 1 sends."""
    workshop = workshops()
    clock = workshop.clock
    assert clock is not None
    client = workshop.client()
    for topic in ("t", "a", "b"):
        client.subscribe(topic, lambda job, result: None, wait_period_seconds=1)
    with worker_of("c").running(workshop.client()):
        _pass_time(workshop, 20.0)
        assert workshop.wire.listed == []
        clock.end()


# ---------------------------------------------------------------- a stock


def _locked(workshop: Workshop) -> list[str]:
    return [job.id for job in workshop.engine.jobs("t") if job.lock_owner is not None]


def test_quick_handlers_do_not_wait_for_acquires(workshops: Workshops) -> None:
    """More is asked for while jobs are left. At a stop, those go back as they came; each job is done once."""
    workshop = workshops(real_time=True)
    jobs, handled = 300, Counter[str]()
    locked_when_asked: list[int] = []
    release = threading.Event()

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "acquire":
            locked_when_asked.append(len(_locked(workshop)))
            # An engine that is slow to acquire: threading.Event().wait is a pause, here.
            release.wait(0.02)

    workshop.wire.before = before
    instances = workshop.start(jobs)
    subscription = workshop.client().subscribe(
        "t", lambda job, result: handled.update([str(job.correlation_id)]), concurrency=4
    )
    eventually(lambda: sum(handled.values()) >= 150, "half of the jobs")
    assert subscription.unsubscribe(PATIENCE)
    assert max(locked_when_asked) > 4, "it was asked for more while jobs were left"
    done = [each for each in instances if workshop.engine.instance(each).ended]
    assert len(done) == len(handled) == sum(handled.values())
    assert _locked(workshop) == []
    left = workshop.engine.jobs("t")
    assert len(left) == jobs - len(done)
    assert {job.retries for job in left} <= {3}


def test_one_after_the_other_locks_what_version_1_locks(workshops: Workshops) -> None:
    """No job is locked that does not run, but for those of a batch."""
    workshop = workshops(real_time=True)
    locked_when_asked: list[int] = []

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "acquire":
            locked_when_asked.append(len(_locked(workshop)))

    workshop.wire.before = before
    instances = workshop.start(30)
    workshop.client().subscribe("t", lambda job, result: None, number_of_tasks=5)
    workshop.engine.wait_for_end(*instances, timeout=PATIENCE)
    assert set(locked_when_asked) == {0}
    assert set(workshop.wire.asked) <= {1, 5}


# ---------------------------------------------------------------- limits


class OneAtATime:
    """Middleware that knows a limit: the next job is allowed when the last one has ended, which time does not tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 1
        self.refused = threading.Event()
        self.patient = True

    def take(self, wanted: int, now: float) -> Allowance:
        """Reserve one, or none."""
        with self._lock:
            if self._left:
                self._left = 0
                return Allowance(1, 0.0)
            self.refused.set()
            return Allowance(0, LONG)

    def give_back(self, jobs: int, now: float) -> None:
        """It did not come, or is not run."""
        with self._lock:
            self._left = 1

    def __call__(self, call: Call, call_next: CallNext) -> Any:
        """Run it, once the other thread has been refused."""
        assert self.refused.wait(PATIENCE)
        if self.patient:
            self.refused.clear()
        try:
            return call_next(call)
        finally:
            with self._lock:
                self._left = 1


@pytest.mark.parametrize("fails", [False, True], ids=["success", "failure"])
def test_when_a_limit_allows_more_the_thread_that_waits_for_it_asks(workshops: Workshops, fails: bool) -> None:
    """The end of a job is the moment, although the limit said that it would take a minute; the clock stands still."""
    workshop = workshops()
    limit = OneAtATime()
    worker = Worker(concurrency=2)

    calls: list[bool] = []

    @worker.job("t", middleware=[limit])
    def handler() -> None:
        calls.append(fails)
        if fails:
            raise ValueError("no")

    workshop.start(3)
    with worker.running(workshop.client()):
        eventually(lambda: len(calls) >= 2, "two jobs without any time")
        # The third one, too, would wait until the other thread was refused, which it need not be any more.
        limit.patient = False
        limit.refused.set()
        eventually(lambda: len(calls) == 3, "the third one")
