"""The built wheel and sdist, and environments to install them into.

Nothing here reaches a package registry: building happens without isolation, and what is installed beside our own wheel
was fetched by `make test` before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
FETCHED = ROOT / ".cache" / "wheels"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
UV = Path(sys.executable).with_name("uv")


def clean_environ() -> dict[str, str]:
    """Return this process's environment without what would let another environment see this one's packages."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_", "COV_", "UV_", "PIP_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def call(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program.

    Returns:
        str: What it wrote to its standard output, without white space at the ends.

    Raises:
        AssertionError: If it failed; the text shows what it wrote.
    """
    done = subprocess.run(command, cwd=cwd, env=clean_environ(), capture_output=True, text=True, check=False)
    if done.returncode:
        shown = " ".join(map(str, command))
        raise AssertionError(f"exit code {done.returncode} of: {shown}\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Built:
    """What `hatchling build` made."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with nothing but what a test puts there."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        scripts = "Scripts" if sys.platform == "win32" else "bin"
        return self.folder / scripts / "python"

    @property
    def site_packages(self) -> Path:
        """Where distributions are installed."""
        return Path(self.run("import sysconfig; print(sysconfig.get_path('purelib'))"))

    def install(self, *what: str | Path) -> None:
        """Install wheels by path, or fetched distributions by name."""
        offline = ("--offline", "--no-index", "--find-links", FETCHED)
        call(UV, "pip", "install", "--quiet", *offline, "--python", self.python, *what)

    def uninstall(self, name: str) -> None:
        """Uninstall a distribution."""
        call(UV, "pip", "uninstall", "--quiet", "--python", self.python, name)

    def run(self, code: str) -> str:
        """Run code with warnings as errors, in a folder that has no sources; return its standard output."""
        return call(self.python, "-W", "error", "-c", code, cwd=self.folder)

    def lacks(self, module: str) -> bool:
        """Return whether a module is not to be found, in a new process."""
        return self.run(f"import importlib.util; print(importlib.util.find_spec({module!r}))") == "None"

    def installed(self) -> dict[str, str]:
        """Return the versions of the distributions of Flowable's namespace."""
        code = (
            "from importlib.metadata import distributions as all\n"
            "for d in all(): print(d.name.replace('_', '-').replace('.', '-'), d.version)"
        )
        versions = dict(line.split() for line in self.run(code).splitlines())
        return {name: version for name, version in versions.items() if name.startswith("flowable")}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Built:
    """Wheel and sdist, built once for the whole run however many processes it has."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "built"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            call(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An empty environment on the Python that runs the tests."""
    assert (FETCHED / ".ready").is_file(), "the wheels to install are not there: run `make .cache/wheels/.ready`"
    made = Environment(tmp_path / "environment")
    call(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, made.folder)
    return made
