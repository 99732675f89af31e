"""From the signature of a handler to a plan of what its parameters get. Made once, when a handler is declared.

What a parameter gets is said by its annotation or, without one that says so, it is the variable of its name. Everything
that can be wrong with a signature is found here, so that a program with a mistake does not even start.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, cast

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers.annotations import (
    ANYTHING,
    has_fields,
    inside,
    is_union,
    shown,
    without_none,
)
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.invalid import InvalidHandlerError
from flowable.external_worker_client.handlers.naming import camel
from flowable.external_worker_client.worker_result import WorkerResultBuilder


@dataclass(frozen=True, slots=True)
class Variable:
    """Marks the parameter for a variable whose name is no Python name: `Annotated[str, Variable("Customer No")]`.

    Attributes:
        name: The name in the process or case, exactly.
    """

    name: str


@dataclass(frozen=True, slots=True)
class AllVariables:
    """Marks a parameter that gets all variables in one: `order: Annotated[Order, AllVariables]`.

    `Order` may be a model, a dataclass, a TypedDict or a `dict`. Names of its fields are found as those of parameters.
    """


@dataclass(frozen=True, slots=True)
class Shared:
    """Marks a parameter that gets what the `lifespan` of the worker yielded: `pool: Annotated[Pool, Shared]`.

    Attributes:
        name: Of an item, where a mapping was yielded. `None`: all that was yielded.
    """

    name: str | None = None


class Source(Enum):
    """Where a parameter gets its value from."""

    VARIABLE = auto()
    ALL_VARIABLES = auto()
    JOB = auto()
    CONTEXT = auto()
    BUILDER = auto()
    SHARED = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one parameter of a handler gets.

    Attributes:
        name: In the signature.
        source: Where its value comes from.
        annotation: The type that it is converted to. `Any` without one.
        required: Whether there is no default.
        variable: The exact name of the variable, or of the shared item, if the annotation says one.
    """

    name: str
    source: Source
    annotation: Any
    required: bool
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a function that is to be a handler.

    Attributes:
        function: The function.
        name: Module and qualified name.
        place: File and line.
        is_async: Whether its result has to be awaited.
        parameters: In order, without those that a `functools.partial` has given.
        returns: The annotation of what it returns. `inspect.Signature.empty`: none.
        module: The module it is defined in.
    """

    function: Callable[..., Any]
    name: str
    place: str
    is_async: bool
    parameters: tuple[Parameter, ...]
    returns: Any
    module: str

    def refuse(self, what: str, accepted: str) -> InvalidHandlerError:
        """Return the error that says why it cannot be a handler."""
        return InvalidHandlerError(self.name, self.place, what, accepted)


_BY_TYPE: Final[dict[object, Source]] = {
    ExternalWorkerAcquireJobResponse: Source.JOB,
    Context: Source.CONTEXT,
    WorkerResultBuilder: Source.BUILDER,
}

#: How callbacks of version 1 call their parameters, in its documentation and everywhere else.
_CALLBACKS: Final = (("job", "worker_result_builder"), ("job", "result"))

_FORM: Final = "a function whose parameters are named after variables, def or async def"


def read(function: object) -> Signature:
    """Read the signature of a handler.

    Raises:
        InvalidHandlerError: It cannot be one.
    """
    name, place = _name(function), _place(function)

    def refused(what: str, accepted: str) -> InvalidHandlerError:
        return InvalidHandlerError(name, place, what, accepted)

    if isinstance(function, type) or not callable(function):
        raise refused(f"it is {'a class' if isinstance(function, type) else 'nothing that can be called'}", _FORM)
    core = _core(function)
    for each in (core, inspect.unwrap(core)):
        if inspect.isasyncgenfunction(each) or inspect.isgeneratorfunction(each):
            raise refused("it yields, and nobody would go on with it", "a function that returns its outcome")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise refused(f"its signature cannot be read ({error})", f"{_FORM}, such as a function around it") from None
    hints = _hints(core, refused)
    given = _given_by_partials(function)
    parameters = [each for each in signature.parameters.values() if each.name not in given]
    for each in parameters:
        _check(each, refused)
    callback = _callback(parameters, hints)
    planned = tuple(callback.get(each.name) or _plan(each, hints, refused) for each in parameters)
    _check_names(planned, refused)
    return Signature(
        function=function,
        name=name,
        place=place,
        is_async=any(inspect.iscoroutinefunction(each) for each in (function, core, inspect.unwrap(core))),
        parameters=planned,
        returns=hints.get("return", inspect.Signature.empty),
        module=getattr(core, "__module__", None) or __name__,
    )


def is_callback(function: Callable[..., object]) -> bool:
    """Tell whether a function has the form of version 1, as far as its signature shows: two parameters by position.

    They have no annotations, or those of a job and a builder, or ones that say nothing.
    """
    try:
        signature = inspect.signature(function)
        signature.bind(None, None)
    except (TypeError, ValueError):
        return False
    parameters = list(signature.parameters.values())[:2]
    if any(each.kind in {each.VAR_POSITIONAL, each.VAR_KEYWORD} for each in parameters):
        return True
    try:
        hints = _hints(_core(function), lambda what, _: InvalidHandlerError("", "", what, ""))
    except InvalidHandlerError:
        return False
    accepted = ({ExternalWorkerAcquireJobResponse, Any, object}, {WorkerResultBuilder, Any, object})
    return all(hints.get(each.name, Any) in types for each, types in zip(parameters, accepted, strict=False))


# ---------------------------------------------------------------- one parameter


_Refused = Callable[[str, str], InvalidHandlerError]


def _check(parameter: inspect.Parameter, refused: _Refused) -> None:
    match parameter.kind:
        case inspect.Parameter.POSITIONAL_ONLY:
            what = f"its parameter {parameter.name!r} cannot be given by name"
            raise refused(what, f"{parameter.name} without the / after it")
        case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.VAR_KEYWORD:
            stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
            what = f"its parameter {stars}{parameter.name} has no names that variables could be found by"
            raise refused(what, "a parameter for each variable, or one Annotated[dict[str, object], AllVariables]")
        case _:
            pass


def _check_names(parameters: Iterable[Parameter], refused: _Refused) -> None:
    """Refuse two parameters for one variable: which of them is meant, the job would say."""
    known: dict[str, str] = {}
    for each in parameters:
        if each.source is not Source.VARIABLE:
            continue
        for variable in {each.variable} if each.variable is not None else {each.name, camel(each.name)}:
            if variable in known:
                what = f"its parameters {known[variable]!r} and {each.name!r} are both for the variable {variable!r}"
                raise refused(what, "one parameter for each variable")
            known[variable] = each.name


def _callback(parameters: list[inspect.Parameter], hints: dict[str, Any]) -> dict[str, Parameter]:
    """Return what is planned of the job and the builder of a callback of version 1, one of which may be annotated."""
    names = {each.name for each in parameters}
    for both in _CALLBACKS:
        kinds = zip(both, (ExternalWorkerAcquireJobResponse, WorkerResultBuilder), strict=True)
        if names.issuperset(both) and all(hints.get(name, Any) in (Any, object, kind) for name, kind in kinds):
            sources = zip(both, (Source.JOB, Source.BUILDER), strict=True)
            return {name: Parameter(name, source, Any, required=True) for name, source in sources}
    return {}


def _plan(parameter: inspect.Parameter, hints: dict[str, Any], refused: _Refused) -> Parameter:
    name, required = parameter.name, parameter.default is inspect.Parameter.empty
    annotation = hints.get(name, Any)
    # `Context | None = None` is for callers other than a worker.
    kind = without_none(annotation)
    if (source := _BY_TYPE.get(kind if isinstance(kind, type) else None)) is not None:
        return Parameter(name, source, annotation, required)
    if type(parameter.default).__name__ == "FieldInfo":
        raise refused(f"the default of its parameter {name!r} is a pydantic Field", f"Annotated[…, Field(…)] {name}")
    markers, inner = _unmarked(annotation)
    if (deeper := next((each for each in inside(inner) if _marker(each) is not None), None)) is not None:
        marker = cast("type", _marker(deeper)).__name__
        what = f"{marker} in the annotation of its parameter {name!r} does not mark the parameter"
        raise refused(what, _MARKED[marker])
    if not markers:
        return Parameter(name, Source.VARIABLE, inner, required)
    if len(markers) > 1:
        raise refused(f"its parameter {name!r} is marked with more than one of {markers}", "one of them")
    match markers[0]:
        case Variable(name=variable):
            if not isinstance(variable, str) or not variable:
                raise refused(f"the name in Variable({variable!r}) of {name!r} is none", "text that is not empty")
            return Parameter(name, Source.VARIABLE, inner, required, variable)
        case Shared(name=item):
            return Parameter(name, Source.SHARED, inner, required, item)
        case _:
            # There are always variables, if none that fits.
            record = without_none(inner)
            if record not in ANYTHING and (is_union(record) or not has_fields(record)):
                what = f"its parameter {name!r} is for all variables, and {shown(record)} has no fields for them"
                raise refused(what, "one model, dataclass, TypedDict or dict: Annotated[Order, AllVariables]")
            return Parameter(name, Source.ALL_VARIABLES, record, required)


def _unmarked(annotation: Any) -> tuple[list[Any], Any]:  # noqa: ANN401 - a type
    """Return the markers of an annotation, also of what is combined with `None`, and the rest of it."""
    if (kind := without_none(annotation)) is not annotation:
        markers, inner = _unmarked(kind)
        # As it was written, where there is nothing to take out.
        return markers, inner | None if markers else annotation
    if typing.get_origin(annotation) is not typing.Annotated:
        return [], annotation
    inner, *metadata = typing.get_args(annotation)
    markers, rest = _unmarked(inner)
    found = [_instance(each) for each in metadata if _marker(each) is not None]
    if not found and not markers:
        return [], annotation
    for each in metadata:
        if _marker(each) is None:
            rest = typing.Annotated[rest, each]
    return [*markers, *found], rest


_MARKERS: Final = (Variable, AllVariables, Shared)

#: What is accepted where one of them is in another place.
_MARKED: Final = {
    "Variable": 'Annotated[…, Variable("…")] around all of it or, for a field of a model, Field(alias="…")',
    "AllVariables": "Annotated[…, AllVariables] around all of it",
    "Shared": "Annotated[…, Shared] around all of it",
}


def _marker(given: object) -> type | None:
    """Return the kind of a marker, which may stand for itself as a class: `Annotated[Order, AllVariables]`."""
    kind = cast("type", given if isinstance(given, type) else type(given))
    return kind if kind in _MARKERS else None


def _instance(marker: object) -> Any:  # noqa: ANN401 - one of the markers
    if not isinstance(marker, type):
        return marker
    return Variable("") if marker is Variable else cast("Callable[[], object]", marker)()


# ---------------------------------------------------------------- what the function is


def _core(function: object) -> Any:  # noqa: ANN401 - whatever is inside
    """Return the function inside of partials, bound methods and objects that can be called."""
    core: Any = function
    while isinstance(core, functools.partial):
        core = cast("functools.partial[object]", core).func
    if not inspect.isfunction(core) and not inspect.ismethod(core):
        # Such as what functools.lru_cache makes.
        core = inspect.unwrap(core)
    if not (inspect.isfunction(core) or inspect.ismethod(core) or inspect.isbuiltin(core)):
        # The method itself, which has annotations.
        core = getattr(cast("type[object]", type(core)), "__call__", core)  # noqa: B004
    return getattr(core, "__func__", core)


def _given_by_partials(function: object) -> set[str]:
    """Return the keywords that partials give: they are no variables, whatever the process has by that name."""
    given: set[str] = set()
    while isinstance(function, functools.partial):
        given |= set(function.keywords)
        function = cast("functools.partial[object]", function).func
    return given


def _name(function: object) -> str:
    core = _core(function)
    # Of an object that can be called, its class is what people know it by.
    named = core if getattr(core, "__name__", "__call__") != "__call__" else type(function)
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None) or repr(named)
    # What a program is started as tells nobody anything.
    return str(name) if module in (None, "", "__main__") else f"{module}.{name}"


def _place(function: object) -> str:
    code = getattr(inspect.unwrap(_core(function)), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "no source"


def _hints(core: Any, refused: _Refused) -> dict[str, Any]:  # noqa: ANN401 - a function
    try:
        try:
            return typing.get_type_hints(core, include_extras=True)
        except NameError:
            # Classes that were defined in the function that the handler is defined in, too.
            names = _names_around(inspect.unwrap(core))
            return typing.get_type_hints(core, localns=names, include_extras=True)
    except NameError as error:
        what = f"its annotations cannot be resolved ({error})"
        raise refused(what, "names that its module has at run time, not only under `if TYPE_CHECKING:`") from None
    except Exception as error:
        raise refused(f"its annotations cannot be resolved ({error})", "annotations that are types") from error


def _names_around(function: Any) -> dict[str, Any]:  # noqa: ANN401 - a function
    """Return the local names of the functions around one, as far as they are still running, and of its closure."""
    names: dict[str, Any] = {}
    around = getattr(function, "__qualname__", "").split(".<locals>.")[:-1]
    inside = [".<locals>.".join(around[: number + 1]) for number in range(len(around))]
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_qualname in inside and frame.f_globals is getattr(function, "__globals__", None):
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names | dict(inspect.getclosurevars(function).nonlocals)
