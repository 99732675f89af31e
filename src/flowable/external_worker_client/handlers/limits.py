"""How many jobs may be acquired: at most so many in a time, and none while what they need is broken. Pure.

The machines change in place; whoever shares them among threads locks them. Times are in seconds, on the caller's clock.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import Final

from flowable.external_worker_client.limiter import Allowance

#: While a job finds out whether what was broken works again, the others ask this often how it went.
LOOK_AGAIN: Final = 1.0  # seconds


class Window:
    """At most so many jobs within any span of so many seconds.

    Unlike with a bucket of tokens, that is true of every span, also of one that begins after a quiet time.

    Args:
        jobs: So many.
        per: Seconds.
    """

    def __init__(self, jobs: int, per: float) -> None:
        self._jobs = jobs
        self._per = per
        #: When the latest ones were taken.
        self._taken: deque[float] = deque()

    def take(self, wanted: int, now: float) -> Allowance:
        """See `Limiter.take`."""
        while self._taken and now - self._taken[0] >= self._per:
            self._taken.popleft()
        jobs = min(wanted, self._jobs - len(self._taken))
        if jobs <= 0:
            return Allowance(0, self._per - (now - self._taken[0]))
        self._taken.extend([now] * jobs)
        return Allowance(jobs, 0.0)

    def give_back(self, jobs: int) -> None:
        """See `Limiter.give_back`."""
        for _ in range(min(jobs, len(self._taken))):
            self._taken.pop()


class State(Enum):
    """Of a circuit.

    Attributes:
        CLOSED: Everything passes.
        OPEN: Nothing passes, until the pause is over.
        HALF_OPEN: One job may pass, to find out.
        PROBING: That job is under way.
    """

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()
    PROBING = auto()


class Event(Enum):
    """What happens to a circuit.

    Attributes:
        FAILED: A job failed, and not enough of them have for more than that.
        FAILED_TOO_OFTEN: A job failed, and enough of them have, one after the other.
        SUCCEEDED: A job passed and came to a good end.
        PAUSE_OVER: The pause is over.
        TRIED: A job is under way to find out.
        NOT_TRIED: It has ended without telling anything.
    """

    FAILED = auto()
    FAILED_TOO_OFTEN = auto()
    SUCCEEDED = auto()
    PAUSE_OVER = auto()
    TRIED = auto()
    NOT_TRIED = auto()


#: What is not in here changes nothing: a job that was started before the circuit opened tells nothing about it now.
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.CLOSED, Event.FAILED_TOO_OFTEN): State.OPEN,
    (State.OPEN, Event.PAUSE_OVER): State.HALF_OPEN,
    (State.HALF_OPEN, Event.TRIED): State.PROBING,
    (State.PROBING, Event.SUCCEEDED): State.CLOSED,
    (State.PROBING, Event.FAILED): State.OPEN,
    (State.PROBING, Event.FAILED_TOO_OFTEN): State.OPEN,
    (State.PROBING, Event.NOT_TRIED): State.HALF_OPEN,
}


class Circuit:
    """No jobs for a time after too many failures in a row, and then one to see whether it works again.

    Args:
        failures: How many in a row are too many.
        pause: Seconds until it is tried again.

    Attributes:
        state: See `State`.
    """

    def __init__(self, failures: int, pause: float) -> None:
        self._failures = failures
        self._pause = pause
        self.state = State.CLOSED
        self._in_a_row = 0
        self._opened = 0.0
        #: Whether a job is being acquired for the probe.
        self._reserved = False
        #: The run that is the probe. Runs are numbered, because those from before the circuit opened still end.
        self._probe: int | None = None
        self._runs = 0

    # ------------------------------------------------------------ acquiring

    def take(self, wanted: int, now: float) -> Allowance:
        """See `Limiter.take`."""
        self._look(now)
        if self.state is State.CLOSED:
            return Allowance(wanted, 0.0)
        if self.state is State.OPEN:
            return Allowance(0, self.left(now))
        if self.state is State.PROBING or self._reserved:
            return Allowance(0, LOOK_AGAIN)
        self._reserved = True
        return Allowance(1, 0.0)

    def give_back(self, jobs: int) -> None:
        """See `Limiter.give_back`."""
        if jobs > 0:
            self._reserved = False

    # ------------------------------------------------------------ running

    def start(self, now: float) -> int | None:
        """Ask whether a job may run.

        Returns:
            A number for this run, which `ended` wants to have; `None`: it may not.
        """
        self._look(now)
        if self.state is State.OPEN or self.state is State.PROBING:
            return None
        self._runs += 1
        if self.state is State.HALF_OPEN:
            # Whichever comes first: it need not be the one that was acquired for it.
            self._reserved = False
            self._probe = self._runs
            self._happened(Event.TRIED)
        return self._runs

    def ended(self, run: int, now: float, *, good: bool | None) -> bool:
        """Take note of how a run ended.

        Args:
            run: What `start` returned.
            now: The time.
            good: Whether it came to a good end. `None`: it tells nothing.

        Returns:
            Whether it is held against the circuit, and not against the job: the circuit is open.
        """
        if self.state is State.PROBING:
            if run == self._probe:
                self._probe = None
                self._judge(now, good=good)
        elif self.state is State.CLOSED:
            self._judge(now, good=good)
        return good is False and self.state is not State.CLOSED

    def left(self, now: float) -> float:
        """Return how many seconds are left of the pause; while it is being tried, those of another pause."""
        return max(self._pause - (now - self._opened), 0.0) if self.state is State.OPEN else self._pause

    def _judge(self, now: float, *, good: bool | None) -> None:
        if good is None:
            self._happened(Event.NOT_TRIED)
        elif good:
            self._in_a_row = 0
            self._happened(Event.SUCCEEDED)
        else:
            self._in_a_row += 1
            self._happened(Event.FAILED_TOO_OFTEN if self._in_a_row >= self._failures else Event.FAILED)
            if self.state is State.OPEN:
                self._opened = now

    def _look(self, now: float) -> None:
        if self.state is State.OPEN and now - self._opened >= self._pause:
            self._happened(Event.PAUSE_OVER)

    def _happened(self, event: Event) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)
