"""Samples as a run of the benchmarks would have them, all of them made up: what was asked holds, by little."""

from __future__ import annotations

from collections.abc import Iterator

from side_by_side.samples import Machine, Noise, Sample

ROUNDS = 9

MACHINE = Machine(
    cores=2,
    cpu="made up",
    python="3.11",
    system="Linux",
    load_before=0.2,
    load_after=1.8,
    noise=[Noise(name="a fixed loop", low=0.9, median=1.0, high=1.1, spread=0.2)],
    versions={"JavaScript": "1.0.2"},
)

#: Jobs a second on the engine, and milliseconds of CPU on the stub.
CLIENTS = {
    "ceiling": (600.0, 0.06),
    "ours, fast, concurrency 4": (510.0, 0.3),
    "ours, concurrency 4": (420.0, 1.0),
    "ours, default": (250.0, 1.9),
    "1.0.2, default": (120.0, 3.3),
    "1.0.2, batched": (216.0, 1.65),
    "JavaScript, default": (126.0, 3.3),
}


def everything() -> list[Sample]:
    """Return samples of all parts."""
    return [*_drain(), *_waiting(), *_pickup(), *_chain(), *_curves(), *_processes()]


def _sample(part: str, scenario: str, place: str, metric: str, number: int, value: float, x: float | None) -> Sample:
    return Sample(part=part, scenario=scenario, place=place, metric=metric, round=number, value=value, x=x)


def _drain() -> Iterator[Sample]:
    for number in range(ROUNDS):
        # The machine is slower in some rounds, for all of them; what they have in common is no difference.
        slower = 1 - 0.05 * (number % 4)
        for scenario, (speed, cpu) in CLIENTS.items():
            yield _sample("drain", scenario, "engine", "jobs_per_second", number, speed * slower, None)
            yield _sample("drain", scenario, "stub", "jobs_per_second", number, 10 * speed * slower, None)
            yield _sample("drain", scenario, "stub", "cpu_ms_per_job", number, cpu / slower, None)


def _waiting() -> Iterator[Sample]:
    for number in range(ROUNDS):
        for slots in (1, 8, 32, 256):
            ceiling = min(19.0 * slots, 450.0)
            yield _sample("waiting", "ceiling, 50 ms", "engine", "jobs_per_second", number, ceiling, slots)
            yield _sample("waiting", "ours, fast, threads", "engine", "jobs_per_second", number, 0.9 * ceiling, slots)
        yield _sample("waiting", "1.0.2, default", "engine", "jobs_per_second", number, 17.0, 1)


def _pickup() -> Iterator[Sample]:
    scenes = {
        ("ours, Worker", 1): (0.8, 80.0),
        ("ours, Worker", 30): (0.8, 81.0),
        ("ours, default", 1): (30.0, 2.0),
        ("1.0.2, default", 30): (30.0, 60.0),
    }
    for (scenario, topics), (longest, requests) in scenes.items():
        for number in range(40):
            waited = longest * (number + 0.5) / 40
            yield _sample("pickup", scenario, "engine", "delay_s", number, waited, topics)
        yield _sample("pickup", scenario, "engine", "requests_per_minute", 0, requests, topics)


def _chain() -> Iterator[Sample]:
    for scenario, usual in {"ours, Worker": 0.4, "ours, default": 0.45, "1.0.2, default": 140.0}.items():
        for number in range(20):
            whole = usual * (0.9 + number / 100)
            yield _sample("chain", scenario, "engine", "end_to_end_s", number, whole, None)
            yield _sample("chain", scenario, "engine", "after_first_s", number, 0.8 * whole, None)


def _curves() -> Iterator[Sample]:
    for number in range(ROUNDS):
        for scenario, cpu in {"ours, fast, concurrency 4": 0.3, "ours, concurrency 4": 1.0}.items():
            for part, place, places in (
                ("backlog", "embedded", (100, 1_000, 10_000, 100_000)),
                ("backlog", "engine", (100, 1_000, 10_000)),
                ("topics", "stub", (1, 3, 10, 30)),
                ("topics", "engine", (1, 3, 10, 30)),
            ):
                for x in places:
                    yield _sample(part, scenario, place, "cpu_ms_per_job", number, cpu, x)
                    yield _sample(part, scenario, place, "rss_mb", number, 40.0, x)


def _processes() -> Iterator[Sample]:
    for number in range(ROUNDS):
        yield _sample("processes", "ours, fast, concurrency 4", "engine", "jobs_per_second", number, 480.0, None)
        yield _sample("processes", "ours, fast, concurrency 4", "engine", "acquires_empty_percent", number, 3.0, None)
        yield _sample("processes", "ceiling", "engine", "jobs_per_second", number, 600.0, None)
