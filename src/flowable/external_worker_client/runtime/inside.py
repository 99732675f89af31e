"""Whether the caller is a coroutine handler: one that waited for the end of its own subscription would wait for ever.

Apart from `loop`, because those who ask need no event loop, and importing one takes time.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

_inside: ContextVar[bool] = ContextVar("flowable_inside_a_coroutine", default=False)


def enter() -> None:
    """Note that the task of the caller is a coroutine handler. Each task has a context of its own."""
    _inside.set(True)


def called_by_a_coroutine() -> bool:
    """Say whether the caller is, or is called by, a coroutine handler."""
    return _inside.get()


def on_an_event_loop() -> bool:
    """Say whether the thread of the caller runs an event loop now, which it would hold up by waiting."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
