"""The engine as an object: jobs, locks, retries, dead letters, instances and time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from flowable.external_worker_client.testing import (
    Call,
    Case,
    Choice,
    ContinuationError,
    EmbeddedEngine,
    End,
    EngineError,
    InParameter,
    MovingClock,
    OutParameter,
    Parallel,
    Process,
    StartCase,
    Task,
    UserTask,
    When,
)
from flowable.external_worker_client.testing.operations import AcquireOrder

STARTED = datetime(2026, 5, 4, tzinfo=UTC)
ONE = Process("one", Task("work", "t", exclusive=False), UserTask("after"))
TWO = Process("two", Parallel(Task("work1", "t"), Task("work2", "t")))
CHAIN = Process("chain", Task("first", "t"), Task("second", "t2"))


@pytest.fixture
def clock() -> MovingClock:
    """Return a clock that the test moves."""
    return MovingClock()


@pytest.fixture
def engine(clock: MovingClock) -> EmbeddedEngine:
    """Return an engine of 7.2 with three processes."""
    return EmbeddedEngine(ONE, TWO, CHAIN, clock=clock, started_at=STARTED)


def refusal(call: Any, *arguments: Any, **more: Any) -> tuple[int, str | None]:
    """Return the status and the text of a refused call."""
    with pytest.raises(EngineError) as caught:
        call(*arguments, **more)
    return caught.value.status, caught.value.detail


# ---------------------------------------------------------------- acquire


def test_jobs_are_handed_out_lowest_id_first(engine: EmbeddedEngine) -> None:
    """A batch holds the lowest ids in text order, which is the order of creation here."""
    for _ in range(5):
        engine.start("one")
    ids = [job.id for job in engine.jobs()]
    assert [job.id for job in engine.acquire("t", number_of_tasks=3)] == ids[:3]
    assert [job.id for job in engine.acquire("t", number_of_tasks=3)] == ids[3:]
    assert ids == sorted(ids)


def test_a_job_shows_its_lock(engine: EmbeddedEngine) -> None:
    """An acquired job has its owner and the end of its lock."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w", lock_duration=timedelta(minutes=10))
    assert (job.lock_owner, job.lock_expires_at, job.retries) == ("w", STARTED + timedelta(minutes=10), 3)


def test_two_exclusive_jobs_of_one_instance_block_a_batch(engine: EmbeddedEngine) -> None:
    """A batch with both is given up whole, with jobs of other instances in it; one alone is handed out."""
    engine.start("two")
    engine.start("one")
    assert engine.acquire("t", number_of_tasks=3) == []
    [job] = engine.acquire("t", number_of_tasks=1, worker_id="w")
    assert engine.acquire("t", number_of_tasks=1) == []
    assert engine.acquire("t", number_of_tasks=5) == []
    assert [other.lock_owner for other in engine.jobs()] == ["w", None, None]
    engine.complete(job.id, "w")
    assert len(engine.acquire("t", number_of_tasks=5)) == 2


def test_the_instance_lock_ends_with_its_time_without_a_reset(clock: MovingClock) -> None:
    """An expired exclusive lock lets the sibling go, and both owners may still complete."""
    engine = EmbeddedEngine(TWO, clock=clock, async_executor=False)
    engine.start("two")
    [first] = engine.acquire("t", lock_duration=2, worker_id="w1")
    clock.advance(2)
    assert engine.acquire("t", worker_id="w2") == []
    clock.advance(0.001)
    [second] = engine.acquire("t", worker_id="w2")
    engine.complete(first.id, "w1")
    engine.complete(second.id, "w2")
    assert engine.jobs() == []


def test_exclusive_jobs_of_different_instances_share_a_batch(engine: EmbeddedEngine) -> None:
    """The lock belongs to the instance."""
    engine.start("chain")
    engine.start("chain")
    assert len(engine.acquire("t", number_of_tasks=2)) == 2


def test_acquire_refuses_in_the_engines_order(engine: EmbeddedEngine) -> None:
    """Topic and worker before the number of tasks; no retries is no error at all."""
    assert refusal(engine.acquire, "", worker_id="") == (400, "topic is required")
    assert refusal(engine.acquire, "t", worker_id="") == (400, "workerId is required")
    text = "requested number of jobs must not be smaller than 1"
    assert refusal(engine.acquire, "t", number_of_tasks=0) == (400, text)
    assert engine.acquire("t", number_of_tasks=0, number_of_retries=0) == []
    assert refusal(engine.acquire, "t", lock_duration="P106751991168D") == (500, "long overflow")


def test_a_worker_id_that_does_not_fit_locks_nothing(engine: EmbeddedEngine) -> None:
    """256 characters fail in the database, and the job can still be acquired; two units count for a fish."""
    engine.start("one")
    assert refusal(engine.acquire, "t", worker_id="w" * 256)[0] == 500
    assert refusal(engine.acquire, "t", worker_id="🐟" * 128)[0] == 500
    assert engine.acquire("t", worker_id="🐟" * 127)[0].lock_owner == "🐟" * 127


