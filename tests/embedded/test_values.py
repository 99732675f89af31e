"""Durations, dates, variables and JSON are read and written as Java and the engine do it."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.testing import RELEASES, EngineError, Value
from flowable.external_worker_client.testing.dates import (
    WrongDateError,
    instant_text,
    job_date_text,
    local_date_time_text,
    parse_date,
    parse_instant,
    parse_local_date,
    parse_local_date_time,
    short_date_text,
)
from flowable.external_worker_client.testing.durations import (
    LongOverflowError,
    WrongDurationError,
    as_nanos,
    lock_millis,
    parse_duration,
    to_millis,
)
from flowable.external_worker_client.testing.expressions import ExpressionError, evaluate
from flowable.external_worker_client.testing.jackson import Reader, to_json
from flowable.external_worker_client.testing.releases import release_profile
from flowable.external_worker_client.testing.variables import from_python, read_value, to_python, write_variable

SECOND = 1_000_000_000
R72 = RELEASES["7.2"]
R68 = RELEASES["6.8"]
R80 = RELEASES["8.0"]


# ---------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT10M", 600),
        ("pt10m", 600),
        ("P1D", 86_400),
        ("P1DT2H", 93_600),
        ("PT0.5S", 0.5),
        ("PT0,5S", 0.5),
        ("PT1.S", 1),
        ("-PT10M", -600),
        ("+PT1M", 60),
        ("PT-1M", -60),
        ("-PT-0.5S", 0.5),
        ("PT-0.5S", -0.5),
        ("PT1H-1M", 3_540),
        ("PT0S", 0),
    ],
)
def test_durations_are_read_as_java_reads_them(text: str, seconds: float) -> None:
    """Signs, cases, days and fractions count as they do in java.time.Duration."""
    assert parse_duration(text) == seconds * SECOND


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1M", "P1W", "P1Y", "10", "10m", "PT1.0000000001S", "PT1M1H", "P1DT", "PT1S ", "PT\u0661S", "1D"],
)
def test_what_java_refuses_is_no_duration(text: str) -> None:
    """Weeks, months, years, empty parts, more than nine digits and foreign digits are refused."""
    with pytest.raises(WrongDurationError, match="Text cannot be parsed to a Duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("PT9999999999999999999S", "seconds"),
        ("P106751991167301D", "days"),
        (f"PT{'9' * 5000}S", "seconds"),
        ("PT9223372036854775807S", None),
    ],
)
def test_durations_beyond_64_bits_are_refused(text: str, part: str | None) -> None:
    """What does not fit Java's seconds is refused and says which part; what just fits is read."""
    if part is None:
        assert parse_duration(text) == (2**63 - 1) * SECOND
        return
    with pytest.raises(WrongDurationError, match=f"Duration: {part}$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("P24D", 2_073_600_000),
        ("PT2147483.647S", 2_147_483_647),
        ("PT2147483.648S", -2_147_483_648),
        ("P25D", -2_134_967_296),
        ("P50D", 25_032_704),
        ("-PT10M", 600_000),
        ("PT0.0001S", 0),
    ],
)
def test_locks_are_cut_to_32_bits_of_milliseconds(text: str, millis: int) -> None:
    """The sign of a lock duration does not count, and long ones wrap around."""
    assert lock_millis(parse_duration(text)) == millis


def test_milliseconds_are_cut_towards_zero_and_overflow() -> None:
    """Fractions of a millisecond vanish on both sides of zero, and 64 bits are the limit."""
    assert [to_millis(1_999_999), to_millis(-1_999_999)] == [1, -1]
    with pytest.raises(LongOverflowError, match=r"^long overflow$"):
        to_millis(parse_duration("P106751991168D"))


def test_tests_may_give_durations_in_python() -> None:
    """Texts, numbers of seconds and timedeltas mean the same; nonsense names the parameter."""
    assert {as_nanos("PT1.5S", "p"), as_nanos(1.5, "p"), as_nanos(timedelta(seconds=1.5), "p")} == {1_500_000_000}
    with pytest.raises(ValueError, match=r"^lock_duration: '5m' is no duration; accepted are ISO-8601 text"):
        as_nanos("5m", "lock_duration")


# ---------------------------------------------------------------- dates


