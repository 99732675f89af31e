"""All cases."""

from __future__ import annotations

# Importing a module of cases registers them.
from tests.conformance.cases import (  # noqa: F401
    acquire,
    complete,
    errors,
    exclusive,
    fail,
    http,
    lifecycle,
    limits,
    query,
    unacquire,
    variables_in,
    variables_out,
)
from tests.conformance.registry import CASES, Case

__all__ = ["CASES", "RELEASES", "Case", "cases_of"]

RELEASES = ("7.2.0", "7.0.1", "6.8.0")


def cases_of(release: str) -> list[Case]:
    """Return the cases that apply to a release, by their numbers."""
    return [found for _, found in sorted(CASES.items()) if found.applies_to(release)]
