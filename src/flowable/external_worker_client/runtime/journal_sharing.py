"""The journals that this process has open, each once, however many clients use it; and what a fork does to them."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

from flowable.external_worker_client.runtime.gate import Gate
from flowable.external_worker_client.runtime.journal_store import Store

_mutex = threading.Lock()

#: By path, without links.
_stores: dict[str, Store] = {}

#: A suspicious handler runs alone in its process, whichever journals the clients of the process use.
_gate = Gate()


def share(path: str, now: Callable[[], float]) -> Store:
    """Return the store of a file, the same for all who ask. Each has to `leave` it.

    Args:
        path: Of the file.
        now: Tells the time, in seconds since the epoch. Those who come later get the first one's.
    """
    path = os.path.realpath(path)
    with _mutex:
        store = _stores.get(path)
        if store is None:
            store = _stores[path] = Store(path, now=now, gate=_gate)
        store.users += 1
    return store


def leave(store: Store) -> None:
    """Close a store if nobody else has it open."""
    with _mutex:
        store.users -= 1
        if store.users > 0:
            return
        for path in [path for path, other in _stores.items() if other is store]:
            del _stores[path]
        store.close()


def _close_all() -> None:
    """At the end of the program: connections that are left to the garbage collector are warned about."""
    with _mutex:
        for store in _stores.values():
            store.close()
        _stores.clear()


atexit.register(_close_all)

# ---------------------------------------------------------------- forks

if sys.platform != "win32":
    _quiet: list[tuple[Store, bool]] = []

    def _before_fork() -> None:
        _mutex.acquire()
        _quiet[:] = [(store, store.before_fork()) for store in _stores.values()]

    def _after_fork_in_parent() -> None:
        for store, quiet in _quiet:
            store.after_fork_in_parent(quiet)
        _quiet.clear()
        _mutex.release()

    def _after_fork_in_child() -> None:
        _gate.reset()
        for store, quiet in _quiet:
            store.after_fork_in_child(quiet)
        _quiet.clear()
        _mutex.release()

    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