def test_scope_types_choose_between_processes_and_cases(clock: MovingClock) -> None:
    """`bpmn` and `cmmn` filter, nothing takes both in the order of ids, another text finds nothing."""
    case = Case("case", Task("work", "t"))
    engine = EmbeddedEngine(ONE, case, clock=clock)
    for key in ("one", "case", "one", "case"):
        engine.start(key)
    assert engine.acquire("t", scope_type="foo") == []
    assert engine.acquire("t", scope_type="") == []
    [process_job] = engine.acquire("t", scope_type="bpmn")
    [case_job] = engine.acquire("t", scope_type="cmmn")
    rest = engine.acquire("t", number_of_tasks=5)
    ids = [process_job.id, case_job.id, *(job.id for job in rest)]
    assert ids == sorted(ids)
    assert len(ids) == 4


# ---------------------------------------------------------------- resets


def test_expired_locks_are_reset_at_the_next_look(clock: MovingClock) -> None:
    """A job is free once the lock is over and the reset has passed, not before; then the owner gets 403."""
    engine = EmbeddedEngine(ONE, clock=clock, reset_interval=60)
    engine.start("one")
    [job] = engine.acquire("t", lock_duration=61, worker_id="w1")
    clock.advance(119.999)
    assert engine.acquire("t") == []
    clock.advance(0.001)
    assert refusal(engine.complete, job.id, "w1") == (403, "w1 does not hold a lock on the requested job")
    [again] = engine.acquire("t", worker_id="w2")
    assert (again.id, again.correlation_id) == (job.id, job.correlation_id)


def test_a_late_owner_may_finish_until_the_reset(clock: MovingClock) -> None:
    """Nothing compares the end of a lock with the clock but the reset."""
    engine = EmbeddedEngine(ONE, clock=clock, reset_interval=60)
    engine.start("one")
    [job] = engine.acquire("t", lock_duration=1, worker_id="w")
    clock.advance(30)
    engine.complete(job.id, "w")
    assert engine.instances()[0].tasks == ("after",)


def test_6_8_gives_a_job_a_new_id_when_its_lock_is_reset(clock: MovingClock) -> None:
    """The old id is gone; correlation id, retries and message stay, the creation is new."""
    engine = EmbeddedEngine(ONE, clock=clock, release="6.8", started_at=STARTED)
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", error_message="m", error_details="d", retries=7, retry_timeout="PT1S")
    clock.advance(3)
    [again] = engine.jobs()
    assert again.id != job.id
    assert refusal(engine.complete, job.id, "w")[0] == 404
    assert (again.correlation_id, again.retries, again.exception_message, again.details, again.created_at) == (
        job.correlation_id,
        7,
        "m",
        "d",
        STARTED + timedelta(seconds=2),
    )


def test_a_lock_that_overflows_is_free_at_the_next_look(engine: EmbeddedEngine, clock: MovingClock) -> None:
    """25 days end in the past, and the job comes back with the next reset."""
    engine.start("one")
    [job] = engine.acquire("t", lock_duration="P25D", worker_id="w")
    assert job.lock_expires_at is not None
    assert job.lock_expires_at < STARTED
    assert engine.acquire("t") == []
    clock.advance(1)
    assert [again.id for again in engine.acquire("t")] == [job.id]


def test_without_an_executor_nothing_is_reset(clock: MovingClock) -> None:
    """Locks and retry time-outs never end then."""
    engine = EmbeddedEngine(ONE, clock=clock, async_executor=False)
    engine.start("one")
    engine.acquire("t", lock_duration=1)
    clock.advance(100_000)
    assert engine.acquire("t") == []


# ---------------------------------------------------------------- fail


def test_failures_count_down_to_a_dead_letter(engine: EmbeddedEngine) -> None:
    """Three failures, and the job waits among the dead letters with the last message."""
    engine.start("one")
    [job] = engine.jobs()
    for left in (2, 1, None):
        [job] = engine.acquire("t", worker_id="w")
        engine.fail(job.id, "w", error_message=f"left {left}")
        assert [other.retries for other in engine.jobs()] == ([left] if left else [])
    [dead] = engine.dead_letters()
    assert (dead.correlation_id, dead.retries, dead.exception_message) == (job.correlation_id, 0, "left None")


def test_a_retry_timeout_holds_a_job_back(engine: EmbeddedEngine, clock: MovingClock) -> None:
    """It shows no owner but an expiry, and comes back at the first look after it."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", retries=10, retry_timeout="PT30M", error_message="m")
    [held] = engine.jobs()
    assert (held.lock_owner, held.lock_expires_at, held.retries) == (None, STARTED + timedelta(minutes=30), 10)
    clock.advance(1800)
    assert engine.acquire("t") == []
    clock.advance(1)
    assert [again.exception_message for again in engine.acquire("t")] == ["m"]


def test_a_zero_retry_timeout_waits_for_the_reset(engine: EmbeddedEngine, clock: MovingClock) -> None:
    """`PT0S` is not now but the next look."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", retry_timeout="PT0S")
    assert engine.acquire("t") == []
    clock.advance(1)
    assert len(engine.acquire("t")) == 1


