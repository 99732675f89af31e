"""What import-linter cannot see: a deciding module could read the clock through a class that it may import."""

from __future__ import annotations

import ast
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
