"""What a release cannot hold is refused before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import responses

from flowable.external_worker_client import EngineRestVariable, FlowableExternalWorkerRestClient, InvalidArgumentError
from flowable.external_worker_client.rest import codec
from flowable.external_worker_client.variables import TYPES, Release, check, release, write

R68, R70, R72 = release("6.8"), release("7.0.1"), release("7.2")
HOST = "http://flowable.invalid"


@pytest.mark.parametrize(
    ("name", "version"),
    [("6.6", (6, 6)), ("6.8.0", (6, 8)), ("7.2", (7, 2)), ("8.0.0.M1", (8, 0)), ("8.2.0.4", (8, 2)), ("10.0", (10, 0))],
)
def test_a_release_is_known_by_what_people_write(name: str, version: tuple[int, int]) -> None:
    """Newer ones too: they have what the newest known one has."""
    known = release(name)
    assert (known.name, str(known), known.version) == (name, name, version)
    assert release(known) is known
    assert known == Release(name, version)


@pytest.mark.parametrize("name", ["", "7", "6.5.0", "5.22", "seven", "v7.2", "7.2 ", "7.\u0662", None, 7.2])
def test_what_is_no_release_with_external_workers_is_refused(name: Any) -> None:
    """By the name of the argument that people give."""
    with pytest.raises(InvalidArgumentError, match=r"^engine="):
        release(name)


def test_types_came_with_releases() -> None:
    """Big numbers with 7.2, everything else with the first."""
    new = {each.name for each in TYPES if not R68.has(each.name)}
    assert new == {"bigInteger", "bigDecimal"}
    assert all(R72.has(each.name) for each in TYPES)
    assert R68.has("ofTheirOwn")


@pytest.mark.parametrize("value", [2**63, Decimal("1.50")])
@pytest.mark.parametrize("old", [R68, R70, release("7.1")], ids=str)
def test_big_numbers_need_7_2(old: Release, value: object) -> None:
    """The error names variable, type and release, and shows the value as it was given."""
    kind = write("total", value).type
    assert write("total", value, release=R72).type == kind
    with pytest.raises(InvalidArgumentError) as caught:
        write("total", value, release=old)
    assert str(caught.value) == (
        f"variables['total']={value!r} is not accepted: it must be of a type that Flowable {old} has: {kind} came with "
        "7.2 (text is an alternative)"
    )
    assert caught.value.value is value


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("x" * 20_000_001, "text of at most 20000000 characters within a string"),
        ("🎈" * 10_000_001, "text of at most 20000000 characters within a string"),
        ({"a": [{"b": "x" * 20_000_001}]}, "text of at most 20000000 characters within a json"),
        ([[10**1000]], "a number of at most 1000 digits within a json"),
        ([-(10**1000)], "a number of at most 1000 digits within a json"),
    ],
    ids=["text", "beyond U+FFFF", "text within", "number", "negative number"],
)
def test_releases_since_7_0_have_limits(value: object, accepted: str) -> None:
    """6.8 has none, and takes more."""
    write("v", value, release=R68)
    for new in (R70, R72):
        with pytest.raises(InvalidArgumentError) as caught:
            write("v", value, release=new)
        assert caught.value.accepted == f"{accepted}: Flowable {new} takes no longer ones"


@pytest.mark.parametrize(
    "value",
    ["x" * 20_000_000, "🎈" * 10_000_000, [10**1000 - 1, -(10**1000) + 1], {"a": [(1, 2)]}, 10**3000],
    ids=["text", "beyond U+FFFF", "numbers", "json", "big integer"],
)
def test_what_is_within_the_limits_passes(value: object) -> None:
    """To the last character; a big integer goes as text, of which there may be more."""
    write("v", value, release=R72)


def test_variables_of_any_origin_are_checked() -> None:
    """Those of a person's own too; types that nobody here knows are for the engine to judge."""
    check(EngineRestVariable("v", "ofTheirOwn", {"a": 1}), R72)
    check(EngineRestVariable("v", "bigDecimal", "1"), R72)
    with pytest.raises(InvalidArgumentError, match=r"^variables\['v'\]='1' is not accepted"):
        check(EngineRestVariable("v", "bigDecimal", "1"), R68)
    with pytest.raises(InvalidArgumentError, match=r"^variables\['v'\]='1' is not accepted"):
        codec.encode_variables([EngineRestVariable("v", "bigDecimal", "1")], R68)
    assert codec.encode_variables([EngineRestVariable("v", "bigDecimal", "1")])


@responses.activate
@pytest.mark.parametrize("operation", ["complete_job", "job_with_bpmn_error", "job_with_cmmn_terminate"])
def test_a_client_that_knows_its_engine_sends_nothing_that_it_cannot_hold(operation: str) -> None:
    """For every operation that takes variables."""
    client = FlowableExternalWorkerRestClient(HOST, "worker", engine="6.8.0")
    assert client.engine == Release("6.8.0", (6, 8))
    with pytest.raises(InvalidArgumentError, match=r"^variables\['total'\].*bigDecimal came with 7\.2"):
        getattr(client, operation)("job-1", [write("total", Decimal(1))])
    assert len(responses.calls) == 0


def test_a_client_that_does_not_know_its_engine_leaves_it_to_the_engine() -> None:
    """Which is the default."""
    assert FlowableExternalWorkerRestClient(HOST, "worker").engine is None
    with pytest.raises(InvalidArgumentError, match=r"^engine="):
        FlowableExternalWorkerRestClient(HOST, "worker", engine="6.5")
