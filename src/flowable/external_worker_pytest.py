"""Fixtures for tests of workers: the pytest plugin that comes with `flowable.external_worker_client`.

pytest imports this module in every test run of an environment in which the library is installed. That is why it stands
beside the package and not in it, and why everything but pytest is imported inside the fixtures: a package is imported
before its modules, and this one needs requests.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowable.external_worker_client import ExternalWorkerClient, ExternalWorkerSubscription
    from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, JumpingClock
    from flowable.external_worker_client.testing.real_engine import RealEngine

#: Seconds that handlers have to end after their test.
GRACE = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for `flowable_real_engine`."""
    group = parser.getgroup("flowable", "real Flowable engine")
    group.addoption(
        "--flowable-engine",
        metavar="URL",
        help="of flowable_real_engine, such as http://localhost:8090/flowable-rest; default: $FLOWABLE_URL",
    )
    group.addoption(
        "--flowable-engine-auth",
        metavar="USER:PASSWORD",
        help="default: $FLOWABLE_USERNAME and $FLOWABLE_PASSWORD, or else rest-admin:test",
    )
    group.addoption(
        "--flowable-process-path",
        metavar="PATH",
        default="/service",
        help="of the process REST API below the URL; default: %(default)s, /process-api for Spring Boot applications",
    )


@pytest.fixture
def flowable_clock() -> Iterator[JumpingClock]:
    """The clock of `flowable_engine` and `flowable_client`: stands still until `advance`, or while the engine waits.

    In `flowable_engine.wait_for_end(...)` and `wait_until(...)` it moves by itself, whenever all workers wait. At the
    end of the test, failed or not, it ends, and with it every subscription of every client that was given it.
    """
    from flowable.external_worker_client.testing import JumpingClock  # noqa: PLC0415 - see the top

    clock = JumpingClock()
    yield clock
    clock.end()
    deadline = time.monotonic() + GRACE
    while clock.threads and time.monotonic() < deadline:
        time.sleep(clock.LOOK)
    if clock.threads:
        pytest.fail(f"{clock.threads} worker threads still run {GRACE:g} s after the end of the test")


@pytest.fixture
def flowable_engine(flowable_clock: JumpingClock) -> EmbeddedEngine:
    """An `EmbeddedEngine` without processes, on `flowable_clock`.

    A test module that needs another, such as one of another release, defines a fixture of this name; the other fixtures
    then use that one.
    """
    from flowable.external_worker_client.testing import EmbeddedEngine  # noqa: PLC0415 - see the top

    return EmbeddedEngine(clock=flowable_clock)


@pytest.fixture
def flowable_client(flowable_engine: EmbeddedEngine, flowable_clock: JumpingClock) -> Iterator[ExternalWorkerClient]:
    """An `ExternalWorkerClient` of `flowable_engine`, without a socket, on `flowable_clock`.

    At the end of the test all its subscriptions are ended; one whose handler still runs after ten seconds is an error.
    """
    from flowable.external_worker_client import ExternalWorkerClient  # noqa: PLC0415 - see the top
    from flowable.external_worker_client.testing import EmbeddedAdapter  # noqa: PLC0415

    started: list[ExternalWorkerSubscription] = []

    class Client(ExternalWorkerClient):
        """Remembers its subscriptions."""

        def subscribe(self, *args: Any, **kwargs: Any) -> ExternalWorkerSubscription:  # noqa: ANN401 - as given
            subscription = super().subscribe(*args, **kwargs)
            started.append(subscription)
            return subscription

    adapter = EmbeddedAdapter(flowable_engine)
    yield Client(adapter.url, customize_session=adapter.mount, clock=flowable_clock)
    for subscription in started:
        subscription.event.set()
    # A result that waits to be sent again is sent now, on a clock that nobody would move any more.
    end = getattr(flowable_clock, "end", None)
    if end is not None:
        end()
    running = [subscription.thread.name for subscription in started if not subscription.unsubscribe(GRACE)]
    if running:
        pytest.fail(f"handlers still run {GRACE:g} s after the end of the test, on threads {', '.join(running)}")


@pytest.fixture
def flowable_auth() -> tuple[str, str] | str | None:
    """The credentials that `flowable_server` asks for: `None` for none, a pair of name and password, or a bearer token.

    `None` unless a test module defines a fixture of this name.
    """
    return None


@pytest.fixture
def flowable_server(
    flowable_engine: EmbeddedEngine, flowable_auth: tuple[str, str] | str | None
) -> Iterator[EmbeddedServer]:
    """An `EmbeddedServer` of `flowable_engine`: the same engine over HTTP, at `flowable_server.url`.

    It lets everybody in, or those who have the credentials of `flowable_auth`.

    Needs the extra `testing`. For a program that is tested as a whole, on the machine's clock, or for a client that is
    given `clock=flowable_clock`.
    """
    from flowable.external_worker_client.testing import EmbeddedServer  # noqa: PLC0415 - see the top

    with EmbeddedServer(flowable_engine, auth=flowable_auth) as server:
        yield server


@pytest.fixture(scope="session")
def flowable_real_engine(pytestconfig: pytest.Config) -> Iterator[RealEngine]:
    """A `RealEngine`: a Flowable that runs already, with helpers to deploy, start, look, and wait.

    Where it is: `--flowable-engine URL`, or `FLOWABLE_URL`. Without either the test is skipped. Who we are:
    `--flowable-engine-auth USER:PASSWORD`, or `FLOWABLE_USERNAME` and `FLOWABLE_PASSWORD`, or `rest-admin` and `test`.
    """
    url = pytestconfig.getoption("--flowable-engine") or os.environ.get("FLOWABLE_URL")
    if not url:
        pytest.skip("needs a real Flowable engine: give --flowable-engine URL, or set FLOWABLE_URL")
    from flowable.external_worker_client.testing.real_engine import RealEngine  # noqa: PLC0415 - see the top

    credentials = pytestconfig.getoption("--flowable-engine-auth")
    if credentials:
        username, colon, password = credentials.partition(":")
        if not colon:
            # Without showing it: it may be the password.
            raise pytest.UsageError("--flowable-engine-auth: what was given has no colon; write USER:PASSWORD")
    else:
        username = os.environ.get("FLOWABLE_USERNAME", "rest-admin")
        password = os.environ.get("FLOWABLE_PASSWORD", "test")
    process_path: str = pytestconfig.getoption("--flowable-process-path") or "/service"
    with RealEngine(url, username, password, process_path=process_path) as engine:
        yield engine
