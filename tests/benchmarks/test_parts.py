"""Which parts `make bench` runs, and where they write. Nothing is measured here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from side_by_side import run
from side_by_side.places import BUILD, results

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("embedded.py", "journal.py", "handlers.py", "coroutines.py")


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are, before anything starts; also behind one that exists."""
    with pytest.raises(SystemExit) as ended:
        run.arguments(["--part", "drain", "--part", "pickups"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "invalid choice: 'pickups'" in said
    assert all(part in said.partition("choose from")[2] for part in run.PARTS)


def test_parts_do_not_overwrite_what_all_of_them_found() -> None:
    """Which took an hour; and the report finds what they wrote."""
    assert run.arguments([]).json == results([]) == BUILD / "side_by_side.json"
    assert run.arguments(["--part", "drain", "--part", "cost"]).json == results(["drain", "cost"])
    assert results(["drain", "cost"]) == BUILD / "drain-cost.json"
    assert run.arguments(["--part", "drain", "--json", "here.json"]).json == Path("here.json")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("given", "programs", "parts"),
    [
        ([], PROGRAMS, ""),
        (["PART="], PROGRAMS, ""),
        (["PART=pickup"], (), " --part pickup"),
        (["PART=drain cost"], (), " --part drain --part cost"),
    ],
    ids=["all", "empty", "one", "two"],
)
def test_with_a_part_nothing_else_runs(given: list[str], programs: tuple[str, ...], parts: str) -> None:
    """Neither the other parts nor the programs before them; without, all of it."""
    command = ["make", "--dry-run", "--no-print-directory", "bench", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    ran = [line.partition(" benchmarks/")[2].rstrip() for line in done.stdout.splitlines() if " benchmarks/" in line]
    assert ran == [*programs, f"side_by_side/run.py{parts}", f"side_by_side/report.py{parts}"]
