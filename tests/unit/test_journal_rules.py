"""What follows from the rows of the journal, with plain values."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.runtime import journal_rules as rules
from flowable.external_worker_client.runtime.journal_rules import Recorded, Row, Trouble

OPERATIONS = ["complete", "bpmnError", "cmmnTerminate", "fail"]

# One row for each process, each written at a time of its own.
rows_of_a_job = st.lists(
    st.builds(
        Row,
        process=st.integers(1, 6),
        at=st.integers(0, 50).map(float),
        operation=st.none() | st.sampled_from(OPERATIONS),
        keep_until=st.none() | st.integers(0, 60).map(float),
    ),
    unique_by=(lambda row: row.process, lambda row: row.at),
    max_size=6,
)
living = st.frozensets(st.integers(1, 6))


@given(rows_of_a_job, st.integers(0, 60))
def test_known_outcome(rows: list[Row], now: int) -> None:
    """The latest outcome that is no failure and not over counts, whatever came after it."""
    place = rules.known_outcome(rows, now)
    candidates = [
        row
        for row in rows
        if row.operation in {"complete", "bpmnError", "cmmnTerminate"}
        and (row.keep_until is None or row.keep_until > now)
    ]
    assert (None if place is None else rows[place]) == max(candidates, key=lambda row: row.at, default=None)


@given(rows_of_a_job, st.integers(0, 60), living)
def test_unexplained_starts(rows: list[Row], now: int, alive: frozenset[int]) -> None:
    """Starts of the dead count; none that an outcome came after does, and none of the living."""
    counted = rules.unexplained_starts(rows, now, alive.__contains__)
    assert counted <= sum(row.operation is None for row in rows)
    if {row.process for row in rows} <= alive:
        assert counted == 0
    if all(row.operation is None and row.keep_until is None for row in rows):
        assert counted == sum(row.process not in alive for row in rows)
    there = [row for row in rows if row.keep_until is None or row.keep_until > now]
    if there and max(there, key=lambda row: row.at).operation is not None:
        assert counted == 0
    assert counted == rules.unexplained_starts(there, now, alive.__contains__)


@given(rows_of_a_job, st.integers(0, 60), living)
def test_one_more_crash_counts_one_more(rows: list[Row], now: int, alive: frozenset[int]) -> None:
    """Crashes add up."""
    crash = Row(process=9, at=100.0)
    before = rules.unexplained_starts(rows, now, alive.__contains__)
    assert rules.unexplained_starts([*rows, crash], now, alive.__contains__) == before + 1


@given(rows_of_a_job, st.integers(0, 60), living)
def test_orphaned(rows: list[Row], now: int, alive: frozenset[int]) -> None:
    """An orphan is undelivered, of the dead, and a failure only when nothing better is known."""
    place = rules.orphaned(rows, now, alive.__contains__)
    undelivered = [row for row in rows if row.operation is not None and row.keep_until is None]
    there = [row for row in rows if row.keep_until is None or row.keep_until > now]
    if any(row.process in alive for row in there) or not undelivered:
        assert place is None
        return
    assert place is not None
    chosen = rows[place]
    assert chosen in undelivered
    better = [row for row in undelivered if row.operation != "fail"]
    assert chosen == max(better or undelivered, key=lambda row: row.at)


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [(100.0, 95.0, False), (105.0, 95.0, True), (90.0, 95.0, True), (95.0, 95.0, False), (0.0, float("-inf"), True)],
    ids=["too early", "time", "clock set back", "at once", "never before"],
)
def test_due(now: float, last: float, expected: bool) -> None:
    """A clock that is set back must not put anything off for hours."""
    assert rules.due(now=now, last=last, pause=10.0) is expected


@given(st.integers(0, 10 * rules.MOST_ROWS), st.floats(0.0, 1.0))
def test_surplus(rows: int, filled: float) -> None:
    """Never more than a call may take, never more than there are; nothing while there is room."""
    surplus = rules.surplus(rows=rows, filled=filled)
    assert 0 <= surplus <= min(rows, rules.MOST_DROPPED_AT_ONCE)
    if filled < rules.NEARLY_FULL:
        assert (surplus > 0) == (rows > rules.MOST_ROWS)
    else:
        assert (surplus > 0) == (rows > 0)


def test_rows_are_dropped_faster_than_written() -> None:
    """Otherwise their number would not be bounded."""
    assert rules.MOST_DROPPED_AT_ONCE > rules.WRITES_BETWEEN_TIDYING


@given(st.integers(0, 10_000))
def test_pauses_while_busy_grow_to_a_limit(attempt: int) -> None:
    """A write takes microseconds: so do the first pauses."""
    pause = rules.pause_while_busy(attempt)
    assert pause <= rules.pause_while_busy(attempt + 1) <= 0.01


@pytest.mark.parametrize(
    ("code", "number", "expected"),
    [
        (5, None, Trouble.BUSY),
        (5 | 2 << 8, None, Trouble.BUSY),
        (13, None, Trouble.FULL),
        (8 | 1 << 8, None, Trouble.READ_ONLY),
        (11 | 1 << 8, None, Trouble.DAMAGED),
        (26, None, Trouble.DAMAGED),
        (1, None, Trouble.UNREADABLE),
        (10 | 3 << 8, None, Trouble.UNREADABLE),
        (None, errno.ENOSPC, Trouble.FULL),
        (None, errno.EISDIR, Trouble.NO_FILE),
        (None, errno.ENOENT, Trouble.NO_FOLDER),
        (None, None, Trouble.UNREADABLE),
    ],
)
def test_diagnose(code: int | None, number: int | None, expected: Trouble) -> None:
    """Extended codes say the same as their primary ones."""
    assert rules.diagnose(code=code, number=number) is expected


def test_variables_do_not_show() -> None:
    """They are the person's."""
    assert "4711" not in repr(Recorded(operation="complete", members={"variables": [{"value": "4711"}]}))