def test_messages_are_cut_and_cleared_but_details_stay(engine: EmbeddedEngine) -> None:
    """2,000 characters at most; a failure without a message clears it, one without details keeps them."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", error_message="x" * 3000, error_details="why")
    assert engine.job(job.id).exception_message == "x" * 1997 + "..."
    engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w")
    assert (engine.job(job.id).exception_message, engine.job(job.id).details) == (None, "why")


def test_a_failure_with_a_timeout_that_overflows_changes_nothing(engine: EmbeddedEngine) -> None:
    """The operation is refused as a whole."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    assert refusal(engine.fail, job.id, "w", retry_timeout="P106751991168D") == (500, "long overflow")
    assert engine.job(job.id) == job


def test_a_dead_letter_comes_back_as_it_was(engine: EmbeddedEngine, clock: MovingClock) -> None:
    """Same ids, same message, three retries, a new creation; and it can be acquired."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", retries=0, error_message="m")
    clock.advance(60)
    engine.move_dead_letter(job.id)
    [again] = engine.acquire("t")
    assert (again.id, again.correlation_id, again.retries, again.exception_message, again.created_at) == (
        job.id,
        job.correlation_id,
        3,
        "m",
        STARTED + timedelta(seconds=60),
    )
    with pytest.raises(LookupError, match="is no dead letter"):
        engine.move_dead_letter(job.id)


# ---------------------------------------------------------------- complete, errors, continuations


def test_what_follows_waits_for_the_executor(clock: MovingClock) -> None:
    """A completed job is out of the table at once; variables and the next task come with the continuation."""
    engine = EmbeddedEngine(ONE, clock=clock, continuation_delay=5)
    instance = engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", error_message="m")
    [job] = engine.acquire("t", worker_id="w")
    engine.complete(job.id, "w", {"x": 1})
    assert (engine.job(job.id).retries, engine.job(job.id).exception_message) == (3, None)
    assert (engine.jobs(), engine.instance(instance).variables) == ([], {})
    assert engine.job(job.id).table == "continuation"
    clock.advance(5)
    assert (engine.instance(instance).variables, engine.instance(instance).tasks) == ({"x": 1}, ("after",))


def test_a_continuation_waits_for_the_instance_lock(clock: MovingClock) -> None:
    """While an exclusive sibling is locked, what follows an exclusive job is put off by ten seconds."""
    engine = EmbeddedEngine(TWO, clock=clock, continuation_delay=1)
    engine.start("two")
    [first] = engine.acquire("t", worker_id="w")
    engine.complete(first.id, "w", {"x": 1})
    [second] = engine.acquire("t", worker_id="w", lock_duration=600)
    clock.advance(9)
    assert engine.instances()[0].variables == {}
    engine.fail(second.id, "w")
    clock.advance(1)
    assert engine.instances()[0].variables == {}
    clock.advance(1)
    assert engine.instances()[0].variables == {"x": 1}


def test_an_uncaught_error_becomes_a_dead_letter_of_the_engine(engine: EmbeddedEngine, clock: MovingClock) -> None:
    """Three attempts, some forty seconds; moving it back runs what follows again, not the work."""
    instance = engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.bpmn_error(job.id, "w", "Z", {"x": 1})
    clock.advance(39)
    assert engine.dead_letters() == []
    clock.advance(1)
    [dead] = engine.dead_letters()
    where = "neither in same process nor in parent process"
    assert dead.exception_message == f"No catching boundary event found for error with errorCode 'Z', {where}"
    assert engine.instance(instance).variables == {}
    engine.move_dead_letter(dead.id)
    assert engine.acquire("t") == []
    clock.advance(40)
    assert [again.id for again in engine.dead_letters()] == [dead.id]


def test_an_error_caught_elsewhere_says_so(clock: MovingClock) -> None:
    """The text differs when another task of the process would catch the code."""
    other = Task("other", "t2", on_error={"X": [End("caught")]})
    engine = EmbeddedEngine(Process("p", Task("work", "t"), other), clock=clock)
    engine.start("p")
    [job] = engine.acquire("t", worker_id="w")
    engine.bpmn_error(job.id, "w", "X")
    clock.advance(40)
    assert str(engine.dead_letters()[0].exception_message).startswith("No matching parent execution for error code X")


@pytest.mark.parametrize(("sent", "taken"), [("X", "x"), (None, "x"), ("", "x"), ("errX", "x"), ("Z", "any")], ids=str)
def test_boundary_events_are_chosen_by_code(sent: str | None, taken: str, clock: MovingClock) -> None:
    """The code, or the id of the error, finds its event; one with a code wins when none was sent."""
    handlers = {None: [End("any")], "X": [End("x")]}
    process = Process("p", Task("work", "t", on_error=handlers), End("fine"), error_ids={"errX": "X"})
    engine = EmbeddedEngine(process, clock=clock)
    instance = engine.start("p")
    [job] = engine.acquire("t", worker_id="w")
    engine.bpmn_error(job.id, "w", sent, {"v": 1})
    view = engine.instance(instance)
    assert (view.end, view.variables) == (taken, {"v": 1})
    story = [event.kind for event in engine.events]
    assert story == ["started", "created", "acquired", "errored", "ended", "continued"]


def test_a_step_that_fails_rolls_back_what_was_before_it(clock: MovingClock) -> None:
    """Variables, branches and jobs of the attempt vanish, and the instance stands where it was."""

    def fail(variables: dict[str, Any]) -> None:
        raise RuntimeError(f"no luck with {variables['x']}")

    branches = Parallel(Task("next", "t2"), [End("early")], Call("boom", fail))
    engine = EmbeddedEngine(Process("p", Task("work", "t"), branches), clock=clock)
    instance = engine.start("p")
    [job] = engine.acquire("t", worker_id="w")
    engine.complete(job.id, "w", {"x": 1})
    view = engine.instance(instance)
    assert (view.variables, view.path, view.end, engine.jobs()) == ({}, ("work",), None, [])
    clock.advance(40)
    assert [dead.exception_message for dead in engine.dead_letters()] == ["no luck with 1"]


def test_choices_and_calls_are_done_at_once(clock: MovingClock) -> None:
    """A gateway takes the first way whose condition holds, and a call sets what it returns."""
    process = Process(
        "p",
        Call("double", lambda variables: {"b": variables["a"] * 2}),
        Choice(("${b > 100}", [End("much")]), (lambda variables: variables["b"] > 10, [End("some")]), otherwise=[]),
        End("little"),
    )
    engine = EmbeddedEngine(process, clock=clock)
    ends = [engine.instance(engine.start("p", {"a": amount})).end for amount in (100, 10, 1)]
    assert ends == ["much", "some", "little"]


def test_a_start_that_fails_leaves_no_instance(clock: MovingClock) -> None:
    """The failure is the caller's, and nothing of the instance stays."""
    engine = EmbeddedEngine(Process("p", Task("work", "t"), Task("x", "t")), clock=clock)
    engine.deploy(Process("bad", Parallel(Task("work", "t"), Call("boom", "${missing}"))))
    with pytest.raises(ContinuationError, match="Unknown property used in expression"):
        engine.start("bad")
    assert (engine.instances(), engine.jobs()) == ([], [])


