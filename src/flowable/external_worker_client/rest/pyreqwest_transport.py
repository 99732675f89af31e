"""The fast transport: requests carried by pyreqwest, with what a `requests.Session` says about them.

One client of pyreqwest serves all threads, and lasts until the session says something else about connections. What
requests say is prepared once (`_Ready`), so that little is left to do for each of them.

What has to be done rarely, the requests transport does: it follows redirects, and it works in a process that was
forked, where the thread that pyreqwest works on does not exist.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any

import requests
from pyreqwest.client import SyncClient
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import HeaderMap
from pyreqwest.response import SyncResponse
from requests import cookies
from requests.structures import CaseInsensitiveDict

from flowable.external_worker_client.rest.addresses import place
from flowable.external_worker_client.rest.as_shipped import as_shipped
from flowable.external_worker_client.rest.carried import Carried, ask, carry, seen
from flowable.external_worker_client.rest.pyreqwest_client import Headers, Process, causes, header_map, make_client
from flowable.external_worker_client.rest.pyreqwest_failures import failure
from flowable.external_worker_client.rest.requests_transport import RequestsTransport
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

_logger = logging.getLogger(__name__)

#: Its functions have no types.
_cookies: Any = cookies

_JSON = {"Content-Type": "application/json"}
_REPEATED_ELSEWHERE = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)


@dataclass(slots=True, eq=False)
class _Ready:
    """What is prepared for requests.

    Attributes:
        seen: What the session said when it was.
        carried: What was taken over.
        getting: Headers of requests without a body.
        posting: Headers of requests with one.
        where: Host and port, for texts.
        client: What carries requests. `None`: it was closed. Nothing else refers to it, so that closing it closes its
            connections, whoever still holds on to this (the trace of an exception, say).
        moved: Whether the engine said that it is elsewhere for good.
    """

    seen: tuple[object, ...]
    carried: Carried
    getting: HeaderMap
    posting: HeaderMap
    where: str
    client: SyncClient | None
    moved: bool = False


class PyreqwestTransport:
    """Sends requests through pyreqwest.

    Args:
        host: Address of the engine.
        session: What is said about requests. It may be changed or replaced at any time; the next request sees that.
        timeout: Seconds to connect, and to wait for the next byte of an answer. Connecting is part of waiting for the
            first byte, and has no longer than that.

    Raises:
        InvalidArgumentError: The session has something that cannot be carried over.
    """

    def __init__(self, host: str, session: requests.Session, timeout: tuple[float, float]) -> None:
        self._host = host
        self._session = session
        self._timeout = timeout
        self._lock = threading.Lock()
        self._ready: _Ready | None = None
        self._fallback: RequestsTransport | None = None
        # Refuses now what it has to. Nothing is opened: whoever forks after this can use it on both sides. An address
        # that is none is for the first request to say, as ever.
        with suppress(requests.RequestException):
            carry(session, host)
        if not as_shipped():
            _logger.warning(
                "Something has put methods of its own in place of those of requests, as mocks and instrumentation do: "
                'requests go past it with transport="fast"; transport="requests" goes through it'
            )

    @property
    def host(self) -> str:
        """Address of the engine; may be replaced."""
        return self._host

    @host.setter
    def host(self, host: str) -> None:
        with self._lock:
            self._host = host
            self._ready = self._fallback = None

    @property
    def session(self) -> requests.Session:
        """The session; may be replaced."""
        return self._session

    @session.setter
    def session(self, session: requests.Session) -> None:
        with self._lock:
            self._session = session
            self._ready = self._fallback = None

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and to wait for the next byte of an answer; may be replaced."""
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: tuple[float, float]) -> None:
        with self._lock:
            self._timeout = timeout
            self._ready = self._fallback = None

    def send(self, request: Request) -> Response:
        """See `Transport.send`.

        Raises:
            InvalidArgumentError: The session has got something that cannot be carried over, or its credentials do more
                than to set headers. Nothing was sent.
        """
        session = self._session
        ready = self._ready
        if ready is None or Process.lost or ready.seen != seen(session):
            ready = self._prepare(session)
        if ready is None or ready.moved:
            return self._requests_transport().send(request)
        answer, url = self._exchange(request, ready, session)
        status = answer.status
        if "set-cookie" in answer.headers:
            _keep_cookies(session, answer, url)
        if status in _REPEATED_ELSEWHERE and "location" in answer.headers:
            return self._elsewhere(request, status, ready)
        return Response(status, Headers(answer), b"" if status == HTTPStatus.NO_CONTENT else bytes(answer.bytes()))

    def _exchange(self, request: Request, ready: _Ready, session: requests.Session) -> tuple[SyncResponse, str]:
        """Send a request; return the answer, and where the request went."""
        carried, method, body = ready.carried, request.operation.method, request.body
        url = carried.address + request.path
        if carried.query:
            url += ("&" if "?" in request.path else "?") + carried.query
        headers = ready.getting if body is None else ready.posting
        if carried.auth is not None or len(session.cookies):
            headers = header_map(_asked(carried, session, method, url, body))
        client = ready.client
        if client is None:
            error = requests.ConnectionError("the connections were closed before the request was sent")
            raise TransportFailure(FailureKind.NOT_SENT, error)
        try:
            builder = client.request(method, url).headers(headers)
            if body is not None:
                builder = builder.body_bytes(body)
            # It is read to its end here.
            answer = builder.build().send()
        except (PyreqwestError, ValueError) as error:
            asked = _as_prepared(url, {})
            asked.method, asked.body = method, body
            raise self._failure(error, ready, asked) from None
        return answer, url

    def interrupt(self) -> None:
        """End the waiting of whoever waits for an answer, as a lost connection would.

        The engine may carry out what it was asked. The connections of those requests are closed when it answers, or
        when their time is up; new requests make new connections.
        """
        client = self._let_go()
        if client is not None:
            client.close()

    def close(self) -> None:
        """See `Transport.close`. Requests that are under way are let finish."""
        self._let_go()
        (self._fallback or self._session).close()

    def _let_go(self) -> SyncClient | None:
        if Process.lost:
            return None
        with self._lock:
            ready, self._ready = self._ready, None
            if ready is None:
                return None
            client, ready.client = ready.client, None
        return client

    def _prepare(self, session: requests.Session) -> _Ready | None:
        """Prepare requests as the session says now. `None`: pyreqwest does not work in this process."""
        if Process.lost:
            # Before the lock, which nobody may be left to release.
            return None
        with self._lock:
            before, now, timeout = self._ready, seen(session), self._timeout
            if before is not None and before.seen == now:
                return before
            try:
                carried = carry(session, self._host)
            except requests.RequestException as error:
                raise TransportFailure(FailureKind.NOT_SENT, error) from error
            if before is not None and before.carried.trust == carried.trust:
                client = before.client
            else:
                # Requests that are under way keep what they have; it is let go of with the last of them.
                try:
                    client = make_client(carried.trust, timeout)
                except RuntimeError:
                    # Somebody else used pyreqwest before the fork.
                    Process.lost = True
                    return None
            self._ready = _Ready(
                seen=now,
                carried=carried,
                getting=header_map(carried.headers),
                posting=header_map({**carried.headers, **_JSON}),
                where=place(carried.address),
                client=client,
            )
            return self._ready

    def _requests_transport(self) -> RequestsTransport:
        if self._fallback is None:
            if Process.lost:
                _logger.warning(
                    "This process was forked, where the fast transport does not work: requests carries what is sent"
                )
            self._fallback = RequestsTransport(self._host, self._session, self._timeout)
        return self._fallback

    def _elsewhere(self, request: Request, status: int, ready: _Ready) -> Response:
        if status == HTTPStatus.PERMANENT_REDIRECT:
            _logger.info(
                "%s answers that it has moved for good; from now on requests is used, which goes where it says",
                ready.where,
            )
            ready.moved = True
        return self._requests_transport().send(request)

    def _failure(
        self, error: PyreqwestError | ValueError, ready: _Ready, request: requests.PreparedRequest
    ) -> TransportFailure:
        proxy = ready.carried.trust.proxy
        found = failure(
            type(error).__name__,
            causes(error),
            where=ready.where,
            timeout=self._timeout,
            proxy=None if proxy is None else place(proxy),
        )
        # As the exceptions of requests have it.
        cause: Any = found.cause
        cause.request = request
        return found


def _asked(carried: Carried, session: requests.Session, method: str, url: str, body: bytes | None) -> Mapping[str, str]:
    """Return the headers of a request that cannot be prepared: cookies, and credentials that are asked each time."""
    headers = {**carried.headers, **_JSON} if body is not None else dict(carried.headers)
    if not carried.own_cookie and len(session.cookies):
        cookie = _cookies.get_cookie_header(session.cookies, _as_prepared(url, headers))
        if cookie is not None:
            headers["Cookie"] = cookie
    return headers if carried.auth is None else ask(carried.auth, method, url, headers, body)


def _keep_cookies(session: requests.Session, answer: SyncResponse, url: str) -> None:
    """Put the cookies of an answer into the jar of the session, which decides about them."""
    head = Message()
    for value in answer.headers.getall("set-cookie"):
        head.add_header("Set-Cookie", value)
    session.cookies.extract_cookies(_cookies.MockResponse(head), _cookies.MockRequest(_as_prepared(url, {})))


def _as_prepared(url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.url = url
    prepared.headers = CaseInsensitiveDict(headers)
    return prepared
