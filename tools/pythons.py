"""Find the Pythons of this machine that the library supports, and make test environments for them.

Looked at: `python3.N` in every folder of PATH, the versions of pyenv, and /usr/bin. Of each minor version the newest
CPython that runs is taken; pre-releases, free-threaded builds and other implementations are left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venvs"
LOCK = ROOT / "requirements" / "dev.txt"

OLDEST_MINOR = 11
NEWEST_MINOR_LOOKED_FOR = 40
PROBE_TIMEOUT = 20  # seconds
PROBE = """
import sys, sysconfig
usable = (
    sys.implementation.name == "cpython"
    and sys.version_info.releaselevel == "final"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
print(*(sys.version_info[:3] if usable else (0, 0, 0)))
"""


@dataclass(frozen=True, order=True, slots=True)
class Python:
    """An interpreter of this machine.

    Attributes:
        version: Major, minor and micro version.
        executable: What to run.
    """

    version: tuple[int, int, int]
    executable: str

    @property
    def minor(self) -> str:
        """The version as people name it, such as `3.12`."""
        return f"{self.version[0]}.{self.version[1]}"


class EnvironmentFailedError(Exception):
    """The environment for a Python could not be made; the text says why."""


def candidates() -> list[str]:
    """Return paths that may be Pythons, each once."""
    names = [f"python3.{minor}" for minor in range(OLDEST_MINOR, NEWEST_MINOR_LOOKED_FOR)]
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin"]
    found = [shutil.which(name, path=folder) for folder in folders if folder for name in names]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += [str(path) for path in sorted(pyenv.glob("versions/*/bin/python"))]
    return list(dict.fromkeys(path for path in found if path))


def probe(executable: str) -> Python | None:
    """Return the Python behind a path, or `None` when it does not run or is not one to test on."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=True
        )
        major, minor, micro = (int(part) for part in answer.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Python((major, minor, micro), executable) if (major, minor) >= (3, OLDEST_MINOR) else None


def others() -> list[Python]:
    """Return one Python for each supported minor version but the running one, oldest first."""
    newest: dict[str, Python] = {}
    for python in sorted(python for path in candidates() if (python := probe(path))):
        newest[python.minor] = python
    newest.pop(f"{sys.version_info[0]}.{sys.version_info[1]}", None)
    return sorted(newest.values())


def environment(python: Python) -> Path:
    """Make the test environment of a Python unless it is there and up to date.

    It holds what the lock names and this project as an editable install.

    Returns:
        Path: The interpreter in it.

    Raises:
        EnvironmentFailedError: If a step failed, for example because a locked package has no wheel for this Python.
    """
    folder = ENVIRONMENTS / python.minor
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / ".ready"
    wanted = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if ready.is_file() and ready.read_text() == f"{python.executable} {wanted}" and interpreter.exists():
        return interpreter
    uv = [str(Path(sys.executable).with_name("uv")), "--quiet"]
    install = [*uv, "pip", "install", "--python", str(interpreter)]
    for command in (
        [*uv, "venv", "--clear", "--no-project", "--python", python.executable, str(folder)],
        [*install, "--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK)],
        [*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentFailedError(" ".join(done.stderr.split()))
    ready.write_text(f"{python.executable} {wanted}")
    return interpreter


if __name__ == "__main__":
    for each in others():
        print(each.minor, each.executable)