def test_branches_join(engine: EmbeddedEngine) -> None:
    """What follows a parallel gateway waits for all branches."""
    instance = engine.start("two")
    for _ in range(2):
        assert not engine.instance(instance).ended
        [job] = engine.acquire("t", worker_id="w")
        engine.complete(job.id, "w")
    assert engine.instance(instance).end == "end"
    assert engine.instance(instance).path == ("parallel", "work1", "work2")


def test_multi_instance_tasks_count(clock: MovingClock) -> None:
    """Each job has its number, the counters are the task's own, and what follows waits for all."""
    engine = EmbeddedEngine(Process("p", Task("work", "t", instances=3, exclusive=False)), clock=clock)
    instance = engine.start("p")
    seen = []
    for number in range(3):
        with engine.working() as operations:
            [acquired] = operations.acquire(AcquireOrder(topic="t", lock=1_000_000_000, worker_id="w"))
            seen.append({name: value.value for name, value in acquired.variables.items() if not name.startswith("v")})
        engine.complete(acquired.job.id, "w", {f"v{number}": number})
    assert seen == [
        {"nrOfInstances": 3, "nrOfActiveInstances": 3 - done, "nrOfCompletedInstances": done, "loopCounter": done}
        for done in range(3)
    ]
    view = engine.instance(instance)
    assert (view.end, view.variables) == ("end", {"v0": 0, "v1": 1, "v2": 2})


def test_an_error_of_one_of_many_cancels_its_siblings(clock: MovingClock) -> None:
    """The boundary event of a multi-instance task ends all its jobs."""
    task = Task("work", "t", instances=3, exclusive=False, on_error={None: [End("caught")]})
    engine = EmbeddedEngine(Process("p", task), clock=clock)
    instance = engine.start("p")
    first, second, _ = engine.acquire("t", number_of_tasks=3, worker_id="w")
    engine.bpmn_error(first.id, "w")
    assert refusal(engine.complete, second.id, "w")[0] == 404
    assert (engine.instance(instance).end, engine.jobs()) == ("caught", [])


# ---------------------------------------------------------------- parameters


