"""A door as an ASGI application: HTTP's headers and bodies in, answers out, faults on the wire included."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.answers import Answer
    from flowable.external_worker_client.testing.http import Door

__all__ = ["EmbeddedApplication", "Wire"]

_Scope: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WITHOUT_BODY = frozenset({204, 304})


class Wire(Protocol):
    """What the application needs of the server about its connections."""

    def hang_up(self, client: object, *, flush: bool) -> None:
        """Close the connection with this client, after what was written has gone out if `flush`."""
        ...

    def is_last(self, client: object) -> bool:
        """Count a request of a connection, and return whether it is the last one that it may carry."""
        ...


class EmbeddedApplication:
    """The engine as an ASGI application.

    Args:
        door: What answers.
        wire: The server's connections. Without them (on a server that knows nothing of this application) a fault that
            closes the connection only leaves the request unanswered.
    """

    def __init__(self, door: Door, wire: Wire | None = None) -> None:
        self._door = door
        self._wire = wire

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"this application answers HTTP only, not {scope['type']!r}")
        body = await _read(receive)
        if body is None:
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        target: str = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target = f"{target}?{scope['query_string'].decode('latin-1')}"
        answer = self._door.handle(scope["method"], target, headers, body)
        client = scope.get("client")
        last = self._wire is not None and self._wire.is_last(client)
        if answer.delay or answer.ending != "answer":
            await self._misbehave(answer, client, receive, send)
            return
        await _start(answer, send, close=last, body_length=None if answer.body else 0)
        await send({"type": "http.response.body", "body": answer.body})

    async def _misbehave(self, answer: Answer, client: object, receive: _Receive, send: _Send) -> None:
        """Do to an answer what a fault says."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            if answer.delay:
                done, _ = await asyncio.wait({gone}, timeout=answer.delay)
                if done:
                    return
            if answer.ending == "answer":
                await _start(answer, send, close=False, body_length=None if answer.body else 0)
                await send({"type": "http.response.body", "body": answer.body})
                return
            if answer.ending == "cut":
                await _start(answer, send, close=False, body_length=len(answer.body))
                half = answer.body[: len(answer.body) // 2]
                await send({"type": "http.response.body", "body": half, "more_body": True})
            if answer.ending != "hang" and self._wire is not None:
                self._wire.hang_up(client, flush=answer.ending == "cut")
            await gone
        finally:
            if not gone.done():
                gone.cancel()


async def _read(receive: _Receive) -> bytes | None:
    """Return the body of a request, None if the client went away."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    chunks = [body]
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def _disconnected(receive: _Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(answer: Answer, send: _Send, *, close: bool, body_length: int | None) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if close:
        headers = [header for header in headers if header[0] not in {b"connection", b"keep-alive"}]
        headers.append((b"connection", b"close"))
    if body_length is not None and answer.status not in _WITHOUT_BODY:
        headers = [header for header in headers if header[0] != b"content-length"]
        headers.append((b"content-length", str(body_length).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
