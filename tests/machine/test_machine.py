"""Everything that decides, driven by Hypothesis with time that is a number: the promises about every job."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from .model_engine import ERROR_OF_THE_VALUE, LOOKS, NOT_SENT, UNSTORABLE, WIRES
from .model_shell import ENDINGS, Asking, Chance, Peeking, World

WIRE = st.sampled_from(WIRES)
LOOK = st.sampled_from(LOOKS)
PICK = st.integers(0, 1_000)
NUMBER = st.sampled_from([0.0, 0.25, 0.5, 1.0])
ENDING = st.sampled_from(ENDINGS)


class Machine(RuleBasedStateMachine):
    """One subscription, and whatever can happen to it. `World` checks every step; see there."""

    world: World

    @initialize(
        slots=st.integers(1, 4),
        batch=st.integers(1, 5),
        lock=st.sampled_from([5.0, 60.0, 600.0]),
        wait=st.sampled_from([2.0, 30.0]),
        renews_ids=st.booleans(),
        threads=st.sampled_from([None, None, 1, 2, 3]),
        jobs=st.integers(0, 6),
        ahead=st.booleans(),
    )
    def begin(
        self,
        slots: int,
        batch: int,
        lock: float,
        wait: float,
        renews_ids: bool,
        threads: int | None,
        jobs: int,
        ahead: bool,
    ) -> None:
        """Subscribe, with some jobs waiting."""
        self.world = World(
            slots=slots, batch=batch, lock=lock, wait=wait, renews_ids=renews_ids, threads=threads, ahead=ahead
        )
        for number in range(jobs):
            self.world.engine.add(f"i{number % 4}")

    # ------------------------------------------------------------ threads

    @precondition(lambda self: self.world.able())
    @rule(
        pick=PICK,
        wire=WIRE,
        look=LOOK,
        number=NUMBER,
        ending=ENDING,
        alone=st.booleans(),
        late=st.booleans(),
        crowded=st.booleans(),
        lookout=st.booleans(),
    )
    def somebody_acts(
        self,
        pick: int,
        wire: str,
        look: str,
        number: float,
        ending: object,
        alone: bool,
        late: bool,
        crowded: bool,
        lookout: bool,
    ) -> None:
        """One thread takes one step, with the wire as it is."""
        able = self.world.able()
        chance = Chance(wire, look, number, ending, alone, late, crowded, lookout)  # type: ignore[arg-type]
        self.world.act(able[pick % len(able)], chance)

    @precondition(lambda self: self.world.able())
    @rule(pick=PICK, count=st.integers(1, 6), ending=ENDING, lookout=st.booleans())
    def all_goes_well(self, pick: int, count: int, ending: object, lookout: bool) -> None:
        """Some steps with nothing in the way."""
        for turn in range(count):
            if able := self.world.able():
                self.world.act(able[(pick + turn) % len(able)], Chance(ending=ending, lookout=lookout))  # type: ignore[arg-type]

    @precondition(lambda self: self.world.able())
    @rule(pick=PICK, count=st.integers(1, 30), step=st.sampled_from([0.001, 0.02, 0.2]), backlog=st.integers(0, 20))
    def it_is_busy(self, pick: int, count: int, step: float, backlog: int) -> None:
        """Every step takes a little time, and there is more to do: what makes a stock worth having."""
        waiting = sum(job.there and job.owner is None for job in self.world.engine.jobs.values())
        for number in range(min(backlog, 20 - waiting)):
            self.world.engine.add(f"busy{number}-{len(self.world.engine.jobs)}")
        for turn in range(count):
            self.world.pass_time(step)
            if able := self.world.able():
                self.world.act(able[(pick + turn) % len(able)], Chance())

    # ------------------------------------------------------------ what others know

    @rule()
    def somebody_wakes_it(self) -> None:
        """From any thread, at any moment: a question follows, and one that is under way does not count."""
        if not self.world.stop.is_set():
            self.world.wake()
            self.world.check()

    @precondition(lambda self: any(isinstance(seat.doing, Peeking | Asking) for seat in self.world.seats))
    @rule()
    def somebody_wakes_it_while_it_asks(self) -> None:
        """Whatever that brings may have missed what was just made."""
        self.somebody_wakes_it()

    @rule(delay=st.sampled_from([0.0, 0.02, 0.08, 0.25]), idle=st.sampled_from([True, True, False]))
    def a_job_of_another_topic_is_settled(self, delay: float, idle: bool) -> None:
        """A look is planned; seldom, something has happened here since it was asked whether that is of use."""
        self.world.look_at(delay, idle=idle)
        self.world.check()

    @rule()
    def another_topic_sees_a_job_in_the_engine(self) -> None:
        """Perhaps it is for this one."""
        self.world.ask_now()
        self.world.check()

    # ------------------------------------------------------------ time and the engine

    @rule(seconds=st.sampled_from([0.01, 0.25, 1.0, 5.0, 11.0, 36.0, 61.0, 310.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        """Whatever was waited for may be late."""
        self.world.pass_time(seconds)
        self.world.check()

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        """Nobody is late."""
        moment = self.world.next_moment()
        if moment is not None and not self.world.able():
            self.world.pass_time(moment - self.world.now)
            self.world.check()

    @rule()
    def the_engine_resets_locks(self) -> None:
        """It does so at its own intervals: a lock may be over for long."""
        self.world.engine.reset(self.world.now)

    @precondition(lambda self: sum(job.there for job in self.world.engine.jobs.values()) < 12)
    @rule(instance=st.integers(0, 3), count=st.integers(1, 3))
    def jobs_come(self, instance: int, count: int) -> None:
        """Some of them belong to one process instance."""
        for _ in range(count):
            self.world.engine.add(f"i{instance}")

    @precondition(lambda self: self.world.engine.jobs)
    @rule(pick=PICK, what=st.sampled_from(["gone", "hidden", "shown"]))
    def an_instance_goes_its_own_way(self, pick: int, what: str) -> None:
        """A timer fires, somebody deletes it, suspends it, activates it."""
        jobs = list(self.world.engine.jobs.values())
        job = jobs[pick % len(jobs)]
        if what == "shown" and job.hidden:
            self.world.engine.show(job)
        elif what == "gone" and job.there:
            self.world.engine.take_away(job)
        elif what == "hidden" and job.there:
            self.world.engine.hide(job)

    @precondition(lambda self: self.world.late_acquires)
    @rule(pick=PICK)
    def an_acquire_is_carried_out_late(self, pick: int) -> None:
        """Its answer was lost before it had an effect; now it has."""
        self.world.carry_out_late(pick)

    @precondition(lambda self: not self.world.wire.poisoned)
    @rule(wire=st.sampled_from([UNSTORABLE, ERROR_OF_THE_VALUE]))
    def a_job_comes_that_can_never_be_settled(self, wire: str) -> None:
        """The engine cannot store what its handler brings. It blocks no sibling: its instance is its own."""
        job = self.world.engine.add("bad")
        self.world.wire.poisoned[job.correlation_id] = wire

    # ------------------------------------------------------------ stop

    @precondition(lambda self: not self.world.stop.is_set() and self.world.everything)
    @rule(grace=st.sampled_from([None, 0.0, 5.0, 1e6]), dice=st.integers(0, 2))
    def somebody_stops_it(self, grace: float | None, dice: int) -> None:
        """At any moment; but not always before much has happened."""
        if dice == 0:
            self.world.tell_to_stop(grace)
            self.world.check()

    def teardown(self) -> None:
        """However it stands: neighbours of a bad job are worked off; then it stops, also without an engine."""
        if not hasattr(self, "world") or self.world.broken:
            return
        world = self.world
        if not world.stop.is_set():
            # One bad job never stops its neighbours.
            world.run_until("settled", Chance())
            world.tell_to_stop(None)
        # An engine that is away holds no stop up for ever.
        world.run_until("left", Chance(wire=NOT_SENT, look=NOT_SENT))
        assert world.was_over, "it says that it is over"
        assert all(world.ended[id(held)] == 1 for held in world.everything), "every job came to one end"
        assert len(world.registry) == 0, "nothing is held any more"
        assert not world.agenda.waiting, "nothing is left waiting"
        assert math.isfinite(world.now)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=400, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
pytestmark = pytest.mark.timeout(120)
