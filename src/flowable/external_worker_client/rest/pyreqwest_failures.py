"""From exceptions of pyreqwest to those that people know, which are those of requests.

pyreqwest tells failures apart by the texts of its causes, outermost first. One of them decides: what failed within
`client error (Connect)` failed before there was a connection (name, TCP, proxy and TLS handshake are part of it), so
the engine cannot have seen the request. What fails afterwards may have reached it.

The exceptions hold what `requests_transport.failure_kind` looks for, so that both ways to ask give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from ssl import SSLCertVerificationError
from typing import Any

import requests
import urllib3.exceptions
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectTimeout,
    ContentDecodingError,
    InvalidURL,
    ProxyError,
    ReadTimeout,
    SSLError,
)

from flowable.external_worker_client.rest.transport import FailureKind, TransportFailure

_CONNECTING = "client error (Connect)"
_IN_THE_BODY = "request or response body error"
_ON_THE_WIRE = "error reading a body from connection"
_TIMES_UP = ("operation timed out", "deadline has elapsed")
_NEVER_BUILT = ("BuilderError", "ValueError")


def failure(
    kind: str, texts: Sequence[str], *, where: str, timeout: tuple[float, float], proxied: bool
) -> TransportFailure:
    """Say what an exception of pyreqwest means.

    Args:
        kind: Name of its class.
        texts: Of its causes, outermost first.
        where: Host and port, for the text.
        timeout: Seconds to connect, and to wait for the answer.
        proxied: Whether a proxy was in between.
    """
    # The outermost repeats the URL.
    texts = texts[1:] or texts
    said = ": ".join(text for text in texts if not text.startswith("client error")) or kind
    if kind in _NEVER_BUILT:
        return TransportFailure(FailureKind.NOT_SENT, InvalidURL(said))
    if kind == "ClientClosedError":
        error = requests.ConnectionError("the request was ended from this side, before there was an answer")
        return TransportFailure(FailureKind.UNCLEAR, error)
    if _CONNECTING in texts:
        return TransportFailure(
            FailureKind.NOT_SENT, _while_connecting(texts, said, where, timeout[0], proxied=proxied)
        )
    return TransportFailure(FailureKind.UNCLEAR, _while_waiting(texts, f"{where}: {said}", where, timeout[1]))


def _while_waiting(texts: Sequence[str], said: str, where: str, limit: float) -> requests.RequestException:
    late = texts[-1] in _TIMES_UP
    if _IN_THE_BODY not in texts:
        return ReadTimeout(f"{where}: no answer within {limit:g} s") if late else requests.ConnectionError(said)
    if late:
        return requests.ConnectionError(f"{where}: the answer went no further for {limit:g} s")
    return ChunkedEncodingError(said) if _ON_THE_WIRE in texts else ContentDecodingError(said)


def _while_connecting(
    texts: Sequence[str], said: str, where: str, limit: float, *, proxied: bool
) -> requests.RequestException:
    # The names of urllib3 in them are what says "not sent" to whoever reads exceptions.
    reason: Any = urllib3.exceptions.NewConnectionError(where, said)  # type: ignore[arg-type]

    def about(*beginnings: str) -> bool:
        return any(text.startswith(beginnings) for text in texts)

    if about("invalid peer certificate"):
        return SSLError(SSLCertVerificationError(f"{where}: {said}"))
    if about("received corrupt message", "tls handshake", "received fatal alert", "peer is incompatible"):
        return SSLError(reason)
    if proxied and about("tcp connect error", "dns error", "tunnel error", "error connecting to socks"):
        return ProxyError(reason)
    if texts[-1] in _TIMES_UP:
        return ConnectTimeout(f"{where}: no connection within {limit:g} s")
    return requests.ConnectionError(reason)
