"""From samples to figures: what holds, what does not, and what was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from side_by_side import found
from side_by_side.samples import Sample
from side_by_side.statistic import estimate
from tests.support.made_up_samples import everything

SAMPLES = everything()


def figure(what: str, samples: list[Sample]) -> found.Figure:
    """Return the one figure whose name has this in it."""
    (only,) = [each for each in found.figures(samples) if what in each.what]
    return only


def changed(factor: float, **wanted: object) -> list[Sample]:
    """Return the samples, with some values multiplied."""
    return [
        replace(each, value=each.value * factor)
        if all(getattr(each, name) == value for name, value in wanted.items())
        else each
        for each in SAMPLES
    ]


def test_rounds_are_compared_with_themselves() -> None:
    """What slows down everybody is no difference: the interval is as narrow as the ratios are alike."""
    assert figure("ceiling: fast transport", SAMPLES) == found.Figure(
        "drain, share of the ceiling: fast transport, concurrency 4",
        "0.20 [0.20, 0.20]",
        "≥ 0.8",
        "0.85 [0.85, 0.85]",
        holds=True,
    )


@pytest.mark.parametrize(
    ("what", "wanted", "factor"),
    [
        ("ceiling: fast", {"scenario": found.FAST, "place": "engine", "part": "drain"}, 0.9),
        ("ceiling: default", {"scenario": found.CONCURRENT, "place": "engine"}, 0.9),
        ("1.0.2's: fast", {"scenario": found.FAST, "metric": "cpu_ms_per_job"}, 1.2),
        ("1.0.2's: default", {"scenario": found.CONCURRENT, "metric": "cpu_ms_per_job"}, 1.2),
        ("`subscribe(topic, callback)`", {"scenario": found.PLAIN, "metric": "cpu_ms_per_job"}, 1.2),
        ("50 ms handlers", {"scenario": found.FAST_THREADS, "part": "waiting"}, 0.9),
        ("pick-up", {"scenario": found.WORKER, "metric": "delay_s"}, 1.4),
        ("pick-up", {"scenario": found.WORKER, "metric": "requests_per_minute"}, 1.2),
        ("`Worker` defaults, chains", {"scenario": found.WORKER, "part": "chain"}, 1.5),
        ("`subscribe` defaults, chains", {"scenario": found.PLAIN, "part": "chain"}, 1.5),
        *(
            (
                f"{curve.last:,} {curve.unit} ({where}), {cost}, compared with {curve.first:,}: {transport}",
                {
                    "part": curve.part,
                    "place": curve.place,
                    "metric": found.COSTS[cost],
                    "x": curve.last,
                    "scenario": found.TRANSPORTS[transport],
                },
                1.3,
            )
            for curve, where in zip(
                found.CURVES, ("embedded engine", "real engine", "stub", "real engine"), strict=True
            )
            for cost in found.COSTS
            for transport in found.TRANSPORTS
        ),
        ("idle topics", {"metric": "requests_per_minute", "x": found.MANY_TOPICS}, 2.0),
    ],
)
def test_what_is_worse_than_asked_does_not_hold(what: str, wanted: dict[str, object], factor: float) -> None:
    """Each of them holds as it is made up, and does not when it is a little worse."""
    assert figure(what, SAMPLES).holds is True
    assert figure(what, changed(factor, **wanted)).holds is False


def test_flat_is_what_the_page_says() -> None:
    """At most 1.25 times, said where it is asked for, and measured against the beginning of the same curve."""
    what = "30 topics (stub), CPU a job, compared with 1: fast transport"
    longer = {"part": "topics", "place": "stub", "metric": "cpu_ms_per_job", "scenario": found.FAST, "x": 30}
    for factor, shown, holds in ((1.25, "1.25", True), (1.26, "1.26", False), (0.5, "0.50", True)):
        assert figure(what, changed(factor, **longer)) == found.Figure(
            what, "—", "flat: ≤ 1.25", f"{shown} [{shown}, {shown}] times", holds=holds
        )


def test_one_round_has_no_interval() -> None:
    """It would say that somebody is sure."""
    once = [each for each in SAMPLES if each.round == 0]
    assert figure("ceiling: fast", once).found == "0.85"
    assert figure("30 topics (stub), memory, compared with 1: fast", once).found == "1.00 times"
    others = [each for each in SAMPLES if each.round == 0 or each.scenario == found.CEILING]
    assert figure("ceiling: fast", others).found == "0.85"
    v1_once = [each for each in SAMPLES if each.round == 0 or not each.scenario.startswith("1.0.2")]
    assert figure("ceiling: fast", v1_once).before == "0.20"


@given(st.lists(st.floats(min_value=0.001, max_value=1000), min_size=1, max_size=12))
def test_an_interval_is_shown_where_there_is_one(ratios: list[float]) -> None:
    """Of more than one round, always."""
    assert ("[" in found.with_interval(estimate(ratios))) == (len(ratios) > 1)


def test_what_is_missing_is_not_measured() -> None:
    """Nothing is said to hold that nobody looked at."""
    for each in found.figures([]):
        assert (each.found, each.holds) == (found.NOT_MEASURED, None)


def test_a_figure_without_1_0_2_is_one_all_the_same() -> None:
    """The other client may not be there."""
    ours = [each for each in SAMPLES if not each.scenario.startswith("1.0.2")]
    assert figure("pick-up", ours).before == found.NOT_MEASURED
    assert figure("pick-up", ours).holds is True


@pytest.mark.parametrize(
    ("scenario", "shown"),
    [
        ("ours, default", "subscribe"),
        ("ours, default, after minutes idle", "subscribe, after minutes idle"),
        ("ours, fast, concurrency 4", "fast transport, concurrency 4"),
        ("ours, Workers", "ours, Workers"),
        ("ceiling, 50 ms", "ceiling, 50 ms"),
    ],
)
def test_scenarios_have_names_for_people(scenario: str, shown: str) -> None:
    """Also those to which a part added something; a name that is not known is shown as it is."""
    assert found.label(scenario) == shown


def test_waits_are_those_of_as_many_topics_as_are_meant() -> None:
    """A worker of thirty topics is another one than a worker of one."""
    assert len(found.pickups(SAMPLES, found.WORKER, 1)) == len(found.pickups(SAMPLES, found.WORKER, 30)) == 40
    assert len(found.pickups(SAMPLES, found.WORKER)) == 80
    assert found.requests(SAMPLES, found.V1, 30) == 60
    assert found.requests(SAMPLES, found.V1, 1) is None
