"""What is written down about jobs, so that a crash does not cost a result: the runtime's side of the journal.

`Records` writes nothing, which is how a client without a journal works. `JournalRecords` translates between jobs on the
subscription's clock and rows of the journal, whose times are in seconds since 1970 because several processes read them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from flowable.external_worker_client.rest.carrier import Settling
from flowable.external_worker_client.rest.operations import OPERATIONS, Effect, Operation
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.held import HeldJob
from flowable.external_worker_client.runtime.journal import Journal, Orphan, Recollection, Recorded
from flowable.external_worker_client.runtime.resend import Step, Verdict

_OPERATIONS = {operation.name: operation for operation in OPERATIONS}


#: How long an outcome is kept whose lock was lost: the job may come again after any outage.
_KEPT_FOR_A_REDELIVERY = 14 * 86_400.0  # seconds

#: Without a journal nobody waits for anybody: one for all, because every job passes here.
_BESIDE_ALL = nullcontext(enter_result=True)

#: Outcomes that are remembered without a journal.
_MOST_REMEMBERED = 1000


class Records:
    """Writes nothing. Remembers outcomes that did not arrive, for as long as the process lives.

    Attributes:
        gated: Whether handlers may have to wait for others, in `run` and `go_in`.
    """

    gated = False

    def __init__(self) -> None:
        self._undelivered: OrderedDict[str, Recorded] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, held: Sequence[HeldJob]) -> Mapping[str, Recollection]:
        """Return what is known of jobs that were acquired, by correlation id."""
        if not self._undelivered:
            return {}
        with self._lock:
            known = {each.key: self._undelivered.get(each.key) for each in held}
        return {key: Recollection(outcome=outcome) for key, outcome in known.items() if outcome is not None}

    def started(self, held: HeldJob) -> None:
        """The handler of a job is about to be called."""

    def outcome(self, held: HeldJob, call: Settling) -> None:
        """The outcome of a job is about to be sent."""

    def delivered(self, held: HeldJob, call: Settling, step: Step) -> None:
        """The delivery of an outcome has ended, whichever way.

        What is known to have been done, and did not arrive because the lock was lost or the time was over, is kept:
        when the job comes here again, it is completed from it instead of run again. A failure is not kept: the job is
        to run again.
        """
        if step.verdict is Verdict.SETTLED and not self._undelivered:
            # As nearly always.
            return
        with self._lock:
            if _may_come_back(held, call.operation.effect, step):
                self._undelivered[held.key] = _recorded(call)
                while len(self._undelivered) > _MOST_REMEMBERED:
                    self._undelivered.popitem(last=False)
            else:
                self._undelivered.pop(held.key, None)

    def explained(self, held: HeldJob) -> None:
        """A handler is still running, and the process ends in an orderly way."""

    def run(self, *, alone: bool, unless: Callable[[], bool]) -> AbstractContextManager[bool]:
        """Run a handler beside others, or alone in this process, for the time of a block.

        Args:
            alone: Which of the two.
            unless: When it says yes, waiting for that ends. It is asked anew at each `wake`.

        Returns:
            What gives the block whether the handler may run. `False`: `unless` said yes first.
        """
        del alone, unless
        return _BESIDE_ALL

    def somebody_is_to_be_alone(self) -> bool:
        """Say whether a handler runs alone in this process, or waits for that."""
        return False

    def go_in(self, *, alone: bool, unless: Callable[[], bool]) -> bool:
        """As `run`, for a handler that ends on another thread than it was started on; `go_out` is to follow."""
        del alone, unless
        return True

    def go_out(self, *, alone: bool) -> None:
        """A handler has ended that was let in with `go_in`."""

    def wake(self) -> None:
        """Let those who wait in `run` ask again whether they still should."""

    def orphans(self) -> Sequence[Orphan]:
        """Return undelivered outcomes of processes that are no longer alive. They are ours from then on."""
        return ()

    def close(self) -> None:
        """Nothing is written any more."""


class JournalRecords(Records):
    """Writes to a journal.

    Args:
        journal: The journal. Its methods never raise.
    """

    gated = True

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def recall(self, held: Sequence[HeldJob]) -> Mapping[str, Recollection]:
        """See `Records.recall`."""
        return self._journal.recall([each.key for each in held])

    def started(self, held: HeldJob) -> None:
        """See `Records.started`."""
        lock = held.lease.lock
        job = held.job
        self._journal.started(
            held.key,
            job_id=lock.job_id,
            owner=lock.owner or "",
            topic=held.topic,
            execution_id=job.execution_id,
            sub_scope_id=job.sub_scope_id,
            retries=job.retries,
            lock_until=_epoch(held),
        )

    def outcome(self, held: HeldJob, call: Settling) -> None:
        """See `Records.outcome`."""
        job = held.job
        self._journal.outcome(
            held.key,
            job_id=call.job_id,
            owner=call.owner,
            topic=held.topic,
            execution_id=job.execution_id,
            sub_scope_id=job.sub_scope_id,
            retries=job.retries,
            lock_until=_epoch(held),
            recorded=_recorded(call),
        )

    def delivered(self, held: HeldJob, call: Settling, step: Step) -> None:
        """See `Records.delivered`."""
        effect = call.operation.effect
        if step.verdict is Verdict.ABANDONED and effect is Effect.SETTLES:
            self._journal.abandoned(held.key)
        elif _may_come_back(held, effect, step):
            # In vain for whoever held the lock, but not for whoever gets the job next.
            self._journal.settled(held.key, keep_until=epoch() + _KEPT_FOR_A_REDELIVERY)
        elif step.assumed or (effect is Effect.SETTLES and step.verdict is Verdict.GONE):
            # Suspended instances hide their jobs, and bring them back.
            self._journal.settled(held.key, keep_until=_epoch(held) + lifecycle.KEPT_AFTER_LOCK)
        elif step.verdict is not Verdict.UNSTORABLE:
            self._journal.settled(held.key)

    def explained(self, held: HeldJob) -> None:
        """See `Records.explained`."""
        self._journal.explained(held.key)

    def run(self, *, alone: bool, unless: Callable[[], bool]) -> AbstractContextManager[bool]:
        """See `Records.run`."""
        return self._journal.alone(unless) if alone else self._journal.beside(unless)

    def somebody_is_to_be_alone(self) -> bool:
        """See `Records.somebody_is_to_be_alone`."""
        return self._journal.somebody_is_to_be_alone()

    def go_in(self, *, alone: bool, unless: Callable[[], bool]) -> bool:
        """See `Records.go_in`."""
        return self._journal.go_in(unless, alone=alone)

    def go_out(self, *, alone: bool) -> None:
        """See `Records.go_out`."""
        self._journal.go_out(alone=alone)

    def wake(self) -> None:
        """See `Records.wake`."""
        self._journal.wake()

    def orphans(self) -> Sequence[Orphan]:
        """See `Records.orphans`."""
        return self._journal.orphans()

    def close(self) -> None:
        """See `Records.close`."""
        self._journal.close()


def _may_come_back(held: HeldJob, effect: Effect, step: Step) -> bool:
    """Say whether the job of an outcome that did not arrive may be handed out again."""
    if effect is not Effect.SETTLES:
        return False
    # Some releases give a job a new id when its lock is reset: then it is gone under the one we knew.
    reset = step.verdict is Verdict.GONE and held.lease.time_left() <= 0
    return reset or step.verdict in (Verdict.LOST, Verdict.ABANDONED)


def _recorded(call: Settling) -> Recorded:
    members = {name: value for name, value in call.members.items() if value is not None}
    return Recorded(operation=call.operation.name, members=members)


def call_of(recorded: Recorded, job_id: str, owner: str) -> Settling:
    """Return the call that sends a recorded outcome for a job that is held under a name."""
    return Settling(operation_of(recorded), job_id, owner, recorded.members)


def operation_of(recorded: Recorded) -> Operation:
    """Return the operation of a recorded outcome."""
    return _OPERATIONS[recorded.operation]


def epoch() -> float:
    """Return the time in seconds since 1970."""
    return time.time()


def _epoch(held: HeldJob) -> float:
    """Return the end of a job's lock in seconds since 1970."""
    return epoch() + held.lease.time_left()
