"""Where things of the benchmarks are, and what is said when something that they need is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
BUILD: Final = ROOT / "build" / "benchmarks"


def results(parts: Sequence[str]) -> Path:
    """Return the file for what some parts found; of none, for what all of them did, which a part must not overwrite."""
    return BUILD / f"{'-'.join(parts) or 'side_by_side'}.json"


class BenchmarkError(Exception):
    """The benchmarks cannot go on; the text says why, in one line or with the end of what a program printed."""


def run(command: Sequence[str], *, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> None:
    """Run a program that builds or installs something.

    Args:
        command: The program and what it takes.
        folder: Where it runs.
        environment: All that it knows of its surroundings. `None`: as this process.

    Raises:
        BenchmarkError: It is not there, or it failed.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise BenchmarkError(f"{command[0]}: no such program") from error
    if done.returncode:
        end = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise BenchmarkError(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{end}")


def end(process: subprocess.Popen[str], seconds: float) -> None:
    """End a program that works until its standard input does; kill it when it has not ended after so many seconds."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
