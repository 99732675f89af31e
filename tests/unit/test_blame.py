"""Which variables the engine means when it refuses a result."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.runtime.blame import blame
from flowable.external_worker_client.testing import RELEASES, EngineError
from flowable.external_worker_client.testing.variables import read_variables

FINE: list[dict[str, Any]] = [
    {"name": "fine", "type": "string", "value": "text"},
    {"name": "also fine", "type": "integer", "value": 5},
    {"name": "a null", "type": "double", "value": None},
    {"name": "nothing", "type": None, "value": None},
]
POSTGRESQL = (
    "\n### Error updating database.  Cause: org.postgresql.util.PSQLException: ERROR: "
    'invalid byte sequence for encoding "UTF8": 0x00'
)
H2_TOO_LONG = (
    "\n### Error updating database.  Cause: org.h2.jdbc.JdbcSQLDataException: Value too long for column "
    '"NAME_ CHARACTER VARYING(255)": "\'nnn... (256)"; SQL statement:\ninsert into ACT_RU_VARIABLE'
)
CONFIGURED = (
    "The length of the string value exceeds the maximum allowed length of 5000 characters. Current length: 6000, "
    "for variable: bad in scope bpmn with id 8f0c"
)
KNOWN = "string, integer, long, short, double, boolean, date, instant, localDate, localDateTime, json"
WHOLE = "is of type bigInteger, which must be a whole number, not"
DECIMAL = "is of type bigDecimal, which must be a number, not"
SIGN = 'Character x is neither a decimal digit number, decimal point, nor "e" notation exponential mark.'


def nested(levels: int) -> Any:
    """Return a list in a list and so on."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def limit(what: str, found: int, most: int) -> str:
    """Return what the engine's JSON reader says."""
    return (
        f"JSON parse error: {what} ({found}) exceeds the maximum allowed ({most}, from `StreamReadConstraints.get…()`)"
    )


@pytest.mark.parametrize(
    ("status", "text", "kind", "value", "why"),
    [
        (400, "Converter can only convert strings", "string", 5, "is of type string, which must be text, not 5"),
        (
            400,
            "Converter can only convert strings",
            "string",
            ["a"],
            "is of type string, which must be text, not ['a']",
        ),
        (
            400,
            "Converter can only convert integers",
            "integer",
            "5",
            "is of type integer, which must be a number, not '5'",
        ),
        (
            400,
            "Converter can only convert integers",
            "integer",
            True,
            "is of type integer, which must be a number, not True",
        ),
        (400, "Converter can only convert longs", "long", {}, "is of type long, which must be a number, not {}"),
        (400, "Converter can only convert shorts", "short", "", "is of type short, which must be a number, not ''"),
        (
            400,
            "Converter can only convert doubles",
            "double",
            "1",
            "is of type double, which must be a number, not '1'",
        ),
        (
            400,
            "Converter can only convert booleans",
            "boolean",
            1,
            "is of type boolean, which must be true or false, not 1",
        ),
        (400, "Converter can only convert string to date", "date", 5, "is of type date, which must be text, not 5"),
        (
            400,
            "Converter can only convert string to instant",
            "instant",
            5,
            "is of type instant, which must be text, not 5",
        ),
        (
            400,
            "Converter can only convert string to localDate",
            "localDate",
            [1],
            "is of type localDate, which must be text, not [1]",
        ),
        (
            400,
            "Converter can only convert string to localDateTime",
            "localDateTime",
            False,
            "is of type localDateTime, which must be text, not False",
        ),
        (
            400,
            "The given variable value is not a date: '2020-05-04T10:25:45'",
            "date",
            "2020-05-04T10:25:45",
            "is of type date, which is written like 2020-05-04T10:25:45.000Z, not '2020-05-04T10:25:45'",
        ),
        (
            400,
            "The given variable value is not an instant: 'o'clock\n'",
            "instant",
            "o'clock\n",
            'is of type instant, which is written like 2020-05-04T10:25:45.000Z, not "o\'clock\\n"',
        ),
        (
            400,
            "The given variable value is not a localDate: ''",
            "localDate",
            "",
            "is of type localDate, which is written like 2020-05-04, not ''",
        ),
        (
            400,
            "The given variable value is not a localDateTime: '2020-04-20T12:53:10Z'",
            "localDateTime",
            "2020-04-20T12:53:10Z",
            "is of type localDateTime, which is written like 2020-05-04T10:25:45.000, not '2020-04-20T12:53:10Z'",
        ),
        (
            400,
            "Variable 'bad' has unsupported type: 'bigDecimal'.",
            "bigDecimal",
            "1",
            "is of type 'bigDecimal', which the engine knows since 7.2.0 only",
        ),
        (
            400,
            "Variable 'bad' has unsupported type: 'String'.",
            "String",
            "a",
            "is of type 'String', which is written string",
        ),
        (
            400,
            "Variable 'bad' has unsupported type: 'uuid'.",
            "uuid",
            "a",
            f"is of type 'uuid', which is none of {KNOWN}",
        ),
        (500, SIGN, "bigDecimal", "x", f"{DECIMAL} 'x'"),
        (500, "", "bigDecimal", "", f"{DECIMAL} ''"),
        (500, "Internal server error", "bigDecimal", "", f"{DECIMAL} ''"),
        (500, "No digits found.", "bigDecimal", "-", f"{DECIMAL} '-'"),
        (500, "Too many nonzero exponent digits.", "bigDecimal", "1e99999999999", f"{DECIMAL} '1e99999999999'"),
        (500, SIGN.replace(" x ", " t "), "bigDecimal", True, f"{DECIMAL} True"),
        (500, 'For input string: "1.5"', "bigInteger", 1.5, f"{WHOLE} 1.5"),
        (500, 'For input string: "[1]"', "bigInteger", [1], f"{WHOLE} [1]"),
        (500, "Zero length BigInteger", "bigInteger", "", f"{WHOLE} ''"),
        (500, "Illegal embedded sign character", "bigInteger", "--1", f"{WHOLE} '--1'"),
        (0, "java.lang.NumberFormatException", "bigInteger", "x", f"{WHOLE} 'x'"),
        (500, POSTGRESQL, "string", "a\0b", "holds U+0000, which the engine's database cannot store: 'a\\x00b'"),
        (500, POSTGRESQL, "json", "\0", "holds U+0000, which the engine's database cannot store: '\\x00'"),
        (
            400,
            CONFIGURED,
            "string",
            "x" * 6000,
            f"is 6,000 characters long, and this engine is configured to take 5,000 at most: '{'x' * 118}…",
        ),
        (
            400,
            limit("Document nesting depth", 1001, 1000),
            "json",
            nested(998),
            "is nested 998 levels deep, and the engine reads 997 at most",
        ),
        (
            400,
            limit("Number value length", 1001, 1000),
            "json",
            {"a": [1, -(10**1000)]},
            "holds a number of more than 1,000 digits: send it as text",
        ),
        (
            400,
            limit("String value length", 2001, 2000),
            "json",
            ["x" * 1999, "x" * 2001],
            "holds a text of 2,001 characters, and the engine reads 2,000 at most",
        ),
        (
            400,
            limit("Name length", 50_001, 50_000),
            "json",
            [{"x" * 50_001: 1}],
            "holds a key of 50,001 characters, and the engine reads 50,000 at most",
        ),
    ],
)
def test_the_variable_is_found_among_others(status: int, text: str, kind: str, value: object, why: str) -> None:
    """The engine rarely names it."""
    variables: list[dict[str, Any]] = [*FINE[:2], {"name": "bad", "type": kind, "value": value}, *FINE[2:]]
    said = " ".join(text.split())
    assert blame(status, text, variables) == f"variable 'bad' {why}" + (f" (the engine: {said})" if said else "")
    # Where nothing that was sent fits, the words of the engine have to do.
    assert blame(status, text, FINE) == (said or f"the engine answered {status} and gave no reason")


