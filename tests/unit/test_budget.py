"""One budget for all topics of a worker: it is never exceeded, used while there is work, and nobody starves."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flowable.external_worker_client.runtime.budget import ASK_AGAIN, CLAIM_LASTS, Budget
from flowable.external_worker_client.runtime.places import Places, SharedBudget


def budget(total: int, **weights: float) -> Budget:
    """Make a budget."""
    return Budget(total, weights)


def at_work(made: Budget, topic: str, jobs: int) -> None:
    """Let a topic have jobs, as after an acquire that brought as many as it asked for."""
    assert made.take(topic, jobs, jobs, 0.0) == jobs
    made.answered(topic, jobs, jobs)


# ---------------------------------------------------------------- one question after the other


def test_one_topic_may_have_all_places_while_the_others_want_nothing() -> None:
    """None is kept for who may come."""
    made = budget(8, busy=1, idle=100)
    assert made.take("busy", 20, 20, 0.0) == 8
    assert (made.held, made.free) == (8, 0)


def test_a_topic_that_is_refused_is_woken_by_the_next_end() -> None:
    """Once; and the place is kept for it although the busy one asks first."""
    made = budget(4, busy=1, other=1)
    at_work(made, "busy", 4)
    assert made.take("other", 4, 4, 0.0) == 0
    assert made.to_wake(0.0) == ()
    made.give_back("busy", 1)
    assert made.to_wake(0.0) == ["other"]
    assert made.to_wake(0.0) == ()
    assert made.take("busy", 1, 1, 0.0) == 0
    assert made.take("other", 4, 4, 0.0) == 1


def test_a_topic_that_finds_nothing_wants_nothing() -> None:
    """Its place goes back, and whoever waits for it is woken."""
    made = budget(4, busy=1, idle=1)
    at_work(made, "busy", 4)
    made.take("idle", 4, 4, 0.0)
    made.give_back("busy", 1)
    assert made.take("busy", 1, 1, 0.0) == 0
    assert made.take("idle", 4, 4, 0.0) == 1
    assert made.to_wake(0.0) == ()
    made.answered("idle", 1, 0)
    assert made.to_wake(0.0) == ["busy"]
    assert made.take("busy", 1, 1, 0.0) == 1
    made.give_back("busy", 1)
    assert made.take("busy", 1, 1, 0.0) == 1


def test_a_topic_that_found_work_gets_its_share_as_jobs_end() -> None:
    """And no more than that, as long as the other claims the rest."""
    made = budget(8, busy=1, other=3)
    at_work(made, "busy", 8)
    assert made.take("other", 8, 8, 0.0) == 0
    held: list[int] = []
    for _ in range(20):
        made.give_back("busy", 1)
        taken = made.take("other", 8, 8, 0.0)
        assert taken + made.take("busy", 8, 8, 0.0) == 1
        made.answered("other" if taken else "busy", 1, 1)
        held.append(made.topics["other"].held)
    assert held == [1, 2, 3, 4, 5, 6, *[6] * 14]


def test_what_is_claimed_is_kept_while_a_part_of_it_is_acquired() -> None:
    """The topic comes back for the rest, should there be so much work."""
    made = budget(8, busy=1, other=1)
    at_work(made, "busy", 8)
    made.take("other", 8, 8, 0.0)
    made.give_back("busy", 1)
    assert made.take("other", 8, 8, 0.0) == 1
    made.answered("other", 1, 1)
    made.give_back("busy", 1)
    assert made.take("other", 7, 7, 0.0) == 1
    made.give_back("busy", 2)
    assert made.take("busy", 4, 4, 0.0) == 0
    made.answered("other", 1, 1)
    assert made.take("other", 6, 6, 0.0) == 2
    made.give_back("busy", 1)
    made.answered("other", 2, 1)
    assert made.to_wake(0.0) == ["busy"]
    assert made.take("busy", 8, 8, 0.0) == 2


def test_a_stock_is_made_from_what_nobody_claims() -> None:
    """It is no claim, and a topic that gets none for it is not woken."""
    made = budget(8, busy=1, other=1)
    at_work(made, "other", 4)
    at_work(made, "busy", 2)
    assert made.take("busy", 2, 0, 0.0) == 2
    made.answered("busy", 2, 2)
    assert made.take("busy", 2, 0, 0.0) == 0
    made.give_back("other", 1)
    assert made.to_wake(0.0) == ()
    assert made.take("other", 3, 3, 0.0) == 1
    made.answered("other", 1, 1)
    made.give_back("busy", 1)
    assert made.take("busy", 1, 0, 0.0) == 0


def test_a_topic_that_does_not_come_loses_what_it_claims() -> None:
    """No mishap keeps places empty. One that waits asks again before that, and keeps its turn."""
    made = budget(1, busy=1, other=1)
    at_work(made, "busy", 1)
    assert ASK_AGAIN < CLAIM_LASTS
    made.take("other", 1, 1, 0.0)
    made.take("other", 1, 1, ASK_AGAIN)
    made.give_back("busy", 1)
    assert made.to_wake(CLAIM_LASTS) == ["other"]
    assert made.take("busy", 1, 1, CLAIM_LASTS) == 0
    assert made.take("busy", 1, 1, ASK_AGAIN + CLAIM_LASTS) == 1


def test_who_withdraws_claims_nothing() -> None:
    """Its limits allow nothing, or it stops."""
    made = budget(1, busy=1, other=1)
    at_work(made, "busy", 1)
    made.take("other", 1, 1, 0.0)
    made.give_back("busy", 1)
    assert made.take("busy", 1, 1, 0.0) == 0
    made.withdraw("other")
    assert made.to_wake(0.0) == ["busy"]
    made.withdraw("busy")
    assert made.to_wake(0.0) == ()


def test_topics_that_ask_together_find_out_one_by_one() -> None:
    """While others claim places, a topic without known work gets one, whatever it asks for and whatever is free."""
    made = budget(8, busy=1, other=1, idle=1)
    at_work(made, "busy", 7)
    at_work(made, "other", 1)
    assert made.take("other", 4, 4, 0.0) == 0
    made.give_back("busy", 7)
    assert made.take("idle", 8, 8, 0.0) == 1
    made.answered("idle", 1, 1)
    assert made.take("idle", 7, 7, 0.0) == 3


def test_who_holds_nothing_goes_before_who_lacks_some_of_its_share() -> None:
    """A weight is no way to keep others out."""
    made = budget(4, heavy=1000, one=1, two=1, three=1)
    at_work(made, "one", 1)
    at_work(made, "two", 1)
    at_work(made, "heavy", 2)
    assert made.take("heavy", 2, 2, 0.0) == made.take("three", 1, 1, 0.0) == 0
    made.give_back("one", 1)
    assert made.to_wake(0.0) == ["three"]


def test_nobody_saves_up_turns_by_being_idle() -> None:
    """Who begins to claim gets its part from now on, and not what it left to the others before."""
    made = budget(1, busy=1, other=1)
    at_work(made, "other", 1)
    made.give_back("other", 1)
    for _ in range(50):
        at_work(made, "busy", 1)
        made.give_back("busy", 1)
    order: list[str] = []
    at_work(made, "busy", 1)
    for _ in range(10):
        held = "busy" if made.topics["busy"].held else "other"
        made.take("busy", 1, 1, 0.0)
        made.take("other", 1, 1, 0.0)
        made.give_back(held, 1)
        [woken] = made.to_wake(0.0)
        at_work(made, woken, 1)
        order.append(woken)
    assert order == ["other", "busy"] * 5


def test_a_topic_that_had_work_and_has_none_asks_for_one_again() -> None:
    """What was found before is no reason to keep more."""
    made = budget(8, busy=1, other=1)
    at_work(made, "other", 4)
    made.give_back("other", 4)
    assert made.take("other", 2, 2, 0.0) == 2
    made.answered("other", 2, 0)
    at_work(made, "busy", 8)
    assert made.take("busy", 4, 4, 0.0) == 0
    made.give_back("busy", 6)
    assert made.take("other", 4, 4, 0.0) == 1


@pytest.mark.parametrize("total", [1, 2])
def test_with_fewer_places_than_topics_they_take_turns_by_weight(total: int) -> None:
    """Each gets its part of the ends, and nobody waits for ever."""
    made = budget(total, heavy=4, light=1, feather=1)
    for topic in made.topics:
        made.take(topic, 1, 1, 0.0)
        made.answered(topic, made.topics[topic].held, made.topics[topic].held)
        made.topics[topic].fruitful = True
    order: deque[str] = deque(topic for topic in made.topics for _ in range(made.topics[topic].held))
    ended: Counter[str] = Counter()
    for _ in range(600):
        topic = order.popleft()
        ended[topic] += 1
        made.give_back(topic, 1)
        for each in made.topics:
            if made.take(each, 1, 1, 0.0):
                made.answered(each, 1, 1)
                order.append(each)
    assert ended["light"] == pytest.approx(100, abs=3)
    assert ended["feather"] == pytest.approx(100, abs=3)


def test_turns_are_counted_anew_before_numbers_are_too_large_to_add_to() -> None:
    """A light topic that is served a million times does not lose the heavy ones' thousandths."""
    made = budget(1, light=0.001, heavy=1000)
    for topic in made.topics:
        made.topics[topic].fruitful = True
    for _ in range(5000):
        assert made.take("light", 1, 1, 0.0) == 1
        made.give_back("light", 1)
        made.answered("light", 0, 0)
    assert max(abs(standing.turn) for standing in made.topics.values()) < 2e6
    assert made.take("light", 1, 1, 0.0) == 1
    assert made.take("heavy", 1, 1, 0.0) == 0
    made.give_back("light", 1)
    assert made.to_wake(0.0) == ["heavy"]