def test_dates_are_written_by_release() -> None:
    """A zero fraction is left out except by 7.2; variables of type date lose it before 8.0."""
    whole, odd = 1_588_587_945_000, 1_588_587_945_583
    assert job_date_text(whole, keep_fraction=True) == "2020-05-04T10:25:45.000Z"
    assert job_date_text(whole, keep_fraction=False) == "2020-05-04T10:25:45Z"
    assert job_date_text(odd, keep_fraction=False) == instant_text(odd) == "2020-05-04T10:25:45.583Z"
    assert short_date_text(odd) == "2020-05-04T10:25:45Z"


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (253_402_300_800_000, "+10000-01-01T00:00:00Z"),
        (31_556_889_864_403_199_000, "+1000000000-12-31T23:59:59Z"),
        (-62_135_596_800_001, "0000-12-31T23:59:59.999Z"),
        (-62_198_755_200_000, "-0001-01-01T00:00:00Z"),
    ],
)
def test_dates_beyond_pythons_years_are_written(millis: int, text: str) -> None:
    """The engine's calendar does not end in the year 9999, nor begin with the year 1."""
    assert instant_text(millis) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_survive_writing_and_reading(value: datetime) -> None:
    """An instant is written so that reading it gives the same milliseconds."""
    stored = from_python(value)
    assert read_value("v", "instant", instant_text(stored.value), R72) == stored


@pytest.mark.parametrize(
    ("text", "lenient", "strict"),
    [
        ("2020-05-04T10:25:45Z", 45_000, 45_000),
        ("2020-05-04T10:25:45.583Z", 45_583, 45_583),
        ("2020-05-04T10:25:45.5Z", 45_500, None),
        ("2020-05-04T10:25:45.583123Z", 45_583, None),
        ("2020-05-04T12:25:45+02:00", 45_000, 45_000),
        ("2020-05-04T12:25:45+0200", 45_000, None),
        ("20200504T102545Z", 45_000, None),
        ("2020-05-04T10:25Z", 0, 0),
        ("2020-05-04T10:25:60Z", 59_000, None),
        ("2020-05-04T12:25:45+02", None, None),
        ("2020-05-04T10:25:45", None, 45_000),
        ("2020-13-04T10:25:45Z", None, None),
        ("x", None, None),
        ("", None, None),
    ],
)
def test_dates_are_read_by_release(text: str, lenient: int | None, strict: int | None) -> None:
    """8.0 reads dates strictly and takes a missing zone as UTC; before, it is the other way round."""
    minute = 1_588_587_900_000
    for is_strict, expected in ((False, lenient), (True, strict)):
        if expected is None:
            with pytest.raises(WrongDateError):
                parse_date(text, strict=is_strict)
        else:
            assert parse_date(text, strict=is_strict) == minute + expected


def test_instants_know_the_ends_of_a_day() -> None:
    """The 24th hour is the next day's first, and a leap second is the second before it."""
    assert parse_instant("2020-05-04T24:00:00Z") == parse_instant("2020-05-05T00:00:00Z")
    assert parse_instant("2016-12-31T23:59:60Z") == parse_instant("2016-12-31T23:59:59Z")
    with pytest.raises(WrongDateError):
        parse_instant("2020-05-04T24:00:01Z")


def test_a_date_alone_is_midnight() -> None:
    """A date without a time is midnight in UTC, on every release."""
    assert parse_date("2020-05-04", strict=False) == parse_date("2020-05-04", strict=True) == 1_588_550_400_000


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-02-30", "2020-03-01"),
        ("2021-02-30", "2021-03-02"),
        ("20200431", "2020-05-01"),
        ("2020-05-00", "2020-04-30"),
        ("2020-13-31", "2021-01-31"),
        ("2020-00-15", "2019-12-15"),
        ("2020-14-30", "2021-03-02"),
    ],
)
def test_a_date_alone_counts_on_beyond_its_month_before_8(text: str, day: str) -> None:
    """Without a time, days and months that do not exist count on; with one, and from 8.0 on, they are no date."""
    assert parse_date(text, strict=False) == parse_date(day, strict=True)
    for other, strict in ((text, True), (f"{text}T10:25:45Z", False)):
        with pytest.raises(WrongDateError):
            parse_date(other, strict=strict)
    with pytest.raises(WrongDateError):
        parse_local_date(text)


def test_local_dates_and_times_have_no_zone() -> None:
    """Local times are read without a zone, cut to milliseconds, and lose seconds that are zero."""
    assert parse_local_date("2020-04-20") == date(2020, 4, 20)
    assert parse_local_date_time("2020-04-20T12:53:10.123999") == datetime.fromisoformat("2020-04-20T12:53:10.123")
    assert local_date_time_text(parse_local_date_time("2020-04-20T12:53:00")) == "2020-04-20T12:53"
    assert local_date_time_text(parse_local_date_time("2020-04-20T12:53:00.5")) == "2020-04-20T12:53:00.500"
    for text in ("2020-04-20T12:53:10Z", "2020-04-20"):
        with pytest.raises(WrongDateError):
            parse_local_date_time(text)
    with pytest.raises(WrongDateError):
        parse_instant("2020-04-20T12:53Z")


