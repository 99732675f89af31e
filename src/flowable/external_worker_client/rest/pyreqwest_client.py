"""What of pyreqwest the fast transport uses: its client, made once for what does not change, and its headers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import SyncResponse
from requests.exceptions import InvalidHeader

from flowable.external_worker_client.errors import SECRET, InvalidArgumentError
from flowable.external_worker_client.rest.carried import WAY_OUT
from flowable.external_worker_client.rest.transport import FailureKind, TransportFailure
from flowable.external_worker_client.rest.trust import Trust

#: How long an unused connection is kept: the engine closes it after 60, perhaps while a request is on its way.
_IDLE = timedelta(seconds=50)

#: Unused connections that are kept, at most.
_POOL = 64


class Process:
    """What became of the thread that pyreqwest works on, of which a process has one."""

    started = False
    lost = False

    @classmethod
    def forked(cls) -> None:
        """Note that this is another process now."""
        cls.lost = cls.lost or cls.started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Process.forked)


def make_client(trust: Trust, timeout: tuple[float, float]) -> SyncClient:
    """Make a client.

    Args:
        trust: Whom its connections trust.
        timeout: Seconds to connect, and to wait for the next byte of an answer.

    Raises:
        InvalidArgumentError: Certificates or proxy cannot be used.
        RuntimeError: pyreqwest does not work in this process.
    """
    connect, read = timeout
    # The time to read begins before connecting. What ends first has to be the one that says "not sent", on a machine
    # that is busy, too.
    connect = min(connect, read - min(0.5, read / 5))
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
        accepted = f"certificates and proxies that can be used ({': '.join(causes(error))}), {WAY_OUT}"
        raise InvalidArgumentError("request_session", SECRET, accepted) from None
    Process.started = True
    return client


def causes(error: PyreqwestError | ValueError) -> list[str]:
    """Return the texts of an exception of pyreqwest and of its causes, outermost first."""
    details: Any = error.details if isinstance(error, DetailedPyreqwestError) else {}
    return [str(cause["message"]) for cause in details.get("causes") or ()] or [str(error)]


def header_map(headers: Mapping[str, str]) -> HeaderMap:
    """Return headers as pyreqwest takes them.

    Raises:
        TransportFailure: One of them cannot be sent.
    """
    try:
        return HeaderMap(dict(headers))
    except ValueError:
        # Its text shows the value, which may be a secret.
        bad = next(name for name, value in headers.items() if not _sendable(name, value))
    error = InvalidHeader(f"the header {bad} has a value that cannot be sent")
    raise TransportFailure(FailureKind.NOT_SENT, error)


def _sendable(name: str, value: str) -> bool:
    try:
        HeaderMap({name: value})
    except ValueError:
        return False
    return True


class Headers(Mapping[str, str]):
    """The headers of an answer, by lower-case name; those that came several times as one.

    Taken over when somebody asks for one that is there: of most answers nobody does.

    Args:
        answer: The answer.
    """

    __slots__ = ("_answer", "_found")

    def __init__(self, answer: SyncResponse) -> None:
        self._answer = answer
        self._found: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        """Return a header.

        Raises:
            KeyError: There is none of this name.
        """
        if name not in self:
            raise KeyError(name)
        return self._all()[name]

    def __contains__(self, name: object) -> bool:
        """Say whether there is one."""
        return name in (self._answer.headers if self._found is None else self._found)

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._all())

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._all())

    def _all(self) -> dict[str, str]:
        if self._found is None:
            self._found = headers_of(self._answer)
        return self._found


def headers_of(answer: SyncResponse) -> dict[str, str]:
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
