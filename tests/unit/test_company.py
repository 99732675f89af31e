"""What subscriptions do for each other: who is told to look, and when one look is made for all."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from tests.support.waiting import until

from flowable.external_worker_client import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime.company import Company, SharedLookout
from flowable.external_worker_client.runtime.looks import DELAYS, RATE, SHORTEST_PAUSE
from flowable.external_worker_client.runtime.outage import TELL_AGAIN

PATIENCE = 20.0  # real seconds until a test gives up waiting
PAUSE = 0.75


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        """Return it."""
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Nobody waits here."""
        raise AssertionError((event, seconds))


@dataclass
class FakeMember:
    """A subscription that notes what it is told."""

    idle: bool = True
    looks: list[float] = field(default_factory=list)
    asked: int = 0
    told: int = 0

    def waits_idly(self) -> bool:
        """As told."""
        return self.idle

    def look_at(self, moment: float) -> None:
        """Note it."""
        self.looks.append(moment)

    def ask_now(self) -> None:
        """Note it."""
        self.asked += 1

    def engine_answers(self) -> None:
        """Note it."""
        self.told += 1


def _company(*members: FakeMember) -> tuple[Company, Clock, list[int]]:
    clock = Clock()
    company = Company(clock)
    return company, clock, [company.join(member) for member in members]


# ---------------------------------------------------------------- looks


def test_idle_subscriptions_look_after_a_job_was_settled() -> None:
    """Those with work ask anyway; whose job it was looks as well, if others of its handlers left it idle."""
    settling, idle, busy = FakeMember(idle=False), FakeMember(), FakeMember(idle=False)
    company, _, (number, *_) = _company(settling, idle, busy)
    company.settled(number)
    assert idle.looks == [100.0 + delay for delay in DELAYS]
    assert (settling.looks, busy.looks) == ([], [])
    settling.idle = True
    company.settled(number)
    assert settling.looks == [], "that was the same occasion"


def test_not_every_busy_topic_asks_all_others_again() -> None:
    """With thirty of them that would be most of what a job costs; who becomes idle is told a moment later."""

    class Counting(FakeMember):
        asked_whether = 0

        def waits_idly(self) -> bool:
            Counting.asked_whether += 1
            return super().waits_idly()

    members = [Counting(idle=False) for _ in range(30)]
    company, clock, numbers = _company(*members)
    for number in numbers:
        company.settled(number)
        clock.time += 0.0001
    assert Counting.asked_whether == 30
    members[7].idle = True
    clock.time += SHORTEST_PAUSE
    company.settled(numbers[0])
    assert members[7].looks == [clock.time + delay for delay in DELAYS]


def test_a_subscription_alone_looks_again_on_its_own_topic() -> None:
    """The next task of the process may have the same one."""
    alone = FakeMember()
    company, _, (number,) = _company(alone)
    company.settled(number)
    assert alone.looks == [100.0 + delay for delay in DELAYS]


def test_who_has_ended_is_told_nothing() -> None:
    """And is learned nothing of."""
    first, second = FakeMember(idle=False), FakeMember()
    company, _, (one, two) = _company(first, second)
    company.leave(two)
    company.settled(one)
    company.found(two)
    assert second.looks == []


def test_who_followed_is_told_first() -> None:
    """What an acquire finds soon after a look is remembered."""
    settling = FakeMember(idle=False)
    others = [FakeMember() for _ in range(30)]
    company, clock, (number, *numbers) = _company(settling, *others)
    for other in others[:-1]:
        other.idle = False
    company.settled(number)
    clock.time += 0.05
    company.found(numbers[-1])
    for other in others:
        other.idle, other.looks = True, []
    clock.time += 100.0
    company.settled(number)
    assert others[-1].looks == [clock.time + delay for delay in DELAYS]
    assert sum(len(other.looks) for other in others) <= RATE


def test_members_come_go_and_settle_on_many_threads() -> None:
    """Nobody is forgotten, and no more is looked than a client may."""
    company, clock, (number, _) = _company(FakeMember(idle=False), FakeMember())
    stay = FakeMember()
    company.join(stay)
    members: list[FakeMember] = []
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def come_and_go() -> None:
        try:
            start.wait(PATIENCE)
            for _ in range(200):
                member = FakeMember()
                members.append(member)
                mine = company.join(member)
                company.settled(number)
                company.found(mine)
                member.looks.clear()
                clock.time += 0.001
                company.leave(mine)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
    looks = sum(len(member.looks) for member in [*members, stay])
    assert 0 < looks <= RATE + RATE * (clock.time - 100.0)
    clock.time += 100.0
    stay.looks.clear()
    company.settled(number)
    assert stay.looks, "who stayed is still told"


# ---------------------------------------------------------------- one look for all


class Engine(FlowableExternalWorkerRestClient):
    """Lists as told, and counts how often."""

    def __init__(self, *totals: int | BaseException) -> None:
        super().__init__("http://127.0.0.1:9/", "w")
        self.totals = list(totals)
        self.filters: list[dict[str, Any]] = []
        self.meanwhile: threading.Event | None = None
        self.asked = threading.Event()

    def list_jobs(self, **filters: Any) -> Any:
        """Answer the next total, or raise it; the last one for ever."""
        self.filters.append(filters)
        self.asked.set()
        if self.meanwhile is not None:
            assert self.meanwhile.wait(PATIENCE)
        total = self.totals.pop(0) if len(self.totals) > 1 else self.totals[0]
        if isinstance(total, BaseException):
            raise total
        return SimpleNamespace(total=total)