@pytest.mark.parametrize(
    "text", [H2_TOO_LONG, "ERROR: value too long for type character varying(255)"], ids=["H2", "PG"]
)
def test_a_long_name_is_found(text: str) -> None:
    """H2 counts characters beyond U+FFFF twice. The statement of the database is cut."""
    variables = [
        {"name": "n" * 255, "type": "string", "value": ""},
        {"name": "😀" * 128, "type": "string", "value": ""},
    ]
    sentence = blame(500, text, variables)
    assert sentence.startswith(f"variable '{'😀' * 118}")
    assert " has a name of 256 characters, and the engine keeps 255 at most (the engine: " in sentence
    assert len(sentence) < 700


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [("a", "string", "x" * 4000 + "\0"), ("a", "json", {"b": "\0"}), ("a", "json", ["\0"])],
    ids=["long", "object", "list"],
)
def test_where_postgresql_stores_u_0000_nothing_is_blamed(name: str, kind: str, value: object) -> None:
    """In longer strings, which go to another column, and inside of JSON."""
    assert blame(500, POSTGRESQL, [{"name": name, "type": kind, "value": value}]) == " ".join(POSTGRESQL.split())


def test_u_0000_in_a_name_is_found() -> None:
    """It does not get there by this library, but by a transport of somebody's own."""
    assert blame(500, POSTGRESQL, [{"name": "a\0", "type": "string", "value": "b"}]).startswith(
        "variable 'a\\x00' has U+0000 in its name, which the engine's database cannot store (the engine: ### Error"
    )


def test_a_variable_without_a_name_is_counted() -> None:
    """It has nothing else to go by."""
    variables: list[dict[str, Any]] = [*FINE, {"type": "string", "value": "a"}]
    assert blame(400, "Variable name is required.", variables) == (
        "variable number 5 of 5 has no name; its value is 'a' (the engine: Variable name is required.)"
    )


