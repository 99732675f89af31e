"""Each operation meets each fault: every job is settled once, its runs are explained, and the worker goes on."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from flowable.external_worker_client.testing import Faults, WireFaults
from flowable.external_worker_client.testing import faults as faults_module
from flowable.external_worker_client.testing import proxy_faults as proxy_faults_module
from flowable.external_worker_client.testing.faults import FaultPlan

from .place import SCENES, Place, Play, SwiftClock
from .troubles import CELLS, OPERATIONS, TROUBLES, Cell, Expected

#: Real seconds that a stop may take when all is well. The machine may be busy.
STOP = 3.0


@pytest.fixture(scope="module")
def places() -> Iterator[Callable[[str], Place]]:
    """Engines of the releases, each started when it is needed first."""
    clock, made = SwiftClock(), dict[str, Place]()

    def get(release: str) -> Place:
        if release not in made:
            made[release] = Place(release, clock)
        return made[release]

    yield get
    for place in made.values():
        place.close()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.operation != "release"], ids=str)
def test_every_job_is_settled_once(places: Callable[[str], Place], cell: Cell) -> None:
    """Whatever happens to one request: no job is lost or settled twice, and every run of a handler has its reason."""
    trouble = TROUBLES[cell.trouble]
    expected = trouble.expected.get(cell.operation)
    if expected is not None and cell.slots not in expected.slots:
        expected = None
    with Play(places(trouble.release), cell, trouble) as play:
        play.trouble_begins()
        hit = play.start(3 if cell.slots == 1 else 6)
        if cell.operation == "acquire":
            play.scenes()
        subscription = play.subscribe(batch=3 if cell.slots == 1 else 1)
        play.finish(expected)
        assert play.place.engine.faults.pending == play.place.proxy.faults.pending == 0, "it has happened"
        # It goes on: another job is worked on as if nothing had been.
        [later] = play.start(1)
        play.finish(None)
        began = time.monotonic()
        assert subscription.unsubscribe(timeout=STOP * 50)
        assert time.monotonic() - began < STOP
        check(play, hit, expected)
        assert play.runs[later] == usual(cell)
        subscription.thread.join(STOP)
        assert not subscription.thread.is_alive()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.operation == "release"], ids=str)
def test_a_stop_gives_back_what_was_not_started(places: Callable[[str], Place], cell: Cell) -> None:
    """Whatever happens to one request: what runs is finished, and no more stays locked than was to be expected."""
    trouble = TROUBLES[cell.trouble]
    with Play(places(trouble.release), cell, trouble) as play:
        jobs = play.start(cell.slots + 3)
        subscription = play.subscribe(batch=len(jobs))
        play.wait_until(lambda: play.at_the_gate == cell.slots and len(play.locked()) == len(jobs))
        play.trouble_begins()
        play.scenes()
        began = time.monotonic()
        # Without time for the handlers: it is told to stop, and what is not started is given back meanwhile.
        assert not subscription.unsubscribe(timeout=0.0)
        play.gate.set()
        assert subscription.unsubscribe(timeout=STOP * 50)
        assert time.monotonic() - began < STOP
        subscription.thread.join(STOP)
        assert not subscription.thread.is_alive()
        play.wait_until(lambda: len(play.ended()) == cell.slots)
        left = trouble.left if isinstance(trouble.left, tuple) else (trouble.left,)
        assert len(play.locked()) in left, "no more stays locked than has to"
        assert not play.place.engine.faults.pending
        play.place.tidy()
        # Once their locks have ended, another subscription of the same client works on all that are left.
        play.end_locks()
        again = play.subscribe(batch=1)
        play.finish(None)
        assert again.unsubscribe(timeout=STOP * 50)
        check(play, jobs, None)


def usual(cell: Cell) -> list[int]:
    """Return what the runs of a handler are told of the retries when nothing goes wrong."""
    return [3, 2] if cell.operation == "fail" else [3]


def check(play: Play, jobs: list[str], expected: Expected | None) -> None:
    """See that all is as it has to be once all instances have ended."""
    engine, rule = play.place.engine, usual(play.cell)
    others = {each: runs for each, runs in play.runs.items() if each in jobs and runs != rule}
    if expected is None:
        assert others == {}, "each handler runs once, and no retry is spent"
    else:
        # What differs does so in the way that the table explains.
        told = list(expected.retries)
        assert all(runs == told for runs in others.values()), (expected.reason, others)
        if expected.hit == "one":
            assert len(others) <= 1, (expected.reason, others)
            assert others or told == rule or (play.cell.slots > 1 and not expected.sure), expected.reason
    deleted = [each for each in play.instances if engine.instance(each).end == "deleted"]
    assert len(deleted) == (expected is not None and expected.ends == "deleted")
    assert {each: play.settled[each] for each in play.instances} == {
        each: int(each not in deleted) for each in play.instances
    }, "every job is settled once in the engine"
    ends = {"bpmnError": {"caught"}, "cmmnTerminate": {"end"}}.get(play.cell.operation, {"done"})
    assert {engine.instance(each).end for each in play.instances if each not in deleted} <= ends
    assert not [job for job in engine.every_job() if job.topic == play.topic], "nothing is left, locked or dead"


# ---------------------------------------------------------------- nothing is left out


def offered(faults: type[FaultPlan[Any]]) -> set[str]:
    """Return the methods by which faults are planned."""
    own = {name for name, member in vars(faults).items() if inspect.isfunction(member) and not name.startswith("_")}
    return own - set(vars(FaultPlan))


def choices(faults: type[FaultPlan[Any]], module: Any) -> Iterator[tuple[str, str, object]]:
    """Return what each parameter can be that has a choice: method, parameter, value."""
    names = {**vars(faults_module), **vars(module)}
    for method in offered(faults):
        for name, kind in get_type_hints(getattr(faults, method), names).items():
            if get_origin(kind) is Literal and name != "operation":
                yield from ((method, name, value) for value in get_args(kind))
            elif kind is bool:
                yield from ((method, name, value) for value in (False, True))


def planned(door: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what the matrix plans at a door, with the arguments that are given by default."""
    faults: Any = Faults if door == "engine" else WireFaults
    for trouble in TROUBLES.values():
        for fault in trouble.faults:
            if fault.door == door:
                signature = inspect.signature(getattr(faults, fault.method))
                defaults = {name: each.default for name, each in signature.parameters.items()}
                yield fault.method, {**defaults, **fault.arguments}


@pytest.mark.parametrize(
    ("door", "faults", "module"),
    [("engine", Faults, faults_module), ("wire", WireFaults, proxy_faults_module)],
    ids=["embedded engine", "fault proxy"],
)
def test_the_matrix_is_complete(door: str, faults: type[FaultPlan[Any]], module: Any) -> None:
    """A fault that is new, or a new way to have it, needs a place in the matrix."""
    here = list(planned(door))
    assert {method for method, _ in here} == offered(faults)
    missing = {
        (method, name, value)
        for method, name, value in choices(faults, module)
        if not any(other == method and arguments.get(name) == value for other, arguments in here)
    }
    assert missing == set()


def test_every_scene_is_played_and_every_operation_has_every_fault() -> None:
    """Those troubles that are not for all operations say so, and are about what happens to one job."""
    played = {fault.method for trouble in TROUBLES.values() for fault in trouble.faults if fault.door == "scene"}
    assert played == set(SCENES)
    for name, trouble in TROUBLES.items():
        assert set(trouble.expected) <= set(trouble.operations) <= set(OPERATIONS), name
