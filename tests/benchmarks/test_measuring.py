"""What the benchmarks make of what they measured; nothing is measured here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from side_by_side.access_log import Asked, asked
from side_by_side.attempts import Attempts
from side_by_side.machine import noise
from side_by_side.measured import Drain, report_after, turns
from side_by_side.places import BenchmarkError
from side_by_side.programs import MissingVariantError
from side_by_side.samples import Document, Machine, Noise, Sample, values

NOISE = Noise(name="loop", low=1.0, median=2.0, high=3.0, spread=1.0)
MACHINE = Machine(
    cores=2,
    cpu="one",
    python="3.11",
    system="Linux",
    load_before=0.5,
    load_after=1.5,
    noise=[NOISE],
    versions={"a": "1"},
)
DRAIN = Drain(jobs=100, seconds=4.0, cpu_seconds=0.5)


def sample(number: int, value: float, x: float | None = None) -> Sample:
    """Return one of some samples."""
    return Sample(part="p", scenario="s", place="stub", metric="m", round=number, value=value, x=x)


def test_a_document_comes_back_from_its_file(tmp_path: Path) -> None:
    """With all of it, and samples with and without something that they are drawn against."""
    document = Document(machine=MACHINE, samples=[sample(0, 1.5), sample(1, 2.5, 100)])
    document.write(tmp_path / "new" / "found.json")
    assert Document.read(tmp_path / "new" / "found.json") == document


def test_values_are_those_of_what_was_asked_for() -> None:
    """By round; samples at another place of a curve are others."""
    samples = [sample(0, 1.0, 10), sample(1, 2.0, 10), sample(0, 3.0, 20)]
    assert values(samples, scenario="s", x=10) == {0: 1.0, 1: 2.0}
    assert values(samples, scenario="other") == {}


@given(st.lists(st.integers(), unique=True, min_size=1, max_size=8), st.integers(0, 100))
def test_each_has_its_turn_in_every_round(names: list[int], number: int) -> None:
    """Nobody is left out or measured twice."""
    assert Counter(turns(names, number)) == Counter(names)


def test_everybody_begins_a_round_once() -> None:
    """So that what comes first, on a machine that has just rested, is not always the same."""
    names = "abcd"
    assert {turns(names, number)[0] for number in range(8)} == set(names)


@given(st.integers(1, 100_000))
def test_the_last_call_is_told(jobs: int) -> None:
    """A program tells after each so many calls: if the number of jobs is no multiple, the end is never heard of."""
    assert jobs % report_after(jobs) == 0


def test_a_drain_says_how_fast_and_how_dear_it_was() -> None:
    """In jobs a second, and milliseconds of the processor."""
    assert (DRAIN.jobs_per_second, DRAIN.cpu_ms_per_job) == (25.0, 5.0)


def failing(error: BenchmarkError) -> Drain:
    """Do not measure."""
    raise error


def test_what_fails_costs_one_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """And is said; the next round measures it again."""
    attempts = Attempts("p")
    assert attempts.measure("s", "stub", 0, lambda: failing(BenchmarkError("broken"))) is None
    assert attempts.measure("s", "stub", 1, lambda: DRAIN) == DRAIN
    assert {each.round for each in attempts.samples} == {1}
    assert "broken" in capsys.readouterr().err


def test_what_is_missing_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """It is not tried in every round."""
    attempts = Attempts("p")
    for number in range(3):
        assert attempts.measure("s", "stub", number, lambda: failing(MissingVariantError("not there"))) is None
    assert capsys.readouterr().err.count("not there") == 1


def test_nothing_is_begun_that_takes_too_long() -> None:
    """Once a part has no time left, it measures nothing that took any time before."""
    attempts = Attempts("p", seconds=0)
    calls: list[int] = []

    def call() -> Drain:
        calls.append(1)
        return DRAIN

    for number in range(3):
        attempts.measure("s", "stub", number, call)
    assert len(calls) == 0


def test_acquires_are_counted_up_to_the_last_that_found_something() -> None:
    """What comes back empty later has nothing to do with other workers; what is outside of the time is left out."""
    acquire, settle = (
        "/flowable-rest/external-job-api/acquire/jobs",
        "/flowable-rest/external-job-api/acquire/jobs/1/complete",
    )
    lines = [
        f"999 POST 200 900 {acquire}",
        f"1000 POST 200 13862 {acquire}",
        f"1003 POST 200 900 {acquire}",
        f"1002 POST 200 12 {acquire}",
        f"1004 POST 204 0 {settle}",
        f"1005 POST 403 90 {settle}",
        f"1006 POST 200 12 {acquire}",
        f"1007 POST 500 90 {acquire}",
        "1008 GET 200 90 /flowable-rest/external-job-api/jobs",
        f"2001 POST 200 900 {acquire}",
    ]
    assert asked(lines, since=1.0, until=2.0) == Asked(acquires=3, empty=1, clashed=1, failed=1)


def test_noise_is_how_wide_the_middle_half_is() -> None:
    """As a share of the median; one value has none."""
    assert noise("n", [1.0, 2.0, 3.0, 4.0, 5.0]).spread == pytest.approx(2 / 3)
    assert noise("n", [4.0]) == Noise(name="n", low=4.0, median=4.0, high=4.0, spread=0.0)
