"""The embedded engine over HTTP, on a socket of this machine, served by uvicorn on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import TYPE_CHECKING, Self

from flowable.external_worker_client.testing.asgi import EmbeddedApplication
from flowable.external_worker_client.testing.http import CONTEXT_PATH, Auth, Door

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from flowable.external_worker_client.testing.engine import EmbeddedEngine

__all__ = ["EmbeddedServer"]

_START = 10.0  # seconds, for the server to accept requests
_STOP = 10.0  # seconds, for its thread to end
_IDLE = 60  # seconds, after which an idle connection is closed, as the real server does


class EmbeddedServer:
    """Serves an embedded engine over HTTP.

    Use it as a context manager; or `start` and `stop` it. Several servers can serve one engine.

    Example:
        >>> with EmbeddedServer(engine, auth=("rest-admin", "test")) as server:
        ...     client = ExternalWorkerClient(server.url, auth=HTTPBasicAuth("rest-admin", "test"))

    Args:
        engine: What is served.
        host: The address to listen on.
        port: 0 takes a free one.
        auth: A user and a password for basic authentication, a token for bearer; None lets everybody in.
        requests_per_connection: After so many the connection is closed, as the real server does after 100; None never.

    Raises:
        ImportError: On start, if uvicorn is not installed.
        OSError: On start, if the address is in use.
    """

    def __init__(
        self,
        engine: EmbeddedEngine,
        host: str = "127.0.0.1",
        port: int = 0,
        auth: Auth = None,
        *,
        requests_per_connection: int | None = 100,
    ) -> None:
        self.engine = engine
        self._host = host
        self._port = port
        self._door = Door(engine, auth=auth)
        self._limit = requests_per_connection
        self._running: _Running | None = None

    def __repr__(self) -> str:
        where = self.url if self._running is not None else "stopped"
        return f"<EmbeddedServer {where} of {self.engine!r}>"

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: If it is not started.
        """
        if self._running is None:
            raise RuntimeError("the server is not started; use it in a with statement, or call start()")
        return self._running.port

    @property
    def url(self) -> str:
        """What clients are given, such as `http://127.0.0.1:8090/flowable-rest`. Raises RuntimeError if not started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}{CONTEXT_PATH}"

    def start(self) -> Self:
        """Listen. Returns once requests are answered; does nothing if it is started already."""
        if self._running is None:
            self._running = _Running(self._door, self._host, self._port, self._limit)
        return self

    def stop(self) -> None:
        """Stop listening and close all connections, those with requests that hang too. Can be called more than once."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Connections:
    """The open connections of a server, by the address of the client. Only touched on the server's event loop."""

    def __init__(self, limit: int | None) -> None:
        self._transports: dict[object, asyncio.Transport] = {}
        self._requests: dict[object, int] = {}
        self._limit = limit

    def opened(self, transport: asyncio.Transport) -> None:
        self._transports[_client(transport)] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        client = _client(transport)
        if self._transports.get(client) is transport:
            del self._transports[client]
            self._requests.pop(client, None)

    def hang_up(self, client: object, *, flush: bool) -> None:
        transport = self._transports.get(client)
        if transport is not None:
            if flush:
                transport.close()
            else:
                transport.abort()

    def is_last(self, client: object) -> bool:
        if self._limit is None:
            return False
        count = self._requests.get(client, 0) + 1
        self._requests[client] = count
        return count >= self._limit

    def abort_all(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()


def _client(transport: asyncio.Transport) -> object:
    # The address and the port: what ASGI calls the client, whatever the family has besides.
    peer: Sequence[object] = transport.get_extra_info("peername") or ()
    return tuple(peer[:2])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: asyncio turns Nagle's algorithm off only then, and answers in two packets wait 40 ms for
    # the client otherwise.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except BaseException:
        listening.close()
        raise
    return listening


class _Running:
    """A server that listens, and its thread."""

    def __init__(self, door: Door, host: str, port: int, limit: int | None) -> None:
        try:
            import uvicorn  # noqa: PLC0415 - an extra; everything else works without it
            from uvicorn.protocols.http.auto import AutoHTTPProtocol  # noqa: PLC0415
        except ImportError as error:
            hint = 'pip install "flowable.external-worker-client[testing]"'
            raise ImportError(f"the embedded engine needs uvicorn to be served over HTTP: {hint}") from error

        connections = _Connections(limit)
        self._ready = threading.Event()
        ready = self._ready

        class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
            """Tells the faults which connection belongs to which client."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, unused-ignore]
                self._own = transport
                connections.opened(transport)
                super().connection_made(transport)  # pyright: ignore[reportArgumentType]

            def connection_lost(self, exc: Exception | None) -> None:
                connections.closed(self._own)
                super().connection_lost(exc)

        class Server(uvicorn.Server):
            """Says when it is ready, and leaves no request hanging when it stops."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready.set()

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                connections.abort_all()
                await super().shutdown(sockets)

        config = uvicorn.Config(
            EmbeddedApplication(door, connections),
            http=Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=1,
        )
        self._server = Server(config)
        self._error: BaseException | None = None
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name=f"embedded-engine-{self.port}", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START) or self._error is not None:
            self.stop()
            raise RuntimeError(f"the embedded engine does not answer on {host}:{self.port}") from self._error

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except BaseException as error:  # noqa: BLE001 - reported by whoever waits for the start
            self._error = error
        finally:
            self._ready.set()
            self._socket.close()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP)
        if self._thread.is_alive():
            raise RuntimeError(f"the thread of the embedded engine's server did not end within {_STOP:g} s")
