"""The engines of the suite."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

# Before the cases are imported: their assertions shall say what they compared.
pytest.register_assert_rewrite(
    *(f"tests.conformance.{name}" for name in ("answers", "cases", "embedded", "engines", "real", "scene"))
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.embedded import EmbeddedOverHttp
    from tests.conformance.engines import Engine
    from tests.conformance.idle import IdleEngines

    from flowable.external_worker_client.testing.real_engine import RealEngine

_idle = pytest.StashKey["IdleEngines"]()


# ---------------------------------------------------------------- real engines without an async executor


def idle_release(item: pytest.Item) -> str | None:
    """Return the release whose idle engine a test needs; `None` if it needs none."""
    if "idle_engine" not in getattr(item, "fixturenames", ()):
        return None
    release: str = item.callspec.params["release_engine"]  # type: ignore[attr-defined]  # of a parametrized test
    return release


def idle_engines(config: pytest.Config) -> IdleEngines:
    """Return this process's access to the idle engines of the run."""
    from tests.conformance.idle import IdleEngines  # noqa: PLC0415  # only when one is used
    from tests.conftest import run_directory, told  # noqa: PLC0415  # the module that pytest has made of it by now

    if _idle not in config.stash:
        known = told(config)
        directory = run_directory(config) / "idle"
        directory.mkdir(exist_ok=True)
        config.stash[_idle] = IdleEngines(directory, int(known["engine_owner"]) if known else os.getpid())
    return config.stash[_idle]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the tests that need them."""
    uses = Counter(release for item in session.items if (release := idle_release(item)))
    if uses and not session.config.option.collectonly:
        idle_engines(session.config).expect(uses)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End one when the last test that needs it is over."""
    try:
        return (yield)
    finally:
        if release := idle_release(item):
            idle_engines(item.config).used(release)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what is still there because the run was broken off; a process among others leaves that to the engine."""
    from tests.conftest import told  # noqa: PLC0415  # the module that pytest has made of it by now

    if _idle in config.stash and not told(config):
        idle_engines(config).end_all()


@pytest.fixture
def idle_engine(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, release_engine: RealEngine
) -> Iterator[RealEngine]:
    """A real engine without an async executor, of the release that the test is parametrized with."""
    from flowable.external_worker_client.testing.real_engine import RealEngine  # noqa: PLC0415  # only when used

    release = idle_release(request.node)
    assert release is not None
    engine = idle_engines(pytestconfig).get(release)
    with RealEngine(engine.url, engine.username, engine.password) as access:
        yield access


# ---------------------------------------------------------------- embedded engines


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[str, bool], Engine]]:
    """Return embedded engines behind a socket, one for each release, with and without an executor."""
    from tests.conformance.embedded import EmbeddedOverHttp  # noqa: PLC0415  # after assertions are made to speak

    started: dict[tuple[str, bool], EmbeddedOverHttp] = {}

    def get(release: str, executor: bool) -> Engine:
        if (release, executor) not in started:
            started[release, executor] = EmbeddedOverHttp(release, executor=executor)
        return started[release, executor]

    yield get
    for each in started.values():
        each.close()
