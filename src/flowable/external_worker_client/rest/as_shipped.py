"""Whether requests and urllib3 are what their authors shipped, or somebody has put something of their own in the way.

Mocks, recorders and instrumentation replace methods of sessions, adapters, pools and connections. While one of those is
in force, requests go the whole way through the session, so that it sees what it is there to see.
"""

from __future__ import annotations

import http.client
import operator
import sys
from types import FunctionType
from typing import Any

import requests
import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.models import PreparedRequest

_CONNECTION = (
    "request",
    "getresponse",
    "putrequest",
    "putheader",
    "endheaders",
    "send",
    "connect",
    "close",
    "__init__",
)
_POOL = ("urlopen", "_make_request", "_get_conn", "_put_conn", "_new_conn", "_validate_conn")
_SESSION = (
    *("get", "post", "request", "prepare_request", "merge_environment_settings", "send", "get_adapter"),
    *("resolve_redirects", "rebuild_auth", "rebuild_proxies", "rebuild_method", "get_redirect_target"),
    *("should_strip_auth", "__init__"),
)
_ADAPTER = (
    *("send", "get_connection_with_tls_context", "build_connection_pool_key_attributes", "cert_verify"),
    *("request_url", "add_headers", "build_response", "get_connection", "proxy_headers", "proxy_manager_for"),
)


def _watched() -> list[tuple[Any, tuple[str, ...]]]:
    """Return what is looked at: owners, and names in them."""
    return [
        (requests.Session, _SESSION),
        (
            PreparedRequest,
            ("prepare", *(f"prepare_{part}" for part in ("url", "headers", "cookies", "body", "auth", "hooks"))),
        ),
        (HTTPBasicAuth, ("__init__", "__call__")),
        (HTTPAdapter, _ADAPTER),
        (urllib3.connectionpool.HTTPConnectionPool, _POOL),
        (urllib3.connectionpool.HTTPSConnectionPool, _POOL),
        (urllib3.connection.HTTPConnection, _CONNECTION),
        (urllib3.connection.HTTPSConnection, _CONNECTION),
        (http.client.HTTPConnection, _CONNECTION),
        (http.client.HTTPResponse, ("__init__", "begin", "read")),
        (requests.sessions, ("get_environ_proxies", "get_netrc_auth", "merge_setting", "merge_hooks", "dispatch_hook")),
    ]


_HOMES = frozenset({"http.client", "urllib3.connection", "urllib3.connectionpool"}) | {
    f"requests.{module}" for module in ("sessions", "models", "auth", "adapters", "utils", "hooks")
}
_GETTERS = [
    (owner, operator.attrgetter(*(name for name in names if hasattr(owner, name)))) for owner, names in _watched()
]
#: Attributes that a plain session, and a plain adapter, has in its class and not in itself.
METHODS_OF_SESSIONS = frozenset(dir(requests.Session))
METHODS_OF_ADAPTERS = frozenset(dir(HTTPAdapter))

_known: list[object] = []


def as_shipped() -> bool:
    """Say whether everything is as it was shipped, now."""
    global _known  # noqa: PLW0603 - what was looked at last
    found = [each for owner, getter in _GETTERS for each in getter(owner)]
    # Not "equal": wrappers say that they are equal to what they wrap.
    if len(found) == len(_known) and all(map(operator.is_, found, _known)):
        return True
    # Somebody may have been here before this module was imported, so "as it was then" would not do.
    if not all(map(_shipped, found)):
        return False
    _known = found
    return True


def plain_session(session: requests.Session) -> bool:
    """Say whether this is a session of requests itself, with nothing of its own in place of a method."""
    return type(session) is requests.Session and METHODS_OF_SESSIONS.isdisjoint(vars(session))


def _shipped(function: object) -> bool:
    return (
        isinstance(function, FunctionType)
        and function.__module__ in _HOMES
        # Wrappers take over the name of the module, but live in another one.
        and function.__globals__ is vars(sys.modules[function.__module__])
        and not hasattr(function, "__wrapped__")
    )
