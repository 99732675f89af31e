"""From samples to what is said of them: which figures were asked for, which were found, and whether they hold. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from side_by_side.samples import Sample, values
from side_by_side.statistic import Delays, Estimate, delays, estimate, ratios, seconds

NOT_MEASURED = "not measured"

#: Scenarios, as the parts call them.
FAST, CONCURRENT, PLAIN, WORKER = "ours, fast, concurrency 4", "ours, concurrency 4", "ours, default", "ours, Worker"
FAST_THREADS, THREADS = "ours, fast, threads", "ours, threads"
V1, JAVASCRIPT = "1.0.2, default", "JavaScript, default"
CEILING, WAITING_CEILING = "ceiling", "ceiling, 50 ms"

#: What scenarios are called on the page. What they do not say is as it is by default.
LABELS = {
    "ours, default": "subscribe",
    "ours, batched": "subscribe, 20 tasks a time",
    "ours, concurrency 4": "subscribe, concurrency 4",
    "ours, async": "Worker, async handlers",
    "ours, Worker": "Worker",
    "ours, fast, concurrency 4": "fast transport, concurrency 4",
    "ours, fast, default": "fast transport, subscribe",
    "ours, threads": "threads",
    "ours, fast, threads": "fast transport, threads",
    "pyreqwest alone, 4 threads": "pyreqwest alone, no library",
    "1.0.2, default": "1.0.2",
    "1.0.2, batched": "1.0.2, 20 tasks a time",
    "JavaScript, default": "JavaScript",
    "JavaScript, batched": "JavaScript, 20 tasks a time",
}

MANY_TOPICS = 30
SLOTS = 32
FEW_JOBS, MANY_JOBS, MANY_ON_ENGINE = 100, 100_000, 10_000

#: What still counts as flat: the median is at most so many times as much as at the beginning of the curve.
FLAT = 1.25


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table of what was asked.

    Attributes:
        what: Is measured.
        before: What 1.0.2 did, in the same run.
        asked: What was asked.
        found: What was found.
        holds: Whether that is as asked. `None`: it was not measured.
    """

    what: str
    before: str
    asked: str
    found: str
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A ratio that was asked for.

    Attributes:
        what: Is measured.
        part: Of the benchmarks.
        place: Where.
        metric: What is compared.
        scenario: Whose.
        base: With whose, in the same round.
        limit: What the median of the ratios has to be.
        least: Whether it has to be at least that, and not at most.
        x: Which of several. `None`: there is one.
    """

    what: str
    part: str
    place: str
    metric: str
    scenario: str
    base: str
    limit: float
    least: bool
    x: float | None = None


RATIOS: Sequence[Ask] = (
    Ask(
        "drain, share of the ceiling: fast transport, concurrency 4",
        "drain", "engine", "jobs_per_second", FAST, CEILING, 0.8, least=True,
    ),
    Ask(
        "drain, share of the ceiling: default transport, concurrency 4",
        "drain", "engine", "jobs_per_second", CONCURRENT, CEILING, 0.65, least=True,
    ),
    Ask(
        "CPU a job on the stub, as a share of 1.0.2's: fast transport, concurrency 4",
        "drain", "stub", "cpu_ms_per_job", FAST, V1, 0.1, least=False,
    ),
    Ask(
        "CPU a job on the stub, as a share of 1.0.2's: default transport, concurrency 4",
        "drain", "stub", "cpu_ms_per_job", CONCURRENT, V1, 0.35, least=False,
    ),
    Ask(
        "CPU a job on the stub, as a share of 1.0.2's: `subscribe(topic, callback)` unchanged",
        "drain", "stub", "cpu_ms_per_job", PLAIN, V1, 0.6, least=False,
    ),
    Ask(
        "50 ms handlers, concurrency 32, share of the ceiling with 32 slots",
        "waiting", "engine", "jobs_per_second", FAST_THREADS, WAITING_CEILING, 0.85, least=True, x=SLOTS,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve that was asked to be flat: its end is compared with its beginning, in the same rounds.

    Attributes:
        part: Of the benchmarks.
        place: Where.
        unit: Of what it is drawn against.
        first: Where it begins.
        last: Where it ends.
    """

    part: str
    place: str
    unit: str
    first: int
    last: int


