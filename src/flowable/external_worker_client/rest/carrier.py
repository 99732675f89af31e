"""How settling calls get to the engine: the place where a subscription puts its care for results."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from flowable.external_worker_client.rest.operations import Operation


class Carrier(Protocol):
    """How a settling call gets to the engine: once, or again and again until something final is known."""

    def owner_of(self, job_id: str) -> str | None:
        """Return the name that holds a job, as far as the carrier knows; `None`: it does not."""
        ...

    def carry(
        self,
        operation: Operation,
        job_id: str,
        owner: str,
        send: Callable[[], None],
        holder: Callable[[], str | None],
    ) -> None:
        """Deliver one result.

        Args:
            operation: Which operation it is.
            job_id: The job it settles.
            owner: The name it is sent under.
            send: Sends it once. Raises `FlowableRestException` or `requests.RequestException` when that fails.
            holder: Reads who holds the job now, `None` for nobody. Raises as `send` does.

        Raises:
            FlowableRestException: The engine's last answer, when that is not that it is done.
            requests.RequestException: There was none.
        """
        ...


_carrier: ContextVar[Carrier | None] = ContextVar("flowable_carrier", default=None)


@contextmanager
def carried_by(carrier: Carrier) -> Generator[None]:
    """Let a carrier deliver what this thread sends to settle jobs, through any REST client, for the time of a block.

    That is how a subscription takes care of what a handler sends by itself. Without a carrier, a call sends once, and
    whoever called sees what became of it.
    """
    token = _carrier.set(carrier)
    try:
        yield
    finally:
        _carrier.reset(token)


def current_carrier() -> Carrier | None:
    """Return the carrier of this thread; `None`: a call sends once."""
    return _carrier.get()
