"""Handlers in processes of their own: a crash, or a time-out, ends one of them and nothing else.

Each process runs one handler at a time, for the thread that waits for it. So when one dies, it is known whose job it
had, and its neighbours do not notice; `concurrent.futures` breaks the whole pool. Processes are started with `spawn`,
because a program with threads cannot be forked: the program's main module is imported again, and needs the usual
`if __name__ == "__main__":`.

For each call, a process says twice that it is there: when it has read what it is to do, imports included, from when on
the time-out counts, and when it is done.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from types import FrameType
from typing import Any, Generic, TypeVar

from flowable.external_worker_client.errors import ExternalWorkerError
from flowable.external_worker_client.handler_errors import RetryLater

A = TypeVar("A")
R = TypeVar("R")

_CONTEXT = multiprocessing.get_context("spawn")

#: How long a process gets to end by itself when the pool is closed.
_TO_END = 5.0  # seconds

#: How long a process may take to begin with a call that has a time-out: to start, and to import what it needs.
_TO_BEGIN = 60.0  # seconds

#: Systems cannot wait for as long as people can write.
_LONGEST_WAIT = 3600.0  # seconds

#: A job whose process was ended by the end of the worker did nothing wrong: no retry is spent.
_PAUSE_AFTER_THE_END = 10.0  # seconds

#: `multiprocessing` reaps children wherever it looks at one, and two that do it at once miss an exit code.
_reaping = threading.Lock()


class ProcessDiedError(ExternalWorkerError):
    """The process that ran a handler died. The job is failed, with a pause; the next one gets a new process.

    Attributes:
        exit_code: What it ended with; negative: the number of the signal that killed it. `None`: not known.
        began: Whether the handler was called. `False`: the process died while it started, and says why on its standard
            error; often its main module cannot be imported.
    """

    def __init__(self, exit_code: int | None, *, began: bool = True) -> None:
        self.exit_code = exit_code
        self.began = began
        what = "the process of the handler died"
        if not began:
            what += " before it began: can it import the main module of the program, and that of the handler?"
        super().__init__(what + _explained(exit_code))

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return _died, (self.exit_code, self.began)


class ProcessTimeoutError(ExternalWorkerError, TimeoutError):
    """A handler took longer than its time-out, and its process was ended.

    Attributes:
        seconds: The time-out.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the handler took longer than its time-out of {seconds:g} s; its process was ended")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attribute when the exception is pickled."""
        return type(self), (self.seconds,)


class NotPicklableError(ExternalWorkerError, TypeError):
    """What a handler is called with, or what it returned, cannot go from one process to another.

    Attributes:
        returned: Whether it is what it returned: the work is done then.
    """

    def __init__(self, message: str, *, returned: bool = False) -> None:
        self.returned = returned
        super().__init__(message)


class RemoteError(Exception):
    """What a handler raised in its process: its trace there, as the cause of the exception here."""

    def __str__(self) -> str:
        """Show the trace."""
        return f"\n{self.args[0]}"


