"""The benchmark of coroutines, as a program: what it allows is what a worker has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import coroutines
import pytest

PROGRAM = Path(coroutines.__file__)


# Of few coroutines, what is made once would be too much of the memory; so the second does not ask how it ended.
@pytest.mark.parametrize(("number", "ends_well"), [(500, True), (3, False)], ids=["many", "fewer than threads"])
def test_as_many_threads_as_a_worker_has_are_allowed(number: int, ends_well: bool, tmp_path: Path) -> None:
    """No fewer, or `make bench` fails; and no more, or it does not see that there are more one day."""
    file = tmp_path / "found.json"
    command = [sys.executable, str(PROGRAM), "--coroutines", str(number), "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert json.loads(file.read_text(encoding="utf-8"))["threads"] == coroutines.most_threads(number), done.stdout
    if ends_well:
        assert done.returncode == 0, done.stdout + done.stderr
