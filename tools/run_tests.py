"""Run all tests in their parts, and close with one line that counts them.

The parts:

1. everything but the tests on the real engine, on the Python of `.venv`;
2. the tests on the real engine, when there is a JDK and Maven to build it, or an address was given;
3. `tests/unit` and `tests/compat` on every other Python that is found.

With `--releases` there is one part only: the tests on the releases of the real engine besides the default.

A part that fails does not keep the next ones from running. What had to be left out is said in one line; with CI=true
in the environment it is a failure.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import pythons

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine import launch, postgres  # noqa: E402  # belong to the repository, not to what is installed

REPORTS = ROOT / ".cache" / "reports"
PROCESSES = 2


@dataclass(slots=True)
class Tally:
    """What happened so far.

    Attributes:
        passed: Tests that passed.
        failed: Tests that failed, and parts that came to nothing.
        skipped: Tests that were skipped.
        lines: One line for each part, in order.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    lines: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the closing line."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def run_part(tally: Tally, title: str, python: str | Path, *arguments: str) -> None:
    """Run pytest once and add its counts to the tally.

    Args:
        tally: Where the counts go.
        title: What this part is called, on the screen and in the name of its report.
        python: The interpreter whose pytest is run.
        arguments: Arguments for pytest.
    """
    print(f"\n== {title}", flush=True)
    report = REPORTS / (re.sub(r"\W+", "-", title.lower()).strip("-") + ".xml")
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", f"--numprocesses={PROCESSES}", "--dist=worksteal", f"--junit-xml={report}"]
    began = time.monotonic()
    code = subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode
    seconds = time.monotonic() - began
    total, failed, skipped = counts(report)
    # A part that ended badly without a failed test (no test found, a broken conftest, a crash) is a failure too.
    if code and not failed:
        failed = 1
    tally.passed += max(0, total - failed - skipped)
    tally.failed += failed
    tally.skipped += skipped
    tally.lines.append(f"{'ok    ' if not code else 'FAILED'} {seconds:5.0f} s  {total:5} tests  {title}")


def counts(report: Path) -> tuple[int, int, int]:
    """Return how many tests a JUnit report knows: all, failed, skipped. A missing report has none."""
    if not report.is_file():
        return 0, 0, 0
    # Written by pytest a moment ago.
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314
    numbers = {
        key: sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    }
    return numbers["tests"], numbers["failures"] + numbers["errors"], numbers["skipped"]


def leave_out(tally: Tally, what: str, *, ci: bool) -> None:
    """Say in one line what does not run and why; in CI that is a failure."""
    tally.lines.append(f"{'FAILED' if ci else 'LEFT OUT'}: {what}")
    tally.failed += ci


def run_everything(tally: Tally, engine: str, *, ci: bool) -> None:
    """Run the parts of `make test`."""
    run_part(tally, "everything but the real engine", sys.executable, "-m", "not real_engine", "tests")
    run_real(tally, "the real engine", "real_engine and not releases", engine, ci=ci)
    if complaint := postgres.missing():
        leave_out(tally, f"the real engine on PostgreSQL. {complaint}", ci=ci)
    for python in pythons.others():
        try:
            interpreter = pythons.environment(python)
        except pythons.EnvironmentFailedError as error:
            leave_out(tally, f"the unit tests on Python {python.minor}: {error}", ci=ci)
            continue
        run_part(tally, f"unit tests on Python {python.minor}", interpreter, "tests/unit", "tests/compat")


def run_real(tally: Tally, title: str, marks: str, engine: str, *, ci: bool) -> None:
    """Run tests on the real engine, or say what is missing for them."""
    complaint = None if engine else launch.missing_tools()
    if complaint:
        leave_out(tally, f"{title}. {complaint}", ci=ci)
    else:
        address = [f"--engine={engine}"] if engine else []
        run_part(tally, title, sys.executable, "-m", marks, *address, "tests")


def main() -> int:
    """Run the parts.

    Returns:
        int: 0 when every test that ran passed and, in CI, none was left out; 1 otherwise.
    """
    parser = argparse.ArgumentParser(description="Run all tests in their parts.")
    parser.add_argument("--engine", metavar="URL", default="", help="use a real engine that is already running")
    parser.add_argument("--releases", action="store_true", help="only the other releases of the real engine")
    arguments = parser.parse_args()
    ci = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
    REPORTS.mkdir(parents=True, exist_ok=True)
    tally = Tally()

    if arguments.releases:
        run_real(tally, "the other releases of the real engine", "releases", "", ci=ci)
    else:
        run_everything(tally, arguments.engine, ci=ci)

    print("\n== all parts", *tally.lines, tally.summary(), sep="\n", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
