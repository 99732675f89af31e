"""Was every promise kept? Pure: from what was seen in a storm to complaints, and to the figures of the table.

The promises:

- Nothing is lost: every instance has ended, at its end event, and has the variable of a handler of its own.
- No instance was completed twice: it passed its task once, and its end once.
- No handler runs again without a reason that the storm allows. Reasons are proven by what was noted, never assumed.
- No retry is spent, no job becomes a dead letter, and none stays locked by a worker that has left in good order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby, pairwise

from tests.storms.ledger import Start

#: The way through the model, as history has it, without flows.
WAY = ("end", "start", "work")
FULL_RETRIES = 3

#: How long a worker may take from a handler's return until the journal has what it returned.
NOTED_WITHIN = 0.5  # seconds; on two cores that are busy with all this
#: Instances and jobs that one complaint names.
NAMED = 5


class Reason(StrEnum):
    """Why a handler may have been started again for a job."""

    KILLED = "worker killed"
    OUTAGE = "lock ended in an outage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is promised in one kind of storm.

    Attributes:
        reasons: Why a handler may start again.
        results_survive: Whether what a handler has returned survives its worker: there is a journal.
        oldest_lock: How long a job may be locked at most, in seconds. `None`: as long as the lock lasts.
    """

    reasons: frozenset[Reason] = frozenset()
    results_survive: bool = False
    oldest_lock: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen in a storm. All times are in seconds since 1970.

    Attributes:
        instances: The process instances that were started.
        ways: The elements that each ended instance has entered, sorted.
        values: The values of the handlers' variable, for each instance.
        starts: The starts of handlers.
        killed: When each worker was killed, by process.
        outages: From when to when the engine was away.
        dead_letters: The jobs that are out of retries, with their messages.
        left_locked: Jobs that were found locked by a worker that had left in good order, and any left at the end.
        oldest_lock: The longest time that a job was seen locked, in seconds.
        ended_badly: The workers that were told to stop and ended with an error, each with a few words.
        traces: Where workers have logged exceptions with their traces: nothing that a storm does is unexpected.
    """

    instances: Sequence[str]
    ways: Mapping[str, Sequence[str]]
    values: Mapping[str, Sequence[str]]
    starts: Sequence[Start]
    killed: Mapping[int, float] = field(default_factory=dict)
    outages: Sequence[tuple[float, float]] = ()
    dead_letters: Sequence[str] = ()
    left_locked: Sequence[str] = ()
    oldest_lock: float = 0.0
    ended_badly: Sequence[str] = ()
    traces: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge found.

    Attributes:
        complaints: One for each promise that was broken; empty when all were kept.
        starts: Starts of handlers.
        extra: Starts beyond the first for the same job, by reason.
        retries_spent: Starts that saw a job with fewer retries than it began with.
    """

    complaints: tuple[str, ...]
    starts: int
    extra: Mapping[Reason, int]
    retries_spent: int


def judge(promise: Promise, evidence: Evidence) -> Verdict:
    """Judge a storm."""
    extra: Counter[Reason] = Counter()
    unexplained: list[str] = []
    for earlier, later in repeated(evidence.starts):
        reason = explain(earlier, later, promise, evidence)
        if reason is None:
            unexplained.append(_again(earlier, later, evidence))
        else:
            extra[reason] += 1
    spent = [start.job for start in evidence.starts if start.retries != FULL_RETRIES]
    complaints = [
        *_complaints_about_instances(evidence),
        *_complain("handlers started again without a reason", unexplained),
        *_complain("jobs had spent retries", spent),
        *_complain("dead letters", evidence.dead_letters),
        *_complain("jobs left locked", evidence.left_locked),
        *_complain("workers ended badly", evidence.ended_badly),
        *_complain("exceptions in the workers' logs", evidence.traces),
    ]
    if promise.oldest_lock is not None and evidence.oldest_lock > promise.oldest_lock:
        complaints.append(
            f"a job was locked for {evidence.oldest_lock:.1f} s, longer than {promise.oldest_lock:g} s: "
            "a lost answer was not followed up"
        )
    return Verdict(
        complaints=tuple(complaints), starts=len(evidence.starts), extra=dict(extra), retries_spent=len(spent)
    )


def repeated(starts: Sequence[Start]) -> list[tuple[Start, Start]]:
    """Return each start of a job beyond its first, together with the one before it."""
    by_job = sorted(starts, key=lambda start: (start.correlation, start.at))
    groups = (list(group) for _, group in groupby(by_job, key=lambda start: start.correlation))
    return [pair for group in groups for pair in pairwise(group)]


def explain(earlier: Start, later: Start, promise: Promise, evidence: Evidence) -> Reason | None:
    """Return why a handler was started again for a job; `None` if nothing that was seen explains it."""
    died = evidence.killed.get(earlier.pid)
    if Reason.KILLED in promise.reasons and died is not None and earlier.at <= died <= later.at:
        returned_before = 0.0 if earlier.ended is None else died - earlier.ended
        if not promise.results_survive or returned_before <= NOTED_WITHIN:
            return Reason.KILLED
    if Reason.OUTAGE in promise.reasons and any(
        begin <= earlier.lock_until <= end <= later.at for begin, end in evidence.outages
    ):
        return Reason.OUTAGE
    return None


def _complaints_about_instances(evidence: Evidence) -> list[str]:
    started = Counter(evidence.instances)
    runs: dict[str, set[str]] = {}
    for start in evidence.starts:
        runs.setdefault(start.instance, set()).add(start.run)
    lost = [each for each in started if each not in evidence.ways]
    ended = {each: tuple(way) for each, way in evidence.ways.items()}
    other_ways = [f"{each} went {way}" for each, way in ended.items() if way != WAY]
    unhandled = [each for each in ended if each not in runs]
    wrong = [
        f"{each} has {values}"
        for each in ended
        if len(values := list(evidence.values.get(each, ()))) != 1 or values[0] not in runs.get(each, ())
    ]
    strange = [each for each in {*ended, *runs} if each not in started]
    return [
        *_complain("instances have not ended", lost),
        *_complain("instances did not pass their task and their end once", other_ways),
        *_complain("instances ended without a handler", unhandled),
        *_complain("instances do not have the variable of a handler of theirs", wrong),
        *_complain("instances that nobody started", strange),
    ]


def _again(earlier: Start, later: Start, evidence: Evidence) -> str:
    died = evidence.killed.get(earlier.pid)
    ended = "no end" if earlier.ended is None else f"ended at {earlier.ended:.3f}"
    fate = "alive" if died is None else f"killed at {died:.3f}"
    return (
        f"job {later.job} of {later.instance}, run {earlier.run} at {earlier.at:.3f} ({ended}, lock until "
        f"{earlier.lock_until:.3f}, worker {fate}), and run {later.run} at {later.at:.3f}"
    )


def _complain(what: str, cases: Sequence[str]) -> list[str]:
    if not cases:
        return []
    more = f"; and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
    return [f"{len(cases)} {what}: {'; '.join(cases[:NAMED])}{more}"]
