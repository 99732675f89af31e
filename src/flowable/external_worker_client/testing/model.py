"""Processes and cases, described in a few lines of Python.

A process is a sequence of steps; a step may hold sequences of its own::

    order = Process(
        "order",
        Task("reserve", "reserveStock"),
        Parallel(
            [Task("charge", "chargeCard", on_error={"DECLINED": [Task("cancel", "cancelOrder"), End("cancelled")]})],
            [Task("pack", "packGoods", exclusive=False)],
        ),
        Task("ship", "shipParcel"),
    )

A case is a set of items; those with an entry condition wait until another item has been completed or terminated::

    claim = Case(
        "claim",
        Task("assess", "assessClaim"),
        UserTask("pay", entry=When("assess", "complete")),
        UserTask("explain", entry=When("assess", "terminate")),
    )
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

__all__ = [
    "Call",
    "Case",
    "Choice",
    "Definition",
    "End",
    "InParameter",
    "OutParameter",
    "Parallel",
    "Process",
    "StartCase",
    "Step",
    "Task",
    "UserTask",
    "When",
]

#: Called with the variables as Python values; for `Call`, what it returns is set.
Function: TypeAlias = Callable[[dict[str, Any]], "Mapping[str, Any] | None"]
#: `${amount > 100}`, or a function of the variables.
Condition: TypeAlias = "str | Callable[[dict[str, Any]], bool]"

_TOPIC: Final = "a text that is not empty"


@dataclass(frozen=True, slots=True)
class InParameter:
    """What a worker gets instead of all variables. Does nothing before 7.1.

    Args:
        target: The variable that the worker sees.
        source: The variable of the instance. If it is not set, the worker gets null.
        expression: Instead of a source, such as `"${a + b}"`. One that fails makes every acquire of the topic fail.
    """

    target: str
    source: str | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class OutParameter:
    """Which of a worker's variables are kept on complete. Does nothing before 7.1, and nothing on a BPMN error.

    Args:
        target: The variable of the instance.
        source: The worker's variable. If it was not sent, the target becomes null.
        expression: Instead of a source, over the worker's variables. One that fails makes complete fail.
    """

    target: str
    source: str | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class When:
    """The entry condition of an item of a case.

    Args:
        source: The id of the item that is waited for.
        event: Whether it has to be completed or terminated.
    """

    source: str
    event: Literal["complete", "terminate"]


@dataclass(frozen=True, slots=True)
class Task:
    """An external worker task: makes a job.

    Args:
        id: The element's id.
        topic: Under which jobs are offered.
        name: The element's name, `elementName` of its jobs.
        exclusive: Whether no other exclusive job of the same instance may be locked at the same time. None is the
            engine's default: yes in a process, no in a case.
        on_error: The boundary events of a task in a process: error code, or None for any, to the steps that are taken
            instead of what follows the task in its sequence.
        timeout: Seconds until a boundary timer ends the task, in a process; None for no timer. The job is gone then,
            locked or not.
        on_timeout: The steps that are taken when the timer fires, instead of what follows the task in its sequence.
        in_parameters: What workers get. Empty means all variables.
        out_parameters: What is kept of what workers send. Empty means everything.
        include_variables: False is `doNotIncludeVariables`: without in-parameters, workers get nothing.
        instances: More than 1 makes a parallel multi-instance task with so many jobs.
        entry: In a case: when the item becomes active. None means at once.

    Raises:
        ValueError: If the id or the topic is empty, instances is below 1, or the timeout is not above 0.
    """

    id: str
    topic: str
    name: str | None = None
    exclusive: bool | None = None
    # The keys are texts or None. Said as a type, mypy would refuse a variable that holds a dict with texts only.
    on_error: Mapping[Any, Sequence[Step]] = field(default_factory=dict[Any, "Sequence[Step]"])
    timeout: float | None = None
    on_timeout: Sequence[Step] = ()
    in_parameters: Sequence[InParameter] = ()
    out_parameters: Sequence[OutParameter] = ()
    include_variables: bool = True
    instances: int = 1
    entry: When | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError(f"id: {self.id!r} is not accepted; an element needs {_TOPIC}")
        if not self.topic:
            raise ValueError(f"topic: {self.topic!r} is not accepted; a task needs {_TOPIC}")
        if self.instances < 1:
            raise ValueError(f"instances: {self.instances!r} is not accepted; a task makes 1 job or more")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout: {self.timeout!r} is not accepted; more than 0 seconds, or None for no timer")


@dataclass(frozen=True, slots=True)
class UserTask:
    """A task of a person: the instance waits here until the engine's `complete_task` is called.

    Args:
        id: The element's id.
        entry: In a case: when the item becomes active. None means at once.
    """

    id: str
    entry: When | None = None


class Parallel:
    """Branches that run side by side. What follows waits for all of them.

    Args:
        branches: Each a step or a sequence of steps.
        id: The gateway's id.

    Raises:
        ValueError: If there is no branch.
    """

    def __init__(self, *branches: Step | Sequence[Step], id: str = "parallel") -> None:  # noqa: A002 - as everywhere
        if not branches:
            raise ValueError("branches: none were given; a parallel gateway needs one or more")
        self.id = id
        self.branches: tuple[tuple[Step, ...], ...] = tuple(
            tuple(branch) if isinstance(branch, Sequence) else (branch,) for branch in branches
        )


class Choice:
    """An exclusive gateway: the first way whose condition holds is taken.

    Args:
        ways: Pairs of a condition and the steps to take. What follows the choice comes afterwards.
        otherwise: The steps when no condition holds.
        id: The gateway's id.
    """

    def __init__(
        self,
        *ways: tuple[Condition, Sequence[Step]],
        otherwise: Sequence[Step] = (),
        id: str = "choice",  # noqa: A002 - as everywhere
    ) -> None:
        self.id = id
        self.ways: tuple[tuple[Condition, tuple[Step, ...]], ...] = tuple((when, tuple(way)) for when, way in ways)
        self.otherwise: tuple[Step, ...] = tuple(otherwise)


@dataclass(frozen=True, slots=True)
class Call:
    """A step that the engine does itself, at once.

    Args:
        id: The element's id.
        function: Gets the variables as Python values; what it returns is set. If it raises, the step fails, and with it
            the continuation that led to it. An expression such as `${missing.name}` is evaluated instead.
    """

    id: str
    function: Function | str


@dataclass(frozen=True, slots=True)
class StartCase:
    """A case task: starts a case. What follows waits until the case has ended.

    Args:
        id: The element's id.
        case: The key of a case that is deployed.
    """

    id: str
    case: str


@dataclass(frozen=True, slots=True)
class End:
    """An end event with a name. The sequence that it stands in ends here.

    Args:
        id: The element's id, shown as the `end` of the instance.
    """

    id: str


Step: TypeAlias = Task | UserTask | Parallel | Choice | Call | StartCase | End


class Process:
    """A process: a sequence of steps.

    Args:
        key: Its key, under which instances are started.
        steps: What happens, one after the other.
        error_ids: The ids of `<error>` elements to their codes: workers may send either.

    Raises:
        ValueError: If the key is empty, there are no steps, or an id is used twice.
    """

    def __init__(self, key: str, *steps: Step, error_ids: Mapping[str, str] | None = None) -> None:
        if not key:
            raise ValueError(f"key: {key!r} is not accepted; a process needs {_TOPIC}")
        if not steps:
            raise ValueError(f"steps: process {key!r} has none; it needs one or more")
        self.key = key
        self.steps: tuple[Step, ...] = steps
        self.error_ids: dict[str, str] = dict(error_ids or {})
        tasks = list(_tasks(steps))
        _refuse_duplicates(key, [task.id for task in tasks])
        #: Whether a step can fail after others have been taken.
        self.can_fail: bool = _any_of(steps, (Call, Choice, StartCase))
        #: Error codes with a boundary event somewhere in the process.
        self.handled_codes: frozenset[str | None] = frozenset(code for task in tasks for code in task.on_error)

    def __repr__(self) -> str:
        return f"<Process {self.key!r}>"


class Case:
    """A case: items that are active from the start, or once their entry condition holds.

    The case ends when none of its items is active any more.

    Args:
        key: Its key, under which instances are started.
        items: Tasks for workers and for people.

    Raises:
        ValueError: If the key is empty, there are no items, an id is used twice, or an entry condition names an item
            that does not exist.
    """

    def __init__(self, key: str, *items: Task | UserTask) -> None:
        if not key:
            raise ValueError(f"key: {key!r} is not accepted; a case needs {_TOPIC}")
        if not items:
            raise ValueError(f"items: case {key!r} has none; it needs one or more")
        self.key = key
        self.items: tuple[Task | UserTask, ...] = items
        ids = [item.id for item in items]
        _refuse_duplicates(key, ids)
        for item in items:
            if item.entry is not None and item.entry.source not in ids:
                raise ValueError(f"entry: item {item.id!r} waits for {item.entry.source!r}; known are {', '.join(ids)}")

    def __repr__(self) -> str:
        return f"<Case {self.key!r}>"


Definition: TypeAlias = Process | Case


def _tasks(steps: Sequence[Step]) -> Iterator[Task]:
    for step in steps:
        if isinstance(step, Task):
            yield step
        for inner in _inside(step):
            yield from _tasks(inner)


def _any_of(steps: Sequence[Step], kinds: tuple[type, ...]) -> bool:
    return any(isinstance(step, kinds) or any(_any_of(inner, kinds) for inner in _inside(step)) for step in steps)


def _inside(step: Step) -> Iterator[Sequence[Step]]:
    """Return the sequences that a step holds."""
    if isinstance(step, Task):
        yield from step.on_error.values()
        yield step.on_timeout
    elif isinstance(step, Parallel):
        yield from step.branches
    elif isinstance(step, Choice):
        yield from (way for _, way in step.ways)
        yield step.otherwise


def _refuse_duplicates(key: str, ids: Sequence[str]) -> None:
    double = sorted({found for found in ids if ids.count(found) > 1})
    if double:
        raise ValueError(f"id: {', '.join(double)} used more than once in {key!r}; ids of tasks have to differ")
