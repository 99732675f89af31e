"""How the documentation is built: `make docs`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Flowable External Worker Library for Python"
author = "its authors"
project_copyright = author
release = METADATA["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# `name` in a docstring is code, as it is in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# "True" and "False" as the type of what is returned are no types to look up.
napoleon_use_rtype = False

# Nothing is fetched while building, so there is no inventory of other projects to link their names to. What is ours
# must be found: a reference to one of our names that leads nowhere is an error.
nitpick_ignore_regex = [
    ("py:.*", r"(?!flowable\.).*"),
    ("py:.*", r".*\.(list_result\.T|worker\.[HS])"),  # type variables stand for what is listed, or decorated
    ("py:.*", r".*\.subscription\.Consumer"),  # what a subscription is made of, which nobody makes by hand
]

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)$")


def fences_to_directives(
    _app: object, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Turn the fenced blocks of docstrings, which people read in their editors, into what Sphinx reads."""
    result: list[str] = []
    inside = False
    for line in lines:
        fence = FENCE.match(line)
        if fence and not inside:
            language = fence["language"] or "text"
            result += [f"{fence['indent']}.. code-block:: {language}", ""]
        elif fence:
            result.append("")
        else:
            result.append(f"    {line}" if inside and line else line)
        inside ^= bool(fence)
    lines[:] = result


def write_unreleased_changes(_app: object) -> None:
    """Write what the next release will say, for the changelog page to include."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "Unreleased", "--date", "not yet"]
    draft = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = HERE / "_build"
    folder.mkdir(exist_ok=True)
    (folder / "unreleased.md").write_text(draft, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the functions above to Sphinx."""
    # Before napoleon, which has 500 and would take a fence for a paragraph.
    app.connect("autodoc-process-docstring", fences_to_directives, priority=400)
    app.connect("builder-inited", write_unreleased_changes)
