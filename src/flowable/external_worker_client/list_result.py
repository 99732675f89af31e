"""One page of a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ListResult(Generic[T]):
    """One page of jobs, as the engine sent it.

    Attributes:
        data: What is on this page.
        total: How many there are on all pages.
        start: Index of the first one on this page, from 0.
        sort: Name of the property that the list is sorted by, `"id"` unless asked otherwise.
        order: `"asc"` or `"desc"`.
        size: How many are on this page (not how many were asked for).
    """

    def __init__(self, data: list[T], total: int, start: int, sort: str, order: str, size: int) -> None:
        self.data = data
        self.total = total
        self.start = start
        self.sort = sort
        self.order = order
        self.size = size

    def __iter__(self) -> Iterator[T]:
        """Go through this page only; `iter_jobs` goes through all."""
        return iter(self.data)

    def __repr__(self) -> str:
        """Name the place of this page in the list."""
        return (
            f"ListResult(start={self.start!r}, size={self.size!r}, total={self.total!r}, "
            f"sort={self.sort!r}, order={self.order!r})"
        )
