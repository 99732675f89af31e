"""What an answer means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.rest.answers import (
    DONE,
    LONGEST_RETRY_AFTER,
    Meaning,
    Reading,
    answered,
    retry_after,
    unanswered,
    unreadable,
)
from flowable.external_worker_client.rest.operations import COMPLETE, GET, OPERATIONS, Operation

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html;charset=utf-8"}
LOCK = "W1 does not hold a lock on the requested job"
GONE = "Could not find external worker job with id 'x'."
SPRING = "Not Found"


@pytest.mark.parametrize(
    ("status", "headers", "category", "detail", "expected"),
    [
        pytest.param(204, {}, None, None, DONE, id="done"),
        pytest.param(
            200, JSON, "login required", None, (Meaning.NOT_THE_ENGINE, "login required", True), id="a gateway's 200"
        ),
        pytest.param(202, {}, None, None, (Meaning.NOT_THE_ENGINE, "", True), id="queued by somebody"),
        pytest.param(200, HTML, "Sign in", None, (Meaning.NOT_THE_ENGINE, "Sign in", True), id="page with 200"),
        pytest.param(302, {}, None, None, (Meaning.NOT_THE_ENGINE, "", False), id="redirect to a login"),
        pytest.param(400, JSON, "Bad request", "no", (Meaning.REFUSED, "no", False), id="bad request"),
        pytest.param(400, JSON, "Bad request", LOCK, (Meaning.LOCK_LOST, LOCK, False), id="lock lost, as a race"),
        pytest.param(400, HTML, "Bad", None, (Meaning.NOT_THE_ENGINE, "Bad", False), id="the container's 400"),
        pytest.param(401, {}, None, None, (Meaning.NOT_THE_ENGINE, "", False), id="credentials"),
        pytest.param(403, JSON, "Forbidden", LOCK, (Meaning.LOCK_LOST, LOCK, False), id="lock lost"),
        pytest.param(403, JSON, "Forbidden", None, (Meaning.NOT_THE_ENGINE, "Forbidden", False), id="privileges"),
        pytest.param(404, JSON, "Not found", GONE, (Meaning.GONE, GONE, False), id="gone"),
        pytest.param(404, JSON, SPRING, None, (Meaning.NOT_THE_ENGINE, SPRING, False), id="wrong address"),
        pytest.param(406, {}, None, None, (Meaning.NOT_THE_ENGINE, "", False), id="not acceptable"),
        pytest.param(408, JSON, None, None, (Meaning.OVERLOADED, "", True), id="request time-out"),
        pytest.param(409, JSON, "Conflict", "x", (Meaning.OVERLOADED, "x", True), id="conflict"),
        pytest.param(413, HTML, None, None, (Meaning.REFUSED, "the request is too large", False), id="too large"),
        pytest.param(425, {}, None, None, (Meaning.OVERLOADED, "", True), id="too early"),
        pytest.param(429, {}, None, None, (Meaning.OVERLOADED, "", False), id="too many"),
        pytest.param(500, JSON, "Internal server error", "x", (Meaning.ENGINE_ERROR, "x", True), id="the engine's 500"),
        pytest.param(
            500,
            JSON,
            "Internal server error",
            "No endpoint POST /x.",
            (Meaning.NOT_THE_ENGINE, "Internal server error: No endpoint POST /x.", False),
            id="no endpoint",
        ),
        pytest.param(500, HTML, "Oops", None, (Meaning.NOT_THE_ENGINE, "Oops", True), id="a gateway's 500"),
        pytest.param(502, HTML, None, None, (Meaning.UNCLEAR, "", True), id="bad gateway"),
        pytest.param(503, HTML, None, None, (Meaning.OVERLOADED, "", True), id="unavailable"),
        pytest.param(504, HTML, None, None, (Meaning.UNCLEAR, "", True), id="gateway time-out"),
    ],
)
def test_status_and_body_together_tell_what_came_of_a_settling_request(
    status: int,
    headers: dict[str, str],
    category: str | None,
    detail: str | None,
    expected: Reading | tuple[Meaning, str, bool],
) -> None:
    """The same number means different things with the engine's body and without."""
    if not isinstance(expected, Reading):
        meaning, text, unclear = expected
        expected = Reading(meaning, status, text, unclear=unclear)
    assert answered(COMPLETE, status, headers, category, detail, now=0.0) == expected


def test_a_read_that_fails_in_the_engine_leaves_nothing_unclear() -> None:
    """Only operations with an effect can have had it."""
    reading = answered(GET, 500, JSON, "Internal server error", "x", now=0.0)
    assert reading == Reading(Meaning.ENGINE_ERROR, 500, "x", unclear=False)


def test_no_answer_is_unclear_only_when_something_was_sent() -> None:
    """This difference decides whether a second send can hit a job that is settled."""
    assert unanswered(sent=True, text="reset") == Reading(Meaning.UNCLEAR, None, "reset", unclear=True)
    assert unanswered(sent=False, text="refused") == Reading(Meaning.NOT_SENT, None, "refused", unclear=False)
    assert unreadable(200, "cut off") == Reading(Meaning.NOT_THE_ENGINE, 200, "cut off", unclear=True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999", LONGEST_RETRY_AFTER),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("Fri, 31 Dec 2100 00:00:00 GMT", LONGEST_RETRY_AFTER),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("²", None),
    ],
    ids=repr,
)
def test_retry_after_is_read_in_seconds_or_as_a_date_and_capped(header: str | None, expected: float | None) -> None:
    """Seen 40 seconds into 1970."""
    assert retry_after(header, now=40.0) == expected


def test_a_pause_that_the_server_asks_for_comes_with_the_reading() -> None:
    """On 503, 429 and gateways' answers alike."""
    for status in (429, 503, 502):
        assert answered(COMPLETE, status, {"retry-after": "9"}, None, None, now=0.0).retry_after == 9.0


@given(
    st.sampled_from(OPERATIONS),
    st.integers(100, 599),
    st.sampled_from([{}, JSON, HTML]),
    st.none() | st.text(max_size=20),
    st.none() | st.text(max_size=20),
)
def test_every_answer_has_a_meaning_and_only_success_is_done(
    operation: Operation, status: int, headers: dict[str, str], category: str | None, detail: str | None
) -> None:
    """Whatever stands between us and the engine."""
    reading = answered(operation, status, headers, category, detail, now=0.0)
    assert (reading.meaning is Meaning.DONE) == (status == operation.success and headers is not HTML)
