"""A handler with everything that was found out about it when it was declared."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NoReturn, cast

from flowable.external_worker_client.errors import InvalidArgumentError, shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handler_errors import BpmnError, CmmnTerminate, DeadLetter
from flowable.external_worker_client.handlers import errors_table, middleware, parameters, returned
from flowable.external_worker_client.handlers.binding import Binder, Redact
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.errors_table import ErrorAction, ErrorTable
from flowable.external_worker_client.handlers.invalid import (
    InvalidHandlerError,
    InvalidOutcomeError,
    InvalidVariablesError,
)
from flowable.external_worker_client.handlers.middleware import AsyncCallNext, Call, CallNext, Invoke, Middleware
from flowable.external_worker_client.handlers.parameters import Signature, Source
from flowable.external_worker_client.handlers.returned import Encoder, Names
from flowable.external_worker_client.limiter import Limiter
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.variables import Release
from flowable.external_worker_client.worker_result import Executable

Job = ExternalWorkerAcquireJobResponse

#: Attribute of a function by which what was declared of it is found again, in tests.
DECLARED = "__flowable_handler__"

_NO_ERRORS: ErrorTable = {}

#: What is accepted around handlers of either kind, where middleware of the other was given.
_AROUND = {
    "sync": "middleware that is no coroutine function, or an object with the methods sync and asynchronous",
    "async": "middleware that is async def, or an object with the methods sync and asynchronous",
}


def declare(
    function: Callable[..., Any],
    *,
    result: str | None = None,
    names: Names = "camel",
    on_invalid: ErrorAction | None = None,
    redact: Redact | None = None,
    middleware: Sequence[Middleware] = (),
    errors: ErrorTable = _NO_ERRORS,
) -> Declared:
    """Look at a handler once, and find out what its calls will need.

    Args:
        function: The handler: `def` or `async def`, a method, a `functools.partial`, or an object that can be called.
        result: Name of the variable that gets what it returns. `None`: the fields of what it returns are variables.
        names: How fields are named as variables. `"camel"`: `customer_id` as `customerId`, unless the job has a
            variable `customer_id`. `"as_is"`: as they are.
        on_invalid: What becomes of a job with invalid variables, as in `errors`. `None`: as the worker says, or else
            `DeadLetter`. `JobFailure`: it fails, as the retry policy says.
        redact: Which values errors must not show: `True` for all, or the names of variables. `None`: as the worker
            says, or else `False`.
        middleware: What stands around the handler; the first is the outermost.
        errors: What exceptions mean, see `ErrorAction`.

    Raises:
        InvalidHandlerError: It cannot be a handler, or not with these options. Names function, file and line, and what
            is accepted.
    """
    signature = parameters.read(function)
    return Declared(
        signature,
        encoder=Encoder(signature, result, names),
        on_invalid=on_invalid,
        redact=redact,
        around=tuple(middleware),
        errors=(errors,) if errors else (),
    )


def declared(function: Callable[..., Any]) -> Declared | None:
    """Return how a function was declared or, if it was not, declare it without options.

    Returns:
        The handler; `None` for a callback in the form of version 1 that was not declared.

    Raises:
        InvalidHandlerError: It cannot be a handler.
    """
    known = getattr(function, DECLARED, None)
    if isinstance(known, Declared):
        return known
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
    return None if parameters.is_callback(function) and not is_async else declare(function)


class Declared:
    """A handler. Made by `declare`; never changes.

    Attributes:
        function: The person's function.
        name: Its module and qualified name.
        place: Its file and line.
        module: The module it is defined in, by which its logger is named.
        kind: `"async"` if its result has to be awaited, otherwise `"sync"`.
        wants_context: Whether it has a parameter for a `Context`, which cannot leave its process.
        shared: Its parameters for what the lifespan yields, and which item of that. `None`: all of it.
        limiter: What limits how many jobs are acquired for it, all in one. `None`: nothing.
        retry_policies: What its `errors` have of retry policies, for that of the topic.
    """

    def __init__(
        self,
        signature: Signature,
        *,
        encoder: Encoder,
        on_invalid: ErrorAction | None,
        redact: Redact | None,
        around: tuple[Middleware, ...],
        errors: tuple[ErrorTable, ...],
        binder: Binder | None = None,
    ) -> None:
        self.function = signature.function
        self.name = signature.name
        self.place = signature.place
        self.module = signature.module
        self.kind: Literal["sync", "async"] = "async" if signature.is_async else "sync"
        self.wants_context = any(each.source is Source.CONTEXT for each in signature.parameters)
        self.shared: Mapping[str, str | None] = {
            each.name: each.variable for each in signature.parameters if each.source is Source.SHARED
        }
        self._signature = signature
        self._redact = _redacted(signature, redact)
        self._binder = (binder or Binder(signature)).redacting(self._redact or False)
        self._encoder = encoder.redacting(self._redact or False)
        try:
            self._on_invalid = None if on_invalid is None else errors_table.check_action(on_invalid, "on_invalid")
            self._errors = tuple(errors_table.check(each) for each in errors)
        except InvalidArgumentError as error:
            what = f"{error.parameter}={shorten(error.value)} says nothing"
            raise signature.refuse(what, error.accepted) from error
        for each in around:
            function = middleware.fitting(each, is_async=signature.is_async)
            if function is None:
                what = f"middleware {middleware.name_of(each)} does not fit around it, which is {self.kind}"
                raise signature.refuse(what, _AROUND[self.kind])
            if not middleware.takes_a_call(function):
                what = f"middleware {middleware.name_of(each)} cannot be called with a call and what comes next"
                raise signature.refuse(what, "a function of both: (call, call_next)")
        self._around = around
        limiters = middleware.limiters(around)
        self._limiters = limiters
        self.limiter: Limiter | None = middleware.Limits(limiters) if limiters else None
        policies = errors_table.retry_policies(self._errors)
        if isinstance(self._on_invalid, RetryPolicy):
            policies[InvalidVariablesError] = self._on_invalid
        self.retry_policies: Mapping[type[BaseException], RetryPolicy] = policies
        self._call: CallNext | None = None
        self._call_async: AsyncCallNext | None = None
        if signature.is_async:
            self._call_async = middleware.chain_async(around, self._innermost_async)
        else:
            self._call = middleware.chain(around, self._innermost)

    def within(
        self,
        *,
        middleware: Sequence[Middleware] = (),
        errors: ErrorTable = _NO_ERRORS,
        on_invalid: ErrorAction | None = None,
        redact: Redact | None = None,
        innermost: Sequence[Middleware] = (),
    ) -> Declared:
        """Return the handler as part of a worker: what it does not say itself, the worker says.

        The middleware of the worker stands around its own, and the table of the worker is asked after its own. What is
        `innermost` stands between its own and the function.

        Raises:
            InvalidHandlerError: The middleware does not fit around it.
        """
        return Declared(
            self._signature,
            encoder=self._encoder,
            on_invalid=on_invalid if self._on_invalid is None else self._on_invalid,
            redact=redact if self._redact is None else self._redact,
            around=(*middleware, *self._around, *innermost),
            errors=(*self._errors, errors) if errors else self._errors,
            binder=self._binder,
        )

    def refuse(self, what: str, accepted: str) -> InvalidHandlerError:
        """Return the error that says why it cannot be a handler."""
        return self._signature.refuse(what, accepted)

    def refuse_outcome(self, what: str, error: Exception) -> InvalidOutcomeError:
        """Return the error that says why what it returned is no outcome, to be raised in the place of another one.

        Args:
            what: What is wrong, as half a sentence.
            error: Says more about it: what it says, and what it came from, is left out if values are not to be shown.
        """
        if self._encoder.hides:
            refused = InvalidOutcomeError(self.name, what)
            refused.__suppress_context__ = True
        else:
            refused = InvalidOutcomeError(self.name, f"{what}: {errors_table.text_of(error)}")
            refused.__cause__ = error
        return refused

    # ------------------------------------------------------------ the parts

    def bind(self, job: Job, context: Context | None = None) -> dict[str, object]:
        """Return the arguments for a job, by the names of the parameters. Those that are left out have defaults.

        Raises:
            InvalidVariablesError: A variable is missing, or is not as annotated.
        """
        return self._binder.bind(job, context or self.context(job))

    def outcome(self, job: Job, returned: object) -> Executable:
        """Return the outcome for what the handler returned.

        Raises:
            InvalidOutcomeError: It is none, or a value cannot be sent.
        """
        return self._encoder.outcome(job, returned)

    def context(self, job: Job) -> Context:
        """Return a context for a call outside of any worker."""
        return Context(job, logger=self.module)

    # ------------------------------------------------------------ the whole

    def run(self, job: Job, context: Context | None = None, *, invoke: Invoke | None = None) -> Executable:
        """Call a `def` handler, with all that stands around it, and return its outcome.

        Args:
            job: The job.
            context: What surrounds the call. `None`: nothing does.
            invoke: Calls the function with its arguments, in another place perhaps. `None`: `function(**arguments)`.

        Returns:
            The outcome; that of a `BpmnError` or `CmmnTerminate` too.

        Raises:
            HandlerError: How the job ends otherwise: a failure, a dead letter, later.
            BaseException: Whatever else was raised, and no table has a word for.
        """
        try:
            return self.call(job, context, invoke=invoke)
        except (BpmnError, CmmnTerminate) as error:
            return returned.of_decision(job, error)

    async def run_async(self, job: Job, context: Context | None = None, *, invoke: Invoke | None = None) -> Executable:
        """Call an `async def` handler: see `run`. What `invoke` returns is awaited if it can be."""
        try:
            return await self.call_async(job, context, invoke=invoke)
        except (BpmnError, CmmnTerminate) as error:
            return returned.of_decision(job, error)

    def call(self, job: Job, context: Context | None = None, *, invoke: Invoke | None = None) -> Executable:
        """Do as `run` does, and raise `BpmnError` and `CmmnTerminate` like the others."""
        if self._call is None:
            raise TypeError(f"{self.name} is a coroutine function: call run_async")
        context = context or self.context(job)
        call: Call | None = None
        try:
            call = self._begin(job, context, invoke)
            return self._call(call)
        except BaseException as error:  # noqa: BLE001 - tables may be about any
            self._raise_meant(error, context)
        finally:
            self._give_back(call, context)

    async def call_async(self, job: Job, context: Context | None = None, *, invoke: Invoke | None = None) -> Executable:
        """Do as `run_async` does, and raise `BpmnError` and `CmmnTerminate` like the others."""
        if self._call_async is None:
            raise TypeError(f"{self.name} is no coroutine function: call run")
        context = context or self.context(job)
        call: Call | None = None
        try:
            call = self._begin(job, context, invoke)
            return await self._call_async(call)
        except BaseException as error:  # noqa: BLE001 - tables may be about any
            self._raise_meant(error, context)
        finally:
            self._give_back(call, context)

    def _begin(self, job: Job, context: Context, invoke: Invoke | None) -> Call:
        return Call(
            handler=self.name,
            topic=context.topic,
            job=job,
            context=context,
            arguments=self._binder.bind(job, context),
            _make=functools.partial(self._encoder.outcome, release=_release(context)),
            _invoke=invoke,
            _hides=self._encoder.hides,
        )

    def _innermost(self, call: Call) -> Executable:
        return call.outcome(self._invoke(call))

    async def _innermost_async(self, call: Call) -> Executable:
        value = self._invoke(call)
        if inspect.isawaitable(value):
            value = await value
        return call.outcome(value)

    def _invoke(self, call: Call) -> Any:  # noqa: ANN401 - whatever it returns
        arguments = cast("dict[str, object]", call.arguments)
        invoke = call._invoke  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return self.function(**arguments) if invoke is None else invoke(self.function, arguments)

    def _raise_meant(self, error: BaseException, context: Context) -> NoReturn:
        """Raise what an exception means: itself, or another."""
        if isinstance(error, InvalidVariablesError):
            # No table: that ValueError means "later" is not said of jobs that will never be right.
            action: ErrorAction | None = self._on_invalid or DeadLetter
        else:
            action = errors_table.find(error, self._errors)
        meant = error if action is None else errors_table.apply(action, error)
        release = _release(context)
        if release is not None and isinstance(meant, BpmnError | CmmnTerminate):
            self._encoder.check(meant, release)
        if meant is error:
            raise error
        if errors_table.hides(action, meant):
            _say_meant(context, error, meant)
        raise meant from error

    def _give_back(self, call: Call | None, context: Context) -> None:
        """Tell limiters that the call never came to them."""
        if self._limiters:
            reached = [] if call is None else call._reached  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for limiter in self._limiters:
                if not any(each is limiter for each in reached):
                    limiter.give_back(1, context.now())

    def __repr__(self) -> str:
        """Name the function and its place."""
        return f"<handler {self.name} ({self.place})>"


def _release(context: Context) -> Release | None:
    """Return what the engine can hold, as far as the client was told. `None`: not known."""
    # A test may have put anything in the place of the client, or of its REST client.
    release = getattr(getattr(context.client, "_restClient", None), "engine", None)
    return release if isinstance(release, Release) else None


def _say_meant(context: Context, error: BaseException, meant: BaseException) -> None:
    """Log an exception of which nobody hears otherwise, because another was put in its place."""
    became, why = type(meant).__name__, errors_table.text_of(error)
    facts = (context.topic, context.job.id)
    # Whatever the person's log does: the job goes on.
    with suppress(Exception):
        if isinstance(error, InvalidVariablesError):
            said = "Topic %r: job %s has invalid variables, which on_invalid= makes a %s: %s"
            context.logger.warning(said, *facts, became, why)
        elif context.logger.isEnabledFor(logging.INFO):
            said = "Topic %r: job %s: the handler raised %s (%s), which errors= makes a %s: %s"
            # The place in one line, because this may be how every other job ends; the trace for those who look closer.
            trace = error if context.logger.isEnabledFor(logging.DEBUG) else None
            context.logger.info(said, *facts, type(error).__name__, _raised_at(error), became, why, exc_info=trace)


def _raised_at(error: BaseException) -> str:
    """Return where an exception was raised."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "nowhere" if at is None else f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"


def _redacted(signature: Signature, redact: object) -> Redact | None:
    if redact is None or isinstance(redact, bool):
        return redact
    names = list(cast("Collection[object]", redact)) if isinstance(redact, Collection) else [None]
    if isinstance(redact, str) or not all(isinstance(each, str) for each in names):
        raise signature.refuse(
            f"redact={shorten(cast('object', redact))} names no variables", "True, False, or a set of names"
        )
    return frozenset(cast("list[str]", names))
