"""Gives jobs back that were not started: fails them with their own retries and message, unchanged.

That frees them at once on every release of the engine, the lock of their process instance included (docs/engine.md,
Failing). Best effort, and never repeated: what is not given back is offered again when its lock ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowable.external_worker_client.durations import from_seconds
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.held import HeldJob
from flowable.external_worker_client.runtime.lifecycle import Event


def give_back(
    rest_client: Any,  # noqa: ANN401 - people put another one in its place
    jobs: Sequence[HeldJob],
    pause: float | None,
    answered: Callable[[], object],
) -> list[HeldJob]:
    """Give jobs back.

    Args:
        rest_client: What to send through.
        jobs: Which, in order.
        pause: Seconds that they stay away. `None`: they can be acquired at once.
        answered: Called after each answer of the engine.

    Returns:
        Those that could not be given back: their lock is over, they have no retries, or the engine did not answer.
    """
    retry_timeout = None if pause is None else from_seconds(pause).text
    kept: list[HeldJob] = []
    reachable = True
    for held in jobs:
        held.happened(Event.RELEASE)
    for held in jobs:
        job, lock = held.job, held.lease.lock
        if not reachable or not lifecycle.may_release(left=held.lease.time_left(), retries=job.retries):
            kept.append(held)
            continue
        named = {} if lock.owner is None else {"worker_id": lock.owner}
        try:
            rest_client.fail_job(
                lock.job_id, job.exception_message, retries=job.retries, retry_timeout=retry_timeout, **named
            )
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            kept.append(held)
            # An engine that does not answer would hold the stop up once for every job.
            reachable = isinstance(error, FlowableRestException)
        if reachable:
            answered()
    return kept
