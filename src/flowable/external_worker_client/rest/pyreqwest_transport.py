"""The fast transport: requests carried by pyreqwest, with what a `requests.Session` says about them.

One client of pyreqwest serves all threads, and lasts until the session says something else about connections. What
requests say is prepared once (`_Ready`), so that little is left to do for each of them.

What has to be done rarely, the requests transport does: it follows redirects, and it works in a process that was
forked, where the thread that pyreqwest works on does not exist.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import SyncResponse
from requests import cookies
from requests.structures import CaseInsensitiveDict

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.rest.carried import WAY_OUT, Carried, Trust, ask, carry, seen
from flowable.external_worker_client.rest.pyreqwest_failures import failure
from flowable.external_worker_client.rest.requests_transport import RequestsTransport
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

_logger = logging.getLogger(__name__)

#: Its functions have no types.
_cookies: Any = cookies

_JSON = {"Content-Type": "application/json"}
_REPEATED_ELSEWHERE = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)

#: How long an unused connection is kept: the engine closes it after 60, perhaps while a request is on its way.
_IDLE = timedelta(seconds=50)

#: Unused connections that are kept, at most.
_POOL = 64


class _Process:
    """What became of the thread that pyreqwest works on, of which a process has one."""

    started = False
    lost = False

    @classmethod
    def forked(cls) -> None:
        """Note that this is another process now."""
        cls.lost = cls.lost or cls.started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Process.forked)


@dataclass(slots=True, eq=False)
class _Ready:
    """What is prepared for requests.

    Attributes:
        seen: What the session said when it was.
        carried: What was taken over.
        getting: Headers of requests without a body.
        posting: Headers of requests with one.
        where: Host and port, for texts.
        client: What carries requests.
        moved: Whether the engine said that it is elsewhere for good.
    """

    seen: tuple[object, ...]
    carried: Carried
    getting: HeaderMap
    posting: HeaderMap
    where: str
    client: SyncClient
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
        # Fails now if it has to. Nothing is opened: whoever forks after this can use it on both sides.
        carry(session, host)

    @property
    def host(self) -> str:
        """Address of the engine; may be replaced."""
        return self._host

    @host.setter
    def host(self, host: str) -> None:
        self._host = host
        self._ready = self._fallback = None

    @property
    def session(self) -> requests.Session:
        """The session; may be replaced."""
        return self._session

    @session.setter
    def session(self, session: requests.Session) -> None:
        self._session = session
        self._ready = self._fallback = None

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and to wait for the next byte of an answer; may be replaced."""
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: tuple[float, float]) -> None:
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
        if ready is None or _Process.lost or ready.seen != seen(session):
            ready = self._prepare(session)
        if ready is None or ready.moved:
            return self._requests_transport().send(request)
        answer, names, url = self._exchange(request, ready, session)
        if "set-cookie" in names:
            _keep_cookies(session, answer, url)
        if answer.status in _REPEATED_ELSEWHERE and "location" in names:
            return self._elsewhere(request, answer.status, ready)
        return Response(answer.status, names, bytes(answer.bytes()))

    def _exchange(
        self, request: Request, ready: _Ready, session: requests.Session
    ) -> tuple[SyncResponse, dict[str, str], str]:
        """Send a request; return the answer, its headers, and where the request went."""
        carried, method, body = ready.carried, request.operation.method, request.body
        url = carried.address + request.path
        if carried.query:
            url += ("&" if "?" in request.path else "?") + carried.query
        headers = ready.getting if body is None else ready.posting
        if carried.auth is not None or len(session.cookies):
            headers = HeaderMap(_asked(carried, session, method, url, body))
        try:
            builder = ready.client.request(method, url).headers(headers)
            if body is not None:
                builder = builder.body_bytes(body)
            # It is read to its end here.
            answer = builder.build().send()
        except (PyreqwestError, ValueError) as error:
            raise self._failure(error, ready) from None
        return answer, _headers(answer), url

    def interrupt(self) -> None:
        """End the waiting of whoever waits for an answer, as a lost connection would.

        The engine may carry out what it was asked. The connections of those requests are closed when it answers, or
        when their time is up; new requests make new connections.
        """
        self.close()

    def close(self) -> None:
        """See `Transport.close`. Requests that are under way fail."""
        with self._lock:
            ready, self._ready = self._ready, None
        if ready is not None and not _Process.lost:
            ready.client.close()
        self._session.close()

    def _prepare(self, session: requests.Session) -> _Ready | None:
        """Prepare requests as the session says now. `None`: pyreqwest does not work in this process."""
        if _Process.lost:
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
                    client = _client(carried.trust, timeout)
                except RuntimeError:
                    # Somebody else used pyreqwest before the fork.
                    _Process.lost = True
                    return None
            self._ready = _Ready(
                seen=now,
                carried=carried,
                getting=HeaderMap(dict(carried.headers)),
                posting=HeaderMap({**carried.headers, **_JSON}),
                where=urlsplit(carried.address).netloc,
                client=client,
            )
            return self._ready

    def _requests_transport(self) -> RequestsTransport:
        if self._fallback is None:
            if _Process.lost:
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

    def _failure(self, error: PyreqwestError | ValueError, ready: _Ready) -> TransportFailure:
        details: Any = error.details if isinstance(error, DetailedPyreqwestError) else {}
        texts = [str(cause["message"]) for cause in details.get("causes") or ()] or [str(error)]
        proxied = ready.carried.trust.proxy is not None
        return failure(type(error).__name__, texts, where=ready.where, timeout=self._timeout, proxied=proxied)


