"""What import-linter cannot see: a deciding module could read the clock through a class that it may import."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib

import pytest

from .conftest import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
DECIDING: list[str] = next(each["source_modules"] for each in CONTRACTS if each["name"].startswith("What decides"))
CLOCKS = {"monotonic", "now", "perf_counter", "time", "today", "utcnow"}


@pytest.mark.parametrize("module", [name.removeprefix("flowable.external_worker_client.") for name in DECIDING])
def test_a_deciding_module_is_told_the_time(module: str) -> None:
    """It calls no clock: `now` is an argument."""
    path = ROOT / "src/flowable/external_worker_client" / (module.replace(".", "/") + ".py")
    calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
    names = {call.attr if isinstance(call, ast.Attribute) else ast.unparse(call) for call in calls}
    assert names & CLOCKS == set()


LATE = ("asyncio", "concurrent.futures.process", "multiprocessing", "pydantic", "sqlite3")
PROGRAM = """
import sys
import flowable.external_worker_client as library
print(*[name for name in {late!r} if name in sys.modules])
assert set(library.__all__) <= set(dir(library))
assert all(getattr(library, name).__name__ for name in library.__all__ if name != "CallbackHandlerType")
print(*[name for name in {late!r} if name in sys.modules])
"""


def test_the_import_is_light() -> None:
    """What event loops, processes, journals and typed handlers need is imported when it is used, and not before."""
    program = [sys.executable, "-c", PROGRAM.format(late=LATE)]
    before, after = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split("\n")[:2]
    assert before == ""
    assert "asyncio" in after
    assert "pydantic" not in after


def test_there_is_nothing_else() -> None:
    """A name that does not exist is an `AttributeError`, as in any module."""
    import flowable.external_worker_client as library  # noqa: PLC0415  # its own attributes are the point

    with pytest.raises(AttributeError, match="has no attribute 'Wroker'"):
        _ = library.Wroker
