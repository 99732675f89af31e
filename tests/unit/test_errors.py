"""Exceptions carry facts, survive pickling, and show no secrets."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from flowable.external_worker_client import (
    ExternalWorkerError,
    FlowableRestException,
    InvalidArgumentError,
    UnreadableAnswerError,
)
from flowable.external_worker_client.errors import SECRET, shorten
from flowable.external_worker_client.handlers.callback import UnknownOutcomeError


@pytest.mark.parametrize(
    "error",
    [
        InvalidArgumentError("topic", 5, "text"),
        FlowableRestException(404, '{"message":"Not found","exception":"gone"}', headers={"retry-after": "3"}),
        FlowableRestException(401, "", hint="the job id 'a;b' contains ';'"),
        UnreadableAnswerError(200, "<html>", hint="the answer is not JSON"),
        UnknownOutcomeError({"a": 1}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_keeps_text_and_facts_through_a_pickle(error: Exception) -> None:
    """They cross process borders in pools and test runners."""
    again: Any = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert isinstance(error, ExternalWorkerError)


def test_the_text_of_an_answer_is_that_of_version_1_and_a_hint_follows() -> None:
    """`args[0]` is what programs compare."""
    assert FlowableRestException(500).args == ("Failed to call Flowable with status code 500",)
    assert str(FlowableRestException(500, "x")) == "Failed to call Flowable with status code 500 and content 'x'"
    hinted = FlowableRestException(400, "x", hint="odd")
    assert hinted.args == ("Failed to call Flowable with status code 400 and content 'x'",)
    assert str(hinted) == "Failed to call Flowable with status code 400 and content 'x' (odd)"


def test_an_unreadable_answer_keeps_its_text_beside_the_other_base_classes() -> None:
    """It is an `OSError` and a `ValueError` too, which have ideas of their own about arguments."""
    error = UnreadableAnswerError(200, "[{", hint="cut off")
    assert (error.args, error.errno, error.response) == (
        ("Failed to call Flowable with status code 200 and content '[{'",),
        None,
        None,
    )


def test_a_value_that_must_not_be_seen_is_not() -> None:
    """Not in the text, not in the repr."""
    error = InvalidArgumentError("token", SECRET, "text")
    assert str(error) == "token=<not shown> is not accepted: it must be text"


def test_values_in_errors_are_shortened_and_may_be_hostile() -> None:
    """A megabyte, or a `__repr__` that raises, does not get into a message."""

    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shorten(Hostile()) == "<Hostile>"
    assert shorten("x" * 10**6) == "'" + "x" * 118 + "…"
