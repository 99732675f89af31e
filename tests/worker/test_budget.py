"""A budget over all topics of a worker: no topic starves, and every job gives its place back, however it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from tests.matrix.place import SwiftClock
from tests.support.waiting import until
from tests.worker import targets
from tests.worker.conftest import PATIENCE, Place

from flowable.external_worker_client import (
    BpmnError,
    Context,
    DeadLetter,
    ExternalWorkerClient,
    InvalidArgumentError,
    Job,
    RetryLater,
    Worker,
    rate_limit,
)
from flowable.external_worker_client.running import Running
from flowable.external_worker_client.runtime import budget as budget_module
from flowable.external_worker_client.runtime import subscription as subscription_module
from flowable.external_worker_client.runtime.acquiring import Acquiring
from flowable.external_worker_client.runtime.budget import Budget
from flowable.external_worker_client.runtime.one_job import JobRunner
from flowable.external_worker_client.runtime.places import SharedBudget
from flowable.external_worker_client.runtime.subscription import Consumer
from flowable.external_worker_client.settings import SettingsError
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine

KINDS = pytest.mark.parametrize("kind", ["function", "coroutine"])


@pytest.fixture(autouse=True)
def nobody_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a place waits until it is woken: that somebody asks again anyway would hide what is missing."""
    monkeypatch.setattr(subscription_module, "ASK_AGAIN", 3600.0)
    monkeypatch.setattr(budget_module, "CLAIM_LASTS", 7200.0)


def shared(running: Running) -> SharedBudget:
    """Return the budget of a worker at work."""
    found = running._budget
    assert found is not None
    return found


def deciding(running: Running) -> Budget:
    """Return what decides in it."""
    return shared(running)._budget


@contextmanager
def at_work(worker: Worker, client: ExternalWorkerClient, **options: Any) -> Generator[Running]:
    """Let a worker work; afterwards all places are free."""
    with worker.running(client, **options) as running:
        yield running
    until(lambda: shared(running).held, lambda held: held == 0, deadline=PATIENCE)
    assert not any(standing.claim for standing in deciding(running).topics.values())


class Handlers:
    """Handlers that begin and wait for a permit to end, by topic.

    Args:
        worker: Declares them.
        kind: Whether they are functions or coroutines.
    """

    def __init__(self, worker: Worker, kind: str) -> None:
        self._worker = worker
        self._kind = kind
        self._permits: dict[str, threading.Semaphore] = {}
        self._guard = threading.Lock()
        self.begun: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.most = 0
        self.began: list[str] = []

    def add(self, topic: str, **options: Any) -> None:
        """Declare one."""
        permits = self._permits[topic] = threading.Semaphore(0)

        def function() -> None:
            self._change(topic, 1)
            assert permits.acquire(timeout=PATIENCE)
            self._change(topic, -1)

        async def coroutine() -> None:
            self._change(topic, 1)
            await asyncio.to_thread(permits.acquire, timeout=PATIENCE)
            self._change(topic, -1)

        if self._kind == "function":
            self._worker.job(topic, **options)(function)
        else:
            self._worker.job(topic, **options)(coroutine)

    def wait_begun(self, topic: str | None, number: int) -> None:
        """Wait until so many of a topic have begun; of all topics together with `None`."""
        until(lambda: (self.begun.total() if topic is None else self.begun[topic]) == number, deadline=PATIENCE)

    def end(self, topic: str, number: int = 1) -> None:
        """Let some end."""
        self._permits[topic].release(number)

    def _change(self, topic: str, by: int) -> None:
        with self._guard:
            self.running[topic] += by
            self.most = max(self.most, self.running.total())
            if by > 0:
                self.begun[topic] += 1
                self.began.append(topic)


# ---------------------------------------------------------------- who runs


@KINDS
def test_a_busy_topic_does_not_starve_another(place: Place, kind: str) -> None:
    """Its job starts after the next end of the busy one, and that has all places before and afterwards."""
    worker = Worker(total_concurrency=4)
    handlers = Handlers(worker, kind)
    handlers.add("busy", concurrency=20)
    handlers.add("other", concurrency=20, poll=0.1)
    instances = place.start("busy", 40)
    with at_work(worker, place.client) as running:
        until(lambda: handlers.running["busy"] == 4)
        for number in range(1, 4):
            single = place.start("other")
            until(lambda: deciding(running).topics["other"].waits)
            before = handlers.begun["busy"]
            handlers.end("busy")
            handlers.wait_begun("other", number)
            assert handlers.begun["busy"] == before
            handlers.end("other")
            place.ended(single)
            handlers.wait_begun("busy", before + 1)
        assert shared(running).held == handlers.most == 4
        handlers.end("busy", 40)
        place.ended(instances)
        until(lambda: shared(running).held == 0)