class ProcessPool(Generic[A, R]):
    """Processes that call one function. Used by several threads, each of which waits for its own call.

    Args:
        function: What to call. Pickled once: a function of a module, or an object that can be pickled.
        size: Most processes. They are started when they are needed, and kept.
    """

    def __init__(self, function: Callable[[A], R], size: int) -> None:
        self._pickled = pickle.dumps(function)
        self._free: list[_Child] = []
        self._all: set[_Child] = set()
        self._size = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._closed = False
        # Before that of multiprocessing, which waits for children that wait for us.
        atexit.register(self.close)

    def call(self, argument: A, timeout: float | None = None) -> R:
        """Call the function in a process, and wait.

        Args:
            argument: What to call it with.
            timeout: Seconds until the process is ended, from when the function is called. `None`: as long as it takes.

        Raises:
            NotPicklableError: The argument, or what the function returned, cannot be pickled.
            ProcessDiedError: The process died.
            ProcessTimeoutError: The time was up.
            RetryLater: The pool was closed before it was done.
            BaseException: What the function raised, with its trace as the cause.
        """
        try:
            sent = pickle.dumps(argument)
        except Exception as error:
            message = f"what the handler is called with cannot be sent to its process: {error}"
            raise NotPicklableError(message) from error
        with self._size:
            answer = self._ask(sent, timeout)
        try:
            value, raised, trace = pickle.loads(answer)  # noqa: S301 - written by our own process
        except Exception as error:
            message = f"what the handler returned cannot be read from its process: {_text(error)}"
            raise NotPicklableError(message, returned=True) from error
        if raised is None:
            return value  # type: ignore[no-any-return]
        raise raised from RemoteError(trace)

    def close(self) -> None:
        """End all processes: those that are idle by themselves, those that work at once. May be called again."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            idle, self._free = self._free, []
            busy = self._all - set(idle)
            self._all -= set(idle)
        # Whoever waits for one of those that work cleans up behind it.
        for child in busy:
            child.kill()
        for child in idle:
            child.let_go()
        ends = time.monotonic() + _TO_END
        for child in idle:
            child.wait(max(0.0, ends - time.monotonic()))
            child.dispose()
        for child in busy:
            child.wait(max(0.0, ends - time.monotonic()))

    def _ask(self, sent: bytes, timeout: float | None) -> bytes:
        while True:
            child = self._take()
            used = child.used
            alive = False
            try:
                answer = child.ask(sent, timeout)
                alive = True
            except ProcessDiedError as died:
                if self._closed:
                    raise _ended() from None
                if used and not died.began:
                    # It died while it was idle. Nothing was done yet: another one can.
                    continue
                raise
            finally:
                self._put_back(child, alive=alive)
            return answer

    def _take(self) -> _Child:
        while True:
            with self._lock:
                if self._closed:
                    raise _ended()
                child = self._free.pop() if self._free else None
            if child is None:
                break
            if child.is_alive():
                return child
            self._put_back(child, alive=False)
        child = _Child(self._pickled)
        with self._lock:
            self._all.add(child)
            closed = self._closed
        if closed:
            self._put_back(child, alive=False)
            raise _ended()
        return child

    def _put_back(self, child: _Child, *, alive: bool) -> None:
        with self._lock:
            if alive and not self._closed:
                self._free.append(child)
                return
            self._all.discard(child)
        child.dispose()


class _Child:
    """One process, and the pipe to it. For one thread at a time, but for `kill` and `wait`.

    Attributes:
        used: Whether it has answered.
    """

    def __init__(self, function: bytes) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, function), name="flowable-handler", daemon=True)
        self._disposed = False
        self.used = False
        try:
            with _reaping, _signals_held_back():
                self._process.start()
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()
        self._sentinel = self._process.sentinel

    def is_alive(self) -> bool:
        with _reaping:
            return self._process.is_alive()

    def ask(self, sent: bytes, timeout: float | None) -> bytes:
        began = False
        try:
            self._pipe.send_bytes(sent)
            self._receive(None if timeout is None else timeout + _TO_BEGIN, timeout)
            began = True
            answer = self._receive(timeout, timeout)
        except ProcessTimeoutError:
            raise
        except (EOFError, OSError):
            self.wait(_TO_END)
            # What the pipe says of it is nothing that the exit code does not.
            raise ProcessDiedError(self._reap(), began=began) from None
        self.used = True
        return answer

    def _receive(self, seconds: float | None, timeout: float | None) -> bytes:
        until = None if seconds is None else time.monotonic() + seconds
        while not self._pipe.poll(None if until is None else max(0.0, min(until - time.monotonic(), _LONGEST_WAIT))):
            if until is not None and time.monotonic() >= until:
                raise ProcessTimeoutError(timeout or 0.0)
        return self._pipe.recv_bytes()

    def _reap(self) -> int | None:
        with _reaping:
            # Files are closed, which ends the wait, a moment before a process can be reaped. `join` waits for that.
            self._process.join(_TO_END)
            return self._process.exitcode

    def let_go(self) -> None:
        """Let it end by itself; it does once nobody holds the other end of its pipe."""
        self._pipe.close()

    def kill(self) -> None:
        """End it. Whoever waits for its answer notices."""
        with _reaping:
            if not self._disposed:
                self._process.kill()

    def wait(self, seconds: float) -> None:
        """Wait for its end. It is not reaped."""
        with suppress(OSError, ValueError):
            connection.wait([self._sentinel], seconds)

    def dispose(self) -> None:
        """End it, and let go of everything that belongs to it."""
        self.kill()
        self.wait(_TO_END)
        with _reaping:
            if not self._disposed:
                self._disposed = True
                self._process.join(_TO_END)
                # One that a debugger holds cannot be killed.
                with suppress(ValueError):
                    self._process.close()
        self._pipe.close()


@contextmanager
def _signals_held_back() -> Generator[None]:
    """Keep signals that tell a program to stop from a child that is started now, until `_serve` can take care of them.

    Ctrl-C reaches all processes of a terminal, and some supervisors send SIGTERM to all processes of a service: what
    that means is for the parent to decide.
    """
    if sys.platform == "win32":
        yield
        return
    # Started with the first child otherwise, which lets these signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing about a signal. Unlike SIG_IGN, programs that the handler starts do not inherit that."""


