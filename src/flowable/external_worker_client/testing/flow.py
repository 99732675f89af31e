"""How instances move: the sequences of processes, the items of cases, boundary events.

What happens to jobs is the engine's business; this module asks its host to make and to drop them. Every move that can
fail half way (a step that raises, an expression that does not hold) is taken inside `attempt`, which puts the instance
back as it was.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from flowable.external_worker_client.testing.expressions import ExpressionError, evaluate
from flowable.external_worker_client.testing.instances import Execution, Instance
from flowable.external_worker_client.testing.model import (
    Call,
    Case,
    Choice,
    End,
    Parallel,
    Process,
    StartCase,
    Task,
    UserTask,
)
from flowable.external_worker_client.testing.variables import Value, from_python, to_python

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from flowable.external_worker_client.testing.jobs import Job
    from flowable.external_worker_client.testing.model import Condition, Step

__all__ = ["ContinuationError", "Flow", "Host"]

_TOTAL: Final = "nrOfInstances"
_ACTIVE: Final = "nrOfActiveInstances"
_DONE: Final = "nrOfCompletedInstances"


class ContinuationError(Exception):
    """What follows a finished job could not be done. Its text becomes the message of the engine's own job."""


class Host(Protocol):
    """What instances need of the engine."""

    def new_id(self) -> str:
        """Return an id that sorts after all earlier ones."""
        ...

    def add_job(self, task: Task, execution: Execution) -> Job:
        """Make an external job."""
        ...

    def drop_job(self, job: Job) -> None:
        """Delete a job, wherever it is."""
        ...

    def start_called_case(self, key: str, caller: Execution) -> None:
        """Start a case that an execution of a process waits for."""
        ...

    def undo_start(self, instance: Instance) -> None:
        """Take back that an instance was started, with its jobs and the cases that it waits for."""
        ...

    def instance_ended(self, instance: Instance) -> None:
        """Take note that an instance has ended."""
        ...


