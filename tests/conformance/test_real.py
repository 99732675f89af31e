"""Every case on the real engine: what it does is right."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from tests.conformance.real import RealUnderTest
from tests.conformance.scene import Scene
from tests.conformance.suite import RELEASES, Case, cases_of

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.real_engine import RealEngine


def on_every_release(*, executor: bool) -> pytest.MarkDecorator:
    """Parametrize a test with the cases that need an engine with, or without, an async executor."""
    return pytest.mark.parametrize(
        ("release_engine", "case", "release"),
        [
            pytest.param(release, case, release, id=f"{release}-{case.name}")
            for release in RELEASES
            for case in cases_of(release)
            if case.executor == executor
        ],
        indirect=["release_engine"],
    )


@on_every_release(executor=True)
def test_real(release_engine: RealEngine, case: Case, release: str) -> None:
    """The case comes out as it says."""
    with contextlib.closing(RealUnderTest(release_engine, release)) as engine:
        case.play(Scene(engine))


@on_every_release(executor=False)
def test_real_without_executor(idle_engine: RealEngine, case: Case, release: str) -> None:
    """The case comes out as it says."""
    with contextlib.closing(RealUnderTest(idle_engine, release)) as engine:
        case.play(Scene(engine))
