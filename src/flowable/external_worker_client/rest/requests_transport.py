"""The default transport: the person's own `requests.Session`, with everything they hang on it.

One session serves all threads. Redirects: 307 and 308 repeat the request elsewhere and are followed, as version 1 did;
301, 302 and 303 would turn a POST into a GET of, usually, a login page, and are returned as the answer they are.
"""

from __future__ import annotations

from http import HTTPStatus
from ssl import SSLCertVerificationError

import requests
import urllib3.exceptions

from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

_JSON = {"Content-Type": "application/json"}
_REPEATED_ELSEWHERE = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)


class RequestsTransport:
    """Sends requests through a `requests.Session`.

    Attributes:
        host: Address of the engine; may be replaced, as the session may.
        session: The session; may be replaced while no request is under way.
        timeout: Seconds to connect, and to wait for the next byte of an answer.
    """

    def __init__(self, host: str, session: requests.Session, timeout: tuple[float, float]) -> None:
        self.host = host
        self.session = session
        self.timeout = timeout

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        try:
            answer = self._send(request, redirects=False)
            if answer.status_code in _REPEATED_ELSEWHERE and "location" in answer.headers:
                answer = self._send(request, redirects=True)
        except requests.RequestException as failure:
            if failure.response is not None:
                # Raised by a hook (raise_for_status, say): what is not read keeps its connection.
                _ = failure.response.content
            raise TransportFailure(failure_kind(failure), failure) from failure
        # What became a GET on its way is not what was asked for: the redirect that did it is the answer.
        turned = (step for step in answer.history if step.status_code not in _REPEATED_ELSEWHERE)
        answer = next(turned, answer)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, answer.content)

    def _send(self, request: Request, *, redirects: bool) -> requests.Response:
        # By the methods of version 1, because people patch these. More than one slash at the end of the address never
        # worked: the engine's firewall refuses "//".
        send = self.session.get if request.operation.method == "GET" else self.session.post
        return send(
            self.host.rstrip("/") + request.path,
            data=request.body,
            headers=_JSON if request.body is not None else None,
            timeout=self.timeout,
            allow_redirects=redirects,
        )

    def close(self) -> None:
        """See `Transport.close`."""
        self.session.close()


def failure_kind(failure: BaseException) -> FailureKind:
    """Tell whether the engine can have seen the request that failed.

    Only what is certain counts as not sent: a refused, unreachable or unnamed host, a time-out while connecting, an
    untrusted certificate, a proxy that could not be reached, a request that could not even be built.
    """
    if isinstance(failure, requests.exceptions.ConnectTimeout | _NEVER_BUILT):
        return FailureKind.NOT_SENT
    reason: object = failure.args[0] if failure.args else None
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
    return FailureKind.NOT_SENT if isinstance(reason, SSLCertVerificationError) else FailureKind.UNCLEAR


_NEVER_BUILT = (
    requests.exceptions.MissingSchema
    | requests.exceptions.InvalidSchema
    | requests.exceptions.InvalidURL
    | requests.exceptions.InvalidHeader
)