def _lookout(*members: FakeMember) -> SharedLookout:
    lookout = SharedLookout(PAUSE, lambda: 1.0)
    for member in members:
        lookout.join(member)
    return lookout


def test_while_the_engine_has_no_job_one_look_is_made_for_all() -> None:
    """It asks for the number only, and everybody waits until the next."""
    lookout, engine, clock = _lookout(FakeMember()), Engine(0), Clock()
    assert [lookout.wait_until(engine, clock) for _ in range(30)] == [100.0 + PAUSE] * 30
    assert engine.filters == [{"unlocked": True, "size": 0}]
    clock.time += PAUSE
    assert lookout.wait_until(engine, clock) == clock.time + PAUSE
    assert len(engine.filters) == 2


def test_when_there_is_a_job_everybody_asks_at_once() -> None:
    """Also those that were told to wait."""
    members = [FakeMember(), FakeMember()]
    lookout, engine, clock = _lookout(*members), Engine(0, 3), Clock()
    assert lookout.wait_until(engine, clock) == 100.0 + PAUSE
    clock.time += PAUSE
    assert lookout.wait_until(engine, clock) is None
    assert [member.asked for member in members] == [1, 1]
    assert [lookout.wait_until(engine, clock) for _ in range(3)] == [None] * 3
    assert len(engine.filters) == 2


def test_found_jobs_keep_looks_frequent() -> None:
    """Without, each look that brings nobody a job is followed by a longer time without looks."""
    vain, useful = _lookout(), _lookout()
    looks = Counter[str]()
    for name, lookout in (("vain", vain), ("useful", useful)):
        engine, clock = Engine(1), Clock()
        for _ in range(400):
            assert lookout.wait_until(engine, clock) is None
            if name == "useful":
                lookout.found()
            clock.time += PAUSE / 4
        looks[name] = len(engine.filters)
    assert looks["useful"] == 100
    assert looks["vain"] == 7


@pytest.mark.parametrize(
    "error",
    [requests.ConnectionError("no"), RuntimeError("a hook"), SystemExit(3)],
    ids=["network", "a hook", "an exit"],
)
def test_an_engine_that_does_not_list_is_asked_topic_by_topic(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """For half a minute, and that is said once."""
    caplog.set_level(logging.INFO)
    lookout, engine, clock = _lookout(FakeMember()), Engine(error), Clock()
    for _ in range(4):
        assert [lookout.wait_until(engine, clock) for _ in range(3)] == [None] * 3
        clock.time += 31.0
    assert len(engine.filters) == 4
    assert [record.getMessage()[:36] for record in caplog.records] == ["The list of unlocked jobs could not "]


def test_an_engine_that_answers_somebody_is_looked_at_again_at_once() -> None:
    """What kept it from listing is over; a look that brought something has nothing to do with that."""
    lookout, engine, clock = _lookout(FakeMember()), Engine(requests.ConnectionError("no"), 3, 0), Clock()
    assert lookout.wait_until(engine, clock) is None
    assert lookout.answered_at < 0
    clock.time += 1.0
    lookout.look_again()
    # Somebody else's jobs: for a while, looks are not worth it.
    assert lookout.wait_until(engine, clock) is None
    assert (len(engine.filters), lookout.answered_at) == (2, clock.time)
    lookout.look_again()
    assert lookout.wait_until(engine, clock) is None
    assert len(engine.filters) == 2
    clock.time += PAUSE
    assert lookout.wait_until(engine, clock) == clock.time + PAUSE
    assert lookout.answered_at == clock.time


def test_what_people_put_in_the_place_of_the_client_lists_nothing() -> None:
    """A mock has every method, and its numbers are none."""
    lookout = _lookout(FakeMember())
    assert lookout.wait_until(SimpleNamespace(), Clock()) is None


def test_while_one_thread_looks_others_neither_look_nor_ask() -> None:
    """They come again in a tenth of a second; when it brings nothing, they wait as long as it does."""
    lookout, engine, clock = _lookout(FakeMember()), Engine(0), Clock()
    engine.meanwhile = threading.Event()
    seen: list[float | None] = []
    looking = threading.Thread(target=lambda: seen.append(lookout.wait_until(engine, clock)))
    looking.start()
    assert engine.asked.wait(PATIENCE)
    assert lookout.wait_until(engine, clock) == pytest.approx(100.1)
    engine.meanwhile.set()
    until(lambda: seen, deadline=PATIENCE)
    looking.join(PATIENCE)
    assert seen == [100.0 + PAUSE]
    assert lookout.wait_until(engine, clock) == 100.0 + PAUSE
    assert len(engine.filters) == 1


def test_all_are_told_that_the_engine_answers_again_and_not_too_often() -> None:
    """Those who have subscriptions, and whoever listens."""
    members, heard = [FakeMember(), FakeMember()], list[float]()
    company, clock, _ = _company(*members)
    company.listeners = (lambda: heard.append(clock.time),)
    for moment in (100.0, 100.1, 100.0 + TELL_AGAIN):
        clock.time = moment
        company.engine_answers()
    assert [member.told for member in members] == [2, 2]
    assert heard == [100.0, 100.0 + TELL_AGAIN]


def test_who_has_left_says_nothing_of_an_outage_any_more() -> None:
    """So another one does."""
    company, _, numbers = _company(FakeMember(), FakeMember())
    assert company.outage.failed(numbers[0], "down")
    assert not company.outage.failed(numbers[1], "down")
    company.leave(numbers[0])
    assert company.outage.failed(numbers[1], "down")
