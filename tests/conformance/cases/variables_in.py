"""Variables that a worker sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance import models
from tests.conformance.answers import lock_of, values_of
from tests.conformance.registry import case
from tests.conformance.scene import typed, variable

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

BIG_NUMBERS = (7, 2)
STRICT_DATES = (8, 0)


def sent_and_seen(s: Scene, *variables: dict[str, Any]) -> dict[str, tuple[str | None, Any]]:
    """Complete a job with variables, and return what the next worker sees of them."""
    s.complete_with(s.started(models.chain), *variables).is_accepted()
    return values_of(s.wait_for_job(s.own("t2")).job)


@case(41)
def values_of_every_type_reach_the_next_worker(s: Scene) -> None:
    """As they were sent, cut to milliseconds, dates to seconds; scalars of type json as what they are."""
    same = {
        "s": ("string", "text"),
        "empty": ("string", ""),
        "i": ("integer", 7),
        "l": ("long", 5_000_000_000),
        "h": ("short", 3),
        "d": ("double", 1.5),
        "whole": ("double", 2.0),
        "b": ("boolean", False),
        "ld": ("localDate", "2020-04-20"),
        "ldt": ("localDateTime", "2020-04-20T12:53:10"),
        "j": ("json", {"a": [1, None, "x", {"b": True}]}),
        "array": ("json", [1, 2]),
        "big": ("string", "x" * 5_000),
    }
    changed = [
        (typed("dt", "date", "2020-05-04T10:25:45.583Z"), ("date", "2020-05-04T10:25:45Z")),
        (typed("in", "instant", "2020-05-04T10:25:45.583123Z"), ("instant", "2020-05-04T10:25:45.583Z")),
        (typed("minutes", "localDateTime", "2020-04-20T12:53:00"), ("localDateTime", "2020-04-20T12:53")),
        (typed("scalar", "json", "scalar"), ("string", "scalar")),
        (typed("json-null", "json", None), (None, None)),
        (typed("string-null", "string", None), (None, None)),
        (typed("integer-null", "integer", None), (None, None)),
        ({"name": "nothing"}, (None, None)),
    ]
    sent = [typed(name, kind, value) for name, (kind, value) in same.items()]
    seen = sent_and_seen(s, *sent, *(each for each, _ in changed))
    assert seen == {**same, **{each["name"]: value for each, value in changed}}


@case(42)
def types_that_the_api_does_not_know_are_refused(s: Scene) -> None:
    """The refusal names variable and type, and the job stays locked."""
    job = s.started(models.one)
    later = () if s.release >= BIG_NUMBERS else ("bigDecimal", "bigInteger")
    for kind in ("uuid", "binary", "serializable", "String", "", "foo", *later):
        text = f"Variable 'v' has unsupported type: '{kind}'."
        s.complete_with(job, typed("v", kind, "x")).is_error(400, text)
    assert lock_of(s.now(job)) == lock_of(job)


@case(43)
def values_of_the_wrong_json_type_are_refused(s: Scene) -> None:
    """Each type says what it can read."""
    job = s.started(models.one)
    refused: list[tuple[str, Any, str]] = [
        ("string", 5, "Converter can only convert strings"),
        ("integer", "5", "Converter can only convert integers"),
        ("long", "5", "Converter can only convert longs"),
        ("short", "5", "Converter can only convert shorts"),
        ("double", "5", "Converter can only convert doubles"),
        ("boolean", "true", "Converter can only convert booleans"),
        ("date", 5, "Converter can only convert string to date"),
        ("date", "x", "The given variable value is not a date: 'x'"),
        ("instant", 5, "Converter can only convert string to instant"),
        ("instant", "2020-05-04", "The given variable value is not an instant: '2020-05-04'"),
        ("localDate", 5, "Converter can only convert string to localDate"),
        ("localDate", "x", "The given variable value is not a localDate: 'x'"),
        ("localDateTime", 5, "Converter can only convert string to localDateTime"),
        ("localDateTime", "2020-04-20Z", "The given variable value is not a localDateTime: '2020-04-20Z'"),
    ]
    for kind, value, text in refused:
        s.complete_with(job, typed("v", kind, value)).is_error(400, text)
    s.complete(job, variables="x").is_unreadable()
    null = (
        'Cannot invoke "org.flowable.common.rest.variable.EngineRestVariable.getName()" because "restVariable" is null'
    )
    s.complete(job, variables=[None]).is_error(500, null)
    assert lock_of(s.now(job)) == lock_of(job)


@case(44)
def numbers_are_cut_and_wrapped(s: Scene) -> None:
    """Fractions are cut off; what does not fit into 32 or 16 bits wraps; a long stops at its end."""
    sent = [
        typed("fraction", "integer", 3.7),
        typed("negative", "integer", -3.7),
        typed("large", "integer", 5_000_000_000),
        typed("short", "short", 70_000),
        typed("long", "long", 3.9),
        typed("huge", "long", 1e30),
        typed("double", "double", 12_345_678_901_234_567_890),
    ]
    assert sent_and_seen(s, *sent) == {
        "fraction": ("integer", 3),
        "negative": ("integer", -3),
        "large": ("integer", 705_032_704),
        "short": ("short", 4_464),
        "long": ("long", 3),
        "huge": ("long", 9_223_372_036_854_775_807),
        "double": ("double", 1.2345678901234567e19),
    }


@case(46)
def variables_need_a_name(s: Scene) -> None:
    """An empty one will do; of two equal ones the last counts."""
    job = s.started(models.chain)
    for nameless in ({"value": 1}, {"name": None, "value": 1}):
        s.complete_with(job, nameless).is_error(400, "Variable name is required.")
    s.complete_with(job, variable("v", 1), variable("v", 2), variable("", 3)).is_accepted()
    assert values_of(s.wait_for_job(s.own("t2")).job) == {"v": ("integer", 2), "": ("integer", 3)}


@case(47)
def without_a_type_the_json_type_decides(s: Scene) -> None:
    """Objects and arrays become Java objects, which no worker can read again."""
    sent = {"i": 1, "l": 3_000_000_000, "d": 1.5, "s": "x", "b": True, "n": None, "big": 2**70}
    unreadable = {"o": {}, "oa": {"a": 1}, "a": [1], "e": []}
    big = ("bigInteger", str(2**70)) if s.release >= BIG_NUMBERS else ("serializable", None)
    assert sent_and_seen(s, *(variable(name, value) for name, value in {**sent, **unreadable}.items())) == {
        "i": ("integer", 1),
        "l": ("long", 3_000_000_000),
        "d": ("double", 1.5),
        "s": ("string", "x"),
        "b": ("boolean", True),
        "n": (None, None),
        "big": big,
        **dict.fromkeys(unreadable, ("serializable", None)),
    }


@case(48, since=BIG_NUMBERS)
def a_big_number_that_is_none_is_an_internal_error(s: Scene) -> None:
    """Unlike with the other types; the job stays locked."""
    job = s.started(models.one)
    decimal = 'Character a is neither a decimal digit number, decimal point, nor "e" notation exponential mark.'
    s.complete_with(job, typed("v", "bigDecimal", "abc")).is_error(500, decimal)
    s.complete_with(job, typed("v", "bigInteger", "1.5")).is_error(500, 'For input string: "1.5"')
    assert lock_of(s.now(job)) == lock_of(job)


@case(49)
def dates_may_be_written_in_many_ways(s: Scene) -> None:
    """Before 8.0 with any fraction, but with a zone; without a time the day begins where the server stands."""
    day = "2020-05-04T10:25:45Z"
    good = {
        "2020-05-04T10:25:45.583Z": day,
        "2020-05-04T10:25:45Z": day,
        "2020-05-04T10:25:45+02:00": "2020-05-04T08:25:45Z",
        "2020-05-04T10:25Z": "2020-05-04T10:25:00Z",
        "2020-05-04T10:25:45.5Z": day,
        "2020-05-04T10:25:45.583123Z": day,
        "2020-05-04T10:25:45+0200": "2020-05-04T08:25:45Z",
        "20200504T102545Z": day,
    }
    bad = ["2020-05-04T10:25:45", "2020-05-04T10:25:45.583", "x", ""]
    assert s.release < STRICT_DATES, "the forms of later releases are not known here"
    job = s.started(models.chain)
    for text in bad:
        refusal = f"The given variable value is not a date: '{text}'"
        s.complete_with(job, typed("v", "date", text)).is_error(400, refusal)
    dates = [typed(text, "date", text) for text in good]
    # Days beyond the end of their month count on.
    days = [typed(text, "date", text) for text in ("2020-05-04", "2020-02-30")]
    s.complete_with(job, *dates, *days).is_accepted()
    seen = values_of(s.wait_for_job(s.own("t2")).job)
    assert [seen.pop(day["name"])[0] for day in days] == ["date", "date"]
    assert seen == {text: ("date", value) for text, value in good.items()}
