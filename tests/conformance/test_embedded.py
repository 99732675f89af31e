"""Every case on the embedded engine, as each of the releases, through both of its doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conformance.embedded import EmbeddedUnderTest
from tests.conformance.scene import Scene
from tests.conformance.suite import RELEASES, Case, cases_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.engines import Engine

on_every_release = pytest.mark.parametrize(
    ("release", "case"),
    [pytest.param(release, case, id=f"{release}-{case.name}") for release in RELEASES for case in cases_of(release)],
)


@on_every_release
def test_embedded_in_process(release: str, case: Case) -> None:
    """The case comes out as on a real engine."""
    case.play(Scene(EmbeddedUnderTest(release, executor=case.executor)))


@on_every_release
def test_embedded_over_http(release: str, case: Case, served: Callable[[str, bool], Engine]) -> None:
    """The case comes out as on a real engine."""
    case.play(Scene(served(release, case.executor)))
