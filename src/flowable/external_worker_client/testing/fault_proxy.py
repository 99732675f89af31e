"""A proxy that stands in front of any engine, and does to requests what networks do to them."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from flowable.external_worker_client.testing.proxy_connection import Connection, Exchange
from flowable.external_worker_client.testing.proxy_faults import When, WireFault, WireFaults, WireOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

__all__ = ["FaultProxy"]

_HOST: Final = "127.0.0.1"
_STOP: Final = 10.0  # seconds, for the threads to end


class FaultProxy:
    """Stands between workers and an engine, embedded or real, and lets things go wrong on the wire.

    Workers are given `url` instead of the engine's. As long as no fault is planned, requests and answers pass byte for
    byte; each connection of a client has one of its own to the server, and ends when the server ends that: the engine's
    habit of closing connections (after the hundredth request, after every 400 and 500) passes through as well. The
    `Host` header is the client's, and so the `url` members that an engine writes into its answers lead to the proxy.

    Use it as a context manager; or `start` and `stop` it. All methods are safe to call from any thread.

    Example:
        >>> with FaultProxy(server.url) as proxy:
        ...     client = ExternalWorkerClient(proxy.url)
        ...     proxy.faults.reset("complete", "after")  # the next result arrives, and its answer is lost

    Args:
        target_url: Of the engine, up to before `/external-job-api`; `http` only.
        port: On which the proxy listens, at 127.0.0.1; 0 takes a free one.
        seed: Of the dice for faults that happen to a share of the requests.
        requests_per_connection: After so many the proxy closes a connection, whatever the server does; None leaves it
            to the server. A real engine's is 100.
        close_after: After answers with these statuses the proxy closes the connection; those of a real engine's are
            400, 408 and 500. Empty leaves it to the server.
        keep_exchanges: How many of the last requests `exchanges` remembers.

    Attributes:
        faults: What goes wrong, and when.

    Raises:
        ValueError: If target_url is no address with `http://`, or a number is below 1.
        OSError: On start, if the port is in use.
    """

    def __init__(
        self,
        target_url: str,
        *,
        port: int = 0,
        seed: int = 0,
        requests_per_connection: int | None = None,
        close_after: Collection[int] = (),
        keep_exchanges: int = 10_000,
    ) -> None:
        parts = urlsplit(target_url)
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.username is not None:
            # Not repeated: it may hold a password.
            raise ValueError("target_url: accepted is http://host:port/path, without a user; give clients their own")
        if requests_per_connection is not None and requests_per_connection < 1:
            raise ValueError(
                f"requests_per_connection: {requests_per_connection!r} is not accepted; 1 or more, or None"
            )
        self.faults = WireFaults(seed)
        self.server = (parts.hostname, parts.port or 80)
        self.path = parts.path.rstrip("/")
        self.requests_per_connection = requests_per_connection
        self.close_after = frozenset(close_after)
        self._wanted_port = port
        self._exchanges: deque[Exchange] = deque(maxlen=keep_exchanges)
        self._changed = threading.Condition()
        self._connections: set[Connection] = set()
        self._threads: list[threading.Thread] = []
        self._door: _Door | None = None
        self._held = 0
        self._releases = 0

    def __repr__(self) -> str:
        host, port = self.server
        where = self.url if self._door is not None else "stopped"
        return f"<FaultProxy {where} before {host}:{port}, {self.faults.pending} faults planned>"

    # ------------------------------------------------------------ start and stop

    def start(self) -> Self:
        """Listen. Does nothing if it is started already."""
        if self._door is None:
            self._door = _Door(self._wanted_port, self._serve, self._changed)
        return self

    def stop(self) -> None:
        """Stop listening and end all connections, whatever they wait for. Can be called more than once.

        Raises:
            RuntimeError: If a thread does not end within ten seconds.
        """
        door, self._door = self._door, None
        if door is None:
            return
        door.close()
        self._end_connections()
        deadline = time.monotonic() + _STOP
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(f"a connection of the fault proxy did not end within {_STOP:g} s")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: If it is not started.
        """
        if self._door is None:
            raise RuntimeError("the proxy is not started; use it in a with statement, or call start()")
        return self._door.port

    @property
    def url(self) -> str:
        """What clients are given instead of the target's address: the same path. Raises RuntimeError if not started."""
        return f"http://{_HOST}:{self.port}{self.path}"

    # ------------------------------------------------------------ what tests do with it

    def refuse(self, seconds: float | None = None) -> None:
        """Refuse connections, and end all that there are, as an engine does that is not running.

        Returns once connections are refused.

        Args:
            seconds: For how long; None is until `accept`.

        Raises:
            RuntimeError: If the proxy is not started, or its port was taken by somebody else.
            ValueError: If seconds is not above 0.
        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds: {seconds!r} is not accepted; more than 0, or None until accept()")
        _ = self.port
        self._refuse(seconds, None)

    def accept(self) -> None:
        """Accept connections again. Returns once they are; does nothing if they are already."""
        if self._door is not None:
            self._door.accept()

    def release(self) -> None:
        """Let all requests go on that hang now."""
        with self._changed:
            self._releases += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget the exchanges so far, and the faults that are planned."""
        self.faults.clear()
        with self._changed:
            self._exchanges.clear()

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The requests that are over, oldest first. One is among them before its client has the answer."""
        with self._changed:
            return tuple(self._exchanges)

    def exchanges_of(self, operation: WireOperation, job_id: str | None = None) -> tuple[Exchange, ...]:
        """Return the exchanges of one operation, of one job if it is given."""
        return tuple(
            exchange
            for exchange in self.exchanges
            if exchange.operation == operation and job_id in {None, exchange.job_id}
        )

    @property
    def hanging(self) -> int:
        """How many requests or answers are held back now."""
        return self._held

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def wait_until(self, condition: Callable[[FaultProxy], bool], timeout: float = 10.0) -> None:
        """Wait until something holds, such as `lambda proxy: proxy.hanging == 1`.

        Args:
            condition: Asked after every exchange and every change of the connections, with this proxy.
            timeout: In real seconds.

        Raises:
            TimeoutError: If it does not hold by then.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                seen = f"{len(self._exchanges)} exchanges, {self._held} hang, {len(self._connections)} connections"
                raise TimeoutError(f"the condition did not hold within {timeout:g} s; {seen}")

    # ------------------------------------------------------------ what connections ask for

    def take(self, operation: WireOperation) -> WireFault | None:
        """Return what happens to a request. For the connections."""
        return self.faults.take(operation)

    def hold(self, connection: Connection, fault: WireFault, when: When) -> bool:
        """Wait as long as a fault wants; return whether to go on. For the connections."""
        if fault.when != when or not (fault.hang or fault.delay):
            return True
        with self._changed:
            releases = self._releases
            self._held += 1
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: connection.ended or (fault.hang and self._releases > releases), fault.delay or None
            )
            self._held -= 1
            self._changed.notify_all()
            return not connection.ended

    def go_down(self, seconds: float, cause: Connection) -> None:
        """Refuse connections for a while, and end all but one. For the connections."""
        self._refuse(seconds, cause)

    def record(self, exchange: Exchange) -> None:
        """Remember what became of a request. For the connections."""
        with self._changed:
            self._exchanges.append(exchange)
            self._changed.notify_all()

    # ------------------------------------------------------------ inside

    def _serve(self, client: socket.socket) -> None:
        """Carry the requests of a client that has just come."""
        try:
            connection = Connection(client, self)
        except OSError:
            # Gone again.
            client.close()
            return
        thread = threading.Thread(target=self._run, args=(connection,), name="fault-proxy", daemon=True)
        with self._changed:
            self._connections.add(connection)
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            self._changed.notify_all()
            thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()

    def _refuse(self, seconds: float | None, cause: Connection | None) -> None:
        door = self._door
        if door is not None:
            door.refuse(seconds)
            self._end_connections(cause)

    def _end_connections(self, cause: Connection | None = None) -> None:
        with self._changed:
            for connection in self._connections:
                if connection is not cause:
                    connection.end()
            self._changed.notify_all()


