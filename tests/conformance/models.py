"""The processes and cases that the cases of the suite play with, described once for every engine.

The embedded engine takes these descriptions as they are; `bpmn` writes them as XML for a real one. Every model is made
anew for every case, with a key, topics and names of its own, so that cases can share an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from flowable.external_worker_client.testing import (
    Call,
    Case,
    InParameter,
    OutParameter,
    Parallel,
    Process,
    StartCase,
    Task,
    UserTask,
    When,
)

#: Makes a name that no other case has.
Own: TypeAlias = Callable[[str], str]

AFTER: Final = UserTask("after")
ERRORS: Final = {"errX": "X"}


def work(own: Own, **more: Any) -> Task:
    """Return a task of which an instance can have many jobs at work at once."""
    return Task("work", own("t"), **{"name": own("Work"), "exclusive": False, **more})


def caught(task: str = "caught") -> Sequence[UserTask]:
    """Return what follows a boundary event."""
    return [UserTask(task)]


def one(own: Own) -> Process:
    """One job, then a task of a person."""
    return Process(own("one"), work(own), AFTER)


def one_exclusive(own: Own) -> Process:
    """One job that locks its instance, as tasks do unless told otherwise."""
    return Process(own("one-exclusive"), work(own, exclusive=None), AFTER)


def chain(own: Own) -> Process:
    """Two jobs, one after the other: the second shows what the first one left."""
    return Process(own("chain"), work(own), Task("next", own("t2"), exclusive=False), AFTER)


def dead_end(own: Own) -> Process:
    """A job, and a step that cannot be done."""
    return Process(own("dead-end"), work(own), Call("boom", "${missing.name}"), AFTER)


def boundary(own: Own) -> Process:
    """A task with a handler for the error X, whose element has the id errX."""
    return Process(own("boundary"), work(own, on_error={"X": caught()}), AFTER, error_ids=ERRORS)


def boundary_any(own: Own) -> Process:
    """A task with a handler for every error."""
    return Process(own("boundary-any"), work(own, on_error={None: caught()}), AFTER)


def boundary_both(own: Own) -> Process:
    """A task with a handler for every error and one for X."""
    handlers = {None: caught("caught-any"), "X": caught("caught-x")}
    return Process(own("boundary-both"), work(own, on_error=handlers), AFTER, error_ids=ERRORS)


def boundary_out(own: Own) -> Process:
    """A task with out-parameters and a handler for the error X."""
    task = work(own, on_error={"X": caught()}, out_parameters=[OutParameter("mapped", "raw")])
    return Process(own("boundary-out"), task, AFTER, error_ids=ERRORS)


def in_parameters(own: Own) -> Process:
    """A task with in-parameters: a variable, one that does not exist, and an expression."""
    parameters = [InParameter("x", "a"), InParameter("y", "missing"), InParameter("sum", None, "${a + b}")]
    return Process(own("in-parameters"), work(own, in_parameters=parameters), AFTER)


def in_failing(own: Own) -> Process:
    """A task whose in-parameter cannot be computed."""
    return Process(own("in-failing"), work(own, in_parameters=[InParameter("x", None, "${missing.name}")]), AFTER)


def out_parameters(own: Own) -> Process:
    """A task with out-parameters: a variable, and one that the worker does not send."""
    return Process(
        own("out-parameters"), work(own, out_parameters=[OutParameter("x", "a"), OutParameter("y", "missing")]), AFTER
    )


def out_failing(own: Own) -> Process:
    """A task whose out-parameter cannot be computed."""
    return Process(own("out-failing"), work(own, out_parameters=[OutParameter("x", None, "${missing + 1}")]), AFTER)


def no_variables(own: Own) -> Process:
    """A task whose worker gets no variables."""
    return Process(own("no-variables"), work(own, include_variables=False), AFTER)


def no_variables_in(own: Own) -> Process:
    """A task whose worker gets no variables but an in-parameter."""
    return Process(
        own("no-variables-in"), work(own, include_variables=False, in_parameters=[InParameter("x", "a")]), AFTER
    )


def parallel_multi(own: Own) -> Process:
    """A task that is done three times side by side."""
    return Process(own("parallel-multi"), work(own, instances=3), AFTER)


def two(own: Own, key: str, topics: Sequence[str], *, exclusive: bool | None = None) -> Process:
    """Two tasks side by side."""
    return Process(
        own(key),
        Parallel(
            [Task("work1", own(topics[0]), exclusive=exclusive), UserTask("after1")],
            [Task("work2", own(topics[1]), exclusive=exclusive), UserTask("after2")],
        ),
    )


def two_exclusive(own: Own) -> Process:
    """Two tasks of one topic that lock their instance."""
    return two(own, "two-exclusive", "tt")


def two_free(own: Own) -> Process:
    """Two tasks of one topic that can be at work at once."""
    return two(own, "two-free", "tt", exclusive=False)


def two_topics(own: Own) -> Process:
    """Two tasks of different topics that lock their instance."""
    return two(own, "two-topics", "ab")


def case_one(own: Own) -> Case:
    """A case with one job; another follows when it is completed, a third when it is terminated."""
    return Case(
        own("case-one"),
        work(own, exclusive=None),
        Task("on-complete", own("completed"), entry=When("work", "complete")),
        Task("on-terminate", own("terminated"), entry=When("work", "terminate")),
        UserTask("keep"),
    )


def case_two(own: Own) -> Case:
    """A case with two jobs of one topic."""
    return Case(own("case-two"), Task("work1", own("t")), Task("work2", own("t")), UserTask("keep"))


def starter(case: Case) -> Process:
    """Return a process that starts a case: an engine may run cases and have no API to start them."""
    return Process(f"start-{case.key}", StartCase("case", case.key), AFTER)
