"""Names of variables for names in Python, and back. Pure.

Python writes `customer_id`, models say `customerId`. One rule serves both directions: a variable with exactly that name
is meant if the job has one, otherwise that in camel case. Only snake case is changed: lower-case words with underscores
between them, the way that PEP 8 has them, and one underscore at the end, which keeps clear of keywords (`from_`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Container

_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*_?", re.ASCII)
_NEXT_WORD = re.compile(r"_([a-z0-9])")


@functools.lru_cache(maxsize=4096)
def camel(name: str) -> str:
    """Return a snake-case name in camel case, and any other as it is: `customer_id` is `customerId`."""
    if not _SNAKE.fullmatch(name):
        return name
    return _NEXT_WORD.sub(lambda found: found[1].upper(), name.removesuffix("_"))


def variable_for(name: str, there: Container[str]) -> str:
    """Return which variable is meant by a name.

    Args:
        name: In Python.
        there: The names of the variables that the job has.
    """
    return name if name in there else camel(name)
