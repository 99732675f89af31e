"""Jobs of which less is known than the engine sends: what an earlier process left, and what cannot be read."""

from __future__ import annotations

from typing import cast

from flowable.external_worker_client.runtime import records
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.held import HeldJob, Job, Lease, Lock
from flowable.external_worker_client.runtime.journal import Orphan
from flowable.external_worker_client.runtime.lifecycle import Event


def unknown_job(job_id: str) -> Job:
    """Return a job of which only the id is known."""
    return Job([], job_id, *(None,) * 10, cast("int", None), *(None,) * 6)


def left_behind(orphan: Orphan, clock: Clock) -> HeldJob:
    """Return the job of an outcome that an earlier process left, ready to be settled in the name of its owner.

    Nothing but the outcome was written down, and nothing else is needed.
    """
    job = unknown_job(orphan.job_id)
    job.correlation_id = orphan.correlation_id
    job.execution_id = orphan.execution_id
    job.sub_scope_id = orphan.sub_scope_id
    job.retries = cast("int", orphan.retries)
    left = orphan.lock_until - records.epoch()
    held = HeldJob(orphan.topic, job, Lease(Lock(orphan.job_id, orphan.owner or None, clock.now() + left), clock))
    held.left_behind = True
    held.happened(Event.ENDED)
    return held