def _serve(pipe: connection.Connection, pickled: bytes) -> None:
    """Call the function for each argument that comes, until nobody is there any more. The main of a process."""
    # Programs that a handler starts are not to be ended by Ctrl-C either; by SIGTERM they are.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    function: list[Callable[[Any], Any]] = []
    with suppress(EOFError, OSError):
        while True:
            received = pipe.recv_bytes()
            answer: bytes | None = None
            argument: Any = None
            try:
                # Here, so that a module that cannot be imported fails the job, with the reason.
                function = function or [pickle.loads(pickled)]  # noqa: S301 - written by our own parent
                argument = pickle.loads(received)  # noqa: S301 - as above
            except BaseException as error:  # noqa: BLE001 - as below
                answer = _raised(error)
            pipe.send_bytes(b"")
            pipe.send_bytes(answer or _called(function[0], argument))


def _called(function: Callable[[Any], Any], argument: object) -> bytes:
    try:
        value = function(argument)
    except BaseException as error:  # noqa: BLE001 - what a handler raises fails its job, not the process
        return _raised(error)
    try:
        return pickle.dumps((value, None, ""))
    except BaseException as error:  # noqa: BLE001 - whatever the value does when it is looked at
        what = f"what the handler returned, a {type(value).__name__}, cannot be sent back from its process"
        refusal = NotPicklableError(f"{what}: {_text(error)}", returned=True)
        refusal.__cause__ = error
        return _raised(refusal)


def _end_with_the_parent() -> None:
    """A parent that was killed cannot report what its children do: their jobs are given to others."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _raised(error: BaseException) -> bytes:
    trace = "".join(traceback.format_exception(error))
    try:
        pickled = pickle.dumps((None, error, trace))
        pickle.loads(pickled)  # noqa: S301 - some exceptions can be written and not read
    except BaseException:  # noqa: BLE001 - an exception that cannot be pickled is told by its text
        pickled = pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {_text(error)}"), trace))
    return pickled


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - somebody's own
        return "(its text cannot be had)"


def _ended() -> RetryLater:
    return RetryLater(_PAUSE_AFTER_THE_END, "its process was ended, because the worker ends")


def _died(exit_code: int | None, began: bool) -> ProcessDiedError:
    return ProcessDiedError(exit_code, began=began)


def _explained(exit_code: int | None) -> str:
    if exit_code is None:
        return ""
    if exit_code >= 0:
        return f" (exit code {exit_code})"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = ": was the memory used up?" if name == "SIGKILL" else ""
    return f" ({name}{hint})"