def test_parameters_choose_what_workers_get_and_what_is_kept(clock: MovingClock) -> None:
    """Out-parameters drop the rest and null what is missing; a BPMN error ignores them; 6.8 and 7.0 know none."""
    parameters = [OutParameter("kept", "a"), OutParameter("sum", expression="${a + 1}"), OutParameter("none", "b")]
    process = Process("p", Task("work", "t", out_parameters=parameters))
    kept = {}
    for release in ("7.2", "7.0"):
        engine = EmbeddedEngine(process, clock=clock, release=release)
        instance = engine.start("p")
        [job] = engine.acquire("t", worker_id="w")
        engine.complete(job.id, "w", {"a": 1, "other": 2})
        kept[release] = engine.instance(instance).variables
    assert kept == {"7.2": {"kept": 1, "sum": 2, "none": None}, "7.0": {"a": 1, "other": 2}}


def test_a_failing_in_parameter_poisons_the_topic(clock: MovingClock) -> None:
    """Every acquire that meets the job fails with 500, and nothing is locked."""
    bad = Process(
        "bad", Task("work", "t", exclusive=False, in_parameters=[InParameter("x", expression="${missing.y}")])
    )
    engine = EmbeddedEngine(bad, ONE, clock=clock)
    instance = engine.start("bad")
    [job] = engine.jobs()
    definition = engine.core.deployed["bpmn", "\nbad"].id
    engine.start("one")
    text = (
        f"Unknown property used in expression: ${{missing.y}} with Execution[ id '{job.execution_id}' ] - "
        f"definition '{definition}' - activity 'work' - parent '{instance}'"
    )
    for _ in range(2):
        assert refusal(engine.acquire, "t", number_of_tasks=2) == (500, text)
    assert [job.lock_owner for job in engine.jobs()] == [None, None]


# ---------------------------------------------------------------- unacquire


def test_unacquire_gives_back_without_counting(engine: EmbeddedEngine) -> None:
    """One job of its owner, or all of a worker; the retries stay."""
    engine.start("one")
    engine.start("one")
    first, _ = engine.acquire("t", number_of_tasks=2, worker_id="w")
    assert refusal(engine.unacquire, first.id, "other")[0] == 403
    assert refusal(engine.unacquire, first.id, "") == (400, "worker id is required")
    engine.unacquire(first.id, "w")
    assert [(job.lock_owner, job.retries) for job in engine.jobs()] == [(None, 3), ("w", 3)]
    engine.unacquire_all("w")
    engine.unacquire_all("nobody")
    assert [job.lock_owner for job in engine.jobs()] == [None, None]


def test_a_tenant_guards_unacquire_of_all(engine: EmbeddedEngine) -> None:
    """One job of another tenant, and nothing is given back."""
    engine.start("one", tenant_id="a")
    engine.start("one", tenant_id="b")
    engine.acquire("t", worker_id="w", number_of_tasks=2)
    text = "provided worker id has external worker jobs from different tenant."
    assert refusal(engine.unacquire_all, "w", tenant_id="a") == (400, text)
    assert [job.lock_owner for job in engine.jobs()] == ["w", "w"]
    engine.unacquire_all("w", tenant_id="")
    assert [(job.lock_owner, job.tenant_id) for job in engine.jobs()] == [(None, "a"), (None, "b")]


@pytest.mark.parametrize(("release", "free"), [("7.0", False), ("7.2", False), ("8.0", True)])
def test_unacquire_frees_the_instance_from_8_0_on(release: str, free: bool, clock: MovingClock) -> None:
    """Before, the released exclusive job blocks its topic until the original lock would have ended."""
    engine = EmbeddedEngine(CHAIN, clock=clock, release=release)
    engine.start("chain")
    [job] = engine.acquire("t", lock_duration=600, worker_id="w")
    engine.unacquire(job.id, "w")
    assert bool(engine.acquire("t", lock_duration=600, worker_id="w")) == free
    clock.advance(601)
    assert len(engine.acquire("t")) == 1


# ---------------------------------------------------------------- instances


def test_suspension_takes_jobs_away_and_gives_them_back_unlocked(engine: EmbeddedEngine) -> None:
    """404 while suspended; afterwards the same id, and 403 for the old owner."""
    instance = engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.suspend(instance)
    assert refusal(engine.complete, job.id, "w")[0] == 404
    assert engine.acquire("t") == []
    assert engine.job(job.id).table == "suspended"
    engine.activate(instance)
    assert refusal(engine.complete, job.id, "w")[0] == 403
    assert [again.id for again in engine.acquire("t")] == [job.id]
    assert engine.acquire("t") == []


def test_a_suspended_instance_does_not_go_on(engine: EmbeddedEngine) -> None:
    """A continuation waits until the instance is active again."""
    instance = engine.start("chain")
    [job] = engine.acquire("t", worker_id="w")
    engine.suspend(instance)
    engine.activate(instance)
    [job] = engine.acquire("t", worker_id="w")
    with engine.working() as operations:
        operations.complete(job.id, "w")
        engine.suspend(instance)
    assert engine.jobs() == []
    engine.activate(instance)
    assert [other.topic for other in engine.jobs()] == ["t2"]


