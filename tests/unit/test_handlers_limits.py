"""What limits acquiring, as machines of plain values, driven by made-up time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flowable.external_worker_client.handlers.limits import LOOK_AGAIN, TRANSITIONS, Circuit, Event, State, Window
from flowable.external_worker_client.limiter import Allowance

STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 10), st.integers(0, 10)), max_size=60)


@given(st.integers(1, 10), st.floats(0.5, 10), STEPS)
def test_no_span_of_time_has_more_jobs_than_allowed(jobs: int, per: float, steps: list[tuple[float, int, int]]) -> None:
    """However they are asked for; what was given back does not count. Whoever waits, waits no longer than needed."""
    window = Window(jobs, per)
    now = 0.0
    taken: list[float] = []
    for passed, wanted, back in steps:
        now += passed
        allowed, wait = window.take(wanted, now)
        assert 0 <= allowed <= wanted
        assert (wait > 0) is (allowed == 0)
        if allowed == 0:
            assert wait <= per
            # Then one may, and not before.
            assert sum(now + wait - when < per for when in taken) <= jobs
            assert sum(now - when < per for when in taken) == jobs
        given_back = min(back, allowed)
        window.give_back(given_back)
        taken += [now] * (allowed - given_back)
        assert all(sum(start <= when < start + per for when in taken) <= jobs for start in taken)


def test_a_window_waits_for_the_oldest() -> None:
    """The numbers of an example."""
    window = Window(3, 10.0)
    assert window.take(2, 0.0) == Allowance(2, 0.0)
    assert window.take(2, 4.0) == Allowance(1, 0.0)
    assert window.take(2, 5.0) == Allowance(0, 5.0)
    assert window.take(2, 10.0) == Allowance(2, 0.0)
    window.give_back(9)
    assert window.take(9, 10.0) == Allowance(3, 0.0)


class Breaker(RuleBasedStateMachine):
    """A circuit among acquires that bring too little, jobs that come late, and runs that end when they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.reserved = 0
        self.running: dict[int, bool] = {}

    @initialize(failures=st.integers(1, 4), pause=st.floats(1, 20))
    def begin(self, failures: int, pause: float) -> None:
        """Make it."""
        self.failures = failures
        self.pause = pause
        self.circuit = Circuit(failures, pause)
        self.in_a_row = 0
        self.opened: float | None = None

    @rule(seconds=st.floats(0, 15))
    def pass_time(self, seconds: float) -> None:
        """Wait."""
        self.now += seconds

    @rule(wanted=st.integers(1, 5))
    def acquire(self, wanted: int) -> None:
        """Ask for jobs."""
        allowed, wait = self.circuit.take(wanted, self.now)
        self.reserved += allowed
        match self.circuit.state:
            case State.CLOSED:
                assert (allowed, wait) == (wanted, 0.0)
            case State.OPEN:
                assert self.opened is not None
                assert (allowed, wait) == (0, self.pause - (self.now - self.opened))
            case State.HALF_OPEN:
                assert allowed in {0, 1}
                assert wait == (0.0 if allowed else LOOK_AGAIN)
            case State.PROBING:
                assert (allowed, wait) == (0, LOOK_AGAIN)

    @precondition(lambda self: self.reserved)
    @rule()
    def get_nothing(self) -> None:
        """One of them does not come."""
        self.circuit.give_back(1)
        self.reserved -= 1

    @rule()
    def start(self) -> None:
        """A job comes to the handler: one that was reserved, or one from before."""
        before = self.circuit.state
        run = self.circuit.start(self.now)
        if run is None:
            assert self.circuit.state in {State.OPEN, State.PROBING}
            assert 0 <= self.circuit.left(self.now) <= self.pause
        else:
            probes = self.circuit.state is State.PROBING
            assert probes is (before is not State.CLOSED)
            self.running[run] = probes
        self.reserved = max(self.reserved - 1, 0)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), good=st.sampled_from([True, False, None]))
    def end(self, data: st.DataObject, good: bool | None) -> None:
        """A run ends."""
        run = data.draw(st.sampled_from(sorted(self.running)))
        probe = self.running.pop(run)
        before = self.circuit.state
        held = self.circuit.ended(run, self.now, good=good)
        after = self.circuit.state
        if before is State.CLOSED:
            self.in_a_row = {True: 0, False: self.in_a_row + 1, None: self.in_a_row}[good]
            assert after is (State.OPEN if good is False and self.in_a_row >= self.failures else State.CLOSED)
        elif before is State.PROBING and probe:
            assert after is {True: State.CLOSED, False: State.OPEN, None: State.HALF_OPEN}[good]
            self.in_a_row = 0 if good else self.in_a_row
        else:
            assert after is before
        # No retry is spent for what the circuit is open for.
        assert held is (good is False and after is not State.CLOSED)
        if after is State.OPEN and before is not State.OPEN:
            self.opened = self.now

    @invariant()
    def one_probe(self) -> None:
        """Besides what was running when it opened, there is one job at most; and it is not stuck."""
        if not hasattr(self, "circuit"):
            return
        probes = sum(self.running.values())
        assert probes <= 1
        assert (probes == 1) is (self.circuit.state is State.PROBING)


TestBreaker = Breaker.TestCase


def test_the_table_names_every_state() -> None:
    """Each can be reached, and left."""
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)
