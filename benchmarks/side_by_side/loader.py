"""The program of `loader/`: built when its source is newer, run as a load or as a stub of the engine."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final, Self

from side_by_side.places import BUILD, HERE, BenchmarkError, run

SOURCE: Final = HERE / "loader"
PROGRAM: Final = BUILD / "loader"
PATIENCE: Final = 300  # seconds, for one drain
ENDS: Final = 5.0  # seconds


def build() -> Path:
    """Return the program, built.

    Raises:
        BenchmarkError: There is no Rust compiler, or it refuses the source.
    """
    newest = max(file.stat().st_mtime for file in SOURCE.glob("*.rs"))
    if PROGRAM.exists() and PROGRAM.stat().st_mtime >= newest:
        return PROGRAM
    compiler = shutil.which("rustc")
    if compiler is None:
        raise BenchmarkError("the benchmarks side by side need a Rust compiler: rustc is not in PATH")
    BUILD.mkdir(parents=True, exist_ok=True)
    # In a folder of its own: two runs may build at the same time, and the compiler leaves parts beside the program.
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        made = Path(folder) / PROGRAM.name
        run([compiler, "-O", "--edition", "2024", str(SOURCE / "main.rs"), "-o", str(made)])
        made.replace(PROGRAM)
    return PROGRAM


def load(url: str, topic: str, jobs: int, **options: int) -> dict[str, float]:
    """Drain a topic as fast as the engine can.

    Args:
        url: Of the engine.
        topic: Which.
        jobs: How many are there.
        options: `connections`, 4 unless said otherwise; `batch`, 20; `slots` and `sleep_ms`, for handlers that wait.

    Returns:
        dict[str, float]: `jobs`, `seconds` from the first acquire to the last answer, `cpu_seconds`, `acquires`,
        `empty` and `refused`.

    Raises:
        BenchmarkError: It could not.
    """
    command = [str(build()), "load", "--url", url, "--topic", topic, "--jobs", str(jobs)]
    for name, value in {"patience": PATIENCE, **options}.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(done.stderr.strip() or f"the loader ended with {done.returncode}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


class Stub:
    """A server that answers as the engine does, and costs next to nothing. Runs inside of the `with` block.

    Args:
        close_after: Close a connection after so many requests, as the engine does after 100. 0: never.

    Attributes:
        port: Where it listens.
        pid: Its process.
    """

    def __init__(self, close_after: int = 0) -> None:
        self._close_after = close_after
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.pid = 0

    @property
    def url(self) -> str:
        """The address that clients take."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [str(build()), "stub", "--close-after", str(self._close_after)]
        # It ends when its input does, so also when this process is killed.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise BenchmarkError("the stub does not start")
        self.port = json.loads(line)["port"]
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process.wait(ENDS)

    def reset(self, jobs: int, topics: int = 0) -> None:
        """Have so many jobs, and count anew.

        Args:
            jobs: How many.
            topics: Among how many topics they are shared out evenly. 0: whoever asks gets them.
        """
        self._ask("POST", f"/reset?jobs={jobs}&topics={topics}")

    def counts(self) -> dict[str, Any]:
        """Return what was asked since the last reset, and `seconds` from the first acquire to the last result."""
        found: dict[str, Any] = json.loads(self._ask("GET", "/counts"))
        return found

    def wait(self, seconds: float) -> dict[str, Any]:
        """Wait until all jobs are settled, at most so long, and return the counts."""
        found: dict[str, Any] = json.loads(self._ask("GET", f"/wait?seconds={seconds:.0f}"))
        return found

    def _ask(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()