def test_without_a_budget_each_topic_has_its_own_concurrency(place: Place) -> None:
    """Nothing is counted over them."""
    worker = Worker()
    handlers = Handlers(worker, "function")
    handlers.add("busy", concurrency=20)
    handlers.add("other", concurrency=20)
    instances = [*place.start("busy", 30), *place.start("other")]
    with worker.running(place.client) as running:
        assert running._budget is None
        until(lambda: handlers.running == {"busy": 20, "other": 1})
        handlers.end("busy", 30)
        handlers.end("other")
        place.ended(instances)


@KINDS
def test_shares_follow_weights_as_jobs_end(place: Place, kind: str) -> None:
    """Three quarters for three times the weight, and they stay like that while both have work."""
    worker = Worker(total_concurrency=8)
    handlers = Handlers(worker, kind)
    handlers.add("light", concurrency=20)
    handlers.add("heavy", concurrency=20, weight=3, poll=0.1)
    light = place.start("light", 60)
    with at_work(worker, place.client):
        until(lambda: handlers.running["light"] == 8)
        heavy = place.start("heavy", 60)
        ends = 0
        while handlers.running["heavy"] < 6:
            ends += 1
            handlers.end("light")
            handlers.wait_begun(None, 8 + ends)
        assert handlers.running == {"light": 2, "heavy": 6}
        for topic in ("light", "light", "heavy", "light", "heavy", "heavy"):
            ends += 1
            handlers.end(topic)
            handlers.wait_begun(None, 8 + ends)
            assert handlers.running == {"light": 2, "heavy": 6}
        handlers.end("light", 60)
        handlers.end("heavy", 60)
        place.ended([*light, *heavy])


@KINDS
def test_no_more_jobs_are_locked_than_there_are_places(place: Place, kind: str) -> None:
    """Those in stock count; with fewer places than topics each has its turn."""
    worker = Worker(total_concurrency=3, concurrency=8, number_of_tasks=4)
    locked: list[int] = []
    topics = [f"t{number}" for number in range(5)]

    def function() -> None:
        locked.append(sum(job.lock_owner is not None for job in place.engine.every_job()))

    async def coroutine() -> None:
        function()

    instances: list[str] = []
    for topic in topics:
        worker.job(topic)(function if kind == "function" else coroutine)
        instances += place.start(topic, 20)
    with at_work(worker, place.client) as running:
        place.ended(instances)
        until(lambda: shared(running).held == 0)
    assert max(locked) <= 3
    assert Counter(request.operation for request in place.engine.sent()) == {"complete": 100}


def test_a_budget_is_that_of_the_worker_that_is_run(place: Place) -> None:
    """It counts for handlers of included workers, with weights of their own or of their worker."""
    inner, outer = Worker(weight=2), Worker(total_concurrency=3, weight=5)
    handlers = Handlers(inner, "function")
    handlers.add("inner", concurrency=10)
    handlers.add("own", weight=0.5)
    outer.include(inner)
    outer.job("outer")(targets.double)
    place.start("inner", 9)
    with at_work(outer, place.client) as running:
        until(lambda: handlers.running["inner"] == 3)
        weights = {topic: standing.weight for topic, standing in deciding(running).topics.items()}
        assert weights == {"inner": 2.0, "own": 0.5, "outer": 5.0}
        handlers.end("inner", 9)
        until(lambda: handlers.begun["inner"] == 9)
    assert handlers.most == 3


def test_a_budget_from_the_environment(place: Place, clean_environment: Callable[..., None]) -> None:
    """It counts for workers that do not say themselves; what is no number is refused before anything is opened."""
    clean_environment(WORKER_TOTAL_CONCURRENCY="2")
    for total, expected in ((None, 2), (3, 3)):
        worker = Worker(total_concurrency=total)
        worker.job("t")(targets.double)
        with at_work(worker, place.client) as running:
            assert deciding(running).total == expected
    clean_environment(WORKER_TOTAL_CONCURRENCY="many")
    worker = Worker()
    worker.job("t")(targets.double)
    with (
        pytest.raises(SettingsError, match=r"^FLOWABLE_WORKER_TOTAL_CONCURRENCY is 'many'"),
        worker.running(place.client),
    ):
        pass


