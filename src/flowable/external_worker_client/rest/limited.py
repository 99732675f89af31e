"""A transport that lets so many requests be under way at a time, and no more; settling goes before acquiring.

How many: `traffic`. A request that finds no place waits for one, as long as places become free:

- What settles, gives back or looks goes first; among the same, whoever came first. An acquire goes when nobody else
  waits, and at every `ACQUIRES_EVERY`th place even so: it brings the work of those that settle now, and handlers
  without work are the worse waste.
- When no request is answered for a while, one more is let through, again and again, above the number. An engine that
  hangs cannot be crowded, a few requests that hang must not hold up all others, and nobody waits for ever: not even a
  request that somebody makes on another thread within a request, and waits for.
- A request within a request, from a hook or an auth on the same thread, has the place of the outer one.

The lock time of jobs counts from before their acquire waits here, which is on the safe side: what is believed to be
left of a lock is always less than what the engine grants.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

import requests
import urllib3.exceptions

from flowable.external_worker_client.rest.operations import Effect
from flowable.external_worker_client.rest.traffic import Fixed, Places, Search
from flowable.external_worker_client.rest.transport import (
    FailureKind,
    Request,
    Response,
    Transport,
    TransportFailure,
)

#: While others wait, an acquire gets one of so many places that become free, at least.
ACQUIRES_EVERY = 8

#: When nothing is answered for so long, one more request is let through.
PATIENCE = 2.0  # seconds

_TOO_MUCH = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

#: Not the engine's answers: something between us and it has none.
_FROM_ELSEWHERE = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


class LimitedTransport:
    """Sends requests by another transport, so many at a time.

    A process that was forked has all places free, and finds their number anew.

    Args:
        inner: The other transport.
        at_once: Most requests under way at a time. `None`: found by itself, from 8 on and up to 32.
        clock: Returns seconds.
        patience: Seconds without an answer after which one more request is let through. `None`: `PATIENCE`.
    """

    def __init__(
        self,
        inner: Transport,
        at_once: int | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        patience: float | None = None,
    ) -> None:
        self._inner = inner
        self._at_once = at_once
        self._clock = clock
        self._patience = PATIENCE if patience is None else patience
        self.reset()
        _transports.add(self)

    @property
    def at_once(self) -> int:
        """How many requests may be under way now."""
        return self._gate.places.number

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._gate.under_way

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return self._gate.waiting

    def send(self, request: Request) -> Response:
        """See `Transport.send`. A wait for a place that is interrupted is a failure too, of what was not sent."""
        gate = self._gate
        inside = gate.inside
        if getattr(inside, "now", False):
            return self._inner.send(request)
        operation = request.operation
        acquires = operation.effect is Effect.ACQUIRES
        answer: Response | None = None
        began = gate.enter(acquires=acquires)
        try:
            inside.now = True
            answer = self._inner.send(request)
            return answer
        finally:
            inside.now = False
            # In a process that was forked within a request, nobody knows of the old gate, nor can release its lock.
            if gate is self._gate:
                kind = operation.name
                if acquires and answer is not None:
                    # One that brings twenty jobs costs the engine more than one that brings none.
                    kind = f"{kind} {len(answer.body).bit_length()}"
                gate.leave(kind, operation.success, answer, began)

    def interrupt(self) -> None:
        """Let those go that wait for a place: their requests fail, as not sent."""
        self._gate.refuse_all()

    def reset(self) -> None:
        """Begin anew, with all places free. Only for a process that was just forked."""
        places = Search() if self._at_once is None else Fixed(self._at_once)
        self._gate = _Gate(places, self._clock, self._patience)

    def close(self) -> None:
        """See `Transport.close`."""
        self._inner.close()


class _Waiter:
    """Somebody who waits for a place."""

    __slots__ = ("called", "called_at", "refused")

    def __init__(self) -> None:
        # Held until it is this one's turn.
        self.called = threading.Lock()
        self.called.acquire()
        self.called_at = 0.0
        self.refused = False


class _Gate:
    """The places, and those who wait for one."""

    def __init__(self, places: Places, clock: Callable[[], float], patience: float) -> None:
        self.places = places
        self.under_way = 0
        #: Whether the thread that asks is under way already.
        self.inside = threading.local()
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()
        self._acquiring: deque[_Waiter] = deque()
        self._others: deque[_Waiter] = deque()
        # Places that became free since an acquire was called, while one waited.
        self._passed_over = 0
        # When a request was last answered, or let through without.
        self._moved = clock()

    @property
    def waiting(self) -> int:
        return len(self._acquiring) + len(self._others)

    def enter(self, *, acquires: bool) -> float:
        """Take a place; wait for one if there is none.

        Returns:
            Since when it is taken. For whoever waited, from the call on: until a thread that was called is awake and
            has sent its request, which takes longer than an engine nearby, nobody else can use the place.

        Raises:
            TransportFailure: `refuse_all` was called meanwhile.
        """
        with self._lock:
            # Nobody waits while there are places.
            if self.under_way < self.places.number:
                self.under_way += 1
                return self._clock()
            waiter = _Waiter()
            (self._acquiring if acquires else self._others).append(waiter)
        try:
            while not waiter.called.acquire(timeout=self._patience):
                self._lost_patience()
        except BaseException:
            self._give_up(waiter)
            raise
        if waiter.refused:
            # By this class whoever reads exceptions knows that nothing was sent.
            reason = urllib3.exceptions.ConnectTimeoutError(
                "ended from this side while it waited for others: it was not sent"
            )
            raise TransportFailure(FailureKind.NOT_SENT, requests.ConnectionError(reason))
        return waiter.called_at

    def leave(self, kind: str, success: int, answer: Response | None, began: float) -> None:
        """Give a place back, to whoever waits for one.

        Args:
            kind: What was asked for.
            success: The status that is usual.
            answer: What came. `None`: nothing.
            began: Since when it had the place.
        """
        with self._lock:
            now = self._moved = self._clock()
            if answer is None or answer.status in _FROM_ELSEWHERE:
                self.places.failed(self.under_way)
            elif answer.status in _TOO_MUCH:
                self.places.refused(now, self.under_way)
            else:
                if answer.status != success:
                    kind = f"{kind}: {answer.status}"
                self.places.answered(kind, now - began, now, self.under_way)
            self.under_way -= 1
            while (self._others or self._acquiring) and self.under_way < self.places.number:
                self._call_next(now)

    def refuse_all(self) -> None:
        """Let those go who wait."""
        with self._lock:
            for waiters in (self._others, self._acquiring):
                for waiter in waiters:
                    waiter.refused = True
                    waiter.called.release()
                waiters.clear()

    def _call_next(self, now: float) -> None:
        """Call whoever is next. The lock is held, and somebody waits."""
        turn = not self._others or self._passed_over >= ACQUIRES_EVERY - 1
        if self._acquiring and turn:
            self._passed_over = 0
            waiter = self._acquiring.popleft()
        else:
            self._passed_over += bool(self._acquiring)
            waiter = self._others.popleft()
        self.under_way += 1
        waiter.called_at = now
        waiter.called.release()

    def _lost_patience(self) -> None:
        with self._lock:
            now = self._clock()
            if now - self._moved >= self._patience and (self._others or self._acquiring):
                self._moved = now
                self._call_next(now)

    def _give_up(self, waiter: _Waiter) -> None:
        """Forget somebody whose wait was ended by an exception, such as a `KeyboardInterrupt`."""
        with self._lock:
            for waiters in (self._others, self._acquiring):
                if waiter in waiters:
                    waiters.remove(waiter)
                    return
            if waiter.refused:
                return
            # Called just now: the place goes to the next one.
            self.under_way -= 1
            if (self._others or self._acquiring) and self.under_way < self.places.number:
                self._call_next(self._clock())


#: Of this process, to be told of forks.
_transports: weakref.WeakSet[LimitedTransport] = weakref.WeakSet()


def _forked() -> None:
    """Begin anew: the threads that were under way, and those that waited, are those of the parent."""
    for transport in list(_transports):
        transport.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
