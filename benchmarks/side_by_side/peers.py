"""The clients that this library is measured beside, each in an environment of its own below `build/benchmarks/peers`.

They come from their package indexes, by pip and npm as these are set up on the machine, when they are first needed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine import launch
from side_by_side.places import BUILD, HERE, BenchmarkError, run

VERSION_1: Final = "1.0.2"
FOLDER: Final = BUILD / "peers"
PACKAGE: Final = HERE / "draining" / "package.json"


@contextlib.contextmanager
def installing(folder: Path) -> Iterator[bool]:
    """Tell whether a folder is still to be filled; it is when nothing was raised. One process at a time."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with launch.locked(FOLDER / "lock"):
        missing = not done.exists()
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
        yield missing
        done.touch()


class Peers:
    """The other clients, installed at the first look."""

    @functools.cached_property
    def v1_python(self) -> Path:
        """A Python, of the same version as this one, that has version 1 of this library.

        Raises:
            BenchmarkError: It cannot be installed.
        """
        folder = FOLDER / f"python-{VERSION_1}"
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        with installing(folder) as missing:
            if not missing:
                return python
            run([sys.executable, "-m", "venv", str(folder)])
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*pip, f"flowable.external-worker-client=={VERSION_1}"])
        return python

    @functools.cached_property
    def js_folder(self) -> Path:
        """A folder in which Node finds Flowable's JavaScript client.

        Raises:
            BenchmarkError: There is no Node or npm, or it cannot be installed.
        """
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise BenchmarkError("Flowable's JavaScript client needs Node: node and npm are not both in PATH")
        folder = FOLDER / f"javascript-{self.js_version}"
        with installing(folder) as missing:
            if not missing:
                return folder
            folder.mkdir(parents=True)
            shutil.copy(PACKAGE, folder / "package.json")
            run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"], folder=folder)
        return folder

    @property
    def js_version(self) -> str:
        """Of Flowable's JavaScript client."""
        return str(
            json.loads(PACKAGE.read_text(encoding="utf-8"))["dependencies"]["@flowable-oss/external-worker-client"]
        )
