"""What the subscriptions of one client tell each other of an engine that does not answer. For use by several threads.

An outage meets all topics of a client at once, and is over for all of them at once. So one of them says what is wrong,
and the others only if it is something else; and the first that is answered tells the others, which need not wait for
the end of pauses that have grown long meanwhile.
"""

from __future__ import annotations

import math
import threading

#: Others are told so often at most: that one of them is answered may say nothing of what the others ask for.
TELL_AGAIN = 5.0  # seconds


class Outage:
    """Who is not answered, why, and who says so. Subscriptions are known by their numbers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[int, str] = {}
        self._speakers: set[int] = set()
        self._told_at = -math.inf

    def failed(self, number: int, reason: str) -> bool:
        """A question of a subscription failed.

        Args:
            number: Of the subscription.
            reason: Why, as the log says it.

        Returns:
            Whether it is the one to say so. `False`: another one has said the same.
        """
        with self._lock:
            self._reasons[number] = reason
            others = self._speakers - {number}
            if any(self._reasons[other] == reason for other in others):
                self._speakers = others
                return False
            self._speakers = {*others, number}
            return True

    def answered(self, number: int) -> bool:
        """A subscription was answered, or has ended. Return whether it was one that said what is wrong."""
        with self._lock:
            self._reasons.pop(number, None)
            spoke = number in self._speakers
            self._speakers.discard(number)
            return spoke

    def is_news(self, now: float) -> bool:
        """Somebody was answered: say whether to tell the others, at the time `now`, in seconds."""
        with self._lock:
            news = now >= self._told_at + TELL_AGAIN
            if news:
                self._told_at = now
            return news
