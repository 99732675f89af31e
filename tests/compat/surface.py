"""Print what the library that is importable offers: names and signatures, as JSON. Runs with version 1.0.2 too."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

PACKAGE = "flowable.external_worker_client"


def find(name: str) -> Any:
    """Return what stands under `module:Class.method`; the module is relative to the package, and may be empty."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(f"{PACKAGE}.{module}" if module else PACKAGE)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def parameters(function: Any) -> list[list[str]]:
    """Return name, kind and default of the parameters; `self` is left out, a function as default is only named."""
    return [
        [each.name, each.kind.name, _default(each.default)]
        for each in inspect.signature(function).parameters.values()
        if each.name != "self"
    ]


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    return "a function" if inspect.isfunction(value) else repr(value)


if __name__ == "__main__":
    json.dump({name: parameters(find(name)) for name in sys.argv[1:]}, sys.stdout)
