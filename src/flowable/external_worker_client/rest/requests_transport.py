"""The default transport: the person's own `requests.Session`, with everything they hang on it.

One session serves all threads. Redirects: 307 and 308 repeat the request elsewhere and are followed, as version 1 did;
301, 302 and 303 would turn a POST into a GET of, usually, a login page, and are returned as the answer they are.

There are three ways for a request, which differ in nothing but what they cost:

1. Through the session's `get` and `post`, which work everything out anew. That is the way when somebody has put
   something of their own in place of a method, of the session or below it: subclasses, mocks, recorders.
2. Prepared from a template (`prepared`), sent by the session's `send`: with hooks, proxies, other adapters, on new
   connections, and when anything about the answer is unusual.
3. Written to an open connection of our own adapter (`interruptible`). Auth has seen the request before.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from ssl import SSLCertVerificationError, SSLError
from typing import Any

import requests
import urllib3.exceptions

from flowable.external_worker_client.rest.as_shipped import as_shipped, plain_session
from flowable.external_worker_client.rest.heads import usual_path
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.prepared import (
    JSON,
    Prepared,
    Template,
    basic,
    head_of,
    settings,
    usual,
)
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

_REPEATED_ELSEWHERE = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)


class RequestsTransport:
    """Sends requests through a `requests.Session`.

    Attributes:
        host: Address of the engine; may be replaced, as the session may.
        session: The session; may be replaced while no request is under way. What is changed about it is in force from
            the next request on.
        timeout: Seconds to connect, and to wait for the next byte of an answer.
    """

    def __init__(self, host: str, session: requests.Session, timeout: tuple[float, float]) -> None:
        self.host = host
        self.session = session
        self.timeout = timeout
        self._prepared: Prepared | None = None

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        try:
            answer = self._send_lean(request)
            if isinstance(answer, Response):
                return answer
            if answer.status_code in _REPEATED_ELSEWHERE and "location" in answer.headers:
                answer = self._send(request, redirects=True)
        except requests.RequestException as failure:
            if failure.response is not None:
                # Raised by a hook (raise_for_status, say): what is not read keeps its connection.
                _ = failure.response.content
            raise TransportFailure(failure_kind(failure), failure) from failure
        # What became a GET on its way is not what was asked for: the redirect that did it is the answer. (A challenge
        # that an auth has answered is in the history, too.)
        turned = (step for step in answer.history if step.is_redirect and step.status_code not in _REPEATED_ELSEWHERE)
        answer = next(turned, answer)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, answer.content)

    def _send_lean(self, request: Request) -> requests.Response | Response:
        """Send a request the shortest way there is for it, without following redirects."""
        session = self.session
        if not (plain_session(session) and as_shipped() and usual(session) and usual_path(request.path)):
            return self._send(request, redirects=False)
        now = time.monotonic()
        prepared = self._prepared
        try:
            if prepared is None or not prepared.holds(session, self.host, now):
                prepared = self._prepared = Prepared(session, self.host, now)
            template = prepared.template(request.operation.method, body=request.body is not None)
        except Exception:  # noqa: BLE001 - whatever is wrong is raised again, with the words for this request
            return self._send(request, redirects=False)
        if not template.usable or request.body == b"":
            return self._send(request, redirects=False)
        adapter = session.get_adapter(template.url(request.path))
        auth = prepared.auth()
        # Any other auth sees every request, and before anything is sent.
        credentials = basic(auth)
        sees = credentials is None and (auth is not None or template.credentials)
        ready = template.prepared(request, auth) if sees else None
        if type(adapter) is not InterruptibleAdapter or not adapter.usable():
            return self._send_prepared(prepared, template, request, ready or template.prepared(request, auth))
        try:
            answer = self._exchange(prepared, template, adapter, request, ready or credentials)
            if answer is not None:
                return answer
            return self._send_prepared(prepared, template, request, ready or template.prepared(request, auth))
        finally:
            adapter.withdraw()

    def _exchange(
        self,
        prepared: Prepared,
        template: Template,
        adapter: InterruptibleAdapter,
        request: Request,
        ready: requests.PreparedRequest | tuple[str, str] | None,
    ) -> Response | None:
        """Send a request on an open connection. `None`: the session is to go on with it."""
        pool = prepared.pool(adapter)
        if pool is None:
            return None
        url = template.url(request.path)
        if not isinstance(ready, requests.PreparedRequest):
            head = template.head(pool, ready)
        elif ready.url == url and ready.body is request.body and not any(ready.hooks.values()):
            head = head_of(ready, pool)
        else:
            return None
        if head is None:
            return None
        if pool.scheme == "https":
            unverified: Any = adapter
            unverified.cert_verify(pool, url, prepared.settings["verify"], prepared.settings["cert"])
        return pool.exchange(head.of(template.target + request.path, request.body), request.body, self.timeout)

    def _send_prepared(
        self, prepared: Prepared, template: Template, request: Request, ready: requests.PreparedRequest
    ) -> requests.Response:
        """Send a prepared request as `Session.request` does."""
        session = self.session
        sent_elsewhere = ready.url != template.url(request.path)
        merged = settings(session, ready.url) if sent_elsewhere else prepared.settings
        # Hooks are given the settings, and may do to them what they like.
        given = {**merged, "proxies": merged["proxies"].copy()}
        return session.send(ready, timeout=self.timeout, allow_redirects=False, **given)

    def _send(self, request: Request, *, redirects: bool) -> requests.Response:
        # By the methods of version 1, because people patch these. More than one slash at the end of the address never
        # worked: the engine's firewall refuses "//".
        send = self.session.get if request.operation.method == "GET" else self.session.post
        return send(
            self.host.rstrip("/") + request.path,
            data=request.body,
            headers=JSON if request.body is not None else None,
            timeout=self.timeout,
            allow_redirects=redirects,
        )

    def close(self) -> None:
        """See `Transport.close`."""
        # It keeps a pool alive, and pools close their connections when nothing does.
        self._prepared = None
        self.session.close()


def failure_kind(failure: BaseException) -> FailureKind:
    """Tell whether the engine can have seen the request that failed.

    Only what is certain counts as not sent: a refused, unreachable or unnamed host, a time-out while connecting, an
    untrusted certificate, a key of the client that cannot be used, a proxy that could not be reached, a request that
    could not even be built.
    """
    reason: object = failure.args[0] if failure.args else None
    if isinstance(reason, urllib3.exceptions.InvalidHeader):
        # One of the answer.
        return FailureKind.UNCLEAR
    if isinstance(failure, requests.exceptions.ConnectTimeout | _NEVER_BUILT):
        return FailureKind.NOT_SENT
    if isinstance(reason, urllib3.exceptions.MaxRetryError):
        reason = reason.reason
    if isinstance(reason, urllib3.exceptions.ProxyError):
        reason = reason.original_error
        if isinstance(reason, OSError) and str(reason).startswith("Tunnel connection failed"):
            return FailureKind.NOT_SENT
    if isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return FailureKind.NOT_SENT
    if isinstance(reason, urllib3.exceptions.SSLError):
        reason = reason.args[0] if reason.args else None
    unsent = isinstance(reason, SSLCertVerificationError) or _of_the_key(reason)
    return FailureKind.NOT_SENT if unsent else FailureKind.UNCLEAR


def _of_the_key(reason: object) -> bool:
    """Say whether the client's own key could not be used: it is read before the handshake begins."""
    if isinstance(reason, SSLError):
        # One that was made by hand has no such attribute.
        return getattr(reason, "reason", None) == "KEY_VALUES_MISMATCH"
    # In the words of urllib3.
    return isinstance(reason, str) and reason.startswith("Client private key is encrypted")


_NEVER_BUILT = (
    requests.exceptions.MissingSchema
    | requests.exceptions.InvalidSchema
    | requests.exceptions.InvalidURL
    | requests.exceptions.InvalidHeader
)
