"""What the engine is told of a failed handler, and what the log is told of a failed request."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.failure import (
    LONGEST_DETAILS,
    LONGEST_MESSAGE,
    LONGEST_PAUSE,
    describe,
    pause,
)


class Mute(Exception):  # noqa: N818 - a made-up one
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no stock"), "no stock"),
        (ValueError(), "ValueError"),
        (ValueError("  "), "ValueError"),
        (AssertionError(), "AssertionError"),
        (KeyError("id"), "'id'"),
        (Mute(), "Mute"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit(), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError("x" * 3000), "x" * (LONGEST_MESSAGE - 1) + "…"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_message_is_never_empty_nor_longer_than_the_engine_keeps(error: BaseException, message: str) -> None:
    """The text of the exception; its type where there is none."""
    assert describe(error).message == message


def _print() -> None:
    try:
        Path("/no/such/printer").read_bytes()
    except OSError as cause:
        raise ValueError("cannot print") from cause


def test_the_details_are_the_trace_with_its_causes() -> None:
    """As Python prints it."""
    with pytest.raises(ValueError, match="cannot print") as caught:
        _print()
    details = describe(caught.value).details
    assert details.startswith("Traceback (most recent call last):\n")
    assert "'/no/such/printer'\n\nThe above exception was the direct cause" in details
    assert details.endswith("ValueError: cannot print\n")


def test_long_details_keep_their_beginning_and_their_end() -> None:
    """What was raised stands at the end, where it began at the beginning."""
    details = describe(ValueError("a" * 50_000 + "z" * 50_000)).details
    assert len(details) <= LONGEST_DETAILS
    assert details.startswith("ValueError: aaa")
    assert details.endswith("zzz\n")
    assert "characters left out" in details


def test_a_text_that_cannot_be_had_does_not_cost_the_report() -> None:
    """Even in the trace."""
    assert "Mute" in describe(Mute()).details


@pytest.mark.parametrize(
    ("retries", "expected"), [(3, 10.0), (2, 30.0), (1, 90.0), (5, 10.0), (0, 270.0), (-90, 600.0), (None, 10.0)]
)
def test_the_pause_after_a_failure_grows_with_the_attempts(retries: object, expected: float) -> None:
    """The engine counts retries down from three."""
    assert pause(retries, chance=0.5) == expected


@given(st.none() | st.integers(-(10**9), 10**9), st.floats(0, 1))
def test_the_pause_after_a_failure_stays_in_its_range(retries: object, chance: float) -> None:
    """Between eight seconds and twelve minutes."""
    assert 8.0 <= pause(retries, chance) <= LONGEST_PAUSE * 1.2


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (Reading(Meaning.NOT_SENT, None, "refused"), "no connection to the engine: refused"),
        (Reading(Meaning.UNCLEAR, None, "reset"), "no answer from the engine: reset"),
        (Reading(Meaning.UNCLEAR, 502), "the engine is not available now (502)"),
        (Reading(Meaning.OVERLOADED, 503), "the engine is not available now (503)"),
        (Reading(Meaning.OVERLOADED, 429), "the engine, or a gateway before it, wants fewer requests (429)"),
        (Reading(Meaning.ENGINE_ERROR, 500, "x"), "the engine reports an error of its own (500): x"),
        (Reading(Meaning.REFUSED, 400, "bad\n  topic"), "the engine answered 400 (refused): bad topic"),
        (Reading(Meaning.NOT_THE_ENGINE, 401), "the credentials were refused (401): check auth"),
        (
            Reading(Meaning.NOT_THE_ENGINE, 403),
            "this user may not use the external job API (403): check its privileges",
        ),
        (
            Reading(Meaning.NOT_THE_ENGINE, 404, "Not Found"),
            "there is no external job API at this address (404): check flowable_host and its context path: Not Found",
        ),
        (
            Reading(Meaning.NOT_THE_ENGINE, 302),
            "something redirects the requests elsewhere (302): check flowable_host and the gateway",
        ),
        (
            Reading(Meaning.NOT_THE_ENGINE, 200, "Sign in"),
            "something else than the engine answered (200): check flowable_host and the gateway: Sign in",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_log_says_what_happened_and_what_to_look_at(reading: Reading, expected: str) -> None:
    """One line for the person on call."""
    assert explain(reading) == expected


@given(st.sampled_from(Meaning), st.none() | st.integers(100, 599), st.text())
def test_every_reading_is_explained_in_one_line_of_bounded_length(
    meaning: Meaning, status: int | None, text: str
) -> None:
    """Whatever a gateway puts into its pages."""
    explanation = explain(Reading(meaning, status, text))
    assert len(explanation) < 500
    assert len(explanation.splitlines()) == 1