def test_deleted_instances_take_their_jobs_with_them(engine: EmbeddedEngine) -> None:
    """Locked or not, the job is gone."""
    instance = engine.start("two")
    [job] = engine.acquire("t", worker_id="w")
    engine.delete(instance)
    assert refusal(engine.fail, job.id, "w")[0] == 404
    assert (engine.jobs(), engine.instance(instance).end) == ([], "deleted")


def test_deleting_reaches_suspended_and_finished_jobs(engine: EmbeddedEngine) -> None:
    """Whatever table its jobs are in, a deleted instance leaves none behind."""
    suspended, finished = engine.start("one"), engine.start("one")
    engine.suspend(suspended)
    engine.delete(suspended)
    [job] = engine.acquire("t", worker_id="w")
    with engine.working() as operations:
        operations.complete(job.id, "w")
        engine.core.delete(engine.core.instances[finished])
    assert engine.acquire("t") == []
    for gone in (job.id, job.correlation_id):
        with pytest.raises(LookupError):
            engine.job(gone)
    assert [view.end for view in engine.instances()] == ["deleted", "deleted"]


def test_a_deleted_instance_takes_its_case_with_it(clock: MovingClock) -> None:
    """A case that it waits for is deleted, with its jobs; one that it started before, and others, stay as they are."""
    process = Process("p", StartCase("first", "case"), StartCase("second", "case"))
    engine = EmbeddedEngine(process, Case("case", Task("work", "t")), clock=clock)
    doomed, other = engine.start("p"), engine.start("p")
    [before, *_] = engine.acquire("t", worker_id="w")
    engine.complete(before.id, "w")
    clock.advance(1)
    after, kept = sorted(engine.jobs(), key=lambda job: job.id, reverse=True)
    engine.acquire("t", worker_id="w", number_of_tasks=2)
    engine.delete(doomed)
    assert refusal(engine.complete, after.id, "w")[0] == 404
    assert [job.id for job in engine.jobs()] == [kept.id]
    ends = {view.id: view.end for view in engine.instances()}
    assert ends == {
        doomed: "deleted",
        other: None,
        before.instance_id: "end",
        after.instance_id: "deleted",
        kept.instance_id: None,
    }


def test_a_continuation_can_be_run_by_hand(clock: MovingClock) -> None:
    """An engine without an executor goes on when it is told to; a failed attempt counts."""
    engine = EmbeddedEngine(ONE, clock=clock, async_executor=False)
    instance = engine.start("one")
    engine.start("one")
    first, second = engine.acquire("t", worker_id="w", number_of_tasks=2)
    engine.complete(first.id, "w", {"x": 1})
    engine.bpmn_error(second.id, "w", "Z")
    engine.run_continuation(first.id)
    assert engine.instance(instance).tasks == ("after",)
    for _ in range(3):
        engine.run_continuation(second.id)
    assert [dead.correlation_id for dead in engine.dead_letters()] == [second.correlation_id]
    with pytest.raises(LookupError, match="is no continuation"):
        engine.run_continuation(second.id)


def test_a_case_that_is_missing_fails_the_step(clock: MovingClock) -> None:
    """A case task needs its case."""
    engine = EmbeddedEngine(Process("p", StartCase("sub", "case")), clock=clock)
    with pytest.raises(ContinuationError, match="No case definition found for key 'case'"):
        engine.start("p")


def test_a_case_is_not_left_behind_by_what_fails_after_it(clock: MovingClock) -> None:
    """Whether an instance starts or goes on: the case that was started on the way has never been."""

    def fails(_: dict[str, Any]) -> None:
        raise ValueError("no")

    both = Parallel(StartCase("sub", "case"), Call("fails", fails))
    processes = Process("at-once", both), Process("later", Task("work", "t"), both)
    engine = EmbeddedEngine(*processes, Case("case", Task("inner", "t2")), clock=clock)
    with pytest.raises(ContinuationError, match="no"):
        engine.start("at-once")
    instance = engine.start("later")
    engine.complete(engine.acquire("t", worker_id="w")[0].id, "w")
    clock.advance(60)
    assert (engine.jobs(), [view.id for view in engine.instances()]) == ([], [instance])
    assert [(dead.topic, dead.exception_message) for dead in engine.dead_letters()] == [("t", "no")]


def test_a_condition_that_fails_fails_the_continuation(clock: MovingClock) -> None:
    """A gateway over a name that is not set, with the place in the text from 7.0 on."""
    process = Process("p", Task("work", "t"), Choice(("${missing > 1}", [End("more")]), id="which"))
    texts = {}
    for release in ("6.8", "7.2"):
        engine = EmbeddedEngine(process, clock=clock, release=release)
        engine.start("p")
        [job] = engine.acquire("t", worker_id="w")
        engine.complete(job.id, "w")
        engine.jobs()
        texts[release] = str(engine.job(job.id).exception_message).partition(" with ")
    assert texts["6.8"] == ("Unknown property used in expression: ${missing > 1}", "", "")
    assert texts["7.2"][0] == texts["6.8"][0]
    assert "activity 'which'" in texts["7.2"][2]


