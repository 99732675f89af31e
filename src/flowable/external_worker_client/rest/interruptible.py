"""An adapter for `requests.Session` whose requests can be ended from another thread, and cost little.

A read that waits for an answer cannot be told to give up. A worker that is to stop must not be held up by an engine
that does not answer, so the socket is shut down under it: the read ends then, with an error like that of a lost
connection. How a usual request is sent at little cost, and how old connections may get: `pools`, `idle`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from flowable.external_worker_client.rest.as_shipped import METHODS_OF_ADAPTERS
from flowable.external_worker_client.rest.pools import Connections, HandedOver, kept

_logger = logging.getLogger("urllib3.connectionpool")


class InterruptibleAdapter(HTTPAdapter):
    """The adapter of requests, with `connections.interrupt()`. Takes its arguments, and one more.

    Args:
        *args: Those of `HTTPAdapter`.
        clock: Returns seconds; what the age of idle connections is measured by.
        **kwargs: Those of `HTTPAdapter`.
    """

    def __init__(self, *args: Any, clock: Callable[[], float] = time.monotonic, **kwargs: Any) -> None:  # noqa: ANN401 - those of the adapter of requests
        self._clock = clock
        super().__init__(*args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as above
        """See `HTTPAdapter`."""
        if not hasattr(self, "connections"):
            self.connections = Connections()
            self._handed_over = HandedOver()
            # A copy of an adapter comes without what is ours.
            self._clock = getattr(self, "_clock", time.monotonic)
        super().init_poolmanager(*args, **kwargs)
        self._keep(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:  # noqa: ANN401 - as above
        """See `HTTPAdapter`."""
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        self._keep(manager)
        return manager

    def _keep(self, manager: Any) -> None:  # noqa: ANN401 - as above
        manager.pool_classes_by_scheme = {
            scheme: kept(pool, self.connections, self._clock, self._handed_over)
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as above
        """See `HTTPAdapter`."""
        pool = self._handed_over.pool
        return super().get_connection_with_tls_context(*args, **kwargs) if pool is None else pool

    def usable(self) -> bool:
        """Say whether sending a request by `exchange` of its pool is the same as by `send`."""
        retries = self.max_retries
        return (
            type(self) is InterruptibleAdapter
            and _KNOWS_ITS_POOLS
            and _OVERRIDABLE.isdisjoint(vars(self))
            and retries.total == 0
            and retries.read is False
            and not retries.status_forcelist
            # urllib3 tells of every request then.
            and not _logger.isEnabledFor(logging.DEBUG)
        )

    def withdraw(self) -> None:
        """Close the connection that a pool handed over, if nobody has taken it. Its request was sent."""
        connection, self._handed_over.connection = self._handed_over.connection, None
        self._handed_over.pool = None
        if connection is not None:
            connection.close()


# Since requests 2.32.
_KNOWS_ITS_POOLS = hasattr(HTTPAdapter, "get_connection_with_tls_context")
_OVERRIDABLE = METHODS_OF_ADAPTERS | frozenset(dir(InterruptibleAdapter))