CURVES: Sequence[Curve] = (
    Curve("backlog", "embedded", "waiting jobs", FEW_JOBS, MANY_JOBS),
    Curve("backlog", "engine", "waiting jobs", FEW_JOBS, MANY_ON_ENGINE),
    Curve("topics", "stub", "topics", 1, MANY_TOPICS),
    Curve("topics", "engine", "topics", 1, MANY_TOPICS),
)
#: What is to be flat, of whom.
COSTS = {"CPU a job": "cpu_ms_per_job", "memory": "rss_mb"}
TRANSPORTS = {"default transport": CONCURRENT, "fast transport": FAST}


def figures(samples: Sequence[Sample]) -> list[Figure]:
    """Return what was asked for, and what was found."""
    return [
        *(ratio_figure(samples, ask) for ask in RATIOS),
        pickup_figure(samples),
        *(chain_figure(samples, name, scenario) for name, scenario in (("`Worker`", WORKER), ("`subscribe`", PLAIN))),
        topics_figure(samples),
        *(
            flat_figure(samples, curve, cost, transport)
            for curve in CURVES
            for cost in COSTS
            for transport in TRANSPORTS
        ),
    ]


def label(scenario: str) -> str:
    """Return what a scenario is called on the page; what a part has added to its name stays."""
    for name, shown in LABELS.items():
        if scenario == name or scenario.startswith(f"{name}, "):
            return shown + scenario.removeprefix(name)
    return scenario


# ---------------------------------------------------------------- each of them


def ratio_figure(samples: Sequence[Sample], ask: Ask) -> Figure:
    """Return a figure that is a median of ratios of the same rounds."""
    found = compared(samples, ask)
    asked = f"{'≥' if ask.least else '≤'} {ask.limit:g}"
    before = "1" if ask.base == V1 else NOT_MEASURED
    if ask.base != V1 and (v1 := compared(samples, ask, V1)) is not None:
        before = with_interval(v1)
    if found is None:
        return Figure(ask.what, before, asked, NOT_MEASURED)
    holds = found.median >= ask.limit if ask.least else found.median <= ask.limit
    return Figure(ask.what, before, asked, with_interval(found), holds)


def compared(samples: Sequence[Sample], ask: Ask, scenario: str | None = None) -> Estimate | None:
    """Return how a scenario compares with the base of an ask, in the same rounds. `None`: it was not measured.

    1.0.2 does one after the other, whatever its concurrency: what was measured of it once is compared with each.
    """
    wanted = {"part": ask.part, "place": ask.place, "metric": ask.metric}
    base = values(samples, **wanted, scenario=ask.base, x=ask.x) or values(samples, **wanted, scenario=ask.base)
    own = {} if scenario else values(samples, **wanted, scenario=ask.scenario, x=ask.x)
    if scenario:
        own = values(samples, **wanted, scenario=scenario)
    found = ratios(own, base)
    return estimate(found) if found else None


def pickup_figure(samples: Sequence[Sample]) -> Figure:
    """Return how long a job waits for an idle worker of one topic, and what that costs."""
    what = "pick-up when idle, `Worker` defaults, one topic"
    asked = "p50 ≤ 0.45 s, p95 ≤ 1 s, ≤ 90 requests a minute"
    own, costs = waits(samples, WORKER, 1), requests(samples, WORKER, 1)
    v1 = waits(samples, V1)
    before = NOT_MEASURED if v1 is None else f"p50 {seconds(v1.p50)}, p95 {seconds(v1.p95)}"
    if own is None or costs is None:
        return Figure(what, before, asked, NOT_MEASURED)
    holds = own.p50 <= 0.45 and own.p95 <= 1 and costs <= 90  # noqa: PLR2004 - as asked
    found = f"p50 {seconds(own.p50)}, p95 {seconds(own.p95)}, {costs:.0f} requests a minute"
    return Figure(what, before, asked, found, holds)


def chain_figure(samples: Sequence[Sample], name: str, scenario: str) -> Figure:
    """Return how long five tasks in a row take, of a worker that has just ended the chain before."""
    what = f"chain of five, one worker, {name} defaults, chains one after the other"
    own, v1 = chained(samples, scenario, "end_to_end_s"), chained(samples, V1, "end_to_end_s")
    before = NOT_MEASURED if v1 is None else f"p50 {seconds(v1.p50)}"
    if own is None:
        return Figure(what, before, "p50 ≤ 0.5 s", NOT_MEASURED)
    found = f"p50 {seconds(own.p50)}, worst {seconds(own.worst)}"
    return Figure(what, before, "p50 ≤ 0.5 s", found, own.p50 <= 0.5)  # noqa: PLR2004 - as asked


