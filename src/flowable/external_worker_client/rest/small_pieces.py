"""How the allocator of the fast transport is set while it is loaded."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

#: pyreqwest brings mimalloc, which sets memory apart for every thread: on Linux in huge pages if it commits it eagerly,
#: so that a little of each is used and all of it counts. A worker with many threads then takes five times as much.
_OPTION = "MIMALLOC_ARENA_EAGER_COMMIT"


@contextmanager
def allocated_in_small_pieces() -> Generator[None]:
    """Let an allocator that is loaded meanwhile take memory in small pieces, unless the environment says otherwise.

    It reads the environment once, so nothing of this is left there for programs that this one starts.
    """
    if _OPTION in os.environ:
        yield
        return
    os.environ[_OPTION] = "0"
    try:
        yield
    finally:
        os.environ.pop(_OPTION, None)
