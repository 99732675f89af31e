"""What polling promises, in numbers: how soon jobs are found, what an idle worker costs, who gets in whose way."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from flowable.external_worker_client.runtime.looks import RATE

from .model import ROUND_TRIP, Job, SharedLookout, Simulation, Topic, company, share

CEILING = 0.75  # seconds: of a worker
VERSION_1 = 30.0  # seconds: of `subscribe`
SEEDS = range(3)
CHAIN = ("one", "two", "three", "four", "five")


def _idle_cost(simulation: Simulation, since: float, to: float) -> float:
    simulation.run(to)
    return simulation.requests(since, to)


# ---------------------------------------------------------------- one topic


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("batch", [1, 20])
def test_an_idle_worker_finds_a_job_within_a_second(seed: int, batch: int) -> None:
    """Half of them within 0.45 seconds, 95 of 100 within one, the last within the ceiling and a round trip."""
    simulation = Simulation(seed)
    Topic(simulation, "t", CEILING, batch)
    moment = 20.0
    for _ in range(300):
        simulation.put(Job("t", moment))
        moment += 10.0 * (1.0 + simulation.random.random())
    simulation.run(moment)
    found = simulation.pick_ups()
    assert len(found) == 300
    assert share(found, 0.5) <= 0.45
    assert share(found, 0.95) <= 1.0
    assert found[-1] <= CEILING + 2 * ROUND_TRIP
    assert simulation.most_within(1.0) <= 10


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize(("ceiling", "most"), [(CEILING, 90.0), (VERSION_1, 2.5)])
def test_an_idle_worker_asks_seldom(seed: int, batch: int, ceiling: float, most: float) -> None:
    """No more than ninety times a minute at 0.75 seconds, twice at thirty; from its first minutes on."""
    simulation = Simulation(seed)
    Topic(simulation, "t", ceiling, batch)
    assert _idle_cost(simulation, 0.0, 120.0) <= most + 12 / 2
    assert _idle_cost(simulation, 120.0, 3600.0) <= most
    assert simulation.most_within(1.0) <= 6


@pytest.mark.parametrize("seed", SEEDS)
def test_with_thirty_seconds_jobs_wait_no_longer_than_that(seed: int) -> None:
    """Fifteen usually. The wait is what version 1 has, and is configured."""
    simulation = Simulation(seed)
    Topic(simulation, "t", VERSION_1)
    moment = 200.0
    for _ in range(100):
        simulation.put(Job("t", moment))
        moment += 200.0 * (1.0 + simulation.random.random())
    simulation.run(moment)
    found = simulation.pick_ups()
    assert len(found) == 100
    assert share(found, 0.5) <= 0.6 * VERSION_1
    assert found[-1] <= VERSION_1 + 2 * ROUND_TRIP


@pytest.mark.parametrize("seed", SEEDS)
def test_jobs_that_come_shortly_after_another_are_found_at_once(seed: int) -> None:
    """Within half a second of work it is asked again three times, whatever the configured wait."""
    simulation = Simulation(seed)
    Topic(simulation, "t", VERSION_1)
    for turn in range(50):
        first = 100.0 * (turn + 1)
        simulation.put(Job("t", first))
    simulation.run(1.0)
    followed: list[float] = []

    def put_another() -> None:
        if simulation.taken and len(followed) < len(simulation.taken):
            later = simulation.taken[-1].taken + 0.3 * simulation.random.random()
            if later > simulation.now:
                followed.append(later)
                simulation.put(Job("t", later))

    for step in range(1, 52_000):
        simulation.run(step * 0.1)
        if len(simulation.taken) % 2 == 1:
            put_another()
    waited = sorted(job.taken - job.appears for job in simulation.taken if job.appears in followed)
    assert len(waited) > 20
    assert waited[-1] <= 0.25 + 3 * ROUND_TRIP


# ---------------------------------------------------------------- workers beside each other


def _largest_cluster(moments: Sequence[float], width: float = 0.05) -> int:
    return max(sum(first <= other <= first + width for other in moments) for first in moments)


def _next_questions(workers: Sequence[Topic], rounds: int) -> list[float]:
    """Return when each asks first after all have asked so many times."""
    since = max(worker.asked[rounds] for worker in workers)
    return [next(moment for moment in worker.asked if moment >= since) for worker in workers]


def test_workers_that_start_together_do_not_keep_asking_together() -> None:
    """After ten rounds they are spread as if each had started at a moment of its own."""
    ceilings = {CEILING: list[int](), VERSION_1: list[int]()}
    for (ceiling, clusters), seed in itertools.product(ceilings.items(), range(60)):
        simulation = Simulation(seed)
        workers = [Topic(simulation, "t", ceiling) for _ in range(10)]
        assert _largest_cluster([0.0] * 10) == 10
        simulation.run(ceiling * 13 + 10.0)
        clusters.append(_largest_cluster(_next_questions(workers, 10)))
    assert all(each <= 3 for each in ceilings[VERSION_1])
    dice = random.Random(1)  # noqa: S311 - dice
    chance = [_largest_cluster([dice.random() * 0.9 * CEILING for _ in range(10)]) for _ in range(1000)]
    apart = ceilings[CEILING]
    assert sum(apart) / len(apart) <= sum(chance) / len(chance) + 0.5
    assert sum(each <= 3 for each in apart) / len(apart) >= 0.5
    assert max(apart) <= 6


def _drain(seed: int, workers: int, batch: int, jobs: int, run: float = 0.0) -> tuple[Simulation, list[Topic]]:
    """Let workers on one topic work off a backlog, which was there before they came."""
    simulation = Simulation(seed)
    for _ in range(jobs):
        simulation.put(Job("t", 0.0))
    topics = [Topic(simulation, "t", VERSION_1, batch, run=run) for _ in range(workers)]
    while simulation.waiting("t"):
        simulation.run(simulation.now + 0.01)
        assert simulation.now < 600.0
    return simulation, topics


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("batch", "run"), [(20, 0.0), (5, 0.02), (1, 0.1)])
def test_workers_that_clash_ask_again_before_they_wait(seed: int, batch: int, run: float) -> None:
    """Four of them, and nobody falls into the wait for work while there is some; two get done nearly twice as much."""
    jobs = 200 if batch == 1 else 1000
    alone, _ = _drain(seed, 1, batch, jobs, run)
    four, topics = _drain(seed, 4, batch, jobs, run)
    pauses = [pause for topic in topics for at, pause in topic.waits if at < four.now - 0.1]
    assert max(pauses, default=0.0) <= 2.0
    assert four.now <= 0.4 * alone.now
    assert len(four.acquires) <= 2 * len(alone.acquires)
    assert not any(topic.agenda.polling.starving for topic in topics), "a clash is not taken for exclusive jobs"


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_that_clash_all_the_time_are_no_slower_than_one(seed: int) -> None:
    """Single jobs without a handler to speak of: an engine gives one after the other, however many ask."""
    alone, _ = _drain(seed, 1, 1, 500)
    four, _ = _drain(seed, 4, 1, 500)
    assert four.now <= 1.1 * alone.now
    assert len(four.acquires) <= 1.5 * len(alone.acquires)


# ---------------------------------------------------------------- many topics


def _chain(seed: int, ceiling: float, *, jobs: int = 1, idle: int = 0, lookout: bool = False) -> Simulation:
    """Run one process of five tasks after the other in one client, each once all topics have been idle for long."""
    simulation = Simulation(seed)
    together = company(simulation)
    shared = SharedLookout(simulation, ceiling) if lookout else None
    for topic in (*CHAIN, *(f"idle-{number}" for number in range(idle))):
        Topic(simulation, topic, ceiling, company=together, lookout=shared)
    for turn in range(jobs):
        simulation.put(Job("one", 300.0 + 100.0 * turn, CHAIN[1:]))
    simulation.run(300.0 + 100.0 * jobs)
    assert len(simulation.ends) == jobs
    return simulation


def _from_the_first_task(simulation: Simulation) -> list[float]:
    """Return how long processes took once their first job was acquired."""
    begun = [job.taken for job in simulation.taken if job.topic == "one"]
    return sorted(ended - began for began, ended in zip(begun, simulation.ends, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_of_tasks_is_worked_off_in_one_go(seed: int) -> None:
    """Five topics with thirty seconds between two questions: the next task is looked for when one is settled."""
    simulation = _chain(seed, VERSION_1, jobs=20)
    took = _from_the_first_task(simulation)
    # Four times 20 milliseconds until the look, and ten requests and four steps of the engine.
    assert took[0] >= 4 * 0.02
    assert share(took, 0.5) <= 0.25
    assert took[-1] <= 0.5
    assert simulation.most_within(1.0) <= RATE + RATE + 5 * 5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_among_thirty_topics_is_learned(seed: int) -> None:
    """The first times, looks have to be shared among all; then what follows is known."""
    simulation = _chain(seed, CEILING, jobs=40, idle=25, lookout=True)
    took = [
        end - begin
        for begin, end in zip(
            [job.taken for job in simulation.taken if job.topic == "one"], simulation.ends, strict=True
        )
    ]
    assert share(sorted(took[:10]), 0.9) <= 4 * CEILING + 0.5
    assert share(sorted(took[30:]), 0.5) <= 0.45
    assert simulation.most_within(1.0) <= 2 * RATE + 4 * 30


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_of_one_topic_is_worked_off_in_one_go(seed: int) -> None:
    """The next task of the same topic is there before the repeats after work are over."""
    simulation = Simulation(seed)
    Topic(simulation, "one", VERSION_1, company=company(simulation))
    simulation.put(Job("one", 300.0, ["one"] * 4))
    simulation.run(400.0)
    assert simulation.ends[0] - simulation.taken[0].taken <= 0.75


@pytest.mark.parametrize("seed", SEEDS)
def test_thirty_idle_topics_cost_no_more_than_one(seed: int) -> None:
    """One look for all."""
    simulation = Simulation(seed)
    lookout = SharedLookout(simulation, CEILING)
    topics = [Topic(simulation, f"t{number}", CEILING, lookout=lookout) for number in range(30)]
    assert _idle_cost(simulation, 10.0, 1000.0) <= 90.0
    assert not any(moment > 10.0 for topic in topics for moment in topic.asked)
    assert simulation.most_within(1.0) <= 2 * 30 + 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_for_one_of_thirty_topics_is_found_as_soon_as_for_one(seed: int) -> None:
    """The look tells that there is one, and all ask, once."""
    simulation = Simulation(seed)
    lookout = SharedLookout(simulation, CEILING)
    for number in range(30):
        Topic(simulation, f"t{number}", CEILING, lookout=lookout)
    moment = 20.0
    for turn in range(100):
        simulation.put(Job(f"t{turn % 30}", moment))
        moment += 20.0 * (1.0 + simulation.random.random())
    simulation.run(moment)
    found = simulation.pick_ups()
    assert len(found) == 100
    assert share(found, 0.5) <= 0.45
    assert share(found, 0.95) <= 1.0
    assert found[-1] <= CEILING + 0.1 + 4 * ROUND_TRIP
    assert simulation.most_within(1.0) <= 3 * 30


@pytest.mark.parametrize("seed", SEEDS)
def test_with_foreign_work_every_topic_is_asked_as_if_it_were_alone(seed: int) -> None:
    """Jobs of others, which no look can tell from one's own: at the ceiling, with few looks beside it."""
    simulation = Simulation(seed)
    lookout = SharedLookout(simulation, CEILING)
    topics = [Topic(simulation, f"t{number}", CEILING, lookout=lookout) for number in range(30)]
    simulation.put(Job("elsewhere", 50.0, foreign=True))
    moment = 100.0
    for turn in range(100):
        simulation.put(Job(f"t{turn % 30}", moment))
        moment += 5.0 * (1.0 + simulation.random.random())
    simulation.run(moment)
    found = simulation.pick_ups()
    assert len(found) == 100
    assert found[-1] <= CEILING + 4 * ROUND_TRIP
    for topic in topics:
        asked = sum(100.0 <= each < moment for each in topic.asked) * 60.0 / (moment - 100.0)
        assert 70.0 <= asked <= 105.0
    # They are repeated as long as topics get jobs.
    assert len([each for each in simulation.looks if each >= 100.0]) <= 0.5 * (moment - 100.0) / CEILING
    simulation.run(moment + 1000.0)
    assert len([each for each in simulation.looks if each >= moment]) <= 0.05 * 1000.0 / CEILING


@pytest.mark.parametrize("seed", SEEDS)
def test_looks_stay_bounded_while_one_topic_is_busy_beside_thirty(seed: int) -> None:
    """Twenty a second for the client, whatever is settled; the rest is the usual questions."""
    simulation = Simulation(seed)
    together = company(simulation)
    for number in range(30):
        Topic(simulation, f"t{number}", VERSION_1, company=together)
    busy = Topic(simulation, "busy", VERSION_1, 20, company=together)
    for _ in range(20_000):
        simulation.put(Job("busy", 300.0))
    simulation.run(340.0)
    begun = next(job.taken for job in simulation.taken)
    simulation.run(max(begun + 10.0, simulation.now))
    assert simulation.waiting("busy")
    others = len([each for each in simulation.acquires if begun <= each < begun + 10.0]) - sum(
        begun <= each < begun + 10.0 for each in busy.asked
    )
    assert others <= RATE + 10.0 * RATE + 30
