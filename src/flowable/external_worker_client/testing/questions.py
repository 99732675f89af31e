"""What a test asks of an engine afterwards, and how it is told that the answer is another than it expected.

`__tracebackhide__` makes pytest show the line of the test, instead of lines of this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict, Unpack, cast

from flowable.external_worker_client.testing.faults import OPERATIONS
from flowable.external_worker_client.testing.sent import Requests, SentRequest
from flowable.external_worker_client.testing.views import view_job

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.core import Core
    from flowable.external_worker_client.testing.faults import Operation
    from flowable.external_worker_client.testing.views import Event, InstanceView, JobView

__all__ = ["Engine", "JobMembers", "Questions", "SentMembers", "difference"]

#: The requests by which jobs are ended; others are asked for by name.
_SETTLING: Final = frozenset({"complete", "fail", "bpmn_error", "cmmn_terminate"})


class SentMembers(TypedDict, total=False):
    """What can be expected of a request, see `SentRequest`."""

    job_id: str
    worker_id: str | None
    variables: dict[str, Any]
    types: dict[str, str | None]
    error_code: str | None
    message: str | None
    details: str | None
    retries: int | None
    retry_timeout: timedelta | None
    status: int | None
    body: dict[str, Any]


class JobMembers(TypedDict, total=False):
    """What can be expected of a job, see `JobView`."""

    table: str
    element_id: str
    tenant_id: str
    retries: int
    exclusive: bool
    lock_owner: str | None
    exception_message: str | None
    details: str | None


class Engine(Protocol):
    """What the questions need of an engine."""

    requests: Requests

    @property
    def events(self) -> Sequence[Event]:
        """What has happened."""
        ...

    @property
    def core(self) -> Core:
        """The tables."""
        ...

    def working(self) -> AbstractContextManager[object]:
        """Return a context in which the tables hold still."""
        ...

    def instance(self, instance_id: str) -> InstanceView:
        """Return an instance."""
        ...

    def sent(
        self, operation: Operation | None = None, *, topic: str | None = None, instance_id: str | None = None
    ) -> list[SentRequest]:
        """Return what workers sent."""
        ...

    def every_job(self) -> list[JobView]:
        """Return the jobs of all tables."""
        ...

    def the_job(self, topic: str, *, instance_id: str | None = None) -> JobView:
        """Return the one job of a topic."""
        ...


class Questions:
    """The part of `EmbeddedEngine` that answers the questions of a test."""

    def sent(
        self: Engine, operation: Operation | None = None, *, topic: str | None = None, instance_id: str | None = None
    ) -> list[SentRequest]:
        """Return what workers sent, oldest first, through either door, faults or not.

        Args:
            operation: One operation, by the names that faults have. None is how jobs ended: `complete`, `fail`,
                `bpmn_error` and `cmmn_terminate`. `"any"` is everything, `acquire` too.
            topic: Only what is about this topic. None is any.
            instance_id: Only what is about jobs of this instance. None is any.

        Raises:
            ValueError: There is no such operation.
        """
        if operation is not None and operation not in OPERATIONS:
            raise ValueError(f"operation: {operation!r} is not accepted; one of {', '.join(OPERATIONS)}")
        return [
            request
            for request in self.requests.read(self.events)
            if (request.operation in _SETTLING if operation is None else operation in {request.operation, "any"})
            and topic in {None, request.topic}
            and instance_id in {None, request.instance_id}
        ]

    def assert_sent(
        self: Engine,
        operation: Operation,
        *,
        topic: str | None = None,
        instance_id: str | None = None,
        times: int | None = None,
        **expected: Unpack[SentMembers],
    ) -> list[SentRequest]:
        """See that a request was sent.

        Args:
            operation: Which, see `sent`.
            topic: About which topic. None is any.
            instance_id: About jobs of which instance. None is any.
            times: How often exactly; 0 is never. None is at least once: what got no answer is sent again.
            **expected: Members of the request that have to be equal, see `SentRequest`.

        Returns:
            Those that are as expected, oldest first.

        Raises:
            AssertionError: It was not, or not so often. The text shows the difference to the last request of this
                operation, or what was sent in its place.
            TypeError: A request has no such member.
        """
        __tracebackhide__ = True
        _known(expected, SentMembers, "a request")
        asked = self.sent(operation, topic=topic, instance_id=instance_id)
        found = [request for request in asked if _chosen(request, expected) == dict(expected)]
        if len(found) == times or (found and times is None):
            return found
        about = "" if topic is None else f" for topic {topic!r}"
        about += "" if instance_id is None else f" for instance {instance_id}"
        often = "never sent" if times is None else f"sent {len(found)} times, not {times},"
        text = f"{operation!r}{about} was {often} as expected"
        if asked and not found:
            text += f"; the last of {len(asked)} differs:\n{difference(dict(expected), _chosen(asked[-1], expected))}"
            raise AssertionError(text)
        raise AssertionError(text + _listed("sent were", found or self.sent()))

    def every_job(self: Engine) -> list[JobView]:
        """Return the jobs of all tables: offered, suspended, done but not continued, dead letters."""
        with self.working():
            core = self.core
            tables = (core.suspended, core.continuations, core.dead_letters)
            jobs = [*core.store, *(job for table in tables for job in table.values())]
            return [view_job(job) for job in jobs]

    def the_job(self: Engine, topic: str, *, instance_id: str | None = None) -> JobView:
        """Return the one job of a topic, wherever it is: free, locked, suspended, done but not continued, dead.

        Args:
            topic: Exact.
            instance_id: Of which instance. None is any.

        Raises:
            AssertionError: If there is none, or more than one. The text lists the jobs there are.
        """
        __tracebackhide__ = True
        jobs = self.every_job()
        found = [job for job in jobs if job.topic == topic and instance_id in {None, job.instance_id}]
        if len(found) == 1:
            return found[0]
        raise AssertionError(f"{len(found)} jobs have topic {topic!r}, not one" + _listed("there are", jobs))

    def assert_job(
        self: Engine, topic: str, *, instance_id: str | None = None, **expected: Unpack[JobMembers]
    ) -> JobView:
        """See that there is one job of a topic, as expected, and return it.

        Args:
            topic: Exact.
            instance_id: Of which instance. None is any.
            **expected: Members of the job that have to be equal, see `JobView`: `retries=2`, `table="deadletter"`.

        Raises:
            AssertionError: If there is none, more than one, or one that differs. The text shows the difference.
            TypeError: A job has no such member.
        """
        __tracebackhide__ = True
        _known(expected, JobMembers, "a job")
        job = self.the_job(topic, instance_id=instance_id)
        _compare(f"the job of topic {topic!r}", expected, job)
        return job

    def assert_ended(
        self: Engine,
        instance_id: str,
        *,
        end: str | None = None,
        variables: Mapping[str, object] | None = None,
        path: Sequence[str] | None = None,
    ) -> InstanceView:
        """See that an instance has ended, and how, and return it. Does not wait: `wait_for_end` does.

        Args:
            instance_id: Of the instance.
            end: The id of the end event, see `InstanceView`. None is any.
            variables: All variables that it has in the end. None is any.
            path: The ids of all elements that it reached, in order. None is any.

        Raises:
            AssertionError: It has not, or not so. The text shows the difference.
            LookupError: There is no such instance.
        """
        __tracebackhide__ = True
        view = self.instance(instance_id)
        if not view.ended:
            jobs = [job for job in self.every_job() if job.instance_id == instance_id]
            raise AssertionError(f"instance {instance_id} of {view.key!r} has not ended" + _listed("its jobs", jobs))
        expected: dict[str, object] = {}
        if end is not None:
            expected["end"] = end
        if variables is not None:
            expected["variables"] = dict(variables)
        if path is not None:
            expected["path"] = tuple(path)
        _compare(f"instance {instance_id} of {view.key!r}", expected, view)
        return view


def difference(expected: object, actual: object) -> str:
    """Return how two values differ, line by line: `-` is expected and missing, `+` is there and not expected."""
    return "\n".join(difflib.unified_diff(_lines(expected), _lines(actual), "expected", "actual", lineterm="", n=1000))


def _lines(value: object, before: str = "", indent: str = "") -> list[str]:
    """Return a value with every member and every item on a line of its own."""
    if isinstance(value, Mapping) and value:
        members = cast("Mapping[object, object]", value).items()
        inner = [line for key, each in members for line in _lines(each, f"{key!r}: ", indent + "  ")]
        return [f"{indent}{before}{{", *inner, f"{indent}}}"]
    if isinstance(value, list | tuple) and value:
        items = cast("Sequence[object]", value)
        inner = [line for each in items for line in _lines(each, "", indent + "  ")]
        return [f"{indent}{before}[", *inner, f"{indent}]"]
    return [f"{indent}{before}{value!r}"]


def _known(expected: Mapping[str, object], members: type, what: str) -> None:
    unknown = sorted(set(expected) - set(members.__annotations__))
    if unknown:
        raise TypeError(f"{what} has no member {', '.join(unknown)}; it has {', '.join(members.__annotations__)}")


def _chosen(value: object, expected: Mapping[str, object]) -> dict[str, object]:
    """Return those members of a value that something is expected of."""
    return {name: getattr(value, name) for name in expected}


def _compare(what: str, expected: Mapping[str, object], value: object) -> None:
    __tracebackhide__ = True
    actual = _chosen(value, expected)
    if actual != dict(expected):
        raise AssertionError(f"{what} differs:\n{difference(dict(expected), actual)}")


def _listed(what: str, values: Sequence[object]) -> str:
    return "".join([f"; {what}:", *(f"\n  {_short(value)}" for value in values)]) if values else f"; {what}: none"


def _short(value: object) -> str:
    """Return a value without the members that are None or empty."""
    if not is_dataclass(value):
        return repr(value)
    members = ((each.name, getattr(value, each.name)) for each in fields(value) if each.repr)
    shown = (f"{name}={member!r}" for name, member in members if member not in (None, "", {}))
    return f"{type(value).__name__}({', '.join(shown)})"