def test_what_is_not_held_cannot_be_given_back() -> None:
    """A job that gave its place back twice would let the others exceed the budget."""
    made = budget(2, one=1)
    at_work(made, "one", 1)
    with pytest.raises(ValueError, match=r"^topic 'one' gives back 2 places, and holds 1$"):
        made.give_back("one", 2)
    assert made.held == 1


# ---------------------------------------------------------------- whatever happens

NAMES = ("a", "b", "c", "d")


class AnyOrder(RuleBasedStateMachine):
    """Topics that take, get answers, end jobs and withdraw, in any order."""

    @initialize(total=st.integers(1, 9), weights=st.lists(st.sampled_from([0.001, 0.5, 1, 3, 1000]), min_size=4))
    def begin(self, total: int, weights: list[float]) -> None:
        """Begin with an empty budget."""
        self.made = Budget(total, dict(zip(NAMES, weights, strict=False)))
        self.now = 0.0
        self.on_the_way: dict[str, int] = {}
        self.jobs: Counter[str] = Counter()

    @rule(topic=st.sampled_from(NAMES), wanted=st.integers(1, 12), stock=st.integers(0, 12))
    def take(self, topic: str, wanted: int, stock: int) -> None:
        """A topic takes what there is; all of what nobody else claims, if it has work."""
        if topic in self.on_the_way:
            return
        free, needed = self.made.free, max(0, wanted - stock)
        alone = not any(standing.claim for name, standing in self.made.topics.items() if name != topic)
        granted = self.made.take(topic, wanted, needed, self.now)
        assert 0 <= granted <= min(wanted, free)
        if alone:
            assert granted == min(wanted, free)
        if granted:
            self.on_the_way[topic] = granted
        assert self.made.topics[topic].waits == (not granted and needed > 0)

    @rule(topic=st.sampled_from(NAMES), share=st.floats(0, 1))
    def answered(self, topic: str, share: float) -> None:
        """An acquire brings some jobs, all, or none."""
        taken = self.on_the_way.pop(topic, 0)
        if taken:
            came = math.floor(share * taken)
            self.made.answered(topic, taken, came)
            self.jobs[topic] += came
            if came < taken:
                assert not self.made.topics[topic].claim

    @rule(topic=st.sampled_from(NAMES))
    def ended(self, topic: str) -> None:
        """A job has ended."""
        if self.jobs[topic]:
            self.jobs[topic] -= 1
            self.made.give_back(topic, 1)

    @rule(topic=st.sampled_from(NAMES))
    def withdraw(self, topic: str) -> None:
        """A topic wants nothing."""
        if topic not in self.on_the_way:
            self.made.withdraw(topic)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        """Claims grow old."""
        self.now += seconds

    @precondition(lambda self: self.made.free)
    @rule()
    def wake(self) -> None:
        """When a place is free, whoever waits is woken, or somebody else is to come for it."""
        waiting = {
            topic
            for topic, standing in self.made.topics.items()
            if standing.waits and self.now < standing.asked + CLAIM_LASTS
        }
        others = sum(
            standing.claim
            for topic, standing in self.made.topics.items()
            if topic not in waiting and self.now < standing.asked + CLAIM_LASTS
        )
        free = self.made.free
        woken = self.made.to_wake(self.now)
        assert set(woken) <= waiting
        assert not self.made.to_wake(self.now)
        if waiting and free > others:
            assert woken
        for topic in woken:
            self.take(topic, 1, 0)
            assert topic in self.on_the_way

    @invariant()
    def counts(self) -> None:
        """No more than there are, and as many as are on the way or at work."""
        assert self.made.held == sum(self.on_the_way.values()) + self.jobs.total() <= self.made.total
        assert self.made.waiting == sum(standing.waits for standing in self.made.topics.values())


