"""The page "Test your worker": its blocks are files of a small project, and their tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowable.external_worker_client.testing.real_engine import RealEngine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "test-your-worker.md"
BLOCK = re.compile(r"^```python\n(?P<text># (?P<name>\w+\.py)\n.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page."""
    page = PAGE.read_text(encoding="utf-8")
    for block in BLOCK.finditer(page):
        (tmp_path / block["name"]).write_text(block["text"], encoding="utf-8")
    # A block without a name would not be run by anybody.
    assert len(list(tmp_path.iterdir())) == page.count("```python\n")
    return tmp_path


def run(project: Path, *arguments: str) -> str:
    """Run pytest in a folder, without any setting of ours, and return what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWABLE_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-rs", *arguments]
    ended = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_tests_of_the_page_pass(project: Path) -> None:
    """All but the one on a real engine, which says what it needs."""
    said = run(project, "-W", "error")
    assert re.search(r"\b13 passed, 1 skipped", said), said
    assert "needs a real Flowable engine: give --flowable-engine URL, or set FLOWABLE_URL" in said


def test_the_test_of_the_page_passes_on_the_real_engine(project: Path, real_engine: RealEngine) -> None:
    """With the options that the page names."""
    credentials = f"{real_engine.username}:{real_engine.password}"
    said = run(project, "test_real.py", "--flowable-engine", real_engine.url, "--flowable-engine-auth", credentials)
    assert re.search(r"\b1 passed", said), said
