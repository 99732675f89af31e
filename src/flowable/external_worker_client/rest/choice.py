"""Whether the fast transport is a good choice for a worker that leaves it open.

It is whenever nobody can notice the difference but by the time that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from flowable.external_worker_client.rest.as_shipped import as_shipped

#: Versions of pyreqwest, by their beginning. The same are in pyproject.toml.
_KNOWN = ("0.15.",)

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def why_not_fast(host: str, environment: Mapping[str, str]) -> str | None:
    """Return why requests should carry what a worker sends, as half a sentence. `None`: the fast transport should.

    Args:
        host: Address of the engine.
        environment: The variables of the process.
    """
    try:
        found = version("pyreqwest")
    except PackageNotFoundError:
        return "pyreqwest is not installed"
    if not found.startswith(_KNOWN):
        return f"pyreqwest {found} is another version than those that are known, {', '.join(_KNOWN)}*"
    if not as_shipped():
        return "something has put methods of its own in place of those of requests, as mocks and instrumentation do"
    if host.lower().startswith("https:"):
        for name in _BUNDLES:
            if environment.get(name):
                return (
                    f"{name} says whom alone to trust, and the fast transport would trust the machine's authorities too"
                )
    return None
