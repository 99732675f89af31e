"""How many requests may be under way at a time, found out from how they are answered. Pure: no clock, no lock.

What an engine can do at a time is not known to anybody who writes a worker: two or four requests saturate one that runs
on two cores, and with more it gets slower; one that is far away needs many on their way to be kept busy at all.

How it is found. More requests under way are better as long as they bring more answers a second, so that is what is
compared, and not how long an answer takes: that differs between operations, grows with the distance, and drifts. While
the number of places is what holds requests up, another number is tried for a moment, between two moments with the
usual one, so that what changes by itself cancels out. Each trial is a piece of evidence, with a weight by the number of
its answers; when it suffices, the usual number moves, one step of `LEVELS`. Of two that are about as good the smaller
one is taken. What is surely worse is tried less and less. At the start, and after setbacks, it climbs: a trial upwards
that is clearly good is not checked, and the next one follows at once.

- Only time in which all places are taken counts. So nothing is learned, and nothing changes, while few are needed.
- 429 and 503 may say that it was too much: half of it, once a round trip, down to one. When a trial upwards is refused,
  or what it led to is soon after, it is taken back, and the next one comes later and later.
- An engine that refuses all for a while says nothing about how many it bears, so the usual number is not forgotten:
  it is come back to, by one with each answer to what was sent since the last refusal; that is twice as many with each
  round trip. A refusal after such answers, on the way or soon after it, does speak of the number: half of the usual
  one is come back to.
- Without an answer nothing is known about the best number. What was being measured is dropped, and when that goes on,
  the engine that comes back is met with no more than at the start.

Thread pools that climb hills do the same (.NET's). Limits by the gradient of the latency (TCP Vegas, Netflix) need to
know how long an answer takes on an idle engine, and a worker never sees it idle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from flowable.external_worker_client.rest.meter import SHORTEST, Measured, Meter

#: Places at the start: enough that a few handlers are never held up, and not so many that they crowd an engine nearby.
START = 8

#: Most places that are found by themselves.
MOST = 32

#: The numbers of places that are tried: steps that make a difference which can be told from noise.
LEVELS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

UP, DOWN = 1, -1

#: Gains in answers a second below this do not matter. As a logarithm, like all that is compared.
_EQUAL = 0.03

#: One comparison says no more than this, whatever happened meanwhile: a pause of the engine's garbage collection, say.
_MOST_SAID = 0.7

#: How much of the evidence is left when more of it comes.
_KEPT = 0.85

#: Two to this power: measurements between two trials of what is surely worse, at most.
_SUREST = 4

#: Seconds of a measurement, at most: small differences need many answers.
_LONGEST_WINDOW = 0.6

#: A change of the answers a second, from one measurement to the next, after which all is looked at anew.
_JUMP = 0.35

#: Seconds without a trial upwards after a refusal; doubled when it was such a trial that was refused, until one
#: succeeds. Other refusals do not double it: dozens of them come in a few seconds when an engine is started anew.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0

#: A refusal within so many seconds after the usual number was raised, or come back to, speaks of that number.
_SOON = 10.0


class Places(Protocol):
    """How many requests may be under way. Not for use by several threads at once.

    Attributes:
        number: How many, now. At least 1.
    """

    number: int

    def answered(self, kind: str, seconds: float, now: float, under_way: int) -> None:
        """Note an answer that is none of the below.

        Args:
            kind: What was asked for. Answers of one kind cost the engine about the same.
            seconds: How long it had its place.
            now: The time, in seconds, on a clock that does not go back.
            under_way: How many requests were, this one included.
        """

    def refused(self, now: float, under_way: int) -> None:
        """Note an answer that says that it was too much: 429 or 503. Arguments are as for `answered`."""

    def failed(self, under_way: int) -> None:
        """Note a request that the engine did not answer. Arguments are as for `answered`."""


class Fixed:
    """A number that somebody chose.

    Args:
        number: How many requests may be under way.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def answered(self, kind: str, seconds: float, now: float, under_way: int) -> None:
        """See `Places`."""

    def refused(self, now: float, under_way: int) -> None:
        """See `Places`."""

    def failed(self, under_way: int) -> None:
        """See `Places`."""


class _Step(Enum):
    """What is being measured."""

    USUAL = "the usual number"
    TRIAL = "another number"
    CHECK = "the usual number again, to compare"
    RETURN = "nothing: there were refusals, and the usual number is come back to"


