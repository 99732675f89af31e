"""Durations: what is accepted, what is sent, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client import InvalidArgumentError
from flowable.external_worker_client.durations import (
    MAXIMUM_LOCK,
    MINIMUM_LOCK,
    Duration,
    from_seconds,
    lock_duration,
    poll,
    retry_timeout,
)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("PT1M", Duration("PT1M", 60)),
        ("pt10m", Duration("pt10m", 600)),
        ("P1DT2H", Duration("P1DT2H", 93_600)),
        ("P2D", Duration("P2D", 172_800)),
        ("PT0.5S", Duration("PT0.5S", 0.5)),
        ("PT1,5S", Duration("PT1,5S", 1.5)),
        ("+PT1M", Duration("+PT1M", 60)),
        ("PT1H-30M", Duration("PT1H-30M", 1800)),
        (" PT5S ", Duration("PT5S", 5)),
        ("5m", Duration("PT300S", 300)),
        ("90s", Duration("PT90S", 90)),
        ("500ms", Duration("PT0.5S", 0.5)),
        ("1.5h", Duration("PT5400S", 5400)),
        ("1 d", Duration("PT86400S", 86_400)),
        (timedelta(minutes=2), Duration("PT120S", 120)),
        (30, Duration("PT30S", 30)),
        (0.25, Duration("PT0.25S", 0.25)),
        ("PT2147483.647S", Duration("PT2147483.647S", MAXIMUM_LOCK)),
        (MINIMUM_LOCK, Duration("PT0.001S", 0.001)),
    ],
    ids=repr,
)
def test_a_lock_duration_is_read_in_every_form_and_iso_text_is_kept(given_value: object, expected: Duration) -> None:
    """ISO text goes out as written, everything else in seconds."""
    assert lock_duration(given_value) == expected


@pytest.mark.parametrize(
    "given_value",
    [
        "10 minutes",
        "10",
        "",
        "P",
        "PT",
        "P1M",
        "P1W",
        "P1Y",
        "1DT",
        "PT1.5M",
        "P1DT",
        "five minutes",
        "-PT1M",
        "PT0S",
        "PT0.0001S",
        "P25D",
        "PT2147483.648S",
        0,
        -1,
        10**400,
        float("nan"),
        float("inf"),
        True,
        None,
        b"PT1M",
        timedelta(0),
        timedelta(days=25),
        ["PT1M"],
    ],
    ids=repr,
)
def test_a_lock_duration_that_the_engine_would_refuse_or_misread_is_refused(given_value: object) -> None:
    """The error names parameter and value, and carries them."""
    with pytest.raises(InvalidArgumentError, match=r"^lock_duration=.* is not accepted: it must be ") as caught:
        lock_duration(given_value)
    assert caught.value.parameter == "lock_duration"
    assert caught.value.value is given_value


@pytest.mark.parametrize("given_value", [0, "0s", "PT0.009S", -1, timedelta(milliseconds=9), "soon"])
def test_a_poll_is_no_busy_loop(given_value: object) -> None:
    """Ten milliseconds at least."""
    with pytest.raises(InvalidArgumentError, match=r"^poll="):
        poll(given_value)
    assert poll("10ms").seconds == 0.01


@pytest.mark.parametrize("given_value", ["-PT1S", -0.5, timedelta(seconds=-1), "P9999999D", "soon"], ids=repr)
def test_a_retry_timeout_is_not_negative_nor_endless(given_value: object) -> None:
    """Zero is fine, below is not; ten thousand years are enough."""
    with pytest.raises(InvalidArgumentError, match=r"^retry_timeout="):
        retry_timeout(given_value)
    assert retry_timeout("PT0S") == Duration("PT0S", 0)
    assert retry_timeout("P36500D").seconds == 36_500 * 86_400


@given(st.floats(min_value=MINIMUM_LOCK, max_value=MAXIMUM_LOCK))
def test_seconds_survive_the_way_to_text_to_the_millisecond(seconds: float) -> None:
    """Whatever number is given, the text that is sent means the same, to half a millisecond."""
    read_again = retry_timeout(from_seconds(seconds).text)
    assert abs(read_again.seconds - seconds) <= 0.0005001


@given(st.text(max_size=12) | st.from_regex(r"[-+]?P[-+0-9DTHMS.,]{0,10}", fullmatch=True))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    """No text gets any other exception, and what is accepted is in range."""
    parameter = "lock_duration"
    try:
        seconds = lock_duration(text).seconds
    except InvalidArgumentError as error:
        parameter, seconds = error.parameter, MINIMUM_LOCK
    assert parameter == "lock_duration"
    assert MINIMUM_LOCK <= seconds <= MAXIMUM_LOCK