class _Door:
    """The listening socket, and the thread that waits at it.

    Args:
        port: To listen on; 0 takes a free one.
        serve: Called with every client.
        changed: Guards the state, and is notified of it.
    """

    def __init__(self, port: int, serve: Callable[[socket.socket], None], changed: threading.Condition) -> None:
        self._serve = serve
        self._changed = changed
        self._socket = _bound(port)
        self._socket.listen(1024)
        self.port: int = self._socket.getsockname()[1]
        self._open: bool = True
        self._wanted: bool = True
        self._over = False
        self._until: float | None = None
        self._alarm, self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name=f"fault-proxy-{self.port}", daemon=True)
        self._thread.start()

    def refuse(self, seconds: float | None) -> None:
        self._want(listening=False, until=None if seconds is None else time.monotonic() + seconds)

    def accept(self) -> None:
        self._want(listening=True, until=None)

    def close(self) -> None:
        with self._changed:
            self._over = True
        self._bell.send(b"!")
        self._thread.join(_STOP)
        for each in (self._socket, self._alarm, self._bell):
            each.close()

    def _want(self, *, listening: bool, until: float | None) -> None:
        with self._changed:
            self._wanted, self._until = listening, until
            self._bell.send(b"!")
            if not self._changed.wait_for(lambda: self._open == listening or self._over, _STOP):
                raise RuntimeError(f"the fault proxy could not {'open' if listening else 'close'} port {self.port}")

    def _watch(self) -> None:
        """Accept clients, or do not, as is wanted."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._alarm, selectors.EVENT_READ)
            ready.register(self._socket, selectors.EVENT_READ)
            while not self._over:
                until = self._until
                pause = None if until is None else max(0.0, until - time.monotonic())
                found = {key.fileobj for key, _ in ready.select(pause)}
                if self._alarm in found:
                    self._alarm.recv(1024)
                with self._changed:
                    if self._until is not None and time.monotonic() >= self._until:
                        self._wanted, self._until = True, None
                    self._switch(ready)
                if self._open and self._socket in found:
                    with contextlib.suppress(OSError):
                        client, _ = self._socket.accept()
                        self._serve(client)

    def _switch(self, ready: selectors.BaseSelector) -> None:
        """Open or close the port, if that is wanted. Closed it stays bound, so that nobody else can take it."""
        if self._wanted == self._open:
            return
        if self._wanted:
            self._socket.listen(1024)
            ready.register(self._socket, selectors.EVENT_READ)
        else:
            ready.unregister(self._socket)
            self._socket.close()
            self._socket = _bound(self.port)
        self._open = self._wanted
        self._changed.notify_all()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        if os.name == "posix":
            # Elsewhere it would let others take the port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((_HOST, port))
    except BaseException:
        bound.close()
        raise
    return bound