# ---------------------------------------------------------------- variables


@pytest.mark.parametrize(
    ("kind", "sent", "stored"),
    [
        ("integer", 3.7, 3),
        ("integer", -3.7, -3),
        ("integer", 5_000_000_000, 705_032_704),
        ("integer", 2**31 - 1, 2**31 - 1),
        ("integer", 2**31, -(2**31)),
        ("integer", -(2**31) - 1, 2**31 - 1),
        ("integer", 1e30, 2**31 - 1),
        ("integer", -1e30, -(2**31)),
        ("short", 70_000, 4_464),
        ("short", 2**15 - 1, 2**15 - 1),
        ("short", 2**15, -(2**15)),
        ("short", -40_000, 25_536),
        ("short", 40_000.5, -25_536),
        ("short", 1e30, -1),
        ("short", -1e30, 0),
        ("long", 3.7, 3),
        ("long", 1e30, 2**63 - 1),
        ("long", -1e30, -(2**63)),
        ("long", 2**63, -(2**63)),
        ("double", 2, 2.0),
        ("double", 10**400, math.inf),
        ("double", -(10**400), -math.inf),
        ("bigDecimal", "1E+3", Decimal("1E+3")),
        ("bigDecimal", 1.5, Decimal("1.5")),
        ("bigDecimal", "1e999999999", Decimal("1e999999999")),
        ("bigInteger", "123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_numbers_are_narrowed_silently(kind: str, sent: Any, stored: Any) -> None:
    """Numbers wrap around or are cut to fit their type, as Java narrows them."""
    value = read_value("v", kind, sent, R72)
    assert (value, type(value.value)) == (Value(kind, stored), type(stored))


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        *itertools.product(("integer", "long", "short", "double"), (True, False, "1", [1], {})),
        *itertools.product(("boolean",), (1, 0, 1.0, "true", [], {})),
        *itertools.product(("string",), (1, True, [])),
    ],
)
def test_booleans_are_no_numbers_and_numbers_no_booleans(kind: str, sent: Any) -> None:
    """A value has to be of the kind that its type names; nothing is converted."""
    with pytest.raises(EngineError) as caught:
        read_value("v", kind, sent, R72)
    assert (caught.value.status, caught.value.detail) == (400, f"Converter can only convert {kind}s")


@pytest.mark.parametrize(
    ("kind", "sent", "text"),
    [
        ("bigDecimal", "1e99999999999", "Too many nonzero exponent digits."),
        ("bigDecimal", "", None),
        ("bigDecimal", "1e", None),
        (
            "bigDecimal",
            True,
            'Character t is neither a decimal digit number, decimal point, nor "e" notation exponential mark.',
        ),
        ("bigInteger", "", "Zero length BigInteger"),
        ("bigInteger", True, 'For input string: "true"'),
    ],
)
def test_big_numbers_that_are_none_fail(kind: str, sent: Any, text: str | None) -> None:
    """The engine does not refuse them but fails, with the text of Java's own classes."""
    with pytest.raises(EngineError) as caught:
        read_value("v", kind, sent, R72)
    assert (caught.value.status, caught.value.detail) == (500, text)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("x", Value("string", "x")),
        (True, Value("boolean", value=True)),
        (1, Value("integer", 1)),
        (2**31 - 1, Value("integer", 2**31 - 1)),
        (2**31, Value("long", 2**31)),
        (-(2**31), Value("integer", -(2**31))),
        (-(2**31) - 1, Value("long", -(2**31) - 1)),
        (2**63 - 1, Value("long", 2**63 - 1)),
        (2**63, Value("bigInteger", 2**63)),
        (3_000_000_000, Value("long", 3_000_000_000)),
        (2**70, Value("bigInteger", 2**70)),
        (1.5, Value("double", 1.5)),
        ({}, Value("serializable", {})),
        ([1], Value("serializable", [1])),
        (None, Value("null", None)),
    ],
)
def test_without_a_type_values_have_their_own(sent: Any, expected: Value) -> None:
    """What is sent without a type is stored as JSON has it; objects and arrays become unreadable."""
    assert read_value("v", None, sent, R72) == expected


