"""The real engines that do nothing by themselves, for cases about what lies between two steps.

All processes of a test run share one of each release, beside the one that works.
"""

from __future__ import annotations

from engine import launch
from tests.support.engines import SharedEngines


class IdleEngines(SharedEngines):
    """Start, find and end real engines without an async executor."""

    def get(self, release: str) -> launch.Engine:
        """Return the engine of a release, up and healthy; start it when it is not there."""
        with launch.locked(self._starting):
            with launch.locked(self._lock):
                known = self._read()["engines"].get(release)
            if known is not None:
                return self._engine(release, known)
            engine = launch.start(release, executor=False, exit_with=self._owner, log=self._log(release))
            self._started.append(engine)
            with launch.locked(self._lock):
                state = self._read()
                state["engines"][release] = {"port": engine.port, "pid": engine.pid}
                self._write(state)
            engine.wait_healthy()
            return engine
