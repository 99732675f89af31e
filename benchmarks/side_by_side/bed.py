"""What everything is measured on: the real engine, warm, and the stub. Each is started when it is first needed."""

from __future__ import annotations

import functools
import itertools
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from engine import launch
from side_by_side.access_log import PATTERN
from side_by_side.instances import Instances
from side_by_side.loader import Stub
from side_by_side.on_engine import EnginePlace
from side_by_side.on_stub import StubPlace
from side_by_side.peers import Peers
from side_by_side.places import BenchmarkError

WARM: Final = 10_000  # jobs; a cold engine is three to eight times slower
QUICK_WARM: Final = 3_000
LOG_LAG: Final = 11.0  # seconds
#: With the optimising compiler, as in production; the launcher's own flags make an engine start fast instead.
JVM_FLAGS: Final = ("-Xmx2g",)


class Bed:
    """Engine, stub and other clients, inside of a `with` block.

    The engine knows one user, whose password it does not hash: with bcrypt, basic authentication costs 66 ms for every
    request, and nothing else could be seen.

    Args:
        warm: With how many jobs the engine is warmed. 0: not at all.

    Attributes:
        peers: The other clients.
    """

    def __init__(self, warm: int = WARM) -> None:
        self._warm = warm
        self._stack = ExitStack()
        self._numbers = itertools.count()
        self._log = Path()
        self._place: EnginePlace | None = None
        self.peers = Peers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def unique(self, name: str) -> str:
        """Return a name that nothing else in this run has, for processes and topics."""
        return f"{name}-{os.getpid()}-{next(self._numbers)}"

    @functools.cached_property
    def engine(self) -> launch.Engine:
        """The real engine, warm.

        Raises:
            EngineError: It cannot be built or started.
        """
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="side-by-side-"))
        self._log = Path(folder) / "access.log"
        logged = {"enabled": "true", "directory": folder, "prefix": "access", "rotate": "false", "pattern": PATTERN}
        settings = {f"server.tomcat.accesslog.{name}": value for name, value in logged.items()}
        engine = launch.start(jvm_flags=JVM_FLAGS, settings=settings)
        self._stack.callback(engine.stop)
        engine.wait_healthy()
        instances = self._stack.enter_context(Instances(engine.url, engine.username, engine.password))
        self._place = EnginePlace(engine.url, instances, self.peers)
        self._place.warm(self._warm)
        return engine

    @functools.cached_property
    def stub(self) -> Stub:
        """The stub."""
        return self._stack.enter_context(Stub())

    @property
    def on_engine(self) -> EnginePlace:
        """The engine, as a place to drain topics on."""
        if self._place is None:
            # Whoever asks for the engine starts it, and the place comes with it.
            _ = self.engine
        if self._place is None:
            raise BenchmarkError("the engine was not started")
        return self._place

    @functools.cached_property
    def on_stub(self) -> StubPlace:
        """The stub, as a place to drain topics on."""
        return StubPlace(self.stub, self.peers)

    def requests(self) -> list[str]:
        """Return the engine's log of requests, complete to this moment, for `access_log.asked`."""
        # The engine writes it behind a buffer, at least every ten seconds.
        time.sleep(LOG_LAG)
        return self._log.read_text(encoding="ascii").splitlines()

    def place(self, name: str) -> EnginePlace | StubPlace:
        """Return the place of that name, `"engine"` or `"stub"`."""
        return self.on_engine if name == EnginePlace.name else self.on_stub
