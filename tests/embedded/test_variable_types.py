"""The embedded engine keeps what this library writes, and refuses what its release cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from flowable.external_worker_client import (
    FlowableExternalWorkerRestClient,
    FlowableRestException,
    InvalidArgumentError,
    Typed,
    Unreadable,
    WorkerResultBuilder,
)
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, Process, Task

NOON = datetime(2026, 2, 3, 12, 0, 0, 123_000, tzinfo=UTC)
EVERYWHERE: list[Any] = [
    None,
    True,
    "Grüße \U0001f388",
    Typed(-(2**15), "short"),
    2**31 - 1,
    -(2**63),
    0.1,
    NOON,
    NOON.replace(tzinfo=None),
    Typed(NOON.replace(microsecond=0), "date"),
    date(2026, 2, 28),
    {"a": [1, 2**70, 0.5, None, {"b": "c"}]},
    [],
]
BIG: list[Any] = [2**63, -(10**3998), Decimal("1.50"), Decimal("-0.001")]
RELEASES = ["6.8", "7.0", "7.2"]


@contextmanager
def connected(embedded: EmbeddedEngine, **options: Any) -> Iterator[FlowableExternalWorkerRestClient]:
    """A REST client of an embedded engine."""
    adapter = EmbeddedAdapter(embedded)
    client = FlowableExternalWorkerRestClient(adapter.url, "worker", None, adapter.mount, **options)
    yield client
    client.close()


def through(client: FlowableExternalWorkerRestClient, value: object) -> object:
    """Return what the second task of a process reads that gets what the first one wrote."""
    (job,) = client.acquire_jobs("give", "PT1M")
    WorkerResultBuilder(job).success().variable("v", value).execute(client)
    (job,) = client.acquire_jobs("take", "PT1M")
    return job.variable("v")


def started(release: str) -> EmbeddedEngine:
    """An engine with one process instance, which waits at the first task."""
    engine = EmbeddedEngine(Process("p", Task("one", "give"), Task("two", "take")), release=release)
    engine.start("p")
    return engine


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("value", EVERYWHERE, ids=repr)
def test_a_value_comes_out_as_it_went_in(release: str, value: Any) -> None:
    """Equal, and of the same type."""
    with connected(started(release), engine=release) as client:
        seen = through(client, value)
    expected = value.value if isinstance(value, Typed) else value
    assert (seen, type(seen)) == (expected, type(expected))


@pytest.mark.parametrize("value", BIG, ids=lambda value: repr(value)[:30])
def test_big_numbers_go_through_7_2(value: Any) -> None:
    """With every digit."""
    with connected(started("7.2"), engine="7.2") as client:
        assert through(client, value) == value


@pytest.mark.parametrize("release", ["6.8", "7.0"])
@pytest.mark.parametrize("value", BIG, ids=lambda value: repr(value)[:30])
def test_older_releases_do_not_get_big_numbers(release: str, value: Any) -> None:
    """The client refuses them when it knows the release; otherwise the engine does."""
    engine = started(release)
    with connected(engine, engine=release) as client, pytest.raises(InvalidArgumentError, match=r"came with 7\.2"):
        through(client, value)
    assert not any(event.kind == "completed" for event in engine.events)
    with (
        connected(started(release)) as client,
        pytest.raises(FlowableRestException, match="has unsupported type") as answer,
    ):
        through(client, value)
    assert answer.value.status_code == 400


@pytest.mark.parametrize(("content", "kind"), [(b"abc", "binary"), (object(), "serializable")])
def test_what_the_engine_keeps_to_itself_is_unreadable(content: object, kind: str) -> None:
    """It is no None."""
    engine = EmbeddedEngine(Process("p", Task("two", "take")))
    engine.start("p", {"v": content})
    with connected(engine) as client:
        (job,) = client.acquire_jobs("take", "PT1M")
    seen = job.variable("v")
    assert isinstance(seen, Unreadable)
    assert seen.type == kind