def test_a_worker_on_the_callers_loop_has_a_budget(place: Place) -> None:
    """As in every other block, and a new one in each."""
    worker = Worker(total_concurrency=2)

    @worker.job("t")
    async def handler() -> None: ...

    async def main() -> None:
        block = worker.running(place.client)
        budgets: list[SharedBudget] = []
        for _ in range(2):
            async with block as running:
                budgets.append(shared(running))
                instances = place.start(number=5)
                await asyncio.to_thread(place.ended, instances)
            assert shared(running).held == 0
        assert budgets[0] is not budgets[1]

    asyncio.run(main())


def test_limits_of_a_topic_count_what_runs_and_not_what_the_budget_refuses(place: Place) -> None:
    """Every job that is refused a place is given back to them."""
    worker = Worker(total_concurrency=1, concurrency=5)
    handlers = Handlers(worker, "function")
    handlers.add("busy")
    handlers.add("t", poll=0.05, middleware=[rate_limit(5, per="1h")])
    place.start("busy", 6)
    with at_work(worker, place.client) as running:
        until(lambda: handlers.running["busy"] == 1)
        instances = place.start("t", 5)
        until(lambda: deciding(running).topics["t"].waits)
        handlers.end("busy", 6)
        handlers.end("t", 5)
        place.ended(instances)


def test_a_topic_whose_limits_allow_nothing_keeps_no_place(place: Place) -> None:
    """The others get what it would have had."""
    worker = Worker(total_concurrency=2)
    handlers = Handlers(worker, "function")
    handlers.add("busy", concurrency=5)
    handlers.add("limited", concurrency=5, weight=100, middleware=[rate_limit(1, per="1h")])
    place.start("limited", 3)
    with at_work(worker, place.client):
        until(lambda: handlers.running["limited"] == 1)
        instances = place.start("busy", 5)
        handlers.end("limited")
        until(lambda: handlers.running["busy"] == 2)
        handlers.end("busy", 5)
        place.ended(instances)


# ---------------------------------------------------------------- how jobs end


def _raise(error: BaseException) -> Callable[[Job, Context], None]:
    def handler(job: Job, context: Context) -> None:
        raise error

    return handler


def _by_hand(job: Job, context: Context) -> None:
    context.client._restClient.complete_job(job.id)


def _twice(job: Job, context: Context) -> None:
    _by_hand(job, context)
    raise ValueError("after that")


ENDS: dict[str, Callable[[Job, Context], object]] = {
    "nothing": lambda job, context: None,
    "variables": lambda job, context: {"y": 1},
    "failure": _raise(ValueError("no")),
    "put off": _raise(RetryLater("1h")),
    "dead letter": _raise(DeadLetter("no")),
    "BPMN error": _raise(BpmnError("none")),
    "exit": _raise(SystemExit(3)),
    "interrupt": _raise(KeyboardInterrupt()),
    "by hand": _by_hand,
    "by hand, and then an exception": _twice,
    "what cannot be stored": lambda job, context: {"n" * 300: 1},
}


@KINDS
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_job_gives_its_place_back_however_its_handler_ends(
    place: Place, kind: str, end: Callable[[Job, Context], Any]
) -> None:
    """Of four jobs on three places, each has had one, and all are free."""
    worker = Worker(total_concurrency=3, concurrency=2)

    def function(job: Job, context: Context) -> Any:
        return end(job, context)

    async def coroutine(job: Job, context: Context) -> Any:
        return await asyncio.to_thread(end, job, context) if end is not _by_hand else end(job, context)

    worker.job("t")(function if kind == "function" else coroutine)
    place.start(number=4)
    with at_work(worker, place.client) as running:
        place.settled(number=4)
        until(lambda: shared(running).held == 0)


@pytest.mark.parametrize("how", ["nothing", "raise", "picky", "bpmn", "exit", "lock", "kill", "_exit"])
def test_a_job_gives_its_place_back_however_its_process_ends(place: Place, how: str) -> None:
    """Also one that is killed, or whose result cannot be sent back."""
    worker = Worker(total_concurrency=2)
    worker.job("t", processes=2)(targets.behave)
    place.start(number=3, how=how)
    with at_work(worker, place.client) as running:
        place.settled(number=3)
        until(lambda: shared(running).held == 0)


@pytest.mark.parametrize("closed", [False, True])
def test_a_job_gives_its_place_back_when_its_executor_has_run_it_or_takes_none(place: Place, closed: bool) -> None:
    """A pool of somebody's own."""
    worker = Worker(total_concurrency=2)
    with ThreadPoolExecutor(2) as executor:
        worker.job("t", executor=executor, concurrency=2)(targets.double)
        if closed:
            executor.shutdown()
        place.start(number=5, x=1)
        with at_work(worker, place.client) as running:
            place.settled(number=5)
            until(lambda: shared(running).held == 0)


