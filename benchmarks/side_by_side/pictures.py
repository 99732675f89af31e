"""Which plots there are, and what is drawn in each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from side_by_side import found
from side_by_side.found import by
from side_by_side.plots import Bar, Line, Waits, bars, distribution, lines, ranges
from side_by_side.samples import Sample, values
from side_by_side.statistic import estimate, ratios


def draw(samples: Sequence[Sample], folder: Path) -> list[Path]:
    """Draw all plots that there are samples for, and return their files."""
    drawn = [
        drain(samples, folder / "drain.svg"),
        waiting(samples, folder / "waiting.svg"),
        pickup(samples, folder / "pickup.svg"),
        chain(samples, folder / "chain.svg"),
        cost(samples, folder / "backlog.svg", "backlog", "embedded", "jobs that wait"),
        cost(samples, folder / "topics.svg", "topics", "stub", "topics of one client"),
    ]
    return [path for path in drawn if path is not None]


def colour(scenario: str) -> str:
    """Return the name of the colour of a scenario."""
    if scenario.startswith(("ceiling", "pyreqwest alone")):
        return "limit"
    if scenario.startswith("1.0.2"):
        return "v1"
    if scenario.startswith("JavaScript"):
        return "js"
    if "fast" in scenario:
        return "fast"
    if scenario.startswith((found.WORKER, "ours, async")):
        return "worker"
    return "ours, plain" if scenario.startswith((found.PLAIN, "ours, batched")) else "ours"


def drain(samples: Sequence[Sample], path: Path) -> Path | None:
    """Draw which share of the ceiling each client has, fastest first."""
    here = [each for each in samples if (each.part, each.place, each.metric) == ("drain", "engine", "jobs_per_second")]
    ceiling = values(here, scenario=found.CEILING)
    rows = []
    for scenario in {each.scenario: None for each in here if each.scenario != found.CEILING}:
        shares = ratios(values(here, scenario=scenario), ceiling)
        if shares:
            rows.append(Bar(found.label(scenario), colour(scenario), estimate(shares)))
    if not rows:
        return None
    rows.sort(key=lambda row: -row.value.median)
    bars(
        path,
        "Draining a topic with an empty handler, real engine",
        "jobs a second, as a share of the ceiling in the same round",
        rows,
        limit="the ceiling",
    )
    return path


def waiting(samples: Sequence[Sample], path: Path) -> Path | None:
    """Draw jobs a second against handlers at once."""
    here = [each for each in samples if each.part == "waiting" and each.metric == "jobs_per_second"]
    rows = _lines([each for each in here if each.place == "engine"])
    if not rows:
        return None
    lines(path, "Handlers that wait for 50 ms, real engine", "handlers at once", "jobs a second", rows, apart=1.06)
    return path


def pickup(samples: Sequence[Sample], path: Path) -> Path | None:
    """Draw how long jobs wait for an idle worker."""
    names = [
        ("Worker", found.WORKER, 1, "worker"),
        ("Worker, 30 topics", found.WORKER, 30, "ours"),
        ("subscribe", found.PLAIN, None, "ours, plain"),
        ("1.0.2", found.V1, None, "v1"),
        ("JavaScript", found.JAVASCRIPT, None, "js"),
    ]
    rows = [
        Waits(label, shade, waited)
        for label, scenario, topics, shade in names
        if (waited := found.pickups(samples, scenario, topics))
    ]
    if not rows:
        return None
    distribution(
        path,
        "How long a job waits for an idle worker, real engine",
        "seconds from the start of the process to the call of the handler",
        rows,
    )
    return path


def chain(samples: Sequence[Sample], path: Path) -> Path | None:
    """Draw how long five tasks in a row take."""
    here = [each for each in samples if (each.part, each.metric) == ("chain", "end_to_end_s")]
    rows = [
        Waits(found.label(str(scenario)), colour(str(scenario)), [each.value for each in group])
        for scenario, group in by(here, lambda each: each.scenario).items()
    ]
    if not rows:
        return None
    ranges(path, "Five tasks on five topics, one worker, real engine", "seconds from the start to the end", rows)
    return path


def cost(samples: Sequence[Sample], path: Path, against: str, place: str, axis: str) -> Path | None:
    """Draw CPU a job against something that it should not depend on, where that can be seen best."""
    wanted = (against, place, "cpu_ms_per_job")
    here = [each for each in samples if (each.part, each.place, each.metric) == wanted]
    rows = _lines(here)
    if not rows:
        return None
    where = {"stub": "stub", "embedded": "embedded engine"}[place]
    lines(path, f"CPU of the client for one job, {where}", axis, "ms a job", rows, logarithmic_y=False)
    return path


def _lines(samples: Sequence[Sample]) -> list[Line]:
    rows = []
    for scenario, group in by(samples, lambda each: each.scenario).items():
        points = by([each for each in group if each.x is not None], lambda each: each.x)
        found_here = [
            (float(x), estimate([each.value for each in alike])) for x, alike in points.items() if x is not None
        ]
        if found_here:
            rows.append(
                Line(found.label(str(scenario)), colour(str(scenario)), sorted(found_here, key=lambda point: point[0]))
            )
    return rows
