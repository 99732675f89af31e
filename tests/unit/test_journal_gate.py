"""The gate: many beside each other, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from flowable.external_worker_client.runtime.gate import Gate

DEADLINE = 30.0  # seconds


class Visitor(threading.Thread):
    """Goes through the gate in a thread of its own, and stays until told to leave."""

    def __init__(self, gate: Gate, way: str, unless: Callable[[], bool] | None = None) -> None:
        super().__init__()
        self.inside = threading.Event()
        self.leave = threading.Event()
        self.passed: bool | None = None
        self._enter = getattr(gate, way)
        self._unless = unless
        self.start()

    def run(self) -> None:
        """Go through."""
        with self._enter(self._unless) as self.passed:
            self.inside.set()
            assert self.leave.wait(DEADLINE)

    def end(self) -> None:
        """Leave, and wait for that."""
        self.leave.set()
        self.join(DEADLINE)
        assert not self.is_alive()


def waits(gate: Gate, count: int) -> None:
    """Wait until so many threads wait at the gate."""
    over = threading.Event()
    waiting = 0
    for _ in range(3000):
        with gate._changed:
            waiting = len(gate._changed._waiters)  # type: ignore[attr-defined]
        if waiting == count:
            return
        over.wait(0.01)
    raise AssertionError(f"{waiting} wait")


def test_many_beside_each_other() -> None:
    """They do not wait for each other."""
    gate = Gate()
    visitors = [Visitor(gate, "beside") for _ in range(5)]
    assert all(visitor.inside.wait(DEADLINE) for visitor in visitors)
    for visitor in visitors:
        visitor.end()


def test_one_alone() -> None:
    """It waits for those inside, and keeps new ones out from the moment it waits."""
    gate = Gate()
    first = Visitor(gate, "beside")
    assert first.inside.wait(DEADLINE)
    alone = Visitor(gate, "alone")
    waits(gate, 1)
    late = Visitor(gate, "beside")
    waits(gate, 2)
    assert not alone.inside.is_set()
    first.end()
    assert alone.inside.wait(DEADLINE)
    other = Visitor(gate, "alone")
    waits(gate, 2)
    assert not late.inside.is_set()
    assert not other.inside.is_set()
    alone.end()
    assert other.inside.wait(DEADLINE), "whoever wants to be alone goes first"
    other.end()
    assert late.inside.wait(DEADLINE)
    late.end()


@pytest.mark.parametrize("way", ["alone", "beside"])
@pytest.mark.parametrize("inner", ["alone", "beside"])
def test_inside_already(way: str, inner: str) -> None:
    """A thread does not wait for itself, nor for one that waits for it."""
    gate = Gate()
    with getattr(gate, way)() as passed:
        waiting = Visitor(gate, "alone")
        waits(gate, 1)
        with getattr(gate, inner)() as passed_again:
            assert passed
            assert passed_again
        assert not waiting.inside.is_set()
    assert waiting.inside.wait(DEADLINE)
    waiting.end()


@pytest.mark.parametrize("way", ["alone", "beside"])
def test_an_exception_leaves_it_open(way: str) -> None:
    """A handler that raises must not close it for ever."""
    gate = Gate()
    with pytest.raises(KeyboardInterrupt), getattr(gate, way)():
        raise KeyboardInterrupt
    with gate.alone() as passed:
        assert passed


@pytest.mark.parametrize("way", ["alone", "beside"])
def test_waiting_ends_at_a_stop(way: str) -> None:
    """A job that waits need not be started once the subscription is to stop."""
    gate = Gate()
    stop = threading.Event()
    inside = Visitor(gate, "alone")
    assert inside.inside.wait(DEADLINE)
    waiting = Visitor(gate, way, stop.is_set)
    waits(gate, 1)
    gate.wake()
    waits(gate, 1)
    stop.set()
    gate.wake()
    assert waiting.inside.wait(DEADLINE)
    assert waiting.passed is False
    waiting.end()
    inside.end()
    with gate.alone() as passed, gate.beside(stop.is_set) as again:
        assert passed
        assert again
    with gate.alone(stop.is_set) as passed:
        assert not passed


def test_one_alone_that_gives_up_lets_the_others_in() -> None:
    """They waited for it only."""
    gate = Gate()
    stop = threading.Event()
    first = Visitor(gate, "beside")
    assert first.inside.wait(DEADLINE)
    alone = Visitor(gate, "alone", stop.is_set)
    waits(gate, 1)
    second = Visitor(gate, "beside")
    waits(gate, 2)
    stop.set()
    gate.wake()
    assert second.inside.wait(DEADLINE)
    for visitor in (first, alone, second):
        visitor.end()


def test_no_two_alone_and_no_deadlock() -> None:
    """Many threads, in any order."""
    gate = Gate()
    beside = 0
    alone = 0
    wrong: list[tuple[int, int]] = []
    mutex = threading.Lock()

    def work(number: int) -> None:
        nonlocal beside, alone
        for step in range(100):
            if (number + step) % 5 == 0:
                with gate.alone():
                    alone += 1
                    if (beside, alone) != (0, 1):
                        wrong.append((beside, alone))
                    alone -= 1
            else:
                with gate.beside():
                    with mutex:
                        beside += 1
                    if alone:
                        wrong.append((beside, alone))
                    with mutex:
                        beside -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