AnyOrderTest = AnyOrder.TestCase


# ---------------------------------------------------------------- a worker, with made-up time


@dataclass
class Topic:
    """A topic in a simulation.

    Attributes:
        slots: Handlers at once.
        run: Seconds that a job takes.
        backlog: Jobs that wait in the engine.
        poll: Seconds between questions while there is nothing.
        waited: How many ends of other topics it has seen from when it asked first until it got places, each time.
        started: Jobs that were started.
        time: The sum of what its jobs have been running.
    """

    slots: int
    run: float
    backlog: float = math.inf
    poll: float = 0.75
    waited: list[int] = field(default_factory=list)
    started: int = 0
    time: float = 0.0


class Simulation:
    """Subscriptions that ask as real ones do: one acquire at a time, at once after work, and again when woken."""

    def __init__(self, total: int, topics: Mapping[str, tuple[Topic, float]], seed: int, round_trip: float) -> None:
        self.topics = {name: topic for name, (topic, _) in topics.items()}
        self.budget = Budget(total, {name: weight for name, (_, weight) in topics.items()})
        self.chance = random.Random(seed)  # noqa: S311 - a simulation
        self.round_trip = round_trip
        self.now = 0.0
        self.ends: Counter[str] = Counter()
        self.idle_places = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._running: Counter[str] = Counter()
        self._asking: set[str] = set()
        self._since: dict[str, int] = {}
        self._next: dict[str, int] = {}
        for name in topics:
            self.ask_later(name, 0.0)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), action))

    def until(self, end: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= end:
            moment, _, action = heapq.heappop(self._events)
            if all(topic.backlog for topic in self.topics.values()):
                self.idle_places += self.budget.free * (moment - self.now)
            for name, topic in self.topics.items():
                topic.time += self._running[name] * (moment - self.now)
            self.now = moment
            action()
            assert 0 <= self.budget.held <= self.budget.total

    def ask_later(self, name: str, seconds: float) -> None:
        """Ask at that time, instead of at the time that was said before."""
        self._next[name] = number = next(self._order)

        def ask() -> None:
            if self._next[name] == number:
                self.ask(name)

        self.after(seconds, ask)

    def ask(self, name: str) -> None:
        """Ask for what the free slots can take."""
        topic = self.topics[name]
        wanted = min(topic.slots - self._running[name], 20)
        if name in self._asking or not wanted:
            return
        granted = self.budget.take(name, wanted, wanted, self.now)
        self.wake()
        since = self._since.setdefault(name, self.ends_of_others(name))
        if granted:
            topic.waited.append(self.ends_of_others(name) - since)
            del self._since[name]
            self._asking.add(name)
            self.after(self.round_trip, lambda: self.answer(name, granted))
        else:
            self.ask_later(name, ASK_AGAIN)

    def answer(self, name: str, granted: int) -> None:
        """Bring jobs, and start them."""
        topic = self.topics[name]
        self._asking.discard(name)
        came = int(min(granted, topic.backlog))
        topic.backlog -= came
        self.budget.answered(name, granted, came)
        self._running[name] += came
        topic.started += came
        for _ in range(came):
            self.after(topic.run * self.chance.uniform(0.5, 1.5), lambda: self.end(name))
        if came == granted:
            self.ask_later(name, 0.0)
        else:
            self.ask_later(name, topic.poll * self.chance.uniform(0.8, 1))
        self.wake()

    def end(self, name: str) -> None:
        """End a job."""
        self.ends[name] += 1
        self._running[name] -= 1
        self.budget.give_back(name, 1)
        self.wake()
        self.ask(name)

    def wake(self) -> None:
        """Let those ask that are woken."""
        for name in self.budget.to_wake(self.now):
            self.ask_later(name, 0.0)

    def ends_of_others(self, name: str) -> int:
        """Return how many jobs of other topics have ended."""
        return self.ends.total() - self.ends[name]


@given(
    total=st.integers(1, 16),
    others=st.integers(1, 6),
    weight=st.sampled_from([0.1, 1, 10]),
    run=st.sampled_from([0.05, 0.1, 1.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30)
def test_a_job_beside_a_busy_topic_starts_after_a_few_of_its_ends(
    total: int, others: int, weight: float, run: float, seed: int
) -> None:
    """However heavy that is: with places for all, after no more than twice as many as there are other topics."""
    topics = {"busy": (Topic(slots=100, run=run), weight)}
    topics |= {f"t{number}": (Topic(slots=1, run=0.05, backlog=0), 1.0) for number in range(others)}
    simulation = Simulation(total, topics, seed, round_trip=0.01)
    for step in range(20):
        simulation.until(step * 0.3)
        name = simulation.chance.choice([name for name in topics if name != "busy"])
        simulation.topics[name].backlog += 1
    while any(topic.backlog for name, topic in simulation.topics.items() if name != "busy"):
        simulation.until(simulation.now + 1.0)
        assert simulation.now < 200.0
    # A topic that had its turn last is behind the others by one turn. With too few places, weights decide on turns.
    few = 2 * others + 1 if total > others else 4 * total * (others + 1) * math.ceil(max(weight, 1 / weight))
    for name, topic in simulation.topics.items():
        if name != "busy":
            assert not topic.backlog
            assert max(topic.waited) <= few
    assert sum(topic.started for name, topic in simulation.topics.items() if name != "busy") == 20


@settings(max_examples=30)
@given(
    total=st.integers(1, 16),
    weights=st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=4),
    seed=st.integers(0, 1000),
)
def test_shares_follow_weights_when_all_are_busy(total: int, weights: list[float], seed: int) -> None:
    """In the long run, within a place, and with one place at least for each where there are enough."""
    topics = {str(number): (Topic(slots=60, run=0.2), weight) for number, weight in enumerate(weights)}
    simulation = Simulation(total, topics, seed, round_trip=0.005)
    simulation.until(20.0)
    shares = [total * weight / sum(weights) for weight in weights]
    # What the light ones have beyond their shares is what the others have not.
    beyond = sum(max(0.0, 1.0 - share) for share in shares) if total >= len(weights) else 0.0
    for (topic, _), share in zip(topics.values(), shares, strict=True):
        held = topic.time / 20.0
        assert 0.95 * share - beyond - 1.0 <= held <= max(share, 1.0) + 1.0
    # Most places are empty only while a request is on the wire.
    assert sum(topic.time for topic, _ in topics.values()) >= 0.9 * total * 20.0


def test_shares_are_exact_where_they_are_whole() -> None:
    """3 : 1 of 8 places."""
    topics = {"heavy": (Topic(slots=60, run=0.2), 3.0), "light": (Topic(slots=60, run=0.2), 1.0)}
    simulation = Simulation(8, topics, 1, round_trip=0.005)
    simulation.until(200.0)
    parts = [topic.time for topic, _ in topics.values()]
    assert parts[0] / parts[1] == pytest.approx(3.0, rel=0.05)
    assert simulation.idle_places / (8 * 200.0) < 0.1


@settings(max_examples=30)
@given(total=st.integers(1, 16), idle=st.integers(1, 8), seed=st.integers(0, 100))
def test_idle_topics_cost_a_busy_one_their_questions_only(total: int, idle: int, seed: int) -> None:
    """A place each, for as long as the question is on the wire: work-conserving."""
    topics = {"busy": (Topic(slots=100, run=0.1), 1.0)}
    topics |= {f"t{number}": (Topic(slots=20, run=0.1, backlog=0), 100.0) for number in range(idle)}
    simulation = Simulation(total, topics, seed, round_trip=0.01)
    simulation.until(20.0)
    asked = idle * 20.0 / 0.6 * (0.01 + 0.002)
    # Its own questions leave a place empty for a moment, too.
    wire = total * 20.0 * (0.012 / 0.112)
    assert topics["busy"][0].time >= total * 20.0 - 1.2 * (asked + wire) - total


# ---------------------------------------------------------------- for threads


class Woken(list[str]):
    """Notes who was woken."""

    def of(self, name: str) -> Callable[[], None]:
        """Return what notes a name."""
        return lambda: self.append(name)


def shared(total: int, *topics: str) -> tuple[SharedBudget, dict[str, Places], Woken]:
    """Make a budget for threads, and its topics."""
    made, woken = SharedBudget(total, dict.fromkeys(topics, 1.0), lambda: 0.0), Woken()
    places = {topic: made.places(topic) for topic in topics}
    for topic, each in places.items():
        each.join(woken.of(topic))
    return made, places, woken


def test_each_job_gives_its_place_back_once() -> None:
    """However often it is said that it has ended, and whether it came at all."""
    made, places, _ = shared(5, "one")
    taken = places["one"].take(5, 5)
    assert taken is not None
    taken.answered(4)
    assert made.held == 4
    taken.keep(["first", "second"])
    taken.over()
    taken.over()
    assert made.held == 2
    places["one"].ended("first")
    places["one"].ended("first")
    places["one"].ended("never seen")
    assert made.held == 1
    places["one"].ended("second")
    assert made.held == 0


def test_a_server_that_sends_too_much_does_not_upset_it() -> None:
    """What was not asked for has no place."""
    made, places, _ = shared(2, "one")
    taken = places["one"].take(1, 1)
    assert taken is not None
    taken.answered(3)
    taken.keep(["first", "second", "third"])
    taken.over()
    assert made.held == 1
    for job in ("third", "second", "first"):
        places["one"].ended(job)
    assert made.held == 0


def test_whoever_frees_a_place_wakes_who_waits() -> None:
    """By the end of a job, by jobs that did not come, by what is not worked on, and by who wants nothing any more."""
    made, places, woken = shared(2, "one", "other", "third")
    taken = places["one"].take(2, 2)
    assert taken is not None
    assert places["other"].take(1, 1) is None
    taken.answered(1)
    assert woken == ["other"]
    taken.keep(["first"])
    assert places["third"].take(1, 1) is None
    places["one"].ended("first")
    assert woken == ["other", "third"]
    assert made.held == 0
    again = places["other"].take(1, 1)
    assert again is not None
    again.answered(1)
    more = places["third"].take(1, 1)
    assert more is not None
    assert places["one"].take(1, 1) is None
    more.answered(1)
    more.over()
    assert woken == ["other", "third", "one"]
    places["third"].take(1, 1)
    assert places["third"].take(1, 1) is None
    places["one"].withdraw()
    again.over()
    assert woken == ["other", "third", "one", "third"]