@KINDS
@pytest.mark.parametrize("how", ["deleted", "lock lost", "away"])
def test_a_job_gives_its_place_back_when_it_cannot_be_settled(place: Place, kind: str, how: str) -> None:
    """Its process is deleted while it runs, somebody else has it, or the engine answers that it cannot now."""
    worker = Worker(total_concurrency=1, concurrency=2)
    ran: list[str] = []

    def function(job: Job) -> None:
        if not ran and how == "deleted":
            place.engine.delete(first)
        ran.append(job.id)

    async def coroutine(job: Job) -> None:
        function(job)

    if how == "lock lost":
        place.engine.faults.expired_lock("complete")
    elif how == "away":
        place.engine.faults.next("complete", status=503, times=2)
    worker.job("t")(function if kind == "function" else coroutine)
    [first] = place.start()
    with at_work(worker, place.client) as running:
        until(lambda: ran)
        place.ended(place.start(number=3))
        until(lambda: shared(running).held == 0)


def test_a_job_that_comes_again_while_it_runs_takes_no_second_place(place: Place) -> None:
    """Its run has taken over the new lock."""
    worker = Worker(total_concurrency=2)
    handlers = Handlers(worker, "function")
    handlers.add("t", concurrency=2, poll=0.05)
    instances = place.start()
    with at_work(worker, place.client) as running:
        until(lambda: handlers.running["t"] == 1)
        before = place.engine.the_job("t")
        place.engine.expire_lock(before.id)
        until(lambda: place.engine.the_job("t").lock_owner not in {None, before.lock_owner})
        until(lambda: shared(running).held == 1)
        handlers.end("t")
        place.ended(instances)
        until(lambda: shared(running).held == 0)
    assert handlers.begun["t"] == 1


def test_a_job_that_cannot_be_read_gives_its_place_back(place: Place) -> None:
    """Once it has been reported; the jobs that came with it keep theirs."""
    spoilt: list[str] = []
    held: list[int] = []
    budgets: list[SharedBudget] = []

    def spoil(response: Any, **_: object) -> None:
        if response.url.endswith("/fail"):
            held.append(budgets[0].held)
        jobs: list[dict[str, Any]] = json.loads(response.content) if response.url.endswith("/acquire/jobs") else []
        if len(jobs) > 1 and not spoilt:
            spoilt.append(jobs[0]["id"])
            jobs[0]["variables"] = 7
            response._content = json.dumps(jobs).encode()

    adapter = EmbeddedAdapter(place.engine)

    def customize(session: Any) -> None:
        adapter.mount(session)
        session.hooks["response"].append(spoil)

    worker = Worker(total_concurrency=4)
    handlers = Handlers(worker, "function")
    handlers.add("t", concurrency=4, poll=0.05)
    with (
        ExternalWorkerClient(adapter.url, customize_session=customize) as client,
        at_work(worker, client) as running,
    ):
        budgets.append(shared(running))
        place.start(number=3)
        until(lambda: handlers.running["t"] == 2 and shared(running).held == 2)
        [failed] = place.settled()
        assert ([failed.job_id], held) == (spoilt, [3])
        handlers.end("t", 2)
        until(lambda: shared(running).held == 0)


def test_jobs_of_other_tenants_give_their_places_back(place: Place) -> None:
    """When they have been given back themselves, and not before."""
    worker = Worker(total_concurrency=2, tenants=["ours"])
    worker.job("t", concurrency=5, poll=0.05)(targets.double)
    held: list[int] = []
    budgets: list[SharedBudget] = []
    with at_work(worker, place.client) as running:
        budgets.append(shared(running))
        stop = place.engine.on_event(lambda event: held.append(budgets[0].held) if event.kind == "failed" else None)
        place.start(number=5, tenant_id="theirs", x=1)
        place.ended(place.start(number=3, tenant_id="ours", x=1))
        until(lambda: shared(running).held == 0)
        stop()
    assert len(held) == 5
    assert min(held) > 0


def test_jobs_that_are_not_started_give_their_places_back_at_a_stop(place: Place) -> None:
    """Those in stock, which count before that."""
    worker = Worker(total_concurrency=9)
    begun: list[str] = []

    @worker.job("t", number_of_tasks=5)
    def handler(context: Context) -> None:
        begun.append(context.job.id)
        context.wait_for_stop(PATIENCE)

    place.start(number=5)
    with at_work(worker, place.client) as running:
        until(lambda: begun)
        assert shared(running).held == 5
    assert len(begun) == 1
    assert Counter(request.operation for request in place.engine.sent()) == {"fail": 4, "complete": 1}


