"""What the engine is told of a failed handler, and what the log is told of a failed request."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client import DeadLetter, JobFailure, RetryLater, RetryPolicy
from flowable.external_worker_client.durations import from_seconds
from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.explain import explain, kind
from flowable.external_worker_client.runtime.failure import (
    LONGEST_DETAILS,
    LONGEST_MESSAGE,
    Report,
    describe,
    from_the_handler,
    outlook,
    report,
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


# ---------------------------------------------------------------- chains


def _fail_after(number: int, text: str) -> NoReturn:
    """Raise a chain of so many exceptions, each from the one before."""
    if number == 1:
        raise KeyError(f"link 1 {text}")
    try:
        _fail_after(number - 1, text)
    except LookupError as cause:
        raise IndexError(f"link {number} {text}") from cause


def _deeply(frames: int, error: BaseException) -> NoReturn:
    if not frames:
        raise error
    _deeply(frames - 1, error)


@pytest.mark.parametrize(
    ("links", "text"), [(2, "x" * 100_000), (30, "x" * 2_000), (60, "x"), (120, "")], ids=["2", "30", "60", "120"]
)
def test_long_details_keep_every_exception_of_the_chain(links: int, text: str) -> None:
    """Its type, the beginning of its text and, while there is room, the line that raised it: not the two ends only."""
    with pytest.raises(IndexError) as caught:
        _fail_after(links, text)
    details = describe(caught.value).details
    assert len(details) <= LONGEST_DETAILS
    assert details.count("The above exception was the direct cause of the following exception:") == links - 1
    assert re.findall(r"^(\w+): '?(link \d+)", details, re.MULTILINE) == [
        ("KeyError" if number == 1 else "IndexError", f"link {number}") for number in range(1, links + 1)
    ]
    assert ('raise KeyError(f"link 1 {text}")' in details) == (links <= 60)


def test_long_details_keep_the_frames_around_a_deep_stack() -> None:
    """Where it was called, and where it was raised."""

    def first(number: int) -> None:
        (second if number else third)(number - 1)

    def second(number: int) -> None:
        first(number)

    def third(_: int) -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here") as caught:
        first(300)
    details = describe(caught.value).details
    assert len(details) <= LONGEST_DETAILS
    assert "first(300)" in details
    assert "frames left out" in details
    assert 'raise ValueError("here")\n' in details
    assert details.endswith("ValueError: here\n")


def test_long_details_keep_each_member_of_a_group() -> None:
    """Those of groups in groups, and what the group came from."""
    inner = ExceptionGroup("inner", [KeyError("deep down")])
    members = [ValueError(f"member {number} " + "x" * 3000) for number in range(40)]
    error = ExceptionGroup("outer", [*members, inner])
    error.__cause__ = OSError("the cause")
    details = describe(error).details
    assert len(details) <= LONGEST_DETAILS
    assert [f"ValueError: member {number} " in details for number in range(40)] == [True] * 40
    assert details.startswith("OSError: the cause\n")
    assert "KeyError: 'deep down'" in details


def test_what_an_exception_was_raised_from_stays_hidden_when_it_was_suppressed() -> None:
    """`from None` means that."""
    with pytest.raises(IndexError) as caught:
        _fail_after(2, "x" * 100_000)
    caught.value.__cause__ = None
    caught.value.__context__ = OSError("never shown")
    caught.value.__suppress_context__ = True
    assert "never shown" not in describe(caught.value).details


def test_a_chain_beyond_all_measure_is_cut_in_its_middle() -> None:
    """The first and the last are kept."""
    error = ValueError("link 0")
    for number in range(1, 2000):
        following = ValueError(f"link {number}")
        following.__cause__ = error
        error = following
    details = describe(error).details
    assert len(details) <= LONGEST_DETAILS
    assert details.startswith("ValueError: link 0\n")
    assert details.endswith("ValueError: link 1999\n")
    assert "characters left out" in details


def test_the_details_add_no_values_of_variables() -> None:
    """Only what the program itself put into texts: locals may be anybody's password."""
    password = "top" + "secret"
    with pytest.raises(ValueError, match="denied") as caught:
        _deeply(3, ValueError(f"denied, {len(password)}"))
    assert password not in describe(caught.value).details


@given(st.lists(st.text(max_size=30_000), min_size=1, max_size=8), st.booleans(), st.booleans())
def test_a_description_is_bounded_and_never_empty(texts: list[str], grouped: bool, linked: bool) -> None:
    """Whatever the exceptions say."""
    errors = [ValueError(text) for text in texts]
    if linked:
        for error, cause in itertools.pairwise(errors):
            error.__context__ = cause
    described = describe(ExceptionGroup("many", errors) if grouped else errors[0])
    assert described.message.strip()
    assert len(described.message) <= LONGEST_MESSAGE
    assert 0 < len(described.details) <= LONGEST_DETAILS


