"""Options of handlers: what they are, where they come from, and what the runtime makes of them."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypedDict, cast

from flowable.external_worker_client import arguments, durations, settings
from flowable.external_worker_client.durations import Duration, DurationLike
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.handlers.declared import Declared
from flowable.external_worker_client.handlers.signatures import Texts
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.runtime.acquiring import Question
from flowable.external_worker_client.runtime.subscription import Options

#: Handlers at once, unless something else is said: coroutines cost next to nothing; a function may not be made for
#: several threads.
_COROUTINES_AT_ONCE = 100
_FUNCTIONS_AT_ONCE = 1

#: Threads that acquire and settle for coroutines. An engine nearby is busy with fewer requests, and then these threads
#: wait for a place (`rest.limited`); for one that is far away, each is a result that is on its way.
_THREADS_FOR_COROUTINES = 8

_LOCK = "PT1M"

#: How often the engine tries again at once when other workers are faster.
_ENGINE_TRIES = 5

#: Longest pause between two questions while there is no work.
_POLL = 0.75  # seconds


_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)

#: What is accepted of options that are one value, which is never `None` unless that means something.
_CHECKS: Mapping[str, Callable[[object, str], object]] = {
    "lock": durations.lock_duration,
    "poll": durations.poll,
    "concurrency": arguments.count,
    "number_of_tasks": arguments.count,
    "scope_type": lambda value, _: arguments.scope_type(value),
    "weight": lambda value, _: arguments.weight(value),
}


class JobOptions(TypedDict, total=False):
    """Options of a handler, or of all handlers of a worker that do not say otherwise.

    What neither says comes from the environment, and then from here: see `settings`.
    """

    lock: DurationLike
    """How long a job is locked: longer than the handler ever takes. `"1m"`."""
    concurrency: int
    """How many run at once. 1 for `def`, 100 for `async def`; with `processes`, as many as these."""
    retry: RetryPolicy
    """What to do about a handler that raises. As the client says."""
    scope_type: str | None
    """`"bpmn"` for jobs of processes only, `"cmmn"` for jobs of cases only. Both."""
    number_of_tasks: int
    """Fewest jobs of one acquire, even if fewer handlers are free; quick ones get more, ahead. 1."""
    poll: DurationLike
    """Longest pause between two questions while there is no work. 0.75 seconds, and 10 milliseconds at least.
    Chance shortens it by up to a fifth. While all topics of a worker are idle, one look is made for all, in the
    shortest of their pauses."""
    timeout: DurationLike | None
    """How long a handler may run, itself and not its middleware. It cancels a coroutine and ends a process; a function
    in a thread, or on an executor, cannot be ended: that is logged, and for an executor the job is failed all the same.
    No longer than `lock`. As long as it takes."""
    weight: float
    """How much it counts when topics compete for the `total_concurrency` of the worker that is run: with 3, for three
    times as many jobs as with 1. From 0.001 to 1000. 1."""
    tenants: Texts | None
    """Tenants whose jobs are worked on, `""` for jobs without one. Jobs of others are given back for a minute. All."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of one handler, resolved.

    Attributes:
        options: What its subscription asks for.
        retry: What to do when it raises. `None`: as the client says.
        timeout: How long it may run, in seconds. `None`: as long as it takes.
        weight: How much it counts when topics compete for the places of a budget.
    """

    options: Options
    retry: RetryPolicy | None
    timeout: float | None
    weight: float


def checked(
    options: JobOptions, here: Callable[..., object], elsewhere: Callable[..., object], place: str
) -> JobOptions:
    """Refuse options where they are written, not when the worker is run, and return a copy of them.

    Args:
        options: The options.
        here: What they were given to.
        elsewhere: What takes other options, which are easily given here by mistake.
        place: How these are given there, with `{}` for the name.

    Raises:
        InvalidArgumentError: A value is not what is accepted.
        TypeError: There is no such option.
    """
    unknown = sorted(set(options) - set(JobOptions.__annotations__))
    if unknown:
        there = _named(elsewhere)
        belong = [place.format(name) for name in unknown if name in there]
        if belong:
            hint = f"it belongs to {', '.join(belong)}"
        else:
            known = [*JobOptions.__annotations__, *_named(here)]
            meant = [each for name in unknown for each in get_close_matches(name, known, 1)]
            hint = (
                f"did you mean {', '.join(meant)}?" if meant else f"there are {', '.join(JobOptions.__annotations__)}"
            )
        raise TypeError(f"unknown option {', '.join(unknown)}; {hint}")
    copied = options.copy()
    given = cast("Mapping[str, object]", options)
    if "retry" in given and not isinstance(given["retry"], RetryPolicy):
        raise InvalidArgumentError("retry", given["retry"], "a RetryPolicy")
    for name, check in _CHECKS.items():
        if name in given:
            check(given[name], name)
    if given.get("timeout") is not None:
        # No handler runs longer than its lock.
        durations.lock_duration(given["timeout"], "timeout")
    if given.get("tenants") is not None:
        copied["tenants"] = _tenants(given["tenants"])
    return copied


def _tenants(value: object) -> frozenset[str]:
    tenants = list(cast("Iterable[object]", value)) if isinstance(value, Iterable) else []
    if isinstance(value, str) or not tenants or not all(isinstance(each, str) for each in tenants):
        accepted = 'a list of at least one tenant, which are text; "" for jobs without one'
        raise InvalidArgumentError("tenants", cast("object", value), accepted)
    return frozenset(cast("list[str]", tenants))


def _named(function: Callable[..., object]) -> list[str]:
    """Return the parameters of a function that have a name of their own, which `**options` has not."""
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]


def resolve(topic: str, declared: Declared, options: JobOptions, processes: int | None) -> Plan:
    """Resolve the options of a handler: its own or its worker's, the environment's, and then the usual ones.

    Args:
        topic: Its topic.
        declared: The handler.
        options: Its own, with those of its worker that it does not set.
        processes: How many processes it runs in. `None`: none.

    Raises:
        InvalidArgumentError: The time-out is longer than the lock.
        SettingsError: What the environment says is not what is accepted.
    """
    environment = os.environ
    coroutine = declared.kind == "async"
    slots = (
        options.get("concurrency")
        or settings.whole_number(environment, "CONCURRENCY")
        or processes
        or (_COROUTINES_AT_ONCE if coroutine else _FUNCTIONS_AT_ONCE)
    )
    tasks = options.get("number_of_tasks") or settings.whole_number(environment, "NUMBER_OF_TASKS") or 1
    lock = _duration(options, "lock", durations.lock_duration) or durations.lock_duration(_LOCK)
    poll = _duration(options, "poll", durations.poll)
    timeout = _duration(options, "timeout", durations.lock_duration)
    if timeout is not None and timeout.seconds > lock.seconds:
        # When it was over, another worker would have the job already.
        accepted = f"no longer than the lock, which is {lock.text}: give a longer lock, or a shorter timeout"
        raise InvalidArgumentError(f"timeout of topic {topic!r}", timeout.text, accepted)
    tenants = options.get("tenants")
    return Plan(
        Options(
            question=Question(
                topic=topic,
                lock=lock,
                number_of_retries=_ENGINE_TRIES,
                scope_type=options.get("scope_type"),
            ),
            number_of_tasks=tasks,
            slots=slots,
            wait=_POLL if poll is None else poll.seconds,
            threads=min(_THREADS_FOR_COROUTINES, slots) if coroutine else None,
            tenants=None if tenants is None else frozenset(tenants),
            limiter=declared.limiter,
            ahead=True,
        ),
        options.get("retry"),
        None if timeout is None else timeout.seconds,
        options.get("weight", 1.0),
    )


def total_concurrency(given: int | None) -> int | None:
    """Resolve how many jobs a worker may hold at once: what it says, or the environment. `None`: any number.

    Raises:
        SettingsError: What the environment says is not what is accepted.
    """
    return given or settings.whole_number(os.environ, "TOTAL_CONCURRENCY")


def _duration(options: JobOptions, name: str, read: Callable[[object, str], Duration]) -> Duration | None:
    """Return a duration: what the options say, `None` included, or else the environment."""
    if name in options:
        value = cast("Mapping[str, object]", options)[name]
        return None if value is None else read(value, name)
    text = settings.option(os.environ, name.upper())
    if text is None:
        return None
    # A number stands for seconds, as it does in a program.
    seconds = float(text) if _SECONDS.fullmatch(text) else text
    try:
        return read(seconds, name)
    except InvalidArgumentError as error:
        raise settings.SettingsError(
            f"FLOWABLE_WORKER_{name.upper()}", f"is {text!r}: it must be {error.accepted}"
        ) from None