def test_scalars_sent_as_json_keep_their_own_type() -> None:
    """Only objects and arrays are stored as JSON."""
    sent = ["x", 5, 1.5, False, {"a": 1}, [1]]
    kinds = [read_value("v", "json", value, R72).type for value in sent]
    assert kinds == ["string", "integer", "double", "boolean", "json", "json"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (2.0, {"type": "double", "value": 2.0}),
        (Decimal("1E+3"), {"type": "bigDecimal", "value": "1000"}),
        (Decimal("1.50"), {"type": "bigDecimal", "value": "1.50"}),
        (2**70, {"type": "bigInteger", "value": str(2**70)}),
        (
            datetime(2020, 5, 4, 10, 25, 45, 583_999, tzinfo=UTC),
            {"type": "instant", "value": "2020-05-04T10:25:45.583Z"},
        ),
        (datetime.fromisoformat("2020-05-04T10:25"), {"type": "localDateTime", "value": "2020-05-04T10:25"}),
        (date(2020, 5, 4), {"type": "localDate", "value": "2020-05-04"}),
        (Value("date", 1_588_587_945_583), {"type": "date", "value": "2020-05-04T10:25:45Z"}),
        (b"\x00", {"type": "binary", "value": None}),
        (UUID(int=1), {"type": "serializable", "value": None}),
        ({"a": [1, None]}, {"type": "json", "value": {"a": [1, None]}}),
        (None, {"value": None}),
    ],
)
def test_workers_see_values_as_the_engine_writes_them(value: object, written: dict[str, Any]) -> None:
    """Every type has its text, and what the API cannot show is null with a type that says so."""
    assert write_variable("v", from_python(value), R72) == {"name": "v", **written}


def test_big_numbers_are_unreadable_before_7_2() -> None:
    """Earlier releases show them as serializable, and refuse them as types."""
    assert write_variable("v", Value("bigInteger", 1), R68) == {"name": "v", "type": "serializable", "value": None}
    with pytest.raises(EngineError, match=r"has unsupported type: 'bigInteger'"):
        read_value("v", "bigInteger", "1", R68)


@given(
    st.booleans()
    | st.integers()
    | st.text()
    | st.dates()
    | st.none()
    | st.decimals(allow_nan=False, allow_infinity=False)
)
def test_python_values_come_back_as_they_were(value: object) -> None:
    """What a test puts in is what it finds."""
    assert to_python(from_python(value)) == value


# ---------------------------------------------------------------- expressions


def test_expressions_compute_with_variables() -> None:
    """Sums of integers are longs, a name alone keeps its type, and comparisons are booleans."""
    variables = {name: from_python(value) for name, value in {"a": 2, "b": 3, "j": {"x": 1}, "s": "t"}.items()}
    assert evaluate("${a + b * 2}", variables) == Value("long", 8)
    assert evaluate("${a}", variables) == Value("integer", 2)
    assert evaluate("${a < b}", variables) == Value("boolean", value=True)
    assert evaluate("${j.x}", variables) == Value("long", 1)
    assert evaluate("${null}", variables) == Value("null", None)


@pytest.mark.parametrize("text", ["${missing}", "${missing + 1}", "${missing.name}", "${s.length}"])
def test_expressions_fail_with_the_engines_text(text: str) -> None:
    """A name that is not set, or a property that is not there, fails."""
    with pytest.raises(ExpressionError, match=r"^Unknown property used in expression: "):
        evaluate(text, {"s": Value("string", "x")})


@pytest.mark.parametrize("text", ["a + b", "${a", "${}", "${a if b else c}", "${print(1)}"])
def test_expressions_that_are_not_understood_are_refused(text: str) -> None:
    """What this engine cannot read is the test's mistake, and says so."""
    with pytest.raises(ValueError, match=r"^expression: "):
        evaluate(text, {"a": from_python(1)})


# ---------------------------------------------------------------- JSON