# ---------------------------------------------------------------- what is reported


def told(
    error: BaseException,
    retries: object = 3,
    message: str | None = None,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
    chance: float = 0.5,
) -> Report:
    """Report without details, which are looked at elsewhere."""
    made = report(error, retries=retries, exception_message=message, policy=policy, chance=chance)
    return Report(made.message, None, made.retries, made.pause)


@pytest.mark.parametrize(
    ("retries", "expected"), [(3, 10.0), (2, 30.0), (1, 90.0), (5, 10.0), (0, 270.0), (-90, 600.0), (None, 10.0)]
)
def test_the_engine_counts_unless_a_policy_does(retries: object, expected: float) -> None:
    """It counts down from three, and the pause grows."""
    assert told(ValueError("a"), retries) == Report("a", None, None, expected)


@pytest.mark.parametrize(
    ("attempts", "retries", "message", "left", "pause"),
    [
        (5, 3, None, 4, 10.0),
        (5, 3, "", 4, 10.0),
        (5, 4, "a", 3, 30.0),
        (5, 3, "a", 2, 90.0),
        (5, 1, "a", 0, None),
        (5, 0, "a", 0, None),
        (5, None, None, 4, 10.0),
        (5, None, "a", None, 10.0),
        (5, 3, "Retry later: a", 4, 10.0),
        (5, 3, "Retry later, after a failure: a", 2, 90.0),
        (2, 8, "a", 1, 10.0),
        (1, 3, None, 0, None),
        (1, 3, "a", 0, None),
        (1, None, "a", 0, None),
    ],
)
def test_a_policy_counts_its_attempts_in_the_retries_of_the_engine(
    attempts: int, retries: object, message: str | None, left: int | None, pause: float | None
) -> None:
    """The first failure sets them; a message, other than that of a job put off, tells that there was one."""
    policy = RetryPolicy(attempts=attempts)
    assert told(ValueError("b"), retries, message, policy) == Report("b", None, left, pause)


