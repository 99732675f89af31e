"""The log as the shells use it: which traces it shows."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import requests
from tests.support.waiting import until
from tests.support.wire import serving

from flowable.external_worker_client import ExternalWorkerClient
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.runtime.log import Log


def _raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (_raised(ValueError("x")), True),
        # By a person's code, or through it.
        (_raised(InvalidArgumentError("auth", 5, "none")), True),
        (InvalidArgumentError("auth", 5, "none"), False),
        (None, False),
    ],
    ids=["somebody's", "a refusal of what somebody's code did", "a refusal of our own", "none"],
)
def test_a_trace_is_shown_that_leads_through_the_code_of_somebody(
    caplog: pytest.LogCaptureFixture, error: Exception | None, *, shown: bool
) -> None:
    """Of what this library refuses by itself, the text says all."""
    Log("flowable.test").say(logging.ERROR, "no: %s", 5, error=error)
    [record] = caplog.records
    assert record.getMessage() == "no: 5"
    assert bool(record.exc_info) == shown


def _wrapping(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.body = b"{}"
    return request


def _raising(_: requests.PreparedRequest) -> requests.PreparedRequest:
    raise RuntimeError("vault sealed")


@pytest.mark.parametrize(("auth", "shown"), [(_wrapping, False), (_raising, True)], ids=["refused", "raises"])
def test_credentials_that_are_refused_need_no_trace(
    caplog: pytest.LogCaptureFixture, auth: Any, *, shown: bool
) -> None:
    """And those that raise have theirs."""
    with serving() as server:
        address = f"http://127.0.0.1:{server.port}"
        with ExternalWorkerClient(address, "w", transport="fast", auth=auth) as client:
            client.subscribe("t", lambda job, result: None)
            first = until(lambda: [each for each in caplog.records if each.levelno == logging.ERROR])[0]
        assert server.requests == []
    assert "cannot acquire jobs, the session, its auth or a hook of it raised" in first.getMessage()
    assert bool(first.exc_info) == shown
