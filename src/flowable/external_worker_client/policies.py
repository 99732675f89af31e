"""How a topic treats jobs that fail. Pure values: they say what is to happen, and hold no state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.errors import InvalidArgumentError

#: A larger exponent would leave the range of a float for nothing: every pause has reached its longest by then.
_MOST_GROWTHS = 10_000

_OWN_TABLE = "a RetryPolicy without exceptions of its own: the most specific type of one table decides"


def _nothing() -> Mapping[type[BaseException], RetryPolicy]:
    return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often a job whose handler raised is offered again, and after which pauses.

    The engine counts the attempts that a job has left, and that count (`job.retries`) is the only memory there is: it
    outlives workers and is shared by all of them. The policy turns it into the number of the attempt, and that into a
    pause.

    The engine lets a job that pauses go only when it resets expired locks, every 60 seconds unless it is configured
    otherwise: a job comes back up to a minute after its pause is over, and pauses that differ by less than a minute
    may make no difference. With a pause of zero it is offered again at once.

    ```python
    RetryPolicy(attempts=8, exceptions={ConnectionError: RetryPolicy(first_pause="1m", longest_pause="1h")})
    ```

    Args:
        first_pause: Pause after the first failed attempt, in any form of `durations`. Zero: no pause, then or later.
        growth: Each further pause is so many times as long. 1: all are equally long. At least 1.
        longest_pause: No pause is longer, except by the jitter. At least `first_pause`.
        jitter: How far a pause may differ, as a share of it: 0.2 spreads ten seconds over 8 … 12, so that jobs that
            failed together do not all come back together. From 0 to 1.
        attempts: How many attempts a job has in all. `None`: as many as the engine gives it, three unless it is
            configured otherwise. 1: the first failure moves the job to the dead letters. The first failure reports
            `attempts - 1` to the engine, and each further one takes one away; a job that already has a message when
            it is acquired counts as one that failed before. So does a job that was sent back from the dead letters: it
            has the attempts that the engine gave it then, but no more than `attempts`.
        exceptions: Other policies for exceptions of certain types. The most specific type in the class hierarchy of
            what was raised wins, wherever it stands in the mapping. These policies cannot have `exceptions` of their
            own. Each failed attempt is treated by the policy for what was raised in it.

    Attributes:
        first_pause_seconds: `first_pause` in seconds.
        longest_pause_seconds: `longest_pause` in seconds.

    Raises:
        InvalidArgumentError: An argument is not as said above. It names the argument.
    """

    # As they were written, for the repr; what counts is the seconds.
    first_pause: DurationLike = field(default="10s", compare=False)
    growth: float = 3.0
    longest_pause: DurationLike = field(default="10m", compare=False)
    jitter: float = 0.2
    attempts: int | None = None
    exceptions: Mapping[type[BaseException], RetryPolicy] = field(default_factory=_nothing, hash=False)
    first_pause_seconds: float = field(init=False, repr=False)
    longest_pause_seconds: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the arguments, and read the durations once."""
        first = durations.retry_timeout(self.first_pause, "first_pause").seconds
        longest = durations.retry_timeout(self.longest_pause, "longest_pause").seconds
        if longest < first:
            accepted = f"at least as long as first_pause, which is {self.first_pause!r}"
            raise InvalidArgumentError("longest_pause", self.longest_pause, accepted)
        if not _number(self.growth) or not 1 <= self.growth < math.inf:
            raise InvalidArgumentError("growth", self.growth, "a number of at least 1")
        if not _number(self.jitter) or not 0 <= self.jitter <= 1:
            raise InvalidArgumentError("jitter", self.jitter, "a number from 0 to 1")
        if self.attempts is not None:
            arguments.count(self.attempts, "attempts")
        # The way to set attributes of a frozen dataclass, here only.
        object.__setattr__(self, "first_pause_seconds", first)
        object.__setattr__(self, "longest_pause_seconds", longest)
        object.__setattr__(self, "exceptions", MappingProxyType(_table(self.exceptions)))

    def for_error(self, error: BaseException) -> RetryPolicy:
        """Return the policy for an exception: that of the most specific of its types in `exceptions`, or this one."""
        for kind in type(error).__mro__:
            if kind in self.exceptions:
                return self.exceptions[kind]
        return self

    def pause(self, attempt: int, chance: float) -> float:
        """Return how long a job waits after a failed attempt.

        Args:
            attempt: Its number, from 1. A smaller one counts as 1.
            chance: A random number from 0 to 1, which decides the jitter.

        Returns:
            Seconds, from 0 to `longest_pause_seconds` and the jitter on top.
        """
        try:
            factor = float(self.growth) ** min(max(attempt - 1, 0), _MOST_GROWTHS)
            grown = min(self.first_pause_seconds * factor, self.longest_pause_seconds)
        except OverflowError:
            grown = self.longest_pause_seconds if self.first_pause_seconds else 0.0
        return grown * (1.0 + self.jitter * (2.0 * chance - 1.0))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it picklable, which the read-only view of the table is not."""
        given = (self.first_pause, self.growth, self.longest_pause, self.jitter, self.attempts, dict(self.exceptions))
        return _rebuild, given


def _rebuild(
    first_pause: DurationLike,
    growth: float,
    longest_pause: DurationLike,
    jitter: float,
    attempts: int | None,
    exceptions: dict[type[BaseException], RetryPolicy],
) -> RetryPolicy:
    return RetryPolicy(
        first_pause=first_pause,
        growth=growth,
        longest_pause=longest_pause,
        jitter=jitter,
        attempts=attempts,
        exceptions=exceptions,
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _table(given: object) -> dict[type[BaseException], RetryPolicy]:
    """Check the policies by exception type, and copy them: what is changed in the mapping later changes nothing."""
    if not isinstance(given, Mapping):
        raise InvalidArgumentError("exceptions", given, "a mapping of exception types to RetryPolicy objects")
    table: dict[type[BaseException], RetryPolicy] = {}
    for kind, policy in cast("Mapping[object, object]", given).items():
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise InvalidArgumentError("exceptions", cast("object", kind), "a mapping whose keys are exception types")
        if not isinstance(policy, RetryPolicy) or policy.exceptions:
            raise InvalidArgumentError(f"exceptions[{kind.__name__}]", policy, _OWN_TABLE)
        table[kind] = policy
    return table
