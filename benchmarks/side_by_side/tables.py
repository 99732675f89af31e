"""The tables of docs/speed.md, from samples. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from side_by_side import found
from side_by_side.found import NOT_MEASURED, by, label, with_interval
from side_by_side.samples import Machine, Sample, values
from side_by_side.statistic import Delays, Estimate, estimate, ratios, seconds

NONE = "—"
NOTHING = f"*{NOT_MEASURED}*"


def all_of(samples: Sequence[Sample], machine: Machine) -> dict[str, str]:
    """Return every table by the name that its place on the page has."""
    return {
        "figures": figures(samples),
        "machine": about(machine),
        "drain": drain(samples, "engine"),
        "drain-stub": drain(samples, "stub"),
        "waiting": waiting(samples),
        "waiting-cost": waiting_cost(samples),
        "pickup": pickup(samples),
        "chain": chain(samples),
        "cost": cost(samples),
        "processes": processes(samples),
    }


def figures(samples: Sequence[Sample]) -> str:
    """Return what was asked, and what was found."""
    rows = []
    for each in found.figures(samples):
        verdict = {True: "yes", False: "**no**", None: NONE}[each.holds]
        rows.append((each.what, each.before, each.asked, each.found, verdict))
    return markdown(("", "1.0.2", "Asked", "Found", "Holds"), rows)


def about(machine: Machine) -> str:
    """Return where it was measured, and how calm it was there."""
    rows = [
        ("Processor", f"{machine.cpu}, {machine.cores} cores"),
        # Without what a distributor adds to the release.
        ("System", machine.system.split("-")[0]),
        ("Python", machine.python),
        *((f"Version of {name}", version) for name, version in sorted((machine.versions or {}).items())),
        ("Load in the minute before, at most", f"{machine.load_before:.2f}"),
        *((f"Noise: {each.name}", f"middle half is {each.spread:.0%} of the median wide") for each in machine.noise),
    ]
    return markdown(("", ""), rows)


def drain(samples: Sequence[Sample], place: str) -> str:
    """Return how fast an empty handler drains a topic, and what that costs."""
    here = [each for each in samples if each.part == "drain" and each.place == place]
    ceiling = values(here, scenario=found.CEILING, metric="jobs_per_second")
    v1 = values(here, scenario=found.V1, metric="cpu_ms_per_job")
    rows = []
    for scenario in by(here, lambda each: each.scenario):
        speed = values(here, scenario=scenario, metric="jobs_per_second")
        cpu = values(here, scenario=scenario, metric="cpu_ms_per_job")
        rows.append(
            (
                label(str(scenario)),
                number(_estimate(speed.values())),
                _compared(str(scenario), found.CEILING, speed, ceiling),
                number(_estimate(cpu.values())),
                _compared(str(scenario), found.V1, cpu, v1),
                str(len(speed)),
            )
        )
    head = ("Client", "Jobs a second", "Share of the ceiling", "CPU a job, ms", "CPU, ratio to 1.0.2", "Rounds")
    return markdown(head, rows)


def waiting(samples: Sequence[Sample]) -> str:
    """Return jobs a second by client and concurrency, when each handler waits for 50 ms."""
    here = [each for each in samples if each.part == "waiting" and each.metric == "jobs_per_second"]
    places = sorted({each.x for each in here if each.x is not None})
    rows = [(label(scenario), place, *_along(group, places)) for (place, scenario), group in _by_place(here)]
    return markdown(("Client", "On", *(f"{x:,.0f} at once" for x in places), "Rounds"), rows)


def waiting_cost(samples: Sequence[Sample]) -> str:
    """Return what a job costs the client then, and how much memory the client has."""
    here = [each for each in samples if each.part == "waiting" and each.metric in COSTS]
    # The ceiling is no client, and has no memory that was looked at.
    here = [each for each in here if not each.scenario.startswith(found.CEILING)]
    places = sorted({each.x for each in here if each.x is not None})
    rows = [
        (label(scenario), place, METRICS[metric], *_along(alike, places))
        for metric in COSTS
        for (place, scenario), group in _by_place(here)
        if (alike := [each for each in group if each.metric == metric])
    ]
    return markdown(("Client", "On", "What", *(f"{x:,.0f} at once" for x in places), "Rounds"), rows)


def pickup(samples: Sequence[Sample]) -> str:
    """Return how long jobs wait for idle workers, and how many requests those send."""
    here = [each for each in samples if each.part == "pickup"]
    rows = []
    groups = by(here, lambda each: each.scenario)
    for scenario in map(str, groups):
        for topics in sorted({int(each.x or 0) for each in groups[scenario]}):
            waited = found.pickups(here, scenario, topics)
            costs = found.requests(here, scenario, topics)
            rows.append(
                (
                    label(scenario),
                    str(topics),
                    *_delays(found.waits(here, scenario, topics)),
                    _how_many(len(waited), found.never(here, "pickup", scenario, topics)),
                    NONE if costs is None else f"{costs:.0f}",
                )
            )
    return markdown(("Client", "Topics", "p50", "p95", "Worst", "Jobs", "Requests a minute, idle"), rows)


def chain(samples: Sequence[Sample]) -> str:
    """Return how long five tasks in a row take."""
    here = [each for each in samples if each.part == "chain"]
    rows = []
    for scenario in map(str, by(here, lambda each: each.scenario)):
        whole, inner = (found.chained(here, scenario, metric) for metric in ("end_to_end_s", "after_first_s"))
        rows.append(
            (
                label(scenario),
                *_delays(whole),
                NONE if inner is None else seconds(inner.p50),
                _how_many(0 if whole is None else whole.number, found.never(here, "chain", scenario)),
            )
        )
    return markdown(("Client", "p50", "p95", "Worst", "From the first handler on, p50", "Chains"), rows)


def cost(samples: Sequence[Sample]) -> str:
    """Return what a job costs against the backlog, and against the number of topics."""
    rows = []
    for part, unit in (("backlog", "jobs wait"), ("topics", "topics")):
        here = [each for each in samples if each.part == part and each.metric in COSTS]
        for (place, scenario), group in _by_place(here):
            for metric, alike in by(group, lambda each: each.metric).items():
                points = by(alike, lambda each: each.x)
                rows += [
                    (
                        label(scenario),
                        place,
                        METRICS[str(metric)],
                        f"{float(x or 0):,.0f} {unit.removesuffix('s') if x == 1 else unit}",
                        number(_estimate(each.value for each in points[x])),
                        str(len(points[x])),
                    )
                    for x in sorted(points, key=lambda x: float(x or 0))
                ]
    return markdown(("Client", "On", "What", "When", "Found", "Rounds"), rows)


def processes(samples: Sequence[Sample]) -> str:
    """Return what three processes do on one engine."""
    here = [each for each in samples if each.part == "processes"]
    metrics = list(map(str, by(here, lambda each: each.metric)))
    rows = [
        (
            label(scenario),
            *(number(_estimate(values(group, metric=metric).values())) for metric in metrics),
            str(len({each.round for each in group})),
        )
        for (_, scenario), group in _by_place(here)
    ]
    return markdown(("Client", *(METRICS.get(metric, metric) for metric in metrics), "Rounds"), rows)


#: What metrics are called on the page.
METRICS = {
    "jobs_per_second": "jobs a second",
    "cpu_ms_per_job": "CPU a job, ms",
    "rss_mb": "memory, MB",
    "rss_grown_mb": "memory grown, MB",
    "acquires_per_1000_jobs": "acquires for 1,000 jobs",
    "acquires_empty_percent": "of them empty, %",
    "settles_clashed": "settles that clashed",
    "calls_failed": "other calls that failed",
}
#: What of a job costs the client.
COSTS = ("cpu_ms_per_job", "rss_mb")


# ---------------------------------------------------------------- how it is written


def number(value: Estimate | None) -> str:
    """Write a median with its interval, with three digits that mean something."""
    if value is None:
        return NONE
    digits = max(0, 2 - math.floor(math.log10(value.median))) if value.median > 0 else 0
    low, median, high = (f"{each:,.{min(digits, 3)}f}" for each in (value.low, value.median, value.high))
    return f"{median} [{low}, {high}]" if value.number > 1 else median


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a table, or say that there is nothing for it."""
    lines = [head, ("---",) * len(head), *rows]
    if len(lines) == 2:  # noqa: PLR2004 - the head alone
        return NOTHING
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def measured(table: str) -> str:
    """Return a table without the figures that were not measured; nothing if there are no others."""
    if table == NOTHING:
        return ""
    lines = [line for line in table.splitlines() if not line.endswith(f"| {NOT_MEASURED} | {NONE} |")]
    return "\n".join(lines) if len(lines) > 2 else ""  # noqa: PLR2004 - the head alone