def test_messages_are_counted_in_utf_16(engine: EmbeddedEngine) -> None:
    """A fish takes two places, and is not cut in half unless it has to be."""
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", error_message="🐟" * 1000)
    assert engine.job(job.id).exception_message == "🐟" * 1000
    engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", error_message="🐟" * 1001)
    assert engine.job(job.id).exception_message == "🐟" * 998 + "\ud83d" + "..."


def test_a_timer_takes_the_job_away_from_its_worker(clock: MovingClock) -> None:
    """When the boundary timer fires, the locked job is gone and the instance takes another way."""
    task = Task("work", "t", timeout=60, on_timeout=[Task("remind", "t2"), End("late")])
    engine = EmbeddedEngine(Process("p", task, End("fine")), clock=clock)
    quick, slow, suspended = (engine.start("p") for _ in range(3))
    first, second, _ = engine.acquire("t", worker_id="w", number_of_tasks=3)
    engine.complete(first.id, "w")
    engine.suspend(suspended)
    clock.advance(60)
    assert refusal(engine.complete, second.id, "w")[0] == 404
    assert (engine.instance(quick).end, engine.instance(slow).path) == ("fine", ("work", "work-timeout", "remind"))
    engine.activate(suspended)
    assert [job.topic for job in engine.jobs()] == ["t", "t2"]
    clock.advance(10)
    assert [job.topic for job in engine.jobs()] == ["t2", "t2"]


def test_a_way_after_a_timer_that_fails_is_tried_again(clock: MovingClock) -> None:
    """The task stays as it was until the way can be taken."""
    engine = EmbeddedEngine(
        Process("p", Task("work", "t", timeout=1, on_timeout=[Call("look", "${ready}"), End("late")])), clock=clock
    )
    instance = engine.start("p")
    clock.advance(1)
    assert (engine.instance(instance).path, engine.instance(instance).ended) == (("work",), False)
    engine.set_variables(instance, {"ready": True})
    clock.advance(20)
    assert engine.instance(instance).end == "late"


def test_cases_follow_their_sentries(clock: MovingClock) -> None:
    """Complete and terminate open different tasks, and a process that started the case goes on when it ends."""
    case = Case("case", Task("work", "t"), UserTask("done", entry=When("work", "complete")), Task("more", "t2"))
    engine = EmbeddedEngine(Process("p", StartCase("sub", "case"), End("after")), case, clock=clock)
    instance = engine.start("p")
    [job] = engine.acquire("t", worker_id="w")
    assert refusal(engine.bpmn_error, job.id, "w")[0] == 400
    engine.complete(job.id, "w", {"v": 1})
    [other] = engine.acquire("t2", worker_id="w")
    engine.cmmn_terminate(other.id, "w")
    [view] = engine.instances("case")
    assert view.items == {"work": "completed", "done": "active", "more": "terminated"}
    assert (view.variables, view.tasks) == ({"v": 1}, ("done",))
    engine.complete_task(view.id, "done")
    assert [one.end for one in engine.instances()] == ["after", "end"]
    assert engine.instance(instance).ended


def test_people_complete_their_tasks(engine: EmbeddedEngine) -> None:
    """An open task can be completed once, with variables."""
    instance = engine.start("one")
    with pytest.raises(LookupError, match="'after' is no open task"):
        engine.complete_task(instance, "after")
    [job] = engine.acquire("t", worker_id="w")
    engine.complete(job.id, "w")
    engine.instance(instance)
    engine.complete_task(instance, "after", {"signed": True})
    assert (engine.instance(instance).end, engine.instance(instance).variables) == ("end", {"signed": True})


def test_variables_are_read_when_a_job_is_acquired(engine: EmbeddedEngine) -> None:
    """What was set after the job was made is seen by its worker."""
    instance = engine.start("one", {"a": 1})
    engine.set_variables(instance, {"a": 2})
    with engine.working() as operations:
        [acquired] = operations.acquire(AcquireOrder(topic="t", lock=1_000_000_000, worker_id="w"))
        assert {name: value.value for name, value in acquired.variables.items()} == {"a": 2}


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Task("", "t"), "id: '' is not accepted"),
        (lambda: Task("a", ""), "topic: '' is not accepted"),
        (lambda: Task("a", "t", instances=0), "instances: 0 is not accepted"),
        (lambda: Task("a", "t", timeout=0), "timeout: 0 is not accepted"),
        (lambda: Process("p"), "steps: process 'p' has none"),
        (lambda: Process("", Task("a", "t")), "key: '' is not accepted"),
        (lambda: Process("p", Task("a", "t"), Parallel([Task("a", "t")])), "id: a used more than once in 'p'"),
        (Parallel, "branches: none were given"),
        (lambda: Case("c"), "items: case 'c' has none"),
        (lambda: Case("", Task("a", "t")), "key: '' is not accepted"),
        (lambda: Case("c", UserTask("a", entry=When("b", "complete"))), "entry: item 'a' waits for 'b'; known are a"),
        (lambda: EmbeddedEngine(reset_interval=0), "reset_interval: 0 is not accepted"),
        (lambda: EmbeddedEngine(continuation_delay=-1), "continuation_delay: -1 is not accepted"),
        (lambda: EmbeddedEngine(started_at=STARTED.replace(tzinfo=None)), "started_at: .* has no time zone"),
    ],
)
def test_wrong_descriptions_are_refused_where_they_are_written(build: Any, text: str) -> None:
    """An error names the argument, the value and what is accepted."""
    with pytest.raises(ValueError, match=f"^{text}"):
        build()


