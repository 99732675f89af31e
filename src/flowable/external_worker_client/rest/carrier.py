"""How settling calls get to the engine: the place where a subscription puts its care for results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.rest.operations import Operation


class Settling(NamedTuple):
    """One call that settles a job, as data: it can be sent again, kept, and sent for the same job under another lock.

    Attributes:
        operation: Which operation it is.
        job_id: The job.
        owner: The name that it is sent under.
        members: The JSON members of the request but the owner. Those that are `None` are not sent.
    """

    operation: Operation
    job_id: str
    owner: str
    members: Mapping[str, Any]


class Wire(Protocol):
    """What a carrier needs of a REST client. Its methods send one request each (`iter_jobs`: one a page) and raise."""

    def settle(self, call: Settling) -> None:
        """Send a settling call once."""

    def get_job(self, job_id: str) -> ExternalWorkerJobResponse:
        """Read one job."""
        ...

    def iter_jobs(self, *, execution_id: str = ..., sub_scope_id: str = ...) -> Iterator[ExternalWorkerJobResponse]:
        """Read the jobs of one execution, or of one plan item."""
        ...


class Carrier(Protocol):
    """How a settling call gets to the engine: once, or again and again until something final is known."""

    def owner_of(self, job_id: str) -> str | None:
        """Return the name that holds a job, as far as the carrier knows; `None`: it does not."""
        ...

    def carry(self, call: Settling, wire: Wire) -> None:
        """Deliver one result.

        Args:
            call: What is to be sent.
            wire: What to send it through. Its methods raise `FlowableRestException` or `requests.RequestException`.

        Raises:
            FlowableRestException: The engine's last answer, when that is not that it is done.
            requests.RequestException: There was none.
        """
        ...


_carrier: ContextVar[Carrier | None] = ContextVar("flowable_carrier", default=None)


class carried_by:  # noqa: N801 - read like the function of contextlib that it stands for, which costs twice as much
    """Let a carrier deliver what this thread sends to settle jobs, through any REST client, for the time of a block.

    That is how a subscription takes care of what a handler sends by itself. Without a carrier, a call sends once, and
    whoever called sees what became of it.

    Args:
        carrier: What delivers.
    """

    __slots__ = ("_carrier", "_token")

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def __enter__(self) -> None:
        self._token = _carrier.set(self._carrier)

    def __exit__(self, *exception: object) -> None:
        _carrier.reset(self._token)


def current_carrier() -> Carrier | None:
    """Return the carrier of this thread; `None`: a call sends once."""
    return _carrier.get()
