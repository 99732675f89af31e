"""Every value that can be written is read back equal, through the JSON of a request and of an answer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from flowable.external_worker_client import EngineRestVariable, InvalidArgumentError, Typed
from flowable.external_worker_client.rest import codec
from flowable.external_worker_client.variables import TYPES, read, write

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
WHOLE = st.one_of(st.integers(-(2**70), 2**70), st.integers(-(10**3999) + 1, 10**4000 - 1))
DECIMALS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False).filter(lambda value: abs(value.adjusted()) < 1000),
    st.decimals(-(10**30), 10**30, places=10),
)
AWARE = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS)  # noqa: DTZ001 - zones are drawn
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**999), 10**999),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)
CONTAINERS = st.lists(JSON) | st.dictionaries(TEXT, JSON)


def there_and_back(value: object) -> object:
    """Return what a worker reads that gets what another one wrote."""
    (members,) = codec.encode_variables([write("v", value)])
    (sent,) = json.loads(codec.encode({"variables": [members]}))["variables"]
    return read(EngineRestVariable(sent["name"], sent.get("type"), sent.get("value")))


@given(st.one_of(st.none(), st.booleans(), TEXT, WHOLE, st.floats(allow_nan=False, allow_infinity=False), CONTAINERS))
def test_values_that_json_has_come_back_equal(value: object) -> None:
    """And of the same type."""
    again = there_and_back(value)
    assert (again, type(again)) == (value, type(value))


@given(st.one_of(DECIMALS, st.dates(), st.datetimes()))
def test_decimals_and_calendar_values_come_back_equal(value: Any) -> None:
    """Datetimes without what is beyond milliseconds."""
    if isinstance(value, datetime):
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    again = there_and_back(value)
    assert (again, type(again)) == (value, type(value))


@given(AWARE)
def test_an_aware_datetime_comes_back_in_utc_cut_to_milliseconds(value: datetime) -> None:
    """The one documented loss."""
    again = there_and_back(value)
    assert isinstance(again, datetime)
    assert again.tzinfo is UTC
    assert again == value.replace(microsecond=value.microsecond // 1000 * 1000)
    assert there_and_back(again) == again


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (UUID, st.uuids()),
        (time, st.times()),
        (timedelta, st.timedeltas(timedelta(days=-100_000), timedelta(days=100_000))),
    ],
)
@given(data=st.data())
def test_what_is_sent_as_text_is_read_through_its_annotation(annotation: Any, values: Any, data: st.DataObject) -> None:
    """Pydantic reads the form that is sent."""
    value = data.draw(values)
    text = there_and_back(value)
    assert isinstance(text, str)
    assert TypeAdapter(annotation).validate_python(text) == value


@given(
    st.dictionaries(st.integers() | st.uuids() | st.dates(), st.lists(DECIMALS | AWARE | st.datetimes() | st.uuids()))
)
def test_what_is_text_within_json_is_read_through_its_annotation(value: Any) -> None:
    """To the microsecond; names of members too."""
    again = there_and_back(value)
    assert isinstance(again, dict)
    assert list(again) == [key.isoformat() if isinstance(key, date) else str(key) for key in value]
    for each, members in zip(again.values(), value.values(), strict=True):
        for text, member in zip(each, members, strict=True):
            assert TypeAdapter(type(member)).validate_python(text) == member


ANYTHING = st.recursive(
    st.one_of(
        JSON,
        st.text(),
        st.binary(),
        st.floats(),
        st.decimals(),
        st.datetimes(timezones=st.none() | OFFSETS),
        st.times(timezones=st.none() | OFFSETS),
        st.timedeltas(),
        st.complex_numbers(),
        st.sets(st.integers()),
        st.builds(object),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(JSON.filter(lambda key: key.__hash__ is not None), inner),
)


@given(ANYTHING, st.sampled_from([each.name for each in TYPES if each.takes and each.name]))
def test_anything_is_written_or_refused_and_nothing_else_happens(value: object, kind: str) -> None:
    """What is written can be sent, and read."""
    for attempt in (value, Typed(value, kind)):
        try:
            variable = write("v", attempt)
        except InvalidArgumentError as error:
            assert str(error).startswith("variables['v']")  # noqa: PT017 - or it is none
        else:
            codec.encode({"variables": codec.encode_variables([variable])})
            read(variable)
