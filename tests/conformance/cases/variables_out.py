"""Variables that a worker gets with a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of, values_of
from tests.conformance.registry import case
from tests.conformance.scene import typed, variable

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

PARAMETERS = (7, 1)
BIG_NUMBERS = (7, 2)


@case(26)
def every_type_has_its_form(s: Scene) -> None:
    """The eleven types come as they were set, except that dates lose their fraction of a second."""
    sent = {
        "s": ("string", "text"),
        "i": ("integer", 7),
        "l": ("long", 5_000_000_000),
        "h": ("short", 3),
        "d": ("double", 1.5),
        "b": ("boolean", True),
        "dt": ("date", "2020-05-04T10:25:45.583Z"),
        "in": ("instant", "2020-05-04T10:25:45.583Z"),
        "ld": ("localDate", "2020-04-20"),
        "ldt": ("localDateTime", "2020-04-20T12:53:10.123"),
        "j": ("json", {"a": [1, None, "x"]}),
    }
    s.start(models.one, *(typed(name, kind, value) for name, (kind, value) in sent.items()))
    assert values_of(s.acquire().job) == {**sent, "dt": ("date", "2020-05-04T10:25:45Z")}


@case(27)
def a_variable_without_a_value_has_no_type(s: Scene) -> None:
    """Whatever type it was set with."""
    s.start(models.one, typed("nothing", "string", None))
    assert s.acquire().job["variables"] == [{"name": "nothing", "value": None}]


@case(28)
def big_numbers_are_texts(s: Scene) -> None:
    """From 7.2 on; before, they are objects that cannot be shown."""
    job = s.started(models.chain)
    whole = 123_456_789_012_345_678_901_234_567_890
    if s.release >= BIG_NUMBERS:
        sent = typed("d", "bigDecimal", "1E+3"), typed("i", "bigInteger", str(whole)), variable("u", whole)
        expected = {"d": ("bigDecimal", "1000"), "i": ("bigInteger", str(whole)), "u": ("bigInteger", str(whole))}
        s.complete_with(job, *sent).is_accepted()
        assert values_of(s.wait_for_job(s.own("t2")).job) == expected
    else:
        s.complete_with(job, variable("u", whole)).is_accepted()
        assert values_of(s.wait_for_job(s.own("t2")).job) == {"u": ("serializable", None)}


@case(29)
def what_json_cannot_show_is_null(s: Scene) -> None:
    """Bytes and Java objects come with a type and without a value."""
    s.engine.set_unreadable(s.start(models.one), binary="bytes", java_object="uuid")
    found = {each["name"]: each for each in s.acquire().job["variables"]}
    assert found == {
        "bytes": {"name": "bytes", "type": "binary", "value": None},
        "uuid": {"name": "uuid", "type": "serializable", "value": None},
    }


@case(30)
def in_parameters_choose_the_variables(s: Scene) -> None:
    """Only their targets come, null for a source that is not there; before 7.1 they do nothing."""
    s.start(models.in_parameters, variable("a", 1), variable("b", 2), variable("other", "x"))
    values = values_of(s.acquire().job)
    if s.release >= PARAMETERS:
        assert values == {"x": ("integer", 1), "y": (None, None), "sum": ("long", 3)}
    else:
        assert values == {"a": ("integer", 1), "b": ("integer", 2), "other": ("string", "x")}


@case(31)
def a_task_can_keep_its_variables_to_itself(s: Scene) -> None:
    """Then none come, or only in-parameters; before 7.1 all come."""
    s.start(models.no_variables, variable("a", 1))
    job = s.acquire().job
    assert values_of(job) == ({} if s.release >= PARAMETERS else {"a": ("integer", 1)})
    s.complete(job).is_accepted()
    s.start(models.no_variables_in, variable("a", 1))
    assert values_of(s.acquire().job) == {"x" if s.release >= PARAMETERS else "a": ("integer", 1)}


@case(32)
def variables_are_read_when_the_job_is_acquired(s: Scene) -> None:
    """Not when the job is made."""
    instance = s.start(models.one, variable("a", 1))
    s.engine.set_variables(instance, [variable("a", 2)])
    assert values_of(s.acquire().job) == {"a": ("integer", 2)}


@case(33, since=PARAMETERS)
def an_in_parameter_that_fails_poisons_its_topic(s: Scene) -> None:
    """Every acquire that reaches the job is an error, and nothing becomes locked."""
    poisoned = s.query(processInstanceId=s.start(models.in_failing)).page["data"][0]
    text = (
        f"Unknown property used in expression: ${{missing.name}} with Execution[ id '{poisoned['executionId']}' ] - "
        f"definition '{poisoned['processDefinitionId']}' - activity 'work' - parent '{poisoned['processInstanceId']}'"
    )
    s.acquire(numberOfTasks=1).is_error(500, text)
    good = s.query(processInstanceId=s.start(models.one)).page["data"][0]
    s.acquire(numberOfTasks=5).is_error(500, text)
    assert [lock_of(s.now(job)) for job in (poisoned, good)] == [FREE, FREE]