def test_unknown_things_are_named(engine: EmbeddedEngine) -> None:
    """Look-ups that fail say what was looked for, and what there is."""
    with pytest.raises(LookupError, match="key: 'nothing' is not deployed; known are chain, one, two"):
        engine.start("nothing")
    with pytest.raises(LookupError, match="'x' is no instance"):
        engine.instance("x")
    with pytest.raises(LookupError, match="job_id: 'x' is in none of the tables"):
        engine.job("x")


def test_a_new_version_is_used_for_new_instances(engine: EmbeddedEngine) -> None:
    """Deploying a key again counts its version up."""
    again = engine.deploy(Process("one", Task("other", "t9")))
    assert again.startswith("one:2:")
    assert engine.deploy(Process("one", Task("other", "t9")), tenant_id="a").startswith("one:1:")
    case = Case("case", Task("work", "t"))
    ids = [engine.deploy(case), engine.deploy(case)]
    assert [str(UUID(found)) for found in ids] == ids, "the id of a case is nothing but a UUID"
    assert [engine.core.deployed["cmmn", "\ncase"].version, engine.core.deployed["bpmn", "\none"].version] == [2, 2]
    engine.start("one")
    assert [job.topic for job in engine.jobs()] == ["t9"]


# ---------------------------------------------------------------- observation


def test_events_tell_the_story_of_a_job(engine: EmbeddedEngine, clock: MovingClock) -> None:
    """Every step is an event, with who did it and when."""
    told: list[str] = []
    stop = engine.on_event(lambda event: told.append(event.kind))
    engine.start("one")
    [job] = engine.acquire("t", worker_id="w")
    clock.advance(2)
    engine.fail(job.id, "w", error_message="m")
    [job] = engine.acquire("t", worker_id="w")
    engine.complete(job.id, "w")
    stop()
    stop()
    story = [(event.at, event.kind, event.worker_id, event.detail) for event in engine.events]
    assert story == [
        (0.0, "started", "", ""),
        (0.0, "created", "", ""),
        (0.0, "acquired", "w", ""),
        (2.0, "failed", "w", "m"),
        (2.0, "acquired", "w", ""),
        (2.0, "completed", "w", ""),
        (2.0, "continued", "", ""),
    ]
    assert told == [kind for _, kind, _, _ in story][:-1]


def test_waiting_ends_when_it_comes_true(engine: EmbeddedEngine) -> None:
    """Another thread's change ends the wait; a wait in vain says how things stand."""
    instance = engine.start("chain")

    def work() -> None:
        for topic in ("t", "t2"):
            [job] = engine.acquire(topic, worker_id="w")
            engine.complete(job.id, "w")

    thread = threading.Thread(target=work)
    thread.start()
    assert [view.end for view in engine.wait_for_end(instance)] == ["end"]
    thread.join()
    engine.start("chain")
    with pytest.raises(TimeoutError, match=r"within 0.01 s; 1 instances run, 1 external jobs, 0 dead letters"):
        engine.wait_until(lambda current: not current.jobs(), timeout=0.01)


def test_many_threads_never_get_the_same_job(engine: EmbeddedEngine) -> None:
    """Four threads share two hundred jobs without a double."""
    for _ in range(200):
        engine.start("one")
    taken: list[str] = []

    def work(worker: str) -> None:
        while jobs := engine.acquire("t", worker_id=worker, number_of_tasks=3):
            taken.extend(job.id for job in jobs)
            for job in jobs:
                engine.complete(job.id, worker)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(set(taken))) == (200, 200)
    assert all(view.tasks == ("after",) for view in engine.instances())


def test_a_clock_wakes_those_who_wait(clock: MovingClock) -> None:
    """A thread waits on the moving clock until it is moved far enough, or the event is set."""
    event, results = threading.Event(), []
    thread = threading.Thread(target=lambda: results.append(clock.wait(event, 60)))
    thread.start()
    deadline = time.monotonic() + 10
    while clock.sleepers == 0 and time.monotonic() < deadline:
        time.sleep(0)
    assert clock.next_wakeup == 60
    clock.advance(60)
    thread.join()
    thread = threading.Thread(target=lambda: results.append(clock.wait(event, 60)))
    thread.start()
    event.set()
    thread.join()
    assert results == [False, True]
    assert (clock.now(), clock.sleepers) == (60, 0)
    assert clock.next_wakeup is None
    with pytest.raises(ValueError, match="a clock moves forward"):
        clock.advance(-1)
