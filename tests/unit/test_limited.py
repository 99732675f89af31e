"""Places for requests: who gets one, who waits, and that nobody waits for ever."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from tests.support.waiting import until

from flowable.external_worker_client.rest import operations
from flowable.external_worker_client.rest.limited import ACQUIRES_EVERY, LimitedTransport
from flowable.external_worker_client.rest.operations import ACQUIRE, COMPLETE, FAIL, GET, Operation
from flowable.external_worker_client.rest.requests_transport import failure_kind
from flowable.external_worker_client.rest.traffic import START, Fixed
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

LONG = 60.0  # seconds that no test lasts


@dataclass
class Wire:
    """A transport whose answers come when the test says so.

    Attributes:
        sent: The paths of what was sent, in order.
        nested: Called on the thread of each request, before its answer.
        answer: What comes. `None`: the connection is lost.
        held: Gives leave to answer a request. `None`: no leave is needed.
        closed: Whether it was closed.
    """

    sent: list[str] = field(default_factory=list)
    nested: Callable[[], Any] | None = None
    answer: Response | None = field(default_factory=lambda: Response(204, {}, b""))
    held: threading.Semaphore | None = None
    closed: bool = False

    def send(self, request: Request) -> Response:
        """Note a request, and answer it."""
        self.sent.append(request.path)
        if self.nested:
            self.nested()
        if self.held:
            assert self.held.acquire(timeout=10)
        if self.answer is None:
            raise TransportFailure(FailureKind.UNCLEAR, requests.ConnectionError("lost"))
        return self.answer

    def close(self) -> None:
        """Note it."""
        self.closed = True


class Crowd:
    """Requests of threads of their own."""

    def __init__(self, limited: LimitedTransport) -> None:
        self.limited = limited
        self.threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def send(self, path: str, operation: Operation = COMPLETE) -> None:
        """Send a request, and return when it is sent or waits."""
        before = self.limited.under_way + self.limited.waiting
        thread = threading.Thread(target=self._send, args=(Request(operation, path),))
        self.threads.append(thread)
        thread.start()
        until(lambda: self.limited.under_way + self.limited.waiting > before)

    def _send(self, request: Request) -> None:
        try:
            self.limited.send(request)
        except TransportFailure as failure:
            self.failures.append(failure)

    def join(self) -> None:
        """Wait until all have ended."""
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def wire() -> Wire:
    """A transport that answers when it is told to."""
    return Wire(held=threading.Semaphore(0))


@pytest.fixture
def crowd(wire: Wire) -> Iterator[Crowd]:
    """Threads that send through one place."""
    made = Crowd(LimitedTransport(wire, 1, patience=LONG))
    yield made
    assert wire.held is not None
    wire.held.release(1000)
    made.join()
    assert (made.limited.under_way, made.limited.waiting) == (0, 0)


def go_on(wire: Wire, number: int) -> None:
    """Let requests be answered, one after the other, each once the one before it was followed by another."""
    assert wire.held is not None
    for _ in range(number):
        enough = (len(wire.sent) + 1).__le__
        wire.held.release()
        until(lambda: len(wire.sent), enough)


def test_no_more_than_the_places(wire: Wire) -> None:
    """Ten requests, three places: three are sent, and with each answer one more."""
    limited = LimitedTransport(wire, 3, patience=LONG)
    crowd = Crowd(limited)
    for number in range(10):
        crowd.send(str(number))
    assert (limited.at_once, limited.under_way, limited.waiting, len(wire.sent)) == (3, 3, 7, 3)
    go_on(wire, 1)
    assert (limited.under_way, limited.waiting, len(wire.sent)) == (3, 6, 4)
    assert wire.held is not None
    wire.held.release(100)
    crowd.join()
    assert sorted(wire.sent) == sorted(map(str, range(10)))
    assert limited.under_way == 0


def test_a_place_is_taken_from_the_moment_that_somebody_is_called(wire: Wire) -> None:
    """And not only once that one is awake: with one place and an engine nearby, that is most of the time."""
    clock = [10.0]
    limited = LimitedTransport(wire, 1, clock=lambda: clock[0], patience=LONG)
    took: list[float] = []

    class Noting(Fixed):
        def answered(self, kind: str, seconds: float, now: float, under_way: int) -> None:
            took.append(seconds)
            # The gate is locked: the next one is called in this moment, and awake in a later one.
            clock[0] += 5

    limited._gate.places = Noting(1)
    crowd = Crowd(limited)
    crowd.send("first")
    clock[0] += 1
    crowd.send("second")
    clock[0] += 1
    assert wire.held is not None
    wire.held.release(2)
    crowd.join()
    # The first one took two seconds; the second was called at the end of these, five before it could know.
    assert took == [2.0, 5.0]


def test_settling_goes_before_acquiring_and_first_come_first_served(crowd: Crowd, wire: Wire) -> None:
    """What settles and looks overtakes an acquire, and nothing else."""
    crowd.send("first")
    crowd.send("acquire", ACQUIRE)
    crowd.send("acquire 2", ACQUIRE)
    for path, operation in {"a": COMPLETE, "b": FAIL, "c": GET, "d": operations.UNACQUIRE}.items():
        crowd.send(path, operation)
    go_on(wire, 6)
    assert wire.sent == ["first", "a", "b", "c", "d", "acquire", "acquire 2"]


def test_an_acquire_gets_every_eighth_place(crowd: Crowd, wire: Wire) -> None:
    """It brings the work of those that settle: when these never end, it goes all the same."""
    crowd.send("first")
    crowd.send("acquire", ACQUIRE)
    crowd.send("acquire 2", ACQUIRE)
    for number in range(3 * ACQUIRES_EVERY):
        crowd.send(str(number))
    go_on(wire, 3 * ACQUIRES_EVERY)
    settled = [str(number) for number in range(3 * ACQUIRES_EVERY)]
    between = ACQUIRES_EVERY - 1
    assert wire.sent[: 2 * ACQUIRES_EVERY + 2] == [
        "first",
        *settled[:between],
        "acquire",
        *settled[between : 2 * between],
        "acquire 2",
        *settled[2 * between : 2 * between + 1],
    ]


def test_a_request_within_a_request_is_let_through(wire: Wire) -> None:
    """From a hook, or an auth that asks the same engine: it would wait for itself."""
    wire.held = None
    limited = LimitedTransport(wire, 1, patience=LONG)

    def nested() -> None:
        if len(wire.sent) < 3:
            limited.send(Request(GET, f"nested {len(wire.sent)}"))

    wire.nested = nested
    limited.send(Request(COMPLETE, "outer"))
    assert wire.sent == ["outer", "nested 1", "nested 2"]
    assert limited.under_way == 0
    wire.nested = None
    limited.send(Request(COMPLETE, "later"))
    assert limited.under_way == 0


def test_one_that_is_waited_for_on_another_thread_gets_through(wire: Wire) -> None:
    """The gate cannot know of it; when nobody is answered for a while, one more goes."""
    wire.held = None
    limited = LimitedTransport(wire, 1, patience=0.01)

    def nested() -> None:
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=limited.send, args=(Request(GET, "nested"),))
            thread.start()
            thread.join(10)
            assert not thread.is_alive()

    wire.nested = nested
    limited.send(Request(COMPLETE, "outer"))
    assert wire.sent == ["outer", "nested"]


def test_requests_that_hang_do_not_hold_up_all_others(wire: Wire) -> None:
    """One more is let through after each while without an answer; those who settle first."""
    limited = LimitedTransport(wire, 2, patience=0.05)
    crowd = Crowd(limited)
    for number in range(2):
        crowd.send(f"hangs {number}")
    crowd.send("acquire", ACQUIRE)
    crowd.send("a")
    crowd.send("b")
    until(lambda: len(wire.sent) == 5)
    assert wire.sent[2:] in (["a", "b", "acquire"], ["acquire", "a", "b"])
    assert limited.at_once == 2
    assert wire.held is not None
    wire.held.release(5)
    crowd.join()
    assert limited.under_way == 0


def test_who_waits_can_be_let_go(crowd: Crowd, wire: Wire) -> None:
    """The request fails as one that was not sent, by its exception too; what is on the wire goes on."""
    crowd.send("on the wire")
    crowd.send("a")
    crowd.send("acquire", ACQUIRE)
    crowd.limited.interrupt()
    until(lambda: len(crowd.failures) == 2)
    for failure in crowd.failures:
        assert isinstance(failure, TransportFailure)
        assert failure.kind is failure_kind(failure.cause) is FailureKind.NOT_SENT
        assert isinstance(failure.cause, requests.ConnectionError)
        assert "it was not sent" in str(failure.cause)
    assert (crowd.limited.under_way, crowd.limited.waiting) == (1, 0)
    crowd.send("later")
    go_on(wire, 1)
    assert wire.sent == ["on the wire", "later"]


@pytest.mark.parametrize("status", [204, 404, 429, 500, 503, None])
def test_a_place_comes_back_whatever_the_answer(status: int | None) -> None:
    """Also when there is none, or somebody's session raises what nobody expects."""
    wire = Wire(answer=None if status is None else Response(status, {}, b""))
    limited = LimitedTransport(wire)
    for _ in range(50):
        try:
            answer = limited.send(Request(COMPLETE, "x"))
            assert answer.status == status
        except TransportFailure:
            assert status is None
        assert limited.under_way == 0
        assert 1 <= limited.at_once <= START

    def odd() -> None:
        raise KeyboardInterrupt

    wire.nested = odd
    with pytest.raises(KeyboardInterrupt):
        limited.send(Request(COMPLETE, "x"))
    assert limited.under_way == 0
    wire.nested = None
    wire.answer = Response(204, {}, b"")
    limited.send(Request(COMPLETE, "x"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt: whoever started the tests in the background may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent to a process itself there")
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_leaves_nothing_behind(wire: Wire) -> None:
    """Ctrl-C while the main thread waits: it does not get a place later, which nobody would give back."""
    limited = LimitedTransport(wire, 1, patience=LONG)
    crowd = Crowd(limited)
    crowd.send("first")

    def interrupt() -> None:
        until(lambda: limited.waiting == 1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        limited.send(Request(COMPLETE, "interrupted"))
    assert (limited.under_way, limited.waiting) == (1, 0)
    assert wire.held is not None
    wire.held.release()
    crowd.join()
    assert (limited.under_way, wire.sent) == (0, ["first"])


def test_many_acquires_are_no_more_than_one_answer_to_429(wire: Wire) -> None:
    """Those under way at a time are refused together: half of the places are left, not none."""
    wire.answer = Response(429, {}, b"")
    limited = LimitedTransport(wire, patience=LONG)
    crowd = Crowd(limited)
    for number in range(START):
        crowd.send(str(number), ACQUIRE)
    assert limited.under_way == START
    assert wire.held is not None
    wire.held.release(START)
    crowd.join()
    assert limited.at_once == START // 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_begins_anew(wire: Wire) -> None:
    """All places are taken by threads that it does not have, and its own thread is within a request."""
    limited = LimitedTransport(wire, 2, patience=LONG)
    crowd = Crowd(limited)
    crowd.send("one")
    child: list[int] = []

    def nested() -> None:
        wire.nested = None
        pid = os.fork()
        if pid:
            child.append(pid)
            return
        wire.held = None
        fresh = (limited.under_way, limited.waiting) == (0, 0)
        limited.send(Request(COMPLETE, "in the child"))
        os._exit(0 if fresh and limited.under_way == 0 else 1)

    wire.nested = nested
    crowd.send("two")
    until(lambda: child)
    _, status = os.waitpid(child[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert wire.held is not None
    wire.held.release(2)
    crowd.join()
    assert limited.under_way == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_request_that_was_forked_ends_on_both_sides() -> None:
    """The child goes on within the request of its parent, and ends it as it is."""
    wire = Wire()
    limited = LimitedTransport(wire, 1, patience=LONG)
    forked: list[int] = []
    wire.nested = lambda: forked.append(os.fork())
    limited.send(Request(COMPLETE, "x"))
    if forked[0] == 0:
        wire.nested = None
        limited.send(Request(COMPLETE, "y"))
        os._exit(3 if limited.under_way == 0 else 4)
    _, status = os.waitpid(forked[0], 0)
    assert os.waitstatus_to_exitcode(status) == 3
    assert limited.under_way == 0


def test_closing_closes_the_other_one(wire: Wire) -> None:
    """The gate has nothing of its own to close."""
    LimitedTransport(wire).close()
    assert wire.closed