def topics_figure(samples: Sequence[Sample]) -> Figure:
    """Return what thirty idle topics cost."""
    what = f"{MANY_TOPICS} idle topics in one `Worker`, nothing unlocked in the engine"
    asked = "no more than one topic costs"
    v1, one, many = (requests(samples, *which) for which in ((V1, MANY_TOPICS), (WORKER, 1), (WORKER, MANY_TOPICS)))
    before = NOT_MEASURED if v1 is None else f"{v1:.0f} requests a minute"
    if one is None or many is None:
        return Figure(what, before, asked, NOT_MEASURED)
    # Pauses have chance in them: the same worker differs by so much from one minute to the next.
    holds = many <= one * 1.05
    return Figure(what, before, asked, f"{many:.0f} requests a minute; one topic {one:.0f}", holds)


def flat_figure(samples: Sequence[Sample], curve: Curve, cost: str, transport: str) -> Figure:
    """Return how much more a job, or a client, costs at the end of a curve than at its beginning."""
    place = {"embedded": "embedded engine", "engine": "real engine"}.get(curve.place, curve.place)
    what = f"{curve.last:,} {curve.unit} ({place}), {cost}, compared with {curve.first:,}: {transport}"
    asked = f"flat: ≤ {FLAT:g}"
    wanted = {
        "part": curve.part,
        "place": curve.place,
        "metric": COSTS[cost],
        "scenario": TRANSPORTS[transport],
    }
    found = ratios(values(samples, **wanted, x=curve.last), values(samples, **wanted, x=curve.first))
    if not found:
        return Figure(what, "—", asked, NOT_MEASURED)
    value = estimate(found)
    return Figure(what, "—", asked, f"{with_interval(value)} times", value.median <= FLAT)


# ---------------------------------------------------------------- what they are made of


def waits(samples: Iterable[Sample], scenario: str, topics: int | None = None) -> Delays | None:
    """Return how long jobs waited for an idle worker. `None`: it was not measured."""
    found = pickups(samples, scenario, topics)
    return delays(found) if found else None


def pickups(samples: Iterable[Sample], scenario: str, topics: int | None = None) -> list[float]:
    """Return each of these times, in seconds. `topics`: how many the worker has; `None`: as many as it has."""
    wanted = {"part": "pickup", "metric": "delay_s", "scenario": scenario}
    return [each.value for each in _of(samples, **wanted) if topics in {None, each.x}]


def requests(samples: Iterable[Sample], scenario: str, topics: int) -> float | None:
    """Return how many requests a minute an idle worker sends. `None`: it was not measured."""
    found = _of(samples, part="pickup", metric="requests_per_minute", scenario=scenario, x=topics)
    return sum(each.value for each in found) / len(found) if found else None


def never(samples: Iterable[Sample], part: str, scenario: str, topics: int | None = None) -> int:
    """Return how many jobs, or chains, came to nothing, because the client had stopped working."""
    found = _of(samples, part=part, scenario=scenario, metric="never")
    return int(sum(each.value for each in found if topics in {None, each.x}))


def chained(samples: Iterable[Sample], scenario: str, metric: str) -> Delays | None:
    """Return how long chains of five tasks took. `None`: they were not measured."""
    found = [each.value for each in _of(samples, part="chain", metric=metric, scenario=scenario)]
    return delays(found) if found else None


def with_interval(value: Estimate) -> str:
    """Write a ratio and its interval; of a single round there is none."""
    digits = 3 if value.median < 0.1 else 2  # noqa: PLR2004
    low, median, high = (f"{each:.{digits}f}" for each in (value.low, value.median, value.high))
    return f"{median} [{low}, {high}]" if value.number > 1 else median


def by(
    samples: Iterable[Sample], key: Callable[[Sample], float | str | None]
) -> dict[float | str | None, list[Sample]]:
    """Return samples in groups, in the order of their first."""
    groups: dict[float | str | None, list[Sample]] = defaultdict(list)
    for each in samples:
        groups[key(each)].append(each)
    return dict(groups)


def _of(samples: Iterable[Sample], **wanted: object) -> list[Sample]:
    return [each for each in samples if all(getattr(each, name) == value for name, value in wanted.items())]
