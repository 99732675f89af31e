"""Programs of examples/, run as somebody runs them: each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.waiting import until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CREDENTIALS = ("rest-admin", "test")


class Program:
    """An example that runs.

    Attributes:
        process: Its process.
    """

    def __init__(self, name: str, url: str, folder: Path, **environment: str) -> None:
        username, password = CREDENTIALS
        reach = {"FLOWABLE_URL": url, "FLOWABLE_USERNAME": username, "FLOWABLE_PASSWORD": password}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(EXAMPLES / name)],
            env={**os.environ, **reach, "PYTHONUNBUFFERED": "1", **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self._lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        """What it has written until now."""
        return "".join(self._lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it writes something, and return it."""

        def look() -> re.Match[str] | None:
            assert self.process.poll() is None, self.output
            return re.search(pattern, self.output)

        found = until(look)
        assert found is not None
        return found

    def stop(self) -> str:
        """Tell it to stop, as a platform does, and return what it wrote. It ends with 0, and without a trace."""
        self.process.send_signal(signal.SIGTERM)
        return self._stopped()

    def interrupt(self) -> str:
        """Stop it by Ctrl-C, which reaches all processes of a terminal. Otherwise as `stop`."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self._stopped()

    def _stopped(self) -> str:
        code = self.process.wait(30)
        self._reader.join(10)
        assert code == 0, self.output
        assert "Traceback" not in self.output, self.output
        return self.output

    def end(self) -> None:
        """End it, whatever it does. What it wrote stands in the report of a test that fails."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        print(self.output)  # noqa: T201 - for pytest


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Run an example: `run_program("order_worker.py", url, NAME="value")`. Ended after the test."""
    running: list[Program] = []

    def run(name: str, url: str, **environment: str) -> Program:
        running.append(Program(name, url, tmp_path, **environment))
        return running[-1]

    yield run
    for program in running:
        program.end()
