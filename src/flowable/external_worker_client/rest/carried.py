"""What the fast transport takes over from a `requests.Session`, and what of a session it refuses.

The session stays what people configure. Everything that it says in data (headers, certificates, proxies, credentials)
is read from it, by the methods of requests itself, so that the two transports cannot understand it differently.
Everything that it says in code that requests would run (hooks, adapters, methods of a class of its own) has nowhere to
run, and is refused by name: leaving it out silently could leave out what makes requests legal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth, HTTPDigestAuth, HTTPProxyAuth
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.errors import SECRET, InvalidArgumentError
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.trust import Trust, trust_of

#: Its functions have no types.
_utils: Any = requests.utils

#: Ends every refusal.
WAY_OUT = 'for transport="fast"; transport="requests" takes everything that requests can do'

#: What a class derived from `requests.Session`, or somebody's assignment, may not have replaced: it would be left out.
_METHODS = (
    *("request", "get", "post", "send", "prepare_request", "merge_environment_settings", "get_adapter"),
    *("resolve_redirects", "get_redirect_target", "rebuild_auth", "rebuild_proxies", "rebuild_method"),
    "should_strip_auth",
)

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]


@dataclass(frozen=True, slots=True)
class Carried:
    """What is taken over from a session, for one address.

    Attributes:
        address: The address, without user and password and without a slash at its end.
        query: What every query gets added, encoded. Empty: nothing.
        headers: What every request says. Credentials that stay the same are among them.
        own_cookie: Whether a cookie is among them, so that those of the jar are left out.
        auth: What is asked for headers before every request. `None`: nothing.
        trust: Whom connections trust.
    """

    address: str
    query: str
    headers: Mapping[str, str]
    own_cookie: bool
    auth: Auth | None
    trust: Trust


def seen(session: requests.Session) -> tuple[object, ...]:
    """Return what `carry` reads of a session, to be compared: another value means to read it again.

    Called for every request.
    """
    auth: Any = session.auth
    said: object = None
    if type(auth) is FlowableCloudToken:
        said = auth.token
    elif type(auth) in (HTTPBasicAuth, HTTPProxyAuth):
        said = (auth.username, auth.password)
    params: Any = session.params
    sent: object = dict(cast("Mapping[str, object]", params)) if isinstance(params, Mapping) else params
    # What is in the mapping of requests, which takes itself apart to show it.
    inside: Mapping[str, object] = getattr(session.headers, "_store", session.headers)
    return (
        session,
        # By identity: comparing calls what people wrote.
        id(auth),
        said,
        session.verify,
        session.cert,
        session.trust_env,
        session.hooks.get("response") or None,
        dict(session.proxies),
        sent,
        tuple(map(id, session.adapters.values())),
        tuple(inside.items()),
    )


def carry(session: requests.Session, host: str) -> Carried:
    """Read a session.

    Args:
        session: As it was configured.
        host: Address of the engine.

    Raises:
        InvalidArgumentError: It has something that cannot be taken over; the error names it, and the way out.
        requests.RequestException: The address, the one of the proxy, or the client's key cannot be used. It is of the
            class that requests raises for that.
    """
    _refuse_code(session, host)
    # By the methods of requests: what it merges, leaves out and quotes is not for us to know. Credentials come later,
    # because asking for them may take a request of their own.
    prepared = session.prepare_request(requests.Request("GET", host.rstrip("/") + "/", auth=_nobody))
    url, _, query = str(prepared.url).partition("?")
    headers = _texts(prepared.headers)
    own_cookie = "Cookie" in session.headers
    if not own_cookie:
        # From the jar, which is asked for every request.
        headers.pop("Cookie", None)
    auth = _auth(session, url)
    if type(auth) in _UNCHANGING:
        headers = ask(auth, "GET", url, headers, None) if auth is not None else headers
        auth = None
    return Carried(str(_utils.urldefragauth(url)).rstrip("/"), query, headers, own_cookie, auth, trust_of(session, url))


def ask(auth: Auth, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    """Return the headers of a request after credentials were added to them.

    Args:
        auth: The credentials. Called as requests would call it.
        method: Of the request.
        url: Of the request.
        headers: Of the request.
        body: Of the request. `None`: none.

    Raises:
        InvalidArgumentError: The credentials do more than to set headers.
    """
    request = requests.PreparedRequest()
    # What `prepare` would come to, for much less.
    request.method, request.url, request.body, request.hooks = method, url, body, default_hooks()
    request.headers = CaseInsensitiveDict(headers)
    if body is not None:
        request.headers["Content-Length"] = str(len(body))
    answer = auth(request)
    if (
        not isinstance(cast("object", answer), requests.PreparedRequest)
        or (answer.method, answer.url, answer.body) != (method, url, body)
        or any(answer.hooks.values())
    ):
        raise _refused_auth(auth)
    found = _texts(answer.headers)
    # What carries the request counts for itself.
    found.pop("Content-Length", None)
    return found


def _texts(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _utils.to_native_string(value, "latin-1") for name, value in headers.items()}


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


#: Credentials that say the same for every request, until an attribute of theirs that `seen` returns changes.
_UNCHANGING = (FlowableCloudToken, HTTPBasicAuth, HTTPProxyAuth, type(None))


def _auth(session: requests.Session, url: str) -> Auth | None:
    """Return whom requests would ask: what was set, `.netrc`, or what stands in the address."""
    auth: Any = session.auth
    if not auth and session.trust_env:
        auth = _utils.get_netrc_auth(url)
    if auth is None:
        pair = _utils.get_auth_from_url(url)
        auth = pair if any(pair) else None
    if not auth:
        return None
    if isinstance(auth, tuple):
        auth = HTTPBasicAuth(*cast("tuple[str, str]", auth))
    if isinstance(auth, HTTPDigestAuth):
        raise _refused_auth(auth)
    return cast("Auth", auth)


def _refused_auth(auth: object) -> InvalidArgumentError:
    name = getattr(auth, "__qualname__", type(auth).__qualname__)
    return InvalidArgumentError("auth", SECRET, f"credentials that only set headers, which {name} is not, {WAY_OUT}")


def _refuse_code(session: requests.Session, host: str) -> None:
    """Refuse what requests would run.

    Raises:
        InvalidArgumentError: There is such a thing.
    """
    for method in _METHODS:
        if method in vars(session) or getattr(type(session), method) is not getattr(requests.Session, method):
            raise _refused(method, getattr(session, method), "the method of requests.Session itself")
    for name, hooks in session.hooks.items():
        if hooks:
            raise _refused(f"hooks[{name!r}]", hooks, "empty")
    if not isinstance(cast("object", session.cookies), CookieJar):
        raise _refused("cookies", session.cookies, "a cookie jar")
    adapter = cast("HTTPAdapter", session.get_adapter(host))
    # False is what an adapter has that was made without.
    if type(adapter) not in (HTTPAdapter, InterruptibleAdapter):
        raise _refused("adapters", adapter, "adapters of requests itself")
    if adapter.max_retries.total or adapter.max_retries.read is not False:
        raise _refused("adapters", adapter, "adapters without max_retries")


def _refused(what: str, found: object, accepted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"request_session.{what}", found, f"{accepted}, {WAY_OUT}")