def text(table: str) -> str:
    """Write a table of Markdown with its columns under each other, for a terminal."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    rows = [row for row in rows if not set("".join(row)) <= {"-"}]
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _compared(scenario: str, base: str, own: dict[int, float], of: dict[int, float]) -> str:
    """Write how a client compares with another in the same rounds, and in how many if it was measured in more."""
    if scenario == base:
        return "1"
    paired = _estimate(ratios(own, of))
    if paired is None:
        return NONE
    return with_interval(paired) + (f", of {_rounds(paired.number)}" if paired.number < len(own) else "")


def _along(samples: Sequence[Sample], places: Sequence[float]) -> list[str]:
    """Write what was measured at each place of a curve, and in how many rounds: the fewest and the most."""
    series = [[each.value for each in samples if each.x == x] for x in places]
    counts = [len(each) for each in series if each]
    fewest, most = min(counts), max(counts)
    return [*(number(_estimate(each)) for each in series), str(most) if fewest == most else f"{fewest} to {most}"]


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"


def _estimate(of: Iterable[float]) -> Estimate | None:
    measured = list(of)
    return estimate(measured) if measured else None


def _how_many(number: int, never: int) -> str:
    """Write how many there were; those that came to nothing are in no other column."""
    return (str(number) if number else NONE) + (f", {never} never" if never else "")


def _delays(value: Delays | None) -> tuple[str, str, str]:
    return (NONE,) * 3 if value is None else (seconds(value.p50), seconds(value.p95), seconds(value.worst))


def _by_place(samples: Iterable[Sample]) -> Iterable[tuple[tuple[str, str], list[Sample]]]:
    groups: dict[tuple[str, str], list[Sample]] = {}
    for each in samples:
        groups.setdefault((each.place, each.scenario), []).append(each)
    return groups.items()