def test_the_policy_of_the_type_decides() -> None:
    """About attempts and pauses."""
    policy = RetryPolicy(
        exceptions={OSError: RetryPolicy(attempts=9, first_pause="1m"), ValueError: RetryPolicy(attempts=1)}
    )
    assert told(ConnectionError("a"), policy=policy) == Report("a", None, 8, 60.0)
    assert told(ValueError("a"), policy=policy) == Report("a", None, 0, None)
    assert told(KeyError("a"), policy=policy) == Report("'a'", None, None, 10.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (JobFailure("a"), Report("a", None, None, 10.0)),
        (JobFailure("a", retries=7), Report("a", None, 7, 10.0)),
        (JobFailure("a", retry_after="1h"), Report("a", None, None, 3600.0)),
        (JobFailure("a", retries=1, retry_after="1h"), Report("a", None, 1, 3600.0)),
        (JobFailure("a", retries=0, retry_after="1h"), Report("a", None, 0, None)),
        (JobFailure("a", retry_after=0), Report("a", None, None, None)),
        (JobFailure(" "), Report("JobFailure", None, None, 10.0)),
        (JobFailure("x" * 3000), Report("x" * (LONGEST_MESSAGE - 1) + "…", None, None, 10.0)),
        (DeadLetter("a"), Report("a", None, 0, None)),
        (DeadLetter(""), Report("DeadLetter", None, 0, None)),
        (RetryLater("5m"), Report("before", None, 3, 300.0)),
        (RetryLater(0), Report("before", None, 3, None)),
        (RetryLater("5m", "a"), Report("Retry later, after a failure: a", None, 3, 300.0)),
        (RetryLater("5m", " "), Report("before", None, 3, 300.0)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_handler_may_decide_itself(error: BaseException, expected: Report) -> None:
    """What it leaves open is as the policy says."""
    assert told(error, 3, "before") == expected


@pytest.mark.parametrize(
    ("retries", "message", "expected"),
    [
        (2, None, Report(None, None, 2, 60.0)),
        (0, "a", Report("a", None, 1, 60.0)),
        (-3, "a", Report("a", None, 1, 60.0)),
        (None, "a", Report("a", None, 1, 60.0)),
        (2, "Retry later: a", Report("Retry later: a", None, 2, 60.0)),
    ],
)
def test_putting_a_job_off_changes_nothing_but_the_time(retries: object, message: str | None, expected: Report) -> None:
    """Its message is repeated, because an absent one clears it; without retries it would be a dead letter."""
    assert told(RetryLater("1m"), retries, message) == expected


def test_a_job_that_is_put_off_says_why_and_still_has_its_first_failure_before_it() -> None:
    """And one that had failed keeps that in mind, or it would never come to an end."""
    policy = RetryPolicy(attempts=5)
    message: str | None = None
    retries: int | None = 3
    seen: list[tuple[str | None, int | None]] = []
    for error in (
        RetryLater(1, "closed"),
        RetryLater(1),
        OSError("a"),
        RetryLater(1, "shut"),
        RetryLater(1),
        OSError("b"),
    ):
        made = told(error, retries, message, policy)
        message, retries = made.message, made.retries
        seen.append((message, retries))
    assert seen == [
        ("Retry later: closed", 3),
        ("Retry later: closed", 3),
        ("a", 4),
        ("Retry later, after a failure: shut", 4),
        ("Retry later, after a failure: shut", 4),
        ("b", 3),
    ]


def test_a_failure_is_not_taken_for_a_job_that_was_put_off() -> None:
    """Whatever its text: it would be the first failure for ever."""
    assert told(ValueError("Retry later: no")).message == "ValueError: Retry later: no"
    assert told(JobFailure("Retry later: no")).message == "JobFailure: Retry later: no"


def test_another_message_can_be_given() -> None:
    """For what only the caller knows."""
    made = report(
        ValueError("a"), retries=3, exception_message=None, policy=RetryPolicy(), chance=0.5, message="refused"
    )
    assert (made.message, made.details) == ("refused", "ValueError: a\n")


def _later(text: str) -> RetryLater:
    return RetryLater(1, text)


@pytest.mark.parametrize("kind", [JobFailure, DeadLetter, _later])
def test_the_details_of_a_decision_are_those_of_its_origin(kind: Callable[[str], Exception]) -> None:
    """Of the exception that it was raised from, or while that was handled, unless it is suppressed."""

    def details(error: BaseException) -> str | None:
        return report(error, retries=3, exception_message=None, policy=RetryPolicy(), chance=0.5).details

    from_one, while_one, alone = kind("a"), kind("a"), kind("a")
    from_one.__cause__ = OSError("the cause")
    while_one.__context__ = OSError("the context")
    alone.__context__, alone.__suppress_context__ = OSError("hidden"), True
    assert details(from_one) == "OSError: the cause\n"
    assert details(while_one) == "OSError: the context\n"
    own = details(alone)
    # A job that is put off has not failed: what the engine has of an earlier failure stays.
    assert own is None if isinstance(alone, RetryLater) else own is not None and own.endswith(": a\n")


@pytest.mark.parametrize(
    ("made", "retries", "expected"),
    [
        (Report("a", None, None, 10.0), 3, "has 2 retries left and is offered again in 10 s"),
        (Report("a", None, None, 30.0), 2, "has 1 retry left and is offered again in 30 s"),
        (Report("a", None, None, 90.0), 1, "moves to the dead letters"),
        (Report("a", None, None, 10.0), None, "is offered again in 10 s"),
        (Report("a", None, 4, None), 3, "has 4 retries left and is offered again at once"),
        (Report("a", None, 4, 86_400.0), 3, "has 4 retries left and is offered again in 86,400 s"),
        (Report("a", None, 0, None), 3, "moves to the dead letters"),
    ],
)
def test_the_log_is_told_what_becomes_of_the_job(made: Report, retries: object, expected: str) -> None:
    """What the engine does with the report."""
    assert outlook(made, retries) == expected


errors = st.one_of(
    st.builds(ValueError, st.text(max_size=50)),
    st.builds(
        JobFailure,
        st.text(max_size=50),
        retries=st.none() | st.integers(0, 9),
        retry_after=st.none() | st.floats(0, 99),
    ),
    st.builds(RetryLater, st.floats(0, 1e6), st.none() | st.text(max_size=3000)),
    st.builds(DeadLetter, st.text(max_size=3000)),
)
some_policies = st.builds(RetryPolicy, attempts=st.none() | st.integers(1, 9), first_pause=st.floats(0, 600))


@given(
    errors,
    st.none() | st.integers(-5, 20),
    st.none() | st.text() | st.text().map("Retry later: ".__add__),
    some_policies,
    st.floats(0, 1),
)
def test_every_report_can_be_stored_and_means_something(
    error: BaseException, retries: int | None, message: str | None, policy: RetryPolicy, chance: float
) -> None:
    """No negative retries, no pause on the way to the dead letters or of zero on the wire, a message within bounds."""
    made = report(error, retries=retries, exception_message=message, policy=policy, chance=chance)
    assert made.retries is None or made.retries >= 0
    if made.pause is not None:
        assert made.retries != 0
        assert float(from_seconds(made.pause).text[2:-1]) == made.pause > 0
    assert outlook(made, retries)
    if isinstance(error, RetryLater):
        assert made.retries == max(retries or 1, 1)
        if error.message is None:
            assert made.message == message
    else:
        assert made.message is not None
        assert made.message.strip()
        assert len(made.message) <= LONGEST_MESSAGE


@pytest.mark.parametrize(("pause", "kept"), [(0.0004, 0.001), (11.4996, 11.5), (0.0, None)])
def test_a_pause_is_whole_milliseconds_and_never_rounded_to_none(pause: float, kept: float | None) -> None:
    """The engine keeps no more of it, and would take zero for "at the next reset of expired locks"."""
    assert told(JobFailure("a", retry_after=pause), 3, None).pause == kept
    assert told(RetryLater(pause), 3, None).pause == kept


@given(some_policies, st.integers(1, 10), st.lists(st.none() | st.text(max_size=5), max_size=40))
def test_a_job_that_keeps_failing_ends_after_its_attempts(
    policy: RetryPolicy, given_by_the_engine: int, put_off: list[str | None]
) -> None:
    """However often it is put off in between, and whatever retries the engine gave it."""
    retries, message, failed = given_by_the_engine, None, 0
    pending = list(put_off)
    while retries:
        later = RetryLater(1, pending.pop()) if pending else None
        if later is not None and len(pending) % 2:
            made = told(later, retries, message, policy)
        else:
            failed += 1
            made = told(ValueError("Retry later: a" if failed % 2 else ""), retries, message, policy)
        message = made.message
        retries = retries - 1 if made.retries is None else made.retries
    assert failed == (policy.attempts or given_by_the_engine)


# ---------------------------------------------------------------- the log


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
        (
            Reading(Meaning.NOT_SENT, None, "refused", elsewhere="sso.test:443"),
            (
                "no connection to sso.test:443, which is not the engine, but was asked by the session's auth, a hook "
                "or a redirect: refused"
            ),
        ),
        (
            Reading(Meaning.UNCLEAR, None, "reset", elsewhere="sso.test:443"),
            (
                "no answer from sso.test:443, which is not the engine, but was asked by the session's auth, a hook "
                "or a redirect: reset"
            ),
        ),
        (
            Reading(Meaning.NOT_THE_ENGINE, 403, "No", elsewhere="sso.test:443"),
            (
                "sso.test:443 answered 403, which is not the engine, but was asked by the session's auth, a hook "
                "or a redirect: No"
            ),
        ),
        (
            Reading(Meaning.FAULT, None, "KeyError: 'token'", elsewhere="sso.test:443"),
            "the session, its auth or a hook of it raised: KeyError: 'token'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_log_says_what_happened_and_what_to_look_at(reading: Reading, expected: str) -> None:
    """One line for the person on call."""
    assert explain(reading) == expected


@given(st.sampled_from(Meaning), st.none() | st.integers(100, 599), st.text(), st.sampled_from([None, "sso.test:443"]))
def test_every_reading_is_explained_in_one_line_of_bounded_length(
    meaning: Meaning, status: int | None, text: str, elsewhere: str | None
) -> None:
    """Whatever a gateway puts into its pages."""
    explanation = explain(Reading(meaning, status, text, elsewhere=elsewhere))
    assert len(explanation) < 500
    assert len(explanation.splitlines()) == 1


def test_a_trace_begins_with_the_handler() -> None:
    """Frames of this library before it are nobody's business; without others, all stay."""
    names: dict[str, object] = {"__name__": "flowable.external_worker_client.runtime.made_up"}
    exec("def call(function):\n    return function()", names)  # noqa: S102 - a frame of this library
    call: Any = names["call"]

    def handler() -> None:
        call(int)
        raise ValueError("of the handler")

    with pytest.raises(ValueError, match="of the handler") as caught:
        call(lambda: call(handler))
    trace = caught.value.__traceback__
    assert trace is not None
    outermost = from_the_handler(trace.tb_next)
    assert outermost is not None
    assert outermost.tb_frame.f_code.co_name == "<lambda>"
    with pytest.raises(TypeError) as wrong:
        call(5)
    ours = wrong.value.__traceback__
    assert ours is not None
    assert from_the_handler(ours.tb_next) is ours.tb_next
    assert from_the_handler(None) is None


def test_failures_are_of_one_kind_whatever_numbers_they_have_in_them() -> None:
    """Unless the text is what somebody has to mend: what the engine says of a request that is wrong."""
    assert kind(Reading(Meaning.OVERLOADED, 503, "request 1")) == kind(Reading(Meaning.OVERLOADED, 503, "request 2"))
    assert kind(Reading(Meaning.OVERLOADED, 503)) != kind(Reading(Meaning.OVERLOADED, 429))
    assert kind(Reading(Meaning.NOT_SENT)) != kind(Reading(Meaning.NOT_SENT, elsewhere="login.example:443"))
    assert kind(Reading(Meaning.REFUSED, 400, "no topic")) != kind(Reading(Meaning.REFUSED, 400, "no lock"))
