"""Whatever several workers do in whatever order, the engine keeps its promises."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from flowable.external_worker_client.testing import (
    Case,
    EmbeddedEngine,
    EngineError,
    MovingClock,
    Parallel,
    Process,
    Task,
    UserTask,
)

WORKERS = ("w1", "w2", "w3")
TOPICS = ("t", "u")
CAUGHT = {"X": [UserTask("caught")]}
MODELS = (
    Process("chain", Task("first", "t", exclusive=False, on_error=CAUGHT), Task("second", "u", exclusive=False)),
    Process("exclusive", Parallel(Task("left", "t"), Task("right", "u")), Task("last", "t")),
    Process("many", Task("all", "t", instances=3, exclusive=False)),
    Case("case", Task("item", "t"), Task("other", "u", exclusive=True)),
)
REFUSALS = {400, 403, 404}


class Workers(RuleBasedStateMachine):
    """Several workers, people who start, suspend and delete, and time that passes."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.clock = MovingClock()
        self.engine = EmbeddedEngine(*MODELS, clock=self.clock, release=self.release)
        self.finished: set[str] = set()

    release = "7.2"

    # ------------------------------------------------------------ what happens

    @rule(key=st.sampled_from([model.key for model in MODELS]))
    def start(self, key: str) -> None:
        """Somebody starts an instance."""
        self.engine.start(key)

    @rule(
        target=jobs,
        topic=st.sampled_from(TOPICS),
        worker=st.sampled_from(WORKERS),
        count=st.integers(1, 4),
        lock=st.sampled_from([1, 30, 600]),
    )
    def acquire(self, topic: str, worker: str, count: int, lock: int) -> tuple[str, str]:
        """A worker takes jobs: only free ones, in order, all of them for this worker."""
        free = {job.id for job in self.engine.jobs(topic) if job.lock_expires_at is None}
        taken = self.engine.acquire(topic, worker_id=worker, number_of_tasks=count, lock_duration=lock)
        ids = [job.id for job in taken]
        assert ids == sorted(free)[: len(ids)]
        assert len(ids) <= count
        for job in taken:
            assert (job.lock_owner, job.topic) == (worker, topic)
            assert job.retries > 0
            assert job.correlation_id not in self.finished
        return (ids[0], worker) if ids else ("unknown", worker)

    @rule(job=jobs, other=st.sampled_from((None, *WORKERS)), ending=st.sampled_from(("complete", "X", "Z", "cmmn")))
    def finish(self, job: tuple[str, str], other: str | None, ending: str) -> None:
        """A worker ends a job: it works exactly when it holds the job, and only once."""
        job_id, worker = job[0], other or job[1]
        held = {found.id: found for found in self.engine.jobs()}.get(job_id)
        try:
            if ending == "complete":
                self.engine.complete(job_id, worker, {"by": worker})
            elif ending == "cmmn":
                self.engine.cmmn_terminate(job_id, worker)
            else:
                self.engine.bpmn_error(job_id, worker, ending)
        except EngineError as error:
            assert error.status in REFUSALS  # noqa: PT017 - both ways are right, depending on what came before
            if ending == "complete":
                assert held is None or held.lock_owner != worker
            return
        assert held is not None
        assert held.lock_owner == worker
        self.finished.add(held.correlation_id)

    @rule(
        job=jobs,
        retries=st.sampled_from((None, -1, 0, 2)),
        pause=st.sampled_from((None, 0, 5, 600)),
    )
    def fail(self, job: tuple[str, str], retries: int | None, pause: int | None) -> None:
        """A worker fails a job."""
        before = {found.id: found for found in self.engine.jobs()}.get(job[0])
        try:
            self.engine.fail(job[0], job[1], retries=retries, retry_timeout=pause, error_message="m")
        except EngineError as error:
            assert error.status in REFUSALS  # noqa: PT017 - both ways are right, depending on what came before
            assert before is None or before.lock_owner != job[1]
            return
        assert before is not None
        after = self.engine.job(before.correlation_id)
        left = before.retries - 1 if retries is None or retries < 0 else retries
        assert (after.retries, after.lock_owner) == (left, None)
        assert after.table == ("external" if left else "deadletter")

    @rule(job=jobs)
    def unacquire(self, job: tuple[str, str]) -> None:
        """A worker gives a job back."""
        try:
            self.engine.unacquire(job[0], job[1])
        except EngineError as error:
            assert error.status in REFUSALS  # noqa: PT017 - both ways are right, depending on what came before

    @rule(worker=st.sampled_from(WORKERS))
    def unacquire_all(self, worker: str) -> None:
        """A worker gives everything back."""
        self.engine.unacquire_all(worker)
        assert all(job.lock_owner != worker for job in self.engine.jobs())

    @rule(seconds=st.sampled_from((0, 1, 2, 31, 601)))
    def pass_time(self, seconds: int) -> None:
        """Time passes: locks and pauses end, and each job is still the one it was."""
        before = {job.correlation_id for job in [*self.engine.jobs(), *self.engine.dead_letters()]}
        self.clock.advance(seconds)
        after = {job.correlation_id for job in [*self.engine.jobs(), *self.engine.dead_letters()]}
        assert before <= after

    @precondition(lambda self: self.engine.instances(ended=False))
    @rule(data=st.data(), what=st.sampled_from(("suspend", "activate", "delete")))
    def manage(self, data: st.DataObject, what: str) -> None:
        """Somebody suspends, activates or deletes an instance."""
        view = data.draw(st.sampled_from(self.engine.instances(ended=False)))
        if what == "delete":
            self.engine.delete(view.id)
        elif (what == "suspend") != view.suspended:
            getattr(self.engine, what)(view.id)

    @precondition(lambda self: self.engine.dead_letters())
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        """Somebody moves a dead letter back: it is the same job."""
        dead = data.draw(st.sampled_from(self.engine.dead_letters()))
        self.engine.move_dead_letter(dead.id)
        again = self.engine.job(dead.correlation_id)
        assert (again.correlation_id, again.retries >= 1) == (dead.correlation_id, True)

    # ------------------------------------------------------------ what always holds

    @invariant()
    def every_job_is_whole(self) -> None:
        """Retries are positive, an owner has an expiry, ids are unique, and instances that ended have no jobs."""
        jobs = self.engine.jobs()
        assert all(job.retries > 0 for job in jobs)
        assert all(job.lock_expires_at is not None for job in jobs if job.lock_owner is not None)
        everything = [*jobs, *self.engine.dead_letters()]
        assert all(job.retries >= 0 for job in everything)
        assert len({job.id for job in everything}) == len(everything)
        assert len({job.correlation_id for job in everything}) == len(everything)
        running = {view.id for view in self.engine.instances(ended=False)}
        assert {job.instance_id for job in everything} <= running
        assert not {job.correlation_id for job in jobs} & self.finished

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every free job can be found by an acquire: the index holds what the table holds."""
        for topic in TOPICS:
            free = sorted(job.id for job in self.engine.jobs(topic) if job.lock_expires_at is None)
            with self.engine.working():
                store = self.engine.core.store
                taken = store.take(topic, None, 1000)
                store.put_back(taken)
            assert [job.id for job in taken] == free


class OldWorkers(Workers):
    """The same on the release that gives jobs new ids."""

    release = "6.8"


LIMITS = settings(max_examples=60, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow])
TestWorkers = Workers.TestCase
TestWorkers.settings = LIMITS
TestOldWorkers = OldWorkers.TestCase
TestOldWorkers.settings = LIMITS
