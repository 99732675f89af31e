"""The judge of the storms is judged: what was seen is made up, and each broken promise must be found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.storms.figures import Figures, table
from tests.storms.judge import NOTED_WITHIN, WAY, Evidence, Promise, Reason, judge
from tests.storms.ledger import Ledger, Start

if TYPE_CHECKING:
    from pathlib import Path

STRICT = Promise()
WITH_KILLS = Promise(reasons=frozenset({Reason.KILLED}))
WITH_KILLS_AND_JOURNAL = replace(WITH_KILLS, results_survive=True)
WITH_OUTAGES = Promise(reasons=frozenset({Reason.OUTAGE}))

FIRST = Start(
    instance="i1", job="j1", correlation="c1", pid=7, run="7.1", retries=3, lock_until=160.0, at=100.0, ended=100.02
)
OTHER = replace(FIRST, instance="i2", job="j2", correlation="c2", run="7.2")
AGAIN = replace(FIRST, pid=8, run="8.1", at=170.0, ended=170.02)
GOOD = Evidence(
    instances=["i1", "i2"],
    ways={"i1": WAY, "i2": WAY},
    values={"i1": ["7.1"], "i2": ["7.2"]},
    starts=[FIRST, OTHER],
)


def test_a_storm_that_left_no_trace_is_fine() -> None:
    """Each instance ended once, each handler started once."""
    verdict = judge(STRICT, GOOD)
    assert (verdict.complaints, verdict.starts, verdict.extra, verdict.retries_spent) == ((), 2, {}, 0)


@pytest.mark.parametrize(
    ("evidence", "complaint"),
    [
        pytest.param(replace(GOOD, ways={"i1": WAY}), "1 instances have not ended: i2", id="one is lost"),
        pytest.param(
            replace(GOOD, ways={"i1": WAY, "i2": ("end", "start", "work", "work")}),
            "1 instances did not pass their task and their end once: i2 went ('end', 'start', 'work', 'work')",
            id="one passed its task twice",
        ),
        pytest.param(
            replace(GOOD, ways={"i1": WAY, "i2": ("start", "work")}),
            "1 instances did not pass their task and their end once: i2 went ('start', 'work')",
            id="one was ended from outside",
        ),
        pytest.param(
            replace(GOOD, values={"i1": ["7.1"]}),
            "1 instances do not have the variable of a handler of theirs: i2 has []",
            id="one has no variable",
        ),
        pytest.param(
            replace(GOOD, values={"i1": ["7.1"], "i2": ["7.1"]}),
            "1 instances do not have the variable of a handler of theirs: i2 has ['7.1']",
            id="one has the variable of another",
        ),
        pytest.param(
            replace(GOOD, values={"i1": ["7.1"], "i2": ["7.2", "7.2"]}),
            "1 instances do not have the variable of a handler of theirs: i2 has ['7.2', '7.2']",
            id="one has two variables",
        ),
        pytest.param(
            replace(GOOD, starts=[FIRST]), "1 instances ended without a handler: i2", id="one ended without a handler"
        ),
        pytest.param(
            replace(GOOD, starts=[FIRST, OTHER, replace(OTHER, instance="i3", correlation="c3", run="7.3")]),
            "1 instances that nobody started: i3",
            id="a handler worked for another instance",
        ),
        pytest.param(
            replace(GOOD, starts=[FIRST, replace(OTHER, retries=2)]), "1 jobs had spent retries: j2", id="a retry spent"
        ),
        pytest.param(replace(GOOD, dead_letters=["j2: no"]), "1 dead letters: j2: no", id="a dead letter"),
        pytest.param(replace(GOOD, left_locked=["j2"]), "1 jobs left locked: j2", id="a job left locked"),
        pytest.param(replace(GOOD, ended_badly=["7: no"]), "1 workers ended badly: 7: no", id="a worker ended badly"),
        pytest.param(
            replace(GOOD, traces=["log, line 3"]), "1 exceptions in the workers' logs: log, line 3", id="an exception"
        ),
    ],
)
def test_a_broken_promise_is_found(evidence: Evidence, complaint: str) -> None:
    """Whatever the kind of storm."""
    assert complaint in judge(STRICT, evidence).complaints


def test_many_cases_are_named_by_the_first() -> None:
    """A complaint is read by people."""
    lost = [f"i{number}" for number in range(3, 10)]
    complaints = judge(STRICT, replace(GOOD, instances=["i1", "i2", *lost])).complaints
    assert complaints == ("7 instances have not ended: i3; i4; i5; i6; i7; and 2 more",)


def test_a_lock_that_stayed_long_is_found() -> None:
    """A lost answer of acquire was not followed up; only where that is promised."""
    evidence = replace(GOOD, oldest_lock=50.0)
    assert judge(STRICT, evidence).complaints == ()
    assert judge(replace(STRICT, oldest_lock=50.0), evidence).complaints == ()
    (complaint,) = judge(replace(STRICT, oldest_lock=45.0), evidence).complaints
    assert complaint.startswith("a job was locked for 50.0 s, longer than 45 s")


@pytest.mark.parametrize(
    ("promise", "killed", "outages", "ended", "reason"),
    [
        pytest.param(STRICT, {}, (), 100.02, None, id="nothing happened"),
        pytest.param(STRICT, {7: 100.01}, ((90.0, 165.0),), None, None, id="no reason is accepted"),
        pytest.param(WITH_KILLS, {7: 100.01}, (), None, Reason.KILLED, id="killed while it ran"),
        pytest.param(WITH_KILLS, {8: 100.01}, (), None, None, id="another worker was killed"),
        pytest.param(WITH_KILLS, {7: 99.9}, (), None, None, id="killed before it ran"),
        pytest.param(WITH_KILLS, {7: 170.1}, (), None, None, id="killed after it ran again"),
        pytest.param(WITH_KILLS, {7: 130.0}, (), 100.02, Reason.KILLED, id="killed with a result, no journal"),
        pytest.param(WITH_KILLS_AND_JOURNAL, {7: 100.01}, (), None, Reason.KILLED, id="journal, killed while it ran"),
        pytest.param(
            WITH_KILLS_AND_JOURNAL, {7: 100.03}, (), 100.02, Reason.KILLED, id="journal, killed as it returned"
        ),
        pytest.param(
            WITH_KILLS_AND_JOURNAL, {7: 100.03 + NOTED_WITHIN}, (), 100.02, None, id="journal, killed with a result"
        ),
        pytest.param(WITH_OUTAGES, {}, ((150.0, 165.0),), 100.02, Reason.OUTAGE, id="lock ended in an outage"),
        pytest.param(WITH_OUTAGES, {}, ((101.0, 110.0),), 100.02, None, id="lock ended after the outage"),
        pytest.param(WITH_OUTAGES, {}, ((161.0, 165.0),), 100.02, None, id="lock ended before the outage"),
        pytest.param(WITH_OUTAGES, {}, ((150.0, 175.0),), 100.02, None, id="it ran again during the outage"),
    ],
)
def test_a_second_start_needs_a_reason(
    promise: Promise,
    killed: dict[int, float],
    outages: tuple[tuple[float, float], ...],
    ended: float | None,
    reason: Reason | None,
) -> None:
    """One that the storm allows, and that what was seen proves."""
    evidence = replace(
        GOOD,
        starts=[replace(FIRST, ended=ended), OTHER, AGAIN],
        values={"i1": ["8.1"], "i2": ["7.2"]},
        killed=killed,
        outages=outages,
    )
    verdict = judge(promise, evidence)
    assert verdict.extra == ({} if reason is None else {reason: 1})
    assert len(verdict.complaints) == (reason is None)
    assert all("handlers started again without a reason" in each for each in verdict.complaints)


def test_each_further_start_needs_a_reason_of_its_own() -> None:
    """That a worker was killed once explains one start, not two."""
    third = replace(AGAIN, pid=9, run="9.1", at=240.0)
    evidence = replace(GOOD, starts=[replace(FIRST, ended=None), OTHER, AGAIN, third], killed={7: 100.01})
    verdict = judge(WITH_KILLS, evidence)
    assert verdict.extra == {Reason.KILLED: 1}
    assert [each for each in verdict.complaints if each.startswith("1 handlers started again without a reason")]


def test_the_ledger_reads_what_workers_note_as_it_comes(tmp_path: Path) -> None:
    """A line that is only half written is read when it is whole."""
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    assert ledger.count() == 0
    path.write_text("ready 7 99.5\nstart i1 j1 c1 7 7.1 3 160.000 100.000000\nend 7.1 100")
    assert ledger.is_ready(7)
    assert not ledger.is_ready(8)
    assert ledger.starts == [replace(FIRST, ended=None)]
    with path.open("a") as file:
        file.write(".02\n")
    assert ledger.starts == [FIRST]


def test_the_ledger_refuses_other_lines(tmp_path: Path) -> None:
    """A worker that writes something else is not one of ours."""
    (tmp_path / "ledger").write_text("started i1\n")
    with pytest.raises(ValueError, match="not a line of a ledger: 'started i1'"):
        Ledger(tmp_path / "ledger").count()


def test_figures_travel_as_text_and_become_a_table() -> None:
    """Numbers stand to the right, words to the left."""
    figures = Figures(
        storm="a",
        jobs=200,
        seconds=7.25,
        handler_starts=201,
        extra_starts="1 (worker killed)",
        what_happened="2 kills",
        resends=0,
        retries_spent=0,
        left_locked=0,
        oldest_lock=1.0,
        promises="kept",
    )
    assert Figures.load(figures.dump()) == figures
    assert [line[:22] for line in table([figures])] == [
        "storm  jobs  seconds  ",
        "-----  ----  -------  ",
        "a       200      7.2  ",
    ]
    assert table([]) == []
