"""Handlers in processes of their own: a crash, or a time-out, ends one of them and nothing else.

Each process runs one handler at a time, for the thread that waits for it. So when one dies, it is known whose job it
had, and its neighbours do not notice; `concurrent.futures` breaks the whole pool. Processes are started with `spawn`,
because a program with threads cannot be forked: the program's main module is imported again, and needs the usual
`if __name__ == "__main__":`.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection
from typing import Any, Generic, TypeVar

from flowable.external_worker_client.errors import ExternalWorkerError

A = TypeVar("A")
R = TypeVar("R")

_CONTEXT = multiprocessing.get_context("spawn")

#: How long a process gets to end by itself when the pool is closed.
_TO_END = 5.0  # seconds


class ProcessDiedError(ExternalWorkerError):
    """The process that ran a handler died. The job is failed, with a pause; the next one gets a new process.

    Attributes:
        exit_code: What it ended with; negative: the number of the signal that killed it. `None`: not known.
    """

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        super().__init__(f"the process of the handler died{_explained(exit_code)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attribute when the exception is pickled."""
        return type(self), (self.exit_code,)


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


class RemoteError(Exception):
    """What a handler raised in its process: its trace there, as the cause of the exception here."""

    def __str__(self) -> str:
        """Show the trace."""
        return f"\n{self.args[0]}"


class ProcessPool(Generic[A, R]):
    """Processes that call one function. Used by several threads, each of which waits for its own call.

    Args:
        function: What to call. Pickled once for each process: a function of a module, or an object that can be pickled.
        size: Most processes. They are started when they are needed, and kept.
    """

    def __init__(self, function: Callable[[A], R], size: int) -> None:
        self._pickled = pickle.dumps(function)
        self._free: list[_Child] = []
        self._all: set[_Child] = set()
        self._size = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._closed = False

    def call(self, argument: A, timeout: float | None = None) -> R:
        """Call the function in a process, and wait.

        Args:
            argument: What to call it with.
            timeout: Seconds until the process is ended. `None`: as long as it takes.

        Raises:
            ProcessDiedError: The process died.
            ProcessTimeoutError: The time was up.
            BaseException: What the function raised, with its trace as the cause.
        """
        sent = pickle.dumps(argument)
        with self._size:
            child = self._take()
            alive = False
            try:
                answer = child.ask(sent, timeout)
                alive = True
            finally:
                self._put_back(child, alive=alive)
        value, raised, trace = pickle.loads(answer)  # noqa: S301 - written by our own process
        if raised is None:
            return value  # type: ignore[no-any-return]
        raise raised from RemoteError(trace)

    def close(self) -> None:
        """End all processes: those that are idle by themselves, those that work at once."""
        with self._lock:
            self._closed = True
            idle, self._free = self._free, []
            busy = self._all - set(idle)
        for child in busy:
            child.kill()
        for child in idle:
            child.end()

    def _take(self) -> _Child:
        with self._lock:
            while self._free:
                child = self._free.pop()
                if child.is_alive():
                    return child
                self._all.discard(child)
                child.end()
        child = _Child(self._pickled)
        with self._lock:
            self._all.add(child)
        return child

    def _put_back(self, child: _Child, *, alive: bool) -> None:
        with self._lock:
            if alive and not self._closed:
                self._free.append(child)
                return
            self._all.discard(child)
        child.kill()


class _Child:
    """One process, and the pipe to it."""

    def __init__(self, function: bytes) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, function), name="flowable-handler", daemon=True)
        self._process.start()
        theirs.close()

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def ask(self, sent: bytes, timeout: float | None) -> bytes:
        try:
            self._pipe.send_bytes(sent)
            if not self._pipe.poll(timeout):
                raise ProcessTimeoutError(timeout or 0.0)
            return self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            self._process.join(_TO_END)
            raise ProcessDiedError(self._process.exitcode) from error

    def end(self) -> None:
        """Let it end by itself; it does once nobody holds the other end of its pipe."""
        self._pipe.close()
        self._process.join(_TO_END)
        self.kill()

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join(_TO_END)
        with suppress(ValueError):
            self._process.close()
        self._pipe.close()


def _serve(pipe: connection.Connection, pickled: bytes) -> None:
    """Call the function for each argument that comes, until nobody is there any more. The main of a process."""
    # Ctrl-C reaches the whole group: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    function: list[Callable[[Any], Any]] = []
    with suppress(EOFError, OSError):
        while True:
            received = pipe.recv_bytes()
            try:
                # Here, so that a module that cannot be imported fails the job, with the reason.
                function = function or [pickle.loads(pickled)]  # noqa: S301 - written by our own parent
                answer = pickle.dumps((function[0](pickle.loads(received)), None, ""))  # noqa: S301 - as above
            except BaseException as error:  # noqa: BLE001 - what a handler raises fails its job, not the process
                answer = _raised(error)
            pipe.send_bytes(answer)


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
        said = f"{type(error).__name__}: {error}"
        pickled = pickle.dumps((None, RuntimeError(said), trace))
    return pickled


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
