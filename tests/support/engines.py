"""The real engines that all processes of one test run share.

Each release is started when the first test needs it, whichever process that test runs in, and ended after the last
test that needs it. What the processes have to know of each other stands in a file in a directory of the run, and is
only read and written under a lock.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, cast

from engine import launch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Known(TypedDict):
    """What the other processes have to know of an engine."""

    port: int
    pid: int


class State(TypedDict):
    """What the processes of a run have to know of each other: the engines by release, and who still needs them."""

    engines: dict[str, Known]
    uses: dict[str, int]


class SharedEngines:
    """Start, find and end the engines of a test run.

    Args:
        directory: The directory of the run, the same for all its processes.
        owner: The process that the engines must not outlive.
    """

    def __init__(self, directory: Path, owner: int) -> None:
        self._state_file = directory / "engines.json"
        self._lock = directory / "engines.lock"
        self._starting = directory / "starting.lock"
        self._directory = directory
        self._owner = owner
        # The process objects must live as long as this process: they complain when they are dropped before the end.
        self._started: list[launch.Engine] = []

    def get(self, release: str) -> launch.Engine:
        """Return the engine of a release, up and healthy; start it when it is not there."""
        # One release is started after the other: two that start together on two cores take longer, and both have a test
        # waiting. The state is free meanwhile, for tests on engines that are up.
        with launch.locked(self._starting):
            with launch.locked(self._lock):
                known = self._read()["engines"].get(release)
            if known is not None:
                return self._engine(release, known)
            engine = launch.start(release, exit_with=self._owner, log=self._log(release))
            self._started.append(engine)
            # Before it is healthy, so that it is ended even if it never is.
            with launch.locked(self._lock):
                state = self._read()
                state["engines"][release] = {"port": engine.port, "pid": engine.pid}
                self._write(state)
            engine.wait_healthy()
            return engine

    def expect(self, uses: Mapping[str, int]) -> None:
        """Say how many tests need each release. Every process says the same; the first one is believed."""
        with launch.locked(self._lock):
            state = self._read()
            if not state["uses"]:
                state["uses"] = dict(uses)
                self._write(state)

    def used(self, release: str) -> None:
        """Say that a test which needs this release is over; after the last one its engine is ended."""
        with launch.locked(self._lock):
            state = self._read()
            state["uses"][release] -= 1
            if state["uses"][release] <= 0 and release in state["engines"]:
                self._engine(release, state["engines"].pop(release)).kill()
            self._write(state)

    def end_all(self) -> None:
        """End what is still running."""
        with launch.locked(self._lock):
            state = self._read()
            for release, known in state["engines"].items():
                self._engine(release, known).kill()
            state["engines"] = {}
            self._write(state)

    def _engine(self, release: str, known: Known) -> launch.Engine:
        return launch.Engine(release=release, port=known["port"], pid=known["pid"], log=self._log(release))

    def _log(self, release: str) -> Path:
        return self._directory / f"{release}.log"

    def _read(self) -> State:
        if not self._state_file.exists():
            return {"engines": {}, "uses": {}}
        return cast("State", json.loads(self._state_file.read_text()))

    def _write(self, state: State) -> None:
        self._state_file.write_text(json.dumps(state))