class Flow:
    """Moves instances.

    Args:
        host: The engine.
        place_in_texts: Whether texts about expressions say where the expression stands.
    """

    def __init__(self, host: Host, *, place_in_texts: bool) -> None:
        self._host = host
        self._place_in_texts = place_in_texts

    # ------------------------------------------------------------ moves

    def start(self, instance: Instance) -> None:
        """Let a new instance begin."""
        definition = instance.definition
        if isinstance(definition, Case):
            for item in definition.items:
                instance.items[item.id] = "available"
            for item in definition.items:
                if item.entry is None:
                    self._activate(instance, item)
            self._end_case_if_done(instance)
        else:
            execution = self._execution(instance, definition.steps)
            self._run(execution)

    def finish(self, execution: Execution, variables: Mapping[str, Value]) -> None:
        """Go on after a task has been completed.

        Raises:
            ContinuationError: If it fails; then nothing has changed.
        """
        with self.attempt(execution.instance):
            self.set_variables(execution, variables)
            if execution.instance.scope == "cmmn":
                self._leave_item(execution, "completed")
            else:
                execution.task = None
                execution.index += 1
                self._run(execution)

    def terminate(self, execution: Execution, variables: Mapping[str, Value]) -> None:
        """Go on in a case after a plan item has been terminated. Raises ContinuationError as `finish` does."""
        with self.attempt(execution.instance):
            self.set_variables(execution, variables)
            self._leave_item(execution, "terminated")

    def propagate_error(self, job: Job, code: str, variables: Mapping[str, Value]) -> None:
        """Take the boundary event that catches an error of a task.

        Args:
            job: The job that ended in the error.
            code: Its code, or the id of an `<error>` element; empty catches whatever there is.
            variables: They are set before.

        Raises:
            ContinuationError: If nothing catches it; then nothing has changed.
        """
        execution = job.execution
        process = execution.instance.definition
        if not isinstance(process, Process):
            raise ContinuationError("A BPMN error cannot be propagated in a case.")
        caught_by = _catcher(job.task, code, process.error_ids)
        if caught_by is _NOTHING:
            raise ContinuationError(_uncaught(code, process, execution))
        steps = job.task.on_error[caught_by]
        with self.attempt(execution.instance):
            self.set_variables(execution, variables)
            boundary = f"{job.task.id}-error-{caught_by}" if caught_by else f"{job.task.id}-error"
            self._leave_by(job, boundary, steps, finished=job)

    def time_out(self, job: Job) -> None:
        """Take the boundary timer of a task. Raises ContinuationError as `finish` does."""
        with self.attempt(job.instance):
            self._leave_by(job, f"{job.task.id}-timeout", job.task.on_timeout)

    def _leave_by(self, job: Job, boundary: str, steps: Sequence[Step], finished: Job | None = None) -> None:
        """Cancel a task, with all its jobs but the finished one, and take the way of one of its boundary events."""
        execution = job.execution
        host = execution if job.task.instances == 1 or execution.parent is None else execution.parent
        doomed = self._cancel_below(host)
        host.local = None
        host.steps = tuple(steps)
        host.index = 0
        host.instance.path.append(boundary)
        self._run(host)
        # Only now: a way that cannot be taken leaves the task, and its jobs, as they were.
        for other in doomed:
            if other is not finished:
                self._host.drop_job(other)

    def complete_task(self, execution: Execution, variables: Mapping[str, Value]) -> None:
        """Go on after a person's task. Raises ContinuationError as `finish` does."""
        self.finish(execution, variables)

    def set_variables(self, execution: Execution, variables: Mapping[str, Value]) -> None:
        """Set variables with the engine's scoping: where the name is set already, else on the instance."""
        for name, value in variables.items():
            execution.scope_of(name)[name] = value

    # ------------------------------------------------------------ sequences

    def _execution(self, instance: Instance, steps: Sequence[Step], parent: Execution | None = None) -> Execution:
        execution = Execution(self._host.new_id(), instance, tuple(steps), parent=parent)
        instance.executions[execution.id] = execution
        return execution

    def _run(self, execution: Execution | None) -> None:
        """Move an execution until it waits for something or has ended."""
        while execution is not None:
            if execution.index < len(execution.steps):
                execution = self._enter(execution, execution.steps[execution.index])
            else:
                execution = self._ended(execution, "end")

    def _enter(self, execution: Execution, step: Step) -> Execution | None:  # noqa: PLR0911 - one for each kind of step
        """Begin a step. Returns the execution that can move on, None if it has to wait."""
        instance = execution.instance
        instance.path.append(step.id)
        match step:
            case Task():
                self._enter_task(execution, step)
                return None
            case UserTask():
                execution.task = step
                return None
            case Parallel():
                execution.running = len(step.branches)
                branches = [self._execution(instance, branch, execution) for branch in step.branches]
                for branch in branches:
                    self._run(branch)
                return None
            case Choice():
                rest = execution.steps[execution.index + 1 :]
                execution.steps = (*self._chosen(execution, step), *rest)
                execution.index = 0
                return execution
            case Call():
                self._call(execution, step)
                execution.index += 1
                return execution
            case StartCase():
                self._host.start_called_case(step.case, execution)
                return None
            case End():
                return self._ended(execution, step.id)

    def _enter_task(self, execution: Execution, task: Task) -> None:
        if task.instances == 1:
            self._host.add_job(task, execution)
            return
        count = task.instances
        counters = {_TOTAL: count, _ACTIVE: count, _DONE: 0}
        execution.local = {name: Value("integer", number) for name, number in counters.items()}
        execution.running = count
        for number in range(count):
            child = self._execution(execution.instance, (), execution)
            child.local = {"loopCounter": Value("integer", number)}
            self._host.add_job(task, child)

    def _ended(self, execution: Execution, end: str) -> Execution | None:
        """Leave a sequence. Returns the execution that waited for it and can move on now."""
        instance = execution.instance
        del instance.executions[execution.id]
        parent = execution.parent
        if end != "end":
            instance.end = end
        if parent is None:
            self._end(instance)
            return None
        parent.running -= 1
        if parent.local is not None and _DONE in parent.local:
            parent.local[_DONE] = Value("integer", parent.local[_DONE].value + 1)
            parent.local[_ACTIVE] = Value("integer", parent.local[_ACTIVE].value - 1)
        if parent.running:
            return None
        parent.local = None
        parent.index += 1
        return parent

    def _end(self, instance: Instance) -> None:
        instance.end = instance.end or "end"
        self._host.instance_ended(instance)
        if instance.caller is not None:
            instance.caller.index += 1
            self._run(instance.caller)

    def _cancel_below(self, execution: Execution) -> list[Job]:
        """Forget what an execution waits for. Returns its jobs and those of its children, which are to be dropped."""
        instance = execution.instance
        doomed = [job for job in instance.jobs.values() if job.execution is execution]
        for child in [child for child in instance.executions.values() if child.parent is execution]:
            doomed += self._cancel_below(child)
            del instance.executions[child.id]
        execution.running = 0
        execution.task = None
        return doomed

    # ------------------------------------------------------------ steps of the engine

    def _call(self, execution: Execution, step: Call) -> None:
        try:
            if isinstance(step.function, str):
                evaluate(step.function, execution.visible())
                return
            result = step.function(_as_python(execution))
        except ExpressionError as error:
            raise ContinuationError(self.placed(str(error), execution, step.id)) from error
        except Exception as error:
            raise ContinuationError(str(error) or type(error).__name__) from error
        if result:
            self.set_variables(execution, {name: from_python(value) for name, value in result.items()})

    def _chosen(self, execution: Execution, step: Choice) -> Sequence[Step]:
        for condition, way in step.ways:
            if self._holds(execution, condition, step.id):
                return way
        return step.otherwise

    def _holds(self, execution: Execution, condition: Condition, element: str) -> bool:
        if not isinstance(condition, str):
            return condition(_as_python(execution))
        try:
            return evaluate(condition, execution.visible()).value is True
        except ExpressionError as error:
            raise ContinuationError(self.placed(str(error), execution, element)) from error

    def placed(self, text: str, execution: Execution, element: str) -> str:
        """Return a text about an expression with the place where it stands, on the releases that say so."""
        if not self._place_in_texts:
            return text
        instance = execution.instance
        return (
            f"{text} with Execution[ id '{execution.id}' ] - definition '{instance.deployed.id}' - "
            f"activity '{element}' - parent '{execution.parent.id if execution.parent else instance.id}'"
        )

    # ------------------------------------------------------------ cases

    def _activate(self, instance: Instance, item: Task | UserTask) -> None:
        instance.items[item.id] = "active"
        instance.path.append(item.id)
        execution = self._execution(instance, (item,))
        if isinstance(item, Task):
            self._host.add_job(item, execution)
        else:
            execution.task = item

    def _leave_item(self, execution: Execution, state: Literal["completed", "terminated"]) -> None:
        instance = execution.instance
        definition = instance.definition
        if not isinstance(definition, Case):
            raise ContinuationError(f"{execution.id} is no plan item instance.")
        item = execution.steps[0]
        del instance.executions[execution.id]
        instance.items[item.id] = state
        happened = "complete" if state == "completed" else "terminate"
        for other in definition.items:
            entry = other.entry
            if entry is not None and entry.source == item.id and entry.event == happened:
                self._activate(instance, other)
        self._end_case_if_done(instance)

    def _end_case_if_done(self, instance: Instance) -> None:
        if "active" not in instance.items.values():
            self._end(instance)

    # ------------------------------------------------------------ all or nothing

    @contextmanager
    def attempt(self, instance: Instance) -> Generator[None]:
        """Undo what the block has changed in an instance if it raises ContinuationError."""
        if not _can_fail(instance):
            yield
            return
        variables = dict(instance.variables)
        path = list(instance.path)
        executions = {
            execution: (
                execution.steps,
                execution.index,
                execution.running,
                None if execution.local is None else dict(execution.local),
                execution.task,
                execution.called,
            )
            for execution in instance.executions.values()
        }
        jobs = dict(instance.jobs)
        end = instance.end
        try:
            yield
        except ContinuationError:
            for job in [job for key, job in instance.jobs.items() if key not in jobs]:
                self._host.drop_job(job)
            for execution in instance.executions.values():
                before = executions[execution][-1] if execution in executions else None
                if execution.called is not None and execution.called is not before:
                    self._host.undo_start(execution.called)
            instance.variables = variables
            instance.path = path
            instance.end = end
            instance.executions = {execution.id: execution for execution in executions}
            for execution, state in executions.items():
                (
                    execution.steps,
                    execution.index,
                    execution.running,
                    execution.local,
                    execution.task,
                    execution.called,
                ) = state
            raise


_NOTHING: Final = object()


def _catcher(task: Task, code: str, error_ids: Mapping[str, str]) -> Any:  # noqa: ANN401 - a key of on_error or _NOTHING
    handlers = task.on_error
    if not code:
        # One with a code wins, even when no code was sent.
        return next((handled for handled in handlers if handled is not None), None if None in handlers else _NOTHING)
    if code in handlers:
        return code
    if code in error_ids and error_ids[code] in handlers:
        return error_ids[code]
    return None if None in handlers else _NOTHING


def _uncaught(code: str, process: Process, execution: Execution) -> str:
    if not code:
        return "Error Code must not be null."
    if code in process.handled_codes or process.error_ids.get(code) in process.handled_codes:
        return f"No matching parent execution for error code {code} found for {execution.id}"
    where = "neither in same process nor in parent process"
    return f"No catching boundary event found for error with errorCode '{code}', {where}"


def _can_fail(instance: Instance) -> bool:
    definition = instance.definition
    return isinstance(definition, Process) and definition.can_fail


def _as_python(execution: Execution) -> dict[str, Any]:
    return {name: to_python(value) for name, value in execution.visible().items()}