@dataclass(slots=True)
class _Evidence:
    """What trials of the next number of places, in one way, have shown.

    Attributes:
        said: The gains in answers a second, each divided by its variance, added up.
        weight: The inverse variances, added up.
        rest: Measurements of the usual number until the next trial.
        sure: How often in a row it was sure that the trial did not pay.
    """

    said: float = 0.0
    weight: float = 0.0
    rest: int = 1
    sure: int = 0

    def add(self, gain: float, variance: float) -> None:
        self.said = _KEPT * self.said + min(max(gain, -_MOST_SAID), _MOST_SAID) / variance
        self.weight = _KEPT * self.weight + 1 / variance
        # Trying what is about as good costs nothing. What is worse is tried less and less.
        self.sure = min(self.sure + 1, _SUREST) if self.gain + self.doubt < -_EQUAL else 0
        self.rest = 2**self.sure

    @property
    def gain(self) -> float:
        return self.said / self.weight if self.weight else 0.0

    @property
    def doubt(self) -> float:
        return 1 / math.sqrt(self.weight) if self.weight else math.inf

    def turned(self) -> _Evidence:
        """Return what it says about the way back. Less, because chance may have led here."""
        return _Evidence(-self.said / 2, self.weight / 2)


class Search:
    """A number that finds the engine's best point. See the beginning of this module.

    Args:
        start: How many places there are at first.
        most: How many there can become, at least 1.

    Attributes:
        number: See `Places`.
    """

    def __init__(self, start: int = START, most: int = MOST) -> None:
        self._levels = (*(level for level in LEVELS if level < most), most)
        self._start = self._level(start)
        # Index of the usual number.
        self._home = self._start
        self.number = self._levels[self._home]
        self._meter = Meter()
        self._last: float | None = None
        # Answers to what was sent under another number say nothing about this one; nor do refusals of what was sent
        # before the last one was heeded say anything new.
        self._stale = 0
        self._heeded = 0
        self._failures = 0
        self._step = _Step.USUAL
        self._way = UP
        self._climbing = True
        self._jumps = 0
        self._evidence = {UP: _Evidence(), DOWN: _Evidence()}
        self._before: Measured | None = None
        self._tried: Measured | None = None
        self._not_up_before = -math.inf
        self._pause = _FIRST_PAUSE
        # When the last refusal that was heeded came, and whether anything that was sent since then was answered.
        self._refused_at = -math.inf
        self._answers = True
        # When the usual number was raised, until a refusal tells whether that was too much. None: nothing to be told.
        self._raised: float | None = None
        # When the usual number was come back to.
        self._returned = -math.inf

    def answered(self, kind: str, seconds: float, now: float, under_way: int) -> None:
        """See `Places.answered`."""
        self._failures = 0
        last, self._last = self._last, now
        if self._heeded:
            self._heeded -= 1
        # What the engine had taken in before it began to refuse may be answered long after that.
        since = now - seconds >= self._refused_at
        self._answers = self._answers or since
        if self._step is _Step.RETURN:
            if since:
                self._come_back(now)
        elif self._stale:
            self._stale -= 1
        elif last is not None and under_way >= self.number:
            # Before this request was sent, there may have been nothing to do.
            self._meter.count(kind, seconds, min(now - last, seconds))
            if self._meter.is_enough(self.number):
                self._measured(now)

    def refused(self, now: float, under_way: int) -> None:
        """See `Places.refused`."""
        self._failures = 0
        self._last = now
        if self._stale:
            self._stale -= 1
        if self._heeded:
            self._heeded -= 1
            return
        self._heeded = under_way - 1
        if self._raised is not None and now - self._raised >= _SOON:
            # That trial upwards did succeed.
            self._pause = _FIRST_PAUSE
            self._raised = None
        if self._step is _Step.TRIAL and self._way == UP:
            # The usual number did nothing wrong, and what is known of the smaller one stays true.
            self._put_off(now)
            self._way = DOWN
            self._climbing = False
            self._give_up(under_way)
        else:
            self._cut(now)
        self._refused_at = now
        self._answers = False

    def failed(self, under_way: int) -> None:
        """See `Places.failed`."""
        self._last = None
        self._failures += 1
        if self._heeded:
            self._heeded -= 1
        if self._stale:
            self._stale -= 1
        self._meter.begin()
        if self._failures > self.number:
            # An outage, not a single connection: the engine may come back as another one.
            self._home = min(self._home, self._start)
            self._anew()
            if self._step is _Step.RETURN:
                self._return(self.number)
            else:
                self._give_up(under_way)

    def _cut(self, now: float) -> None:
        """Go on with half of the number, and come back to the usual one, or to less if that was too much."""
        home = self._home
        soon = self._step is _Step.RETURN or now - self._returned < _SOON
        raised, self._raised = self._raised, None
        if self._answers and raised is not None:
            self._home = max(home - 1, 0)
            self._put_off(now)
        elif self._answers and soon:
            self._home = self._level(self._levels[home] // 2)
        if self._home != home:
            self._anew()
            if raised is None:
                # What was refused above the usual number of before says nothing of what is above this one.
                self._pause = _FIRST_PAUSE
                self._not_up_before = now
        self._not_up_before = max(self._not_up_before, now + _FIRST_PAUSE)
        self._return(max(self.number // 2, 1))

    def _put_off(self, now: float) -> None:
        """Make no trial upwards for a while, and for longer the next time."""
        self._not_up_before = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _return(self, number: int) -> None:
        """Begin to come back to the usual number, from a number that is not above it."""
        self._before = self._tried = None
        self._step = _Step.RETURN
        self.number = min(number, self._levels[self._home])

    def _come_back(self, now: float) -> None:
        """Go on with one more, since something was answered."""
        if self.number < self._levels[self._home]:
            self.number += 1
            return
        self._returned = now
        self._go_to(self._home, _Step.USUAL)
        self._stale = self.number

    def _measured(self, now: float) -> None:
        """Go on from what was measured: compare, move, or try another number."""
        measured = self._meter.take()
        if measured is None:
            return
        if self._step is _Step.USUAL:
            self._rested(measured, now)
        elif self._step is _Step.TRIAL and self._climbing and self._is_clear(measured):
            self._home += self._way
            self._raised = now
            self._before = measured
            self._try(now)
        elif self._step is _Step.TRIAL:
            self._tried = measured
            self._go_to(self._home, _Step.CHECK)
        else:
            self._compare(measured, now)

    def _rested(self, measured: Measured, now: float) -> None:
        before, self._before = self._before, measured
        jumped = before is not None and abs(before.rate - measured.rate) > _JUMP
        self._jumps = self._jumps + 1 if jumped else 0
        for evidence in self._evidence.values():
            evidence.rest -= 1
        if self._jumps > 1:
            # The engine is not what it was.
            self._anew()
        else:
            self._try(now)

    def _try(self, now: float) -> None:
        """Try the next number in one way, if it is time for that."""
        for way in (self._way, -self._way):
            if self._may_try(way, now):
                self._way = way
                self._go_to(self._home + way, _Step.TRIAL)
                return
        self._go_to(self._home, _Step.USUAL)

    def _may_try(self, way: int, now: float) -> bool:
        if way == UP and now < self._not_up_before:
            return False
        return self._evidence[way].rest <= 0 and 0 <= self._home + way < len(self._levels)

    def _is_clear(self, measured: Measured) -> bool:
        """Say whether a trial upwards brought at least half of what it could, without looking twice."""
        if self._way == DOWN or self._before is None:
            return False
        most = math.log(self.number / self._levels[self._home])
        gain = measured.rate - self._before.rate
        return gain - 1.5 * math.sqrt(measured.variance + self._before.variance) > most / 2

    def _compare(self, after: Measured, now: float) -> None:
        """Add to the evidence what a trial says, between the measurements before and after it; move if it suffices."""
        before, tried, way = self._before, self._tried, self._way
        assert before is not None  # noqa: S101 - no trial begins without
        assert tried is not None  # noqa: S101 - nor does a check
        self._meter.surprised(before, after)
        gain = tried.rate - (before.rate + after.rate) / 2
        evidence = self._evidence[way]
        evidence.add(gain, tried.variance + (before.variance + after.variance) / 4)
        self._meter.learn()
        self._before = self._tried = None
        if evidence.gain - evidence.doubt > (_EQUAL if way == UP else -_EQUAL):
            # What was good for one step may be for the next.
            self._evidence = {way: _Evidence(), -way: evidence.turned()}
            self._meter.shortest = SHORTEST
            self._home += way
            if way == UP:
                self._raised = now
        else:
            self._climbing = False
            self._way = -way
            self._meter.shortest = min(self._meter.shortest + SHORTEST / 4, _LONGEST_WINDOW)
        self._go_to(self._home, _Step.USUAL)

    def _go_to(self, index: int, step: _Step) -> None:
        self._step = step
        number = self._levels[index]
        if number != self.number:
            # What is on its way now was sent under the other number.
            self._stale = self.number
            self.number = number
        self._meter.begin()

    def _give_up(self, under_way: int) -> None:
        """Give up what is being measured, and go on with the usual number."""
        self._before = self._tried = None
        self._go_to(self._home, _Step.USUAL)
        self._stale = under_way - 1

    def _anew(self) -> None:
        """Forget what trials have shown, and climb."""
        self._evidence = {UP: _Evidence(), DOWN: _Evidence()}
        self._way, self._climbing = UP, True
        self._jumps = 0
        self._meter.shortest = SHORTEST

    def _level(self, number: int) -> int:
        """Return the index of the largest level that is not above a number; of the first one if there is none."""
        return max((index for index, level in enumerate(self._levels) if level <= number), default=0)
