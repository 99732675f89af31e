"""Mistakes in programs are found by type checkers, and nothing else is reported."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]
REFUSED = sorted(Path(__file__).parent.glob("refused*.py"))
REPORT = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: (?P<text>.*)  \[(?P<code>[a-z-]+)\]$")


@pytest.mark.timeout(180)  # mypy reads requests and the standard library without a cache
@pytest.mark.parametrize("refused", REFUSED, ids=lambda path: path.stem)
def test_mypy_reports_each_mistake_and_only_those(refused: Path) -> None:
    """Each line with a mistake gets the error that its comment names."""
    lines = enumerate(refused.read_text(encoding="utf-8").splitlines(), start=1)
    wanted = {number: line.partition("  # error: ")[2] for number, line in lines if "  # error: " in line}
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", os.devnull, "--no-error-summary"]
    output, complaints, _ = api.run([*options, "--hide-error-context", "--no-pretty", str(refused)])
    assert complaints == ""
    found: dict[int, str] = {}
    for line in output.splitlines():
        report = REPORT.match(line)
        if ": note: " not in line:
            assert report, line
            found[int(report["line"])] = report["code"]
    assert found == wanted
