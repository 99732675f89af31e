"""The default transport: what exceptions of requests say about whether the engine can have seen a request.

What it does on the wire is in test_transports.py, for both transports.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests

from flowable.external_worker_client.rest.requests_transport import failure_kind
from flowable.external_worker_client.rest.transport import FailureKind


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.exceptions.InvalidURL("x"), FailureKind.NOT_SENT),
        (requests.exceptions.InvalidHeader("x"), FailureKind.NOT_SENT),
        (requests.exceptions.TooManyRedirects("x"), FailureKind.UNCLEAR),
        (requests.exceptions.ConnectionError("a mock's"), FailureKind.UNCLEAR),
        (requests.exceptions.ConnectionError(), FailureKind.UNCLEAR),
        (RuntimeError("anything"), FailureKind.UNCLEAR),
    ],
    ids=repr,
)
def test_only_what_is_certain_counts_as_not_sent(error: Any, expected: FailureKind) -> None:
    """Everything unknown may have reached the engine."""
    assert failure_kind(error) is expected


def test_an_untrusted_certificate_means_not_sent() -> None:
    """The handshake ended before the request began."""
    import ssl  # noqa: PLC0415 - for this test alone

    import urllib3.exceptions  # noqa: PLC0415 - the same

    cause = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("untrusted"))
    pool: Any = None
    certificate = requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(pool, "/", cause))
    broken = requests.exceptions.SSLError(
        urllib3.exceptions.MaxRetryError(pool, "/", urllib3.exceptions.SSLError(ssl.SSLError("bad record")))
    )
    assert failure_kind(certificate) is FailureKind.NOT_SENT
    assert failure_kind(broken) is FailureKind.UNCLEAR
