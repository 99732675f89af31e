"""What those who ask one engine, or wait to send it something, tell each other while it does not answer.

An outage meets all topics of a client at once, and is over for all of them at once. So one of them says what is wrong,
and the others only if it is something else; and the first that is answered tells the others, which need not wait for
the end of pauses that have grown long meanwhile. The same for results. For use by several threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable

#: Others are told so often at most: that one of them is answered may say nothing of what the others ask for.
TELL_AGAIN = 5.0  # seconds


class Outage:
    """Who is not answered, why, and who says so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[Hashable, Hashable] = {}
        self._speakers: set[Hashable] = set()
        self._told_at = -math.inf

    def failed(self, who: Hashable, reason: Hashable) -> bool:
        """A request failed.

        Args:
            who: Whose.
            reason: Why: what makes a difference to whoever reads the log.

        Returns:
            Whether it is the one to say so. `False`: another one has said the same.
        """
        with self._lock:
            self._reasons[who] = reason
            others = self._speakers - {who}
            if any(self._reasons[other] == reason for other in others):
                self._speakers = others
                return False
            self._speakers = {*others, who}
            return True

    def answered(self, who: Hashable) -> bool:
        """Somebody was answered, or has ended. Return whether it was one that said what is wrong."""
        with self._lock:
            self._reasons.pop(who, None)
            spoke = who in self._speakers
            self._speakers.discard(who)
            return spoke

    def is_news(self, now: float) -> bool:
        """Somebody was answered: say whether to tell the others, at the time `now`, in seconds."""
        with self._lock:
            news = now >= self._told_at + TELL_AGAIN
            if news:
                self._told_at = now
            return news
