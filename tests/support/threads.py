"""Doing the same on several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


def in_threads(work: Callable[[], object], threads: int, deadline: float) -> list[BaseException]:
    """Do something on so many threads at once, wait for all of them, and return what was raised.

    Args:
        work: What each of them does.
        threads: How many.
        deadline: How long to wait for each of them at most, in seconds.
    """
    raised: list[BaseException] = []

    def worked() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - returned
            raised.append(error)

    at_work = [threading.Thread(target=worked) for _ in range(threads)]
    for thread in at_work:
        thread.start()
    for thread in at_work:
        thread.join(deadline)
    return raised