def test_coroutines_that_outlast_the_grace_give_their_places_back(place: Place) -> None:
    """They are cancelled, and reported."""
    worker = Worker(total_concurrency=3)
    begun: list[int] = []

    @worker.job("t")
    async def handler() -> None:
        begun.append(1)
        await asyncio.sleep(PATIENCE)

    place.start(number=5)
    with at_work(worker, place.client, grace=0.1):
        until(lambda: len(begun) == 3)


def test_a_delivery_that_goes_on_elsewhere_has_left_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """As it has left its thread: other jobs run meanwhile."""
    clock = SwiftClock()
    place = Place(caplog)
    place.engine = EmbeddedEngine(clock=clock)
    worker = Worker(total_concurrency=1, lock="1h")
    handlers = Handlers(worker, "function")
    handlers.add("t")
    place.engine.faults.next("complete", status=503, times=None)
    instances = place.start(number=1)
    with at_work(worker, place.another_client(clock=clock)) as running:
        until(lambda: handlers.running["t"] == 1)
        handlers.end("t")
        until(lambda: shared(running).held == 0, deadline=PATIENCE)
        instances += place.start(number=1)
        until(lambda: handlers.running["t"] == 1, deadline=PATIENCE)
        assert shared(running).held == 1
        place.engine.faults.clear()
        handlers.end("t")
        place.ended(instances)
        until(lambda: shared(running).held == 0)
    place.close()


@pytest.mark.parametrize("where", ["run", "acquire", "acquired"])
def test_a_fault_of_this_library_costs_no_place(place: Place, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Whatever raises what nobody expects."""
    worker = Worker(total_concurrency=2, lock="1m")
    owner, name = {
        "run": (JobRunner, "run"),
        "acquire": (Acquiring, "ask"),
        "acquired": (Consumer, "_found"),
    }[where]
    usual, raised = getattr(owner, name), list[int]()

    def once(*given: Any) -> Any:
        if not raised:
            raised.append(1)
            raise RuntimeError("unexpected")
        return usual(*given)

    monkeypatch.setattr(owner, name, once)
    worker.job("t", concurrency=2)(targets.double)
    place.start(x=1)
    with at_work(worker, place.client) as running:
        until(lambda: raised)
        running.subscriptions["t"].wake()
        place.ended(place.start(number=3, x=1)[1:])
        until(lambda: shared(running).held == 0)


@pytest.mark.parametrize("fault", ["refused", "lost", "strange"])
def test_an_acquire_that_fails_costs_no_place(place: Place, fault: str) -> None:
    """Nothing came, or nothing that is known."""
    faults = place.engine.faults
    if fault == "refused":
        faults.next("acquire", status=503)
    elif fault == "lost":
        faults.lost_answer("acquire", "before")
    else:
        faults.html("acquire", status=200)
    worker = Worker(total_concurrency=2)
    worker.job("t", concurrency=5)(targets.double)
    instances = place.start(number=3, x=1)
    with at_work(worker, place.client) as running:
        until(lambda: not faults.pending)
        running.subscriptions["t"].wake()
        place.ended(instances)
        until(lambda: shared(running).held == 0)


# ---------------------------------------------------------------- what is accepted


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4"])
def test_a_budget_is_a_whole_number(value: Any) -> None:
    """Checked where it is written."""
    with pytest.raises(InvalidArgumentError, match=r"^total_concurrency=.*a whole number of at least 1"):
        Worker(total_concurrency=value)


@pytest.mark.parametrize("value", [0, -1, 0.0001, 1001, float("inf"), float("nan"), True, None, "3"])
@pytest.mark.parametrize("where", ["worker", "handler"])
def test_a_weight_is_a_number_above_zero(value: Any, where: str) -> None:
    """Checked where it is written."""
    with pytest.raises(InvalidArgumentError, match=r"^weight=.*a number from 0.001 to 1000"):
        Worker(weight=value) if where == "worker" else Worker().job("t", weight=value)


def test_a_worker_with_a_budget_is_not_included() -> None:
    """What it promises would not be kept: the way out is named."""
    outer, inner = Worker(total_concurrency=8), Worker(total_concurrency=2)
    said = r"^other=.*a Worker without total_concurrency: give that to the worker that is run, .*; it has 2"
    with pytest.raises(InvalidArgumentError, match=said):
        outer.include(inner)
    assert outer.topics == ()
    inner.include(Worker())
