"""From the variables of a job to the arguments of a handler."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, TypeAlias, cast

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers.annotations import (
    ANYTHING,
    fields_of,
    is_plain_dict,
    only_from_json,
    shown,
)
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.invalid import InvalidVariablesError, Problem
from flowable.external_worker_client.handlers.naming import camel, variable_for
from flowable.external_worker_client.handlers.parameters import Parameter, Signature, Source
from flowable.external_worker_client.handlers.validation import JSON_TYPES, Found, Validator
from flowable.external_worker_client.variables import Unreadable, read
from flowable.external_worker_client.worker_result import WorkerResultBuilder

#: Which values no error message may show: none of them, all of them, or the variables of these names.
Redact: TypeAlias = bool | Collection[str]


class _Wanted(NamedTuple):
    """A parameter that gets a variable.

    Attributes:
        name: Of the parameter.
        first: Name of the variable.
        second: Name of the variable if there is none of the first; the one to be shown.
        required: Whether there is no default.
        typed: Whether it is to be checked.
        from_json: Whether a value out of a JSON has to be converted in any case.
        annotation: As it is shown.
    """

    name: str
    first: str
    second: str
    required: bool
    typed: bool
    from_json: bool
    annotation: str


class Binder:
    """Finds the arguments of one handler. Made when it is declared.

    Args:
        signature: Of the handler.
        redact: See `Redact`.

    Raises:
        InvalidHandlerError: pydantic cannot check an annotation.
    """

    def __init__(self, signature: Signature, redact: Redact = False) -> None:
        self._handler = signature.name
        self._redact = _redacted(redact)
        self._wanted = [_wanted(each) for each in signature.parameters if each.source is Source.VARIABLE]
        self._all = [each for each in signature.parameters if each.source is Source.ALL_VARIABLES]
        self._others = [
            (each.name, _OTHERS[each.source], each.variable) for each in signature.parameters if each.source in _OTHERS
        ]
        self._fields = {each.name: fields_of(each.annotation) for each in self._all}
        typed = {
            each.name: each.annotation
            for each in signature.parameters
            if each.source is Source.VARIABLE and each.annotation not in ANYTHING
        }
        records = {each.name: each.annotation for each in self._all if not _everything(each.annotation)}
        self._pydantic = Validator(signature, typed, records) if typed or records else None

    def redacting(self, redact: Redact) -> Binder:
        """Return a copy that shows other values in its errors."""
        copy = object.__new__(Binder)
        vars(copy).update(vars(self), _redact=_redacted(redact))
        return copy

    def bind(self, job: ExternalWorkerAcquireJobResponse, context: Context) -> dict[str, object]:
        """Return the arguments by the names of the parameters. Those that are left out have defaults.

        Raises:
            InvalidVariablesError: A variable is missing, or is not as annotated. It lists all of them.
        """
        arguments: dict[str, object] = {}
        for name, make, item in self._others:
            arguments[name] = make(job, context, item)
        if not self._wanted and not self._all:
            return arguments
        variables = {each.name: each for each in job.variables}
        # What the validator sees as Python values, and as JSON.
        plain: dict[str, object] = {}
        as_json: dict[str, object] = {}
        records: dict[str, object] = {}
        problems = self._read(variables, arguments, plain, as_json)
        for parameter in self._all:
            problems += self._gather(parameter, variables, arguments, records)
        if self._pydantic is not None and (errors := self._pydantic.check(plain, as_json, records, arguments)):
            # A variable without content is missing to a model.
            known = {each.variable for each in problems}
            found = dict.fromkeys(self._problem(error, variables) for error in errors)
            problems += [each for each in found if each.variable not in known]
        if problems:
            raise InvalidVariablesError(self._handler, problems)
        return arguments

    def _read(
        self,
        variables: Mapping[str, EngineRestVariable],
        arguments: dict[str, object],
        plain: dict[str, object],
        as_json: dict[str, object],
    ) -> list[Problem]:
        """Read the variable of each parameter, and put it where it is checked, or into the arguments."""
        problems: list[Problem] = []
        for name, first, second, required, typed, from_json, annotation in self._wanted:
            found = variables.get(first)
            if found is None and first is not second:
                found = variables.get(second)
            if found is None:
                if required:
                    problems.append(Problem(second, annotation, None))
                continue
            value = read(found)
            if not typed:
                arguments[name] = value
            elif type(value) is Unreadable:
                problems.append(Problem(found.name, annotation, _no_content(value)))
            elif from_json and type(value) in JSON_TYPES:
                as_json[name] = value
            else:
                plain[name] = value
        return problems

    def _gather(
        self,
        parameter: Parameter,
        variables: Mapping[str, EngineRestVariable],
        arguments: dict[str, object],
        records: dict[str, object],
    ) -> list[Problem]:
        """Put all variables into one argument, under the names that its fields have."""
        values = {name: read(variable) for name, variable in variables.items()}
        if _everything(parameter.annotation):
            arguments[parameter.name] = values
            return []
        fields = self._fields[parameter.name]
        for field in fields:
            name = variable_for(field, values)
            if name != field and name in values:
                values[field] = values.pop(name)
        # What nobody asks for is no problem; a model would be told null.
        unreadable = {name: each for name, each in values.items() if isinstance(each, Unreadable)}
        records[parameter.name] = {name: each for name, each in values.items() if name not in unreadable}
        return [
            Problem(each.name, "a value", _no_content(each))
            for name, each in unreadable.items()
            if name in fields or not fields
        ]

    def _problem(self, error: Found, variables: Mapping[str, EngineRestVariable]) -> Problem:
        """Return an error of the validator in terms of variables."""
        parameter, *path = error.path
        wanted = next((each for each in self._wanted if each.name == parameter), None)
        if wanted is not None:
            name = wanted.first if wanted.first in variables else wanted.second
        elif path:
            # Of a parameter for all variables: the first step within is a field, and so a variable.
            parameter, *path = path
            name = variable_for(str(parameter), variables)
        else:
            name = "all variables"
        # What is wrong with all of them shows all of them.
        shown_names = {name, parameter} if wanted is not None or name in variables else {name, parameter, *variables}
        hidden = self._redact if isinstance(self._redact, bool) else not self._redact.isdisjoint(shown_names)
        expected = error.annotated if hidden else error.expected
        # The way to a value may tell what must not be seen, too: keys are data.
        steps = () if hidden else path
        where = name + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
        if error.missing:
            return Problem(where, expected, "nothing there" if path else None)
        found = "a value that is not shown" if hidden else shorten(error.value)
        kind = type(error.value).__name__ if path or name not in variables else variables[name].type
        return Problem(where, expected, f"{found} ({kind})" if kind else found)


def _everything(annotation: object) -> bool:
    return annotation in ANYTHING or is_plain_dict(annotation)


def _redacted(redact: Redact) -> bool | frozenset[str]:
    return redact if isinstance(redact, bool) else frozenset(redact)


def _no_content(variable: Unreadable) -> str:
    if variable.reason is not None:
        return f"a variable of type {variable.type} that cannot be read"
    return f"a variable of type {variable.type}, whose content the engine does not give to workers"


def _wanted(parameter: Parameter) -> _Wanted:
    return _Wanted(
        name=parameter.name,
        first=parameter.variable or parameter.name,
        second=parameter.variable or camel(parameter.name),
        required=parameter.required,
        typed=parameter.annotation not in ANYTHING,
        from_json=only_from_json(parameter.annotation),
        annotation=shown(parameter.annotation),
    )


# ---------------------------------------------------------------- what is no variable


def _shared(_: ExternalWorkerAcquireJobResponse, context: Context, item: str | None) -> object:
    return context.shared if item is None else cast("Mapping[str, object]", context.shared)[item]


_OTHERS: Final[dict[Source, Callable[[ExternalWorkerAcquireJobResponse, Context, str | None], object]]] = {
    Source.JOB: lambda job, _, __: job,
    Source.CONTEXT: lambda _, context, __: context,
    Source.BUILDER: lambda job, _, __: WorkerResultBuilder(job),
    Source.SHARED: _shared,
}
