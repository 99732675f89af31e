"""Retry policies: what is accepted, whose turn it is, and how long a job waits."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client import InvalidArgumentError, RetryPolicy

SOON, LATE = RetryPolicy(first_pause=1), RetryPolicy(first_pause="5m")


def _policy(first: float, more: float, growth: float, jitter: float, attempts: int | None) -> RetryPolicy:
    return RetryPolicy(first_pause=first, longest_pause=first + more, growth=growth, jitter=jitter, attempts=attempts)


policies = st.builds(
    _policy,
    first=st.floats(0, 1e9),
    more=st.floats(0, 1e9),
    growth=st.floats(1, 1e300) | st.integers(1, 10),
    jitter=st.floats(0, 1),
    attempts=st.none() | st.integers(1, 100),
)


def test_the_usual_policy_is_that_of_every_topic() -> None:
    """Ten seconds, then three times as long, ten minutes at most, and the engine counts."""
    policy = RetryPolicy()
    assert [policy.pause(attempt, 0.5) for attempt in range(1, 7)] == [10, 30, 90, 270, 600, 600]
    assert (policy.jitter, policy.attempts, dict(policy.exceptions)) == (0.2, None, {})


@pytest.mark.parametrize("duration", ["90s", "PT1M30S", 90, 90.0, timedelta(seconds=90)], ids=str)
def test_durations_are_taken_in_every_form_and_compared_as_seconds(duration: Any) -> None:
    """How they were written does not make policies differ."""
    policy = RetryPolicy(first_pause=duration, longest_pause=duration)
    assert (policy.first_pause_seconds, policy.longest_pause_seconds) == (90.0, 90.0)
    same = RetryPolicy(first_pause="1.5m", longest_pause="1.5m")
    assert policy == same
    assert hash(policy) == hash(same)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"first_pause": "soon"}, "first_pause='soon'"),
        ({"first_pause": -1}, "first_pause=-1"),
        ({"longest_pause": None}, "longest_pause=None"),
        ({"first_pause": "1h"}, "longest_pause='10m' is not accepted: it must be at least as long as first_pause"),
        ({"growth": 0.5}, "growth=0.5"),
        ({"growth": float("inf")}, "growth=inf"),
        ({"growth": float("nan")}, "growth=nan"),
        ({"growth": "3"}, "growth='3'"),
        ({"growth": True}, "growth=True"),
        ({"jitter": -0.1}, "jitter=-0.1"),
        ({"jitter": 1.5}, "jitter=1.5"),
        ({"jitter": None}, "jitter=None"),
        ({"attempts": 0}, "attempts=0"),
        ({"attempts": 2.0}, "attempts=2.0"),
        ({"attempts": True}, "attempts=True"),
        ({"attempts": 2**31}, "attempts=2147483648"),
        ({"exceptions": [ValueError]}, "exceptions="),
        ({"exceptions": {"ValueError": SOON}}, "exceptions='ValueError'"),
        ({"exceptions": {int: SOON}}, "exceptions=<class 'int'>"),
        ({"exceptions": {ValueError: "10s"}}, "exceptions[ValueError]='10s'"),
        ({"exceptions": {ValueError: RetryPolicy(exceptions={OSError: SOON})}}, "exceptions[ValueError]=RetryPolicy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_argument_is_refused_by_its_name(arguments: dict[str, Any], named: str) -> None:
    """Where it was written, not when a job fails at night."""
    with pytest.raises(InvalidArgumentError) as caught:
        RetryPolicy(**arguments)
    assert str(caught.value).startswith(named)


def test_a_policy_is_changed_by_a_copy() -> None:
    """It is a value: also what was given to it may change without consequences."""
    table: dict[type[BaseException], RetryPolicy] = {ValueError: SOON}
    policy = RetryPolicy(exceptions=table)
    table[ValueError] = LATE
    assert policy.for_error(ValueError()) == SOON
    with pytest.raises(FrozenInstanceError):
        policy.attempts = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(policy, attempts=3) == RetryPolicy(attempts=3, exceptions={ValueError: SOON})


def _pickled(value: object) -> object:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - made here


@pytest.mark.parametrize("again", [copy.deepcopy, _pickled])
def test_a_policy_survives_copies_and_pickles(again: Any) -> None:
    """It may go to a pool of processes."""
    policy = RetryPolicy(first_pause="1m", attempts=5, exceptions={ConnectionError: LATE})
    assert again(policy) == policy
    assert repr(again(policy)) == repr(policy)


class NearestError(ConnectionError):
    """A made-up one."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(), SOON),
        (NearestError(), SOON),
        (ConnectionError(), SOON),
        (FileNotFoundError(), LATE),
        (OSError(), LATE),
        (ValueError(), None),
        (SystemExit(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_most_specific_type_decides(error: BaseException, expected: RetryPolicy | None) -> None:
    """Wherever it stands in the mapping; without one, the policy itself."""
    for policy in (
        RetryPolicy(exceptions={OSError: LATE, ConnectionError: SOON}),
        RetryPolicy(exceptions={ConnectionError: SOON, OSError: LATE}),
    ):
        assert policy.for_error(error) is (expected or policy)


def test_of_several_bases_the_first_decides() -> None:
    """As Python looks up attributes."""

    class BothError(ConnectionError, ValueError):
        pass

    policy = RetryPolicy(exceptions={ValueError: LATE, OSError: SOON})
    assert policy.for_error(BothError()) == SOON


@given(policies, st.integers(-(10**30), 10**30), st.floats(0, 1))
def test_a_pause_stays_in_its_range(policy: RetryPolicy, attempt: int, chance: float) -> None:
    """For every policy, attempt and chance."""
    pause = policy.pause(attempt, chance)
    assert 0 <= pause <= policy.longest_pause_seconds * (1 + policy.jitter) * (1 + 1e-12)
    assert pause >= min(policy.first_pause_seconds, policy.longest_pause_seconds) * (1 - policy.jitter) * (1 - 1e-12)


@given(policies, st.integers(1, 200))
def test_pauses_do_not_shrink(policy: RetryPolicy, attempt: int) -> None:
    """Before the jitter."""
    assert policy.pause(attempt, 0.5) <= policy.pause(attempt + 1, 0.5)


@given(policies, st.integers(1, 20))
def test_the_jitter_spreads_a_pause_evenly(policy: RetryPolicy, attempt: int) -> None:
    """As far below as above."""
    middle = policy.pause(attempt, 0.5)
    assert policy.pause(attempt, 0) == pytest.approx(middle * (1 - policy.jitter))
    assert policy.pause(attempt, 1) == pytest.approx(middle * (1 + policy.jitter))


def test_a_first_pause_of_zero_is_none_ever() -> None:
    """However far it would grow."""
    policy = RetryPolicy(first_pause=0, growth=1e300)
    assert [policy.pause(attempt, 1.0) for attempt in (1, 2, 1000)] == [0, 0, 0]
