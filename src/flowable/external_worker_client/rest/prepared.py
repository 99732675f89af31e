"""What requests works out anew for every request, worked out once.

A `Prepared` has the merged settings of a session, and requests but for path and body. It holds as long as nothing has
changed of what it was made from: the session's headers, proxies, certificates and so on, and the environment, if the
session trusts it. Looking whether that is so costs little beside the rest.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import requests
from requests.auth import HTTPBasicAuth
from requests.cookies import RequestsCookieJar
from requests.models import PreparedRequest
from requests.structures import CaseInsensitiveDict
from requests.utils import select_proxy

from flowable.external_worker_client.rest.heads import RequestHead, request_head
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.operations import JOB_API
from flowable.external_worker_client.rest.pools import Kept
from flowable.external_worker_client.rest.transport import Request

JSON = {"Content-Type": "application/json"}

#: Systems that have proxies in other places than the environment, which nobody tells of changes.
_PROXIES_ELSEWHERE = sys.platform in ("win32", "darwin")
#: Seconds after which they are asked again.
_ASK_AGAIN = 5.0

_NETRC = ("~/.netrc", "~/_netrc")

# Without types, some of what is used of it.
_requests: Any = requests

_T = TypeVar("_T")
# Like weakref.ref of it.
_Reference = Callable[[], _T | None]


def _none() -> None:
    """Refer to nothing."""


# Templates look at path and body only.
_NO_OPERATION: Any = None


class Prepared:
    """What was worked out for one session and one host.

    Args:
        session: The session.
        host: Address of the engine.
        now: Seconds, of any clock.

    Attributes:
        settings: What `merge_environment_settings` says for this host.
        proxied: Whether requests go through a proxy.
    """

    def __init__(self, session: requests.Session, host: str, now: float) -> None:
        self._session = session
        self._host = host
        self._made = now
        # First what it is made from: what changes meanwhile is seen at the next request.
        self._from = _made_from(session)
        self._environment = _environment().copy() if session.trust_env else None
        self._templates: dict[tuple[str, bool], Template] = {}
        url = self.template("GET", body=False).url(JOB_API)
        self.settings = settings(session, url)
        self.proxied = select_proxy(url, self.settings["proxies"]) is not None
        self._netrc = _Netrc(url) if session.trust_env else None
        self._pool: tuple[_Reference[object], _Reference[object], _Reference[Kept]] = (_none, _none, _none)

    def holds(self, session: requests.Session, host: str, now: float) -> bool:
        """Say whether nothing has changed of what this was made from."""
        return (
            session is self._session
            and host == self._host
            and _made_from(session) == self._from
            and (self._environment is None or _environment() == self._environment)
            and not (_PROXIES_ELSEWHERE and now - self._made > _ASK_AGAIN)
        )

    def template(self, method: str, *, body: bool) -> Template:
        """Return the template of requests."""
        template = self._templates.get((method, body))
        if template is None:
            template = self._templates[method, body] = Template(self._session, self._host, method, body=body)
        return template

    def auth(self) -> Any:  # noqa: ANN401 - whatever requests takes
        """Return what authenticates the next request: the session's, or what a netrc file says."""
        auth: object = self._session.auth
        if auth is None and self._netrc is not None:
            return self._netrc.auth()
        return auth

    def pool(self, adapter: InterruptibleAdapter) -> Kept | None:
        """Return the pool that an adapter uses for requests of this kind, if they go to the host itself."""
        known, manager, reference = self._pool
        pool = reference()
        if pool is not None and pool.pool is not None and known() is adapter and manager() is adapter.poolmanager:
            return pool
        if self.proxied:
            return None
        request = self.template("GET", body=False).prepared(Request(_NO_OPERATION, JOB_API))
        found: object = adapter.get_connection_with_tls_context(
            request, self.settings["verify"], proxies=self.settings["proxies"], cert=self.settings["cert"]
        )
        if not isinstance(found, Kept):
            return None
        # Not more than that: a session that is closed lets go of its pools, and their connections are closed by that.
        self._pool = (weakref.ref(adapter), weakref.ref(adapter.poolmanager), weakref.ref(found))
        return found


def settings(session: requests.Session, url: str | None) -> dict[str, Any]:
    """Return what a session gives to its adapters, beside the time-out, with a request for this URL."""
    merge: Any = session.merge_environment_settings
    return dict(merge(url, {}, None, None, None))


