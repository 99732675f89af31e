"""The cases by their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.scene import Scene

    Play = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the suite.

    Attributes:
        number: Its number.
        play: Plays it on an engine, and asserts what has to come of it.
        since: The first release it applies to; empty for all.
        until: The first release it does not apply to any more; empty for none.
        executor: Whether the engine goes on and resets locks by itself; without, what happens in between holds still.
    """

    number: int
    play: Play
    since: tuple[int, ...]
    until: tuple[int, ...]
    executor: bool

    @property
    def name(self) -> str:
        """The number and what the case is about."""
        return f"{self.number:03d}-{self.play.__name__}"

    def applies_to(self, release: str) -> bool:
        """Tell whether an engine of this release can play it."""
        parsed = tuple(int(part) for part in release.split("."))
        return self.since <= parsed and not (self.until and self.until <= parsed)


CASES: dict[int, Case] = {}


def case(
    number: int, *, since: tuple[int, ...] = (), until: tuple[int, ...] = (), executor: bool = True
) -> Callable[[Play], Play]:
    """Make a function a case of the suite."""

    def register(play: Play) -> Play:
        if number in CASES:
            raise ValueError(f"number: {number} is taken by {CASES[number].play.__name__}")
        CASES[number] = Case(number, play, since, until, executor)
        return play

    return register
