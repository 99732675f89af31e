# No `from __future__ import annotations` here: a Python that is too old shall get as far as the message.
"""Say clearly what is missing when the Python at hand cannot carry this project."""

import importlib.util
import sys

OLDEST = (3, 11)

if sys.version_info < OLDEST:
    wanted, found = (".".join(map(str, version[:2])) for version in (OLDEST, sys.version_info))
    sys.exit(
        f"This needs Python {wanted} or newer; {sys.executable} is {found}. "
        f"Install one (apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python{wanted} ..."
    )
if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
    sys.exit(
        f"{sys.executable} cannot make virtual environments (it has no venv or no ensurepip). "
        "On Debian and Ubuntu: apt-get install python3-venv"
    )
