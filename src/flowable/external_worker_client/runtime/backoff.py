"""Pauses that grow. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Doubling more often than this would leave the range of a float for nothing.
_MOST_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class Backoff:
    """A pause that doubles until it reaches a ceiling. All times are in seconds.

    Attributes:
        first: The first pause.
        ceiling: The longest pause, before jitter.
        jitter: How far a pause may differ, as a share of it: 0.2 spreads 10 over 8 … 12.
    """

    first: float
    ceiling: float
    jitter: float = 0.2

    def pause(self, repeat: int, chance: float) -> float:
        """Return the pause before a repeat.

        Args:
            repeat: Number of the repeat, from 0.
            chance: A random number from 0 to 1, which decides the jitter.
        """
        grown: float = min(self.first * 2 ** min(repeat, _MOST_DOUBLINGS), self.ceiling)
        return grown * (1.0 + self.jitter * (2.0 * chance - 1.0))