class Template:
    """Requests of one method, but for path and body.

    Args:
        session: Where the headers come from.
        host: Address of the engine.
        method: HTTP method.
        body: Whether the requests have one.

    Attributes:
        target: What stands before the path in the first line of a request.
        usable: Whether the address is one that a path can be put behind.
        credentials: Whether the address has credentials in it.
    """

    def __init__(self, session: requests.Session, host: str, method: str, *, body: bool) -> None:
        self._method = method
        self._body = body
        prepared: Any = PreparedRequest()
        prepared.prepare(
            method=method,
            # More than one slash at the end of the address never worked: the engine's firewall refuses "//".
            url=host.rstrip("/") + JOB_API,
            headers=_requests.sessions.merge_setting(
                JSON if body else {}, session.headers, dict_class=CaseInsensitiveDict
            ),
            data=b"{}" if body else {},
            # Neither the session's nor that of the address: both come later.
            auth=(),
            cookies=RequestsCookieJar(),
        )
        url: str = prepared.url
        target: str = prepared.path_url
        self._prefix = url.removesuffix(JOB_API)
        self.target = target.removesuffix(JOB_API)
        self.usable = url.endswith(JOB_API) and target.endswith(JOB_API) and "?" not in url
        self.credentials = "@" in self._prefix
        self._headers: CaseInsensitiveDict[str] = prepared.headers
        self._head: tuple[object, RequestHead | None] = (None, None)

    def url(self, path: str) -> str:
        """Return the URL of a request with a usual path."""
        return self._prefix + path

    def prepared(self, request: Request, auth: Any = None) -> PreparedRequest:  # noqa: ANN401 - whatever requests takes
        """Return a request as `Session.prepare_request` does.

        Args:
            request: Method and operation do not matter; the path is a usual one.
            auth: What authenticates it. `None`: nothing but, perhaps, what the address says.
        """
        prepared: Any = PreparedRequest()
        prepared.method = self._method
        prepared.url = self._prefix + request.path
        prepared.headers = self._headers.copy()
        if request.body is not None:
            prepared.headers["Content-Length"] = str(len(request.body))
            prepared.body = request.body
        # What prepare_cookies does when there are none.
        prepared._cookies = RequestsCookieJar()  # noqa: SLF001 - there is no other way
        if auth is not None or self.credentials:
            prepared.prepare_auth(auth, prepared.url)
        ready: PreparedRequest = prepared
        return ready

    def head(self, pool: Kept, credentials: tuple[str, str] | None) -> RequestHead | None:
        """Return the head of requests with basic auth or none; `None` if it is unusual.

        Args:
            pool: Where they are sent.
            credentials: User and password. `None`: no auth.
        """
        wanted = (pool.scheme, pool.host, pool.port, credentials)
        known, head = self._head
        if known != wanted:
            example = Request(_NO_OPERATION, JOB_API, b"{}" if self._body else None)
            head = head_of(self.prepared(example, credentials), pool)
            self._head = (wanted, head)
        return head


def head_of(prepared: PreparedRequest, pool: Kept) -> RequestHead | None:
    """Return the head of a request; `None` if it is unusual."""
    port = None if pool.port == pool.ConnectionCls.default_port else pool.port
    return request_head(
        prepared.method or "", pool.host, port, prepared.headers.items(), body=prepared.body is not None
    )


def basic(auth: Any) -> tuple[str, str] | None:  # noqa: ANN401 - whatever requests takes
    """Return user and password, if that is all there is to an auth; otherwise `None`."""
    if type(auth) is HTTPBasicAuth:
        auth = (auth.username, auth.password)
    if type(auth) is not tuple:
        return None
    parts = cast("tuple[object, ...]", auth)
    return cast("tuple[str, str]", parts) if [type(part) for part in parts] == [str, str] else None


def usual(session: requests.Session) -> bool:
    """Say whether a session has nothing that templates do without: parameters, hooks, cookies."""
    hooks: Mapping[str, object] | None = session.hooks
    return (
        not session.params
        and (not hooks or (len(hooks) == 1 and hooks.get("response") == []))
        and type(session.cookies) is RequestsCookieJar
        and next(iter(session.cookies), None) is None
        and type(session.headers) in (CaseInsensitiveDict, dict)
        and (session.auth is None or bool(session.auth))
        and not session.stream
    )


def _made_from(session: requests.Session) -> tuple[object, ...]:
    headers: Any = session.headers
    proxies: Any = session.proxies
    return (
        tuple(getattr(headers, "_store", headers).items()),
        None if proxies is None else tuple(proxies.items()),
        session.verify,
        session.cert,
        session.trust_env,
    )


def _environment() -> dict[Any, Any]:
    # The mapping itself takes its values apart at every look.
    found: dict[Any, Any] = getattr(os.environ, "_data", None) or dict(os.environ)
    return found


class _Netrc:
    """What a netrc file says for a host. Read again when it has changed.

    Args:
        url: A URL of the host.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        named = os.environ.get("NETRC")
        self._paths = [os.path.expanduser(path) for path in (_NETRC if named is None else (named,))]  # noqa: PTH111 - pathlib raises without a home
        self._read: tuple[object, tuple[str, str] | None] = (None, None)

    def auth(self) -> tuple[str, str] | None:
        """Return user and password. `None`: there is no such file, or it does not know the host."""
        state = [_state(path) for path in self._paths]
        if not any(state):
            return None
        known, auth = self._read
        if known != state:
            auth = _requests.sessions.get_netrc_auth(self._url)
            self._read = (state, auth)
        return auth


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on the way of every request
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
