"""How many requests a minute idle workers send, counted by a proxy between each of them and the real engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from side_by_side.noters import NAMES, program
from side_by_side.notes import model
from side_by_side.samples import Sample

from flowable.external_worker_client.testing import FaultProxy
from flowable.external_worker_client.testing.real_engine import RealEngine

if TYPE_CHECKING:
    from side_by_side.bed import Bed

PART = "pickup"
CLIENTS = ("worker", "subscribe", "v1", "js")
TOPICS = (1, 30)
#: A job of somebody else that nobody takes; a worker of many topics cannot tell that it is not its own.
FOREIGN = "ours, Worker, foreign job"


def requests_a_minute(bed: Bed, settle: float, seconds: float) -> list[Sample]:
    """Count what idle workers send, all of them at the same time, each behind a proxy of its own.

    Args:
        bed: The engine, and the other clients.
        settle: For how long they are idle before counting begins, in seconds: pauses grow.
        seconds: For how long is counted.
    """
    samples = count(bed, CLIENTS, settle, seconds)
    with RealEngine(bed.engine.url) as engine:
        key = bed.unique("foreign")
        engine.deploy(model(key, [key]))
        instance = engine.start_process(key)
        try:
            found = count(bed, ["worker"], settle / 2, seconds / 3)
        finally:
            engine.delete(instance)
    return samples + [replace(each, scenario=FOREIGN) for each in found]


def count(bed: Bed, clients: Sequence[str], settle: float, seconds: float) -> list[Sample]:
    """Count what idle workers of some clients send."""
    with ExitStack() as stack:
        proxies: dict[tuple[str, int], FaultProxy] = {}
        for client in clients:
            for topics in TOPICS:
                proxy = proxies[client, topics] = stack.enter_context(FaultProxy(bed.engine.url))
                keys = [bed.unique(f"idle-{client}") for _ in range(topics)]
                stack.enter_context(program(bed, client, proxy.url, [keys]))
        time.sleep(settle)
        for proxy in proxies.values():
            proxy.clear()
        began = time.monotonic()
        time.sleep(seconds)
        found = {each: len(proxy.exchanges) for each, proxy in proxies.items()}
        minutes = (time.monotonic() - began) / 60
    return [
        Sample(
            part=PART,
            scenario=NAMES[client],
            place="engine",
            metric="requests_per_minute",
            round=0,
            value=number / minutes,
            x=topics,
        )
        for (client, topics), number in found.items()
    ]