def _client(trust: Trust, timeout: tuple[float, float]) -> SyncClient:
    connect, read = timeout
    # The time to read begins before connecting. What ends first has to be the one that says "not sent".
    connect = min(connect, read - min(0.05, read / 10))
    builder = (
        SyncClientBuilder()
        .http1_only()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .no_proxy()
        .connect_timeout(timedelta(seconds=connect))
        .read_timeout(timedelta(seconds=read))
        .pool_idle_timeout(_IDLE)
        .pool_max_idle_per_host(_POOL)
    )
    try:
        if not trust.verify:
            builder = builder.danger_accept_invalid_certs(enable=True)
        if trust.authorities:
            builder = builder.add_root_certificate_pem(trust.authorities)
        if trust.identity is not None:
            builder = builder.identity_pem(trust.identity)
        if trust.proxy is not None:
            builder = builder.proxy(ProxyBuilder.all(trust.proxy))
        client = builder.build()
    except (PyreqwestError, ValueError) as error:
        accepted = f"certificates and proxies that can be read ({error.args[0]}), {WAY_OUT}"
        raise InvalidArgumentError("request_session", "<verify, cert or proxies>", accepted) from None
    _Process.started = True
    return client


def _asked(carried: Carried, session: requests.Session, method: str, url: str, body: bytes | None) -> Mapping[str, str]:
    """Return the headers of a request that cannot be prepared: cookies, and credentials that are asked each time."""
    headers = {**carried.headers, **_JSON} if body is not None else dict(carried.headers)
    if not carried.own_cookie and len(session.cookies):
        cookie = _cookies.get_cookie_header(session.cookies, _as_prepared(url, headers))
        if cookie is not None:
            headers["Cookie"] = cookie
    return headers if carried.auth is None else ask(carried.auth, method, url, headers, body)


def _headers(answer: SyncResponse) -> dict[str, str]:
    """Return the headers of an answer, by lower-case name; those that came several times as one."""
    found: dict[str, str] = {}
    try:
        for name, value in answer.headers.items():
            found[name] = f"{found[name]}, {value}" if name in found else value
    except ValueError:
        # One of them is no ASCII. It is nothing that anybody reads here.
        for name in answer.headers:
            try:
                found[name] = ", ".join(answer.headers.getall(name))
            except ValueError:
                continue
    return found


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