def reader(release: str = "7.2") -> Reader:
    """Return a reader of acquire requests."""
    return Reader(RELEASES[release], "AcquireExternalWorkerJobRequest", "the handler")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", "Required request body is missing: the handler"),
        (b"null", "Required request body is missing: the handler"),
        (b" ", "JSON parse error: No content to map due to end-of-input"),
        (b"{", "JSON parse error: Unexpected end-of-input"),
        (b'{"a":Infinity}', "JSON parse error: Non-standard token 'Infinity'"),
        (b'{"a":"\xff"}', "JSON parse error: Invalid UTF-8 start byte 0xff"),
        (b"[" * 1001, "JSON parse error: Cannot deserialize value of type `org.flowable"),
        (b'{"a":tru}', "JSON parse error: Unrecognized token 'tru': was expecting (JSON String"),
        (b'{"a":"\n"}', "JSON parse error: Illegal unquoted character ((CTRL-CHAR, code 10))"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "JSON parse error: Document nesting depth"),
        (b'{"a":' + b"9" * 1001 + b"}", "JSON parse error: Number value length"),
        (b"5", "JSON parse error: Cannot construct instance of"),
        (b"true", "JSON parse error: Cannot construct instance of"),
        (b"1.5", "JSON parse error: Cannot construct instance of"),
    ],
)
def test_unreadable_bodies_are_refused(body: bytes, refusal: str) -> None:
    """What Jackson refuses is refused with 400."""
    with pytest.raises(EngineError) as caught:
        reader().read(body)
    assert caught.value.status == 400
    assert str(caught.value.detail).startswith(refusal)


def test_what_jackson_lets_pass_is_read() -> None:
    """Nesting and numbers up to the limits, and on 6.8 numbers of any length."""
    assert reader().read(b'{"a":' + b"[" * 500 + b"]" * 500 + b"}").keys() == {"a"}
    assert reader().read(b'{"a":' + b"9" * 1000 + b"}") == {"a": 10**1000 - 1}
    assert reader("6.8").read(b'{"a":-' + b"9" * 9000 + b"}") == {"a": 1 - 10**9000}


def test_strings_over_20_million_characters_are_refused_by_7() -> None:
    """The limit of one string holds from 7.0 on."""
    body = b'{"a":"' + b"x" * 20_000_001 + b'"}'
    with pytest.raises(EngineError, match="String value length"):
        reader("7.0").read(body)
    assert len(reader("6.8").read(body)["a"]) == 20_000_001


@pytest.mark.parametrize(
    ("sent", "count", "optional"),
    [
        (3, 3, 3),
        ("3", 3, 3),
        (" 3 ", 3, 3),
        (1.9, 1, 1),
        (-1.9, -1, -1),
        (2**31 - 1, 2**31 - 1, 2**31 - 1),
        (2147483647.0, 2**31 - 1, 2**31 - 1),
        (-2147483648.0, -(2**31), -(2**31)),
        (None, 0, None),
        ("", 0, None),
        (" ", 0, None),
    ],
)
def test_counts_are_converted(sent: Any, count: int, optional: int | None) -> None:
    """Texts of numbers are numbers, fractions are cut, and nothing is 0 where a number has to be."""
    assert (reader().count({"n": sent}, "n", 5), reader().optional_count({"n": sent}, "n")) == (count, optional)
    assert (reader().count({}, "n", 5), reader().optional_count({}, "n")) == (5, None)


@pytest.mark.parametrize(
    "sent",
    [True, False, "x", "1.5", "true", 2**31, -(2**31) - 1, 2147483647.5, -2147483648.5, 1e400, str(2**31), [], {}],
)
def test_what_is_no_count_is_refused(sent: Any) -> None:
    """Booleans are no numbers, and a fraction above the greatest number is too much."""
    for read in (partial(reader().count, default=5), reader().optional_count):
        with pytest.raises(EngineError, match="JSON parse error") as caught:
            read({"n": sent}, "n")
        assert caught.value.status == 400


def test_null_counts_are_refused_by_8() -> None:
    """Null is 0 up to 7.2; 8.0 refuses it."""
    assert reader("7.2").count({"n": None}, "n", 5) == 0
    with pytest.raises(EngineError, match="Cannot map `null` into type `int`"):
        reader("8.0").count({"n": None}, "n", 5)


def test_half_a_surrogate_pair_is_written_as_an_escape() -> None:
    """JSON is UTF-8, except where that cannot hold a character that the engine keeps."""
    assert to_json({"ä": "🐟"}) == '{"ä":"🐟"}'.encode()
    assert to_json("\ud800") == b'"\\ud800"'


def test_releases_are_found_by_name_and_version() -> None:
    """Both names work, and an unknown one says what is known."""
    assert release_profile("7.0") is release_profile("7.0.1") is release_profile(RELEASES["7.0"])
    assert {name: profile.verified for name, profile in RELEASES.items()} == {
        "6.8": True,
        "7.0": True,
        "7.1": False,
        "7.2": True,
        "8.0": False,
    }
    with pytest.raises(
        ValueError, match=r"^release: '5.0' is not known; accepted are '6.8', '7.0', '7.1', '7.2', '8.0'"
    ):
        release_profile("5.0")
    assert R80.iso_dates