def test_a_result_that_is_too_large_names_its_largest_variables() -> None:
    """413 comes from a gateway, in words of its own, or none."""
    sizes = {"small": 10, "largest": 30_000, "large": 20_000, "middle": 1000}
    variables = [{"name": name, "type": "string", "value": "x" * size} for name, size in sizes.items()]
    assert blame(413, "", variables) == (
        "the result is too large for the engine or a gateway before it; its largest variables are 'largest' with "
        "30,002 bytes, 'large' with 20,002 bytes, 'middle' with 1,002 bytes"
    )
    assert blame(413, "Request Entity Too Large", []) == "Request Entity Too Large"


@pytest.mark.parametrize("text", ["Error with ID: 5d1c", "Invalid HTTP message. Error ID: 5d1c"])
def test_an_engine_that_keeps_its_reasons_to_itself_is_helped(text: str) -> None:
    """Everything that is known to be refused is looked for."""
    variables: list[dict[str, Any]] = [
        *FINE,
        {"name": "a", "type": "integer", "value": "5"},
        {"name": "b", "type": "json", "value": nested(1000)},
        {"name": "c", "type": "json", "value": 10**1000},
        {"name": "d", "type": "string", "value": "\0"},
        {"name": "e" * 256, "type": "string", "value": ""},
    ]
    sentence = blame(500, text, variables)
    assert sentence.startswith(
        "variable 'a' is of type integer, which must be a number, not '5'; variable 'd' holds U+0000"
    )
    assert sentence.endswith(f"; and 2 more (the engine: {text})")
    assert blame(500, text, FINE) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Can only complete BPMN external job with a BPMN error. Job with id '5' is from scope 'cmmn'",
            "a BPMN error ends jobs of processes only, and this job belongs to a case",
        ),
        (
            "Can only terminate CMMN external job. Job with id '5' is from scope 'null'",
            "terminate ends jobs of cases only, and this job belongs to a process",
        ),
    ],
    ids=["bpmnError", "cmmnTerminate"],
)
def test_an_outcome_of_the_other_kind_is_explained(text: str, expected: str) -> None:
    """It has nothing to do with variables."""
    assert blame(400, text, []) == f"{expected} (the engine: {text})"


@pytest.mark.parametrize(
    "text", ["workerId is required", "could not lock", "Cannot complete BPMN job. There is no BPMN engine available"]
)
def test_an_unknown_text_is_passed_on(text: str) -> None:
    """As it is, in one line."""
    assert blame(500, f"{text}\n  again", FINE) == f"{text} again"


@pytest.mark.parametrize("value", [5, -(10**400), "5", "+5", "-5", "\u0661"], ids=str)
def test_what_java_reads_as_a_whole_number_is_not_blamed(value: object) -> None:
    """Another variable was meant then."""
    variables = [{"name": name, "type": name, "value": value} for name in ("bigInteger", "bigDecimal")]
    assert blame(500, "Zero length BigInteger", variables) == "Zero length BigInteger"


@pytest.mark.parametrize("value", [1.5, 1e300, "1.", ".5", "-1.5e+10", "1E-0000000000005"], ids=str)
def test_what_java_reads_as_a_number_is_not_blamed(value: object) -> None:
    """Another variable was meant then."""
    assert blame(500, "", [{"name": "a", "type": "bigDecimal", "value": value}]) == (
        "the engine answered 500 and gave no reason"
    )


def test_only_a_few_are_named() -> None:
    """In the order in which the engine would have come upon them."""
    variables = [{"name": f"v{number}", "type": "string", "value": number} for number in range(9)]
    sentence = blame(400, "Converter can only convert strings", variables)
    assert re.findall(r"variable '(\w+)'", sentence) == ["v0", "v1", "v2"]
    assert "; and 6 more (the engine: Converter can only convert strings)" in sentence


# ---------------------------------------------------------------- for everything that can be sent

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
types = st.sampled_from([None, "", "String", "uuid", "bigDecimal", "bigInteger", *KNOWN.split(", ")])
variables_sent = st.lists(
    st.fixed_dictionaries({"name": st.text(min_size=1, max_size=8), "type": types, "value": values}), max_size=5
)


@given(st.none() | st.sampled_from([0, 400, 413, 500]), st.text(max_size=400), variables_sent)
def test_there_is_always_a_sentence(status: int | None, text: str, variables: list[dict[str, Any]]) -> None:
    """Whatever somebody answers."""
    sentence = blame(status, text, variables)
    assert sentence.strip()
    assert len(sentence.splitlines()) == 1


@given(variables_sent, st.sampled_from(sorted(RELEASES)))
def test_somebody_is_blamed_for_whatever_the_engine_refuses(variables: list[dict[str, Any]], release: str) -> None:
    """Held to the embedded engine, which refuses as the real ones do: the variable is among those it would refuse."""

    def refusal(some: list[dict[str, Any]]) -> EngineError | None:
        try:
            read_variables(some, RELEASES[release])
        except EngineError as error:
            return error
        return None

    error = refusal(variables)
    if error is not None:
        sentence = blame(error.status, error.detail or "", variables)
        guilty = [shorten(each["name"]) for each in variables if refusal([each]) is not None]
        assert sentence.startswith(tuple(f"variable {name} is of type" for name in guilty))
