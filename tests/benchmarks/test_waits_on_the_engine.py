"""Pick-up, chains and idle requests, measured for a moment on the real engine: programs work, samples come of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from side_by_side import chain, idle, pickup
from side_by_side.noters import NAMES

if TYPE_CHECKING:
    from side_by_side.bed import Bed

    from flowable.external_worker_client.testing.real_engine import RealEngine

pytestmark = pytest.mark.timeout(120)


@dataclass
class JustTheEngine:
    """A bed without other clients, and with an engine that nobody warms."""

    engine: RealEngine
    unique: Callable[[str], str]


@pytest.fixture
def bed(real_engine: RealEngine, unique: Callable[[str], str]) -> Bed:
    """The engine of the tests, as a bed."""
    numbers = itertools.count()
    return cast("Bed", JustTheEngine(real_engine, lambda name: f"{unique(name)}-{next(numbers)}"))


@pytest.mark.parametrize("client", ["worker", "subscribe"])
def test_each_job_is_a_delay(bed: Bed, client: str) -> None:
    """Two lanes, of which each has at least one job, and none of them a time that cannot be."""
    scene = pickup.Scene(client, groups=2, topics=1, lanes=2, pause=(0.0, 0.1))
    samples = pickup.delays(bed, [scene], 0.0)
    assert len(samples) == 2
    assert {(each.part, each.scenario, each.metric, each.x) for each in samples} == {
        ("pickup", NAMES[client], "delay_s", 1)
    }
    assert all(0 <= each.value < pickup.LONGEST for each in samples)


def test_a_chain_has_two_times(bed: Bed) -> None:
    """From the start of the process, and from the first handler, which is later."""
    samples = chain.chains(bed, [chain.Scene("a chain", "worker", lanes=1, pause=(0.0, 0.0))], 0.0)
    times: dict[str, Any] = {each.metric: each.value for each in samples}
    assert set(times) == {"end_to_end_s", "after_first_s"}
    assert 0 < times["after_first_s"] < times["end_to_end_s"] < chain.LONGEST


def test_idle_requests_are_counted(bed: Bed) -> None:
    """Of a worker that asks at least every 0.75 seconds, some come by within two, with any number of topics."""
    samples = idle.count(bed, ["worker"], 0.0, 2.0)
    assert [(each.scenario, each.x) for each in samples] == [(NAMES["worker"], 1), (NAMES["worker"], 30)]
    assert all(each.value > 0 for each in samples)
