"""What everything is measured on: the real engine, warm, and the stub. Each is started when it is first needed."""

from __future__ import annotations

import functools
import itertools
import os
from contextlib import ExitStack
from typing import Self

from side_by_side.loader import Stub
from side_by_side.on_stub import StubPlace
from side_by_side.peers import Peers

WARM = 10_000  # jobs; a cold engine is three to eight times slower
QUICK_WARM = 3_000


class Bed:
    """Engine, stub and other clients, inside of a `with` block.

    Args:
        warm: With how many jobs the engine is warmed. 0: not at all.

    Attributes:
        peers: The other clients.
    """

    def __init__(self, warm: int = WARM) -> None:
        self._warm = warm
        self._stack = ExitStack()
        self._numbers = itertools.count()
        self.peers = Peers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def unique(self, name: str) -> str:
        """Return a name that nothing else in this run has, for processes and topics."""
        return f"{name}-{os.getpid()}-{next(self._numbers)}"

    @functools.cached_property
    def stub(self) -> Stub:
        """The stub."""
        return self._stack.enter_context(Stub())

    @functools.cached_property
    def on_stub(self) -> StubPlace:
        """The stub, as a place to drain topics on."""
        return StubPlace(self.stub, self.peers)

    def place(self, name: str) -> StubPlace:
        """Return the place of a name."""
        return self.on_stub
