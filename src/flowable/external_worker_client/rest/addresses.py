"""Addresses, as texts of errors name them: host and port, never user and password, nor what stands in a query."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}

#: User and password in a URL. Up to the last `@`: passwords contain everything.
_CREDENTIALS = re.compile(r"(?<=//)\S*@")


def place(url: str) -> str:
    """Return host and port of a URL; without a port, the usual one of http and https. Empty: it has no host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    if not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def urls_without_credentials(text: str) -> str:
    """Return a text without users and passwords in its URLs. Of one address alone: `arguments.without_credentials`."""
    return _CREDENTIALS.sub("", text)
