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
_UNTRUSTED = "invalid peer certificate"
#: In TLS 1.3 a server refuses the client's certificate, or the lack of it, after the client has begun to send.
_ALERT = "received fatal alert"
_HANDSHAKE = ("received corrupt message", "tls handshake", _ALERT, "peer is incompatible")
_TUNNEL = "tunnel error: "
#: What is said of tunnels. The status of the proxy's answer is not: of 407 alone there is a text.
_TUNNELS = {
    "unsuccessful": "refused the tunnel (CONNECT)",
    "proxy authorization required": "refused the tunnel (CONNECT) because it wants other credentials (407)",
}


def failure(
    kind: str, texts: Sequence[str], *, where: str, timeout: tuple[float, float], proxy: str | None
) -> TransportFailure:
    """Say what an exception of pyreqwest means.

    Args:
        kind: Name of its class.
        texts: Of its causes, outermost first.
        where: Host and port, for the text.
        timeout: Seconds to connect, and to wait for the answer.
        proxy: Host and port of the proxy in between. `None`: there was none.
    """
    # The outermost repeats the URL.
    texts = texts[1:] or texts
    said = ": ".join(text for text in texts if not text.startswith("client error")) or kind
    if kind in _NEVER_BUILT:
        return TransportFailure(FailureKind.NOT_SENT, InvalidURL(said))
    if kind == "ClientClosedError":
        error = requests.ConnectionError("the request was ended from this side, before there was an answer")
        return TransportFailure(FailureKind.UNCLEAR, error)
    if _CONNECTING not in texts:
        return TransportFailure(FailureKind.UNCLEAR, _while_waiting(texts, f"{where}: {said}", where, timeout[1]))
    if proxy is None:
        found = _while_connecting(texts, said, where, timeout[0])
    else:
        found = _at_the_proxy(texts, said, where, timeout[0], proxy) or _while_connecting(
            texts, said, f"{where} through the proxy {proxy}", timeout[0]
        )
    return TransportFailure(FailureKind.NOT_SENT, found)


def _while_waiting(texts: Sequence[str], said: str, where: str, limit: float) -> requests.RequestException:
    late = texts[-1] in _TIMES_UP
    if _IN_THE_BODY not in texts:
        if late:
            return ReadTimeout(f"{where}: no answer within {limit:g} s")
        return SSLError(said) if _about(texts, _ALERT) else requests.ConnectionError(said)
    if late:
        return requests.ConnectionError(f"{where}: the answer went no further for {limit:g} s")
    return ChunkedEncodingError(said) if _ON_THE_WIRE in texts else ContentDecodingError(said)


def _while_connecting(texts: Sequence[str], said: str, where: str, limit: float) -> requests.RequestException:
    if _about(texts, _UNTRUSTED):
        # With a number, as Python makes it: without, its text is that of a tuple.
        return SSLError(SSLCertVerificationError(1, f"{where}: {said}"))
    if _about(texts, *_HANDSHAKE):
        return SSLError(_unsent(where, said))
    if texts[-1] in _TIMES_UP:
        return ConnectTimeout(f"{where}: no connection within {limit:g} s")
    return requests.ConnectionError(_unsent(where, said))


def _at_the_proxy(
    texts: Sequence[str], said: str, where: str, limit: float, proxy: str
) -> requests.RequestException | None:
    """Return what happened on the way to the engine, which was not reached. `None`: it was, or nobody knows."""
    for text in texts:
        if text.startswith(_TUNNEL):
            why = text.removeprefix(_TUNNEL)
            refused = _TUNNELS.get(why, f"made no tunnel (CONNECT), {why}")
            return ProxyError(_unsent(f"the proxy {proxy}", f"{refused}; it was to lead to {where}"))
    if texts[-1] in _TIMES_UP:
        return ProxyError(_unsent(f"the proxy {proxy}", f"no connection through it to {where} within {limit:g} s"))
    if _about(texts, "tcp connect error", "dns error", "error connecting to socks"):
        return ProxyError(_unsent(f"the proxy {proxy}", f"{said}; it was to lead to {where}"))
    return None


def _about(texts: Sequence[str], *beginnings: str) -> bool:
    return any(text.startswith(beginnings) for text in texts)


def _unsent(where: str, said: str) -> Any:  # noqa: ANN401 - put where requests has others
    # The names of urllib3 in them are what says "not sent" to whoever reads exceptions.
    return urllib3.exceptions.NewConnectionError(where, said)  # type: ignore[arg-type]
