"""The engine's external job API, one method an operation.

How the engine behaves, and why the arguments are checked as they are: docs/engine.md, whose sections the methods name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Unpack

import requests
from requests import Session
from requests.auth import AuthBase

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import InvalidArgumentError, MissingExtraError
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.list_result import ListResult
from flowable.external_worker_client.rest import codec, operations
from flowable.external_worker_client.rest.answers import succeeded
from flowable.external_worker_client.rest.carrier import Carrier, Settling, current_carrier
from flowable.external_worker_client.rest.codec import AcquiredJobs
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.limited import LimitedTransport
from flowable.external_worker_client.rest.operations import JOB_API, Operation
from flowable.external_worker_client.rest.owners import Address, Owners
from flowable.external_worker_client.rest.query import JobFilters, SortKey, SortOrder, pairs
from flowable.external_worker_client.rest.requests_transport import RequestsTransport
from flowable.external_worker_client.rest.small_pieces import allocated_in_small_pieces
from flowable.external_worker_client.rest.transport import Request, Response, TransportFailure
from flowable.external_worker_client.variables import Release, release

__all__ = ["JOB_API", "FlowableExternalWorkerRestClient", "FlowableRestException"]

if TYPE_CHECKING:
    from flowable.external_worker_client.rest.pyreqwest_transport import PyreqwestTransport

DEFAULT_TIMEOUT = (5.0, 35.0)  # seconds to connect, seconds to wait: an engine without its database answers after 30

#: Connections that a client keeps open, at most.
POOL = 64

#: Jobs on one page of `iter_jobs`.
PAGE = 100

Timeout = float | tuple[float, float]

TransportName = Literal["requests", "fast"]
"""What carries requests: the requests library, or pyreqwest, which does most of it beside Python's lock."""


class FlowableExternalWorkerRestClient:
    """The operations of the external job API over HTTP. For use by several threads.

    Every method sends one request (`iter_jobs`: one a page) and waits for the answer. Requests are those of version 1;
    members that would be null are left out.

    Args:
        flowable_host: Address of the engine up to before `/external-job-api`, such as
            `"http://localhost:8090/flowable-rest"`.
        worker_id: The name under which jobs are locked. Two processes with the same name can settle each other's jobs.
        auth: Any `AuthBase` of requests, or what requests takes in its place: a function, or a pair of name and
            password. One that keeps state from one request to the next (digest, for one) is asked
            by all threads of a client alike. `None`: none, or what `customize_session` sets.
        customize_session: Called once, last, with the `requests.Session` that all requests use: proxies,
            certificates, adapters, headers, hooks. `None`: nothing to do.
        timeout: Seconds to connect and seconds to wait for an answer, or one number for both. There is no "for ever":
            an answer that never comes would hold a worker up for as long.
        engine: The release of the engine, such as `"6.8"` or `"7.2.0"`: variables that it cannot hold are refused
            before they are sent. `None`: not known; the engine itself refuses them then.
        transport: What carries requests. `"fast"`: pyreqwest, which needs the extra `fast`, and takes over what the
            session says about certificates, proxies, headers and credentials that only set headers
            (docs/transports.md). `"requests"` or `None`: the session itself, which can do everything.
        requests_at_once: Most requests under way at a time, of all threads; others wait, acquires longest. `None`:
            found out by itself, from 8 on and up to 32, from how many answers a second the engine gives
            (docs/worker.md, Requests at once).

    Attributes:
        flowable_host: As given, without one slash at its end.
        worker_id: As given.
        transport: What carries requests.
        request_session: The session. With the fast transport, what its settings are read from.

    Raises:
        InvalidArgumentError: An argument is not what is described above, or the session has no adapter for the
            address, or the fast transport cannot do what `auth` or `customize_session` asks for.
        MissingExtraError: The fast transport is not installed.
    """

    def __init__(
        self,
        flowable_host: str,
        worker_id: str,
        auth: AuthBase | None = None,
        customize_session: Callable[[Session], object] | None = None,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        engine: str | Release | None = None,
        transport: TransportName | None = None,
        requests_at_once: int | None = None,
    ) -> None:
        host = arguments.url(flowable_host)
        self.transport: TransportName = arguments.transport(transport)
        kind = _TRANSPORTS[self.transport]()
        self.worker_id: str = arguments.worker_id(worker_id)
        if requests_at_once is not None:
            arguments.count(requests_at_once, "requests_at_once", maximum=arguments.MOST_THREADS)
        session = requests.Session()
        # As many connections stay open as one client can use at a time; requests would keep ten, and complain.
        for scheme in ("http://", "https://"):
            session.mount(scheme, InterruptibleAdapter(pool_maxsize=max(POOL, requests_at_once or 0)))
        if auth is not None:
            session.auth = arguments.auth(auth)
        if customize_session is not None:
            arguments.function(customize_session, "customize_session")(session)
        try:
            session.get_adapter(host)
        except requests.exceptions.InvalidSchema:
            raise InvalidArgumentError(
                "flowable_host",
                arguments.without_credentials(host),
                'a URL that begins with "http://", "https://" or what customize_session mounted an adapter for',
            ) from None
        self._transport = kind(host.removesuffix("/"), session, arguments.timeout(timeout))
        self._limited = LimitedTransport(self._transport, requests_at_once)
        self._owners = Owners()
        self._engine = None if engine is None else release(engine)

    @property
    def flowable_host(self) -> str:
        """The address that all requests go to. Another one can be put in its place."""
        return self._transport.host

    @flowable_host.setter
    def flowable_host(self, host: str) -> None:
        self._transport.host = host

    @property
    def request_session(self) -> Session:
        """The session that all requests use. Another one can be put in its place."""
        return self._transport.session

    @request_session.setter
    def request_session(self, session: Session) -> None:
        self._transport.session = session

    @property
    def engine(self) -> Release | None:
        """The release that was given, as far as variables go."""
        return self._engine

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and to wait for an answer."""
        return self._transport.timeout

    @property
    def requests_at_once(self) -> int:
        """How many requests may be under way now: the number that was given, or the one that was found out by now.

        It changes while more of them are wanted than it allows, and stays what it is otherwise. For logs and metrics,
        with `requests_under_way` and `requests_waiting`.
        """
        return self._limited.at_once

    @property
    def requests_under_way(self) -> int:
        """How many requests are sent and not answered, at this moment."""
        return self._limited.under_way

    @property
    def requests_waiting(self) -> int:
        """How many requests wait until others are answered, at this moment."""
        return self._limited.waiting

    def list_jobs(
        self,
        *,
        start: int | None = None,
        size: int | None = None,
        sort: SortKey | None = None,
        order: SortOrder | None = None,
        **filters: Unpack[JobFilters],
    ) -> ListResult[ExternalWorkerJobResponse]:
        """Return one page of the jobs there are, locked or not.

        Args:
            start: Index of the first job, from 0. `None`: 0.
            size: Most jobs on the page; 0 for none, which still counts the total. `None`: the engine's 10.
            sort: Property to sort by. `None`: the id.
            order: `"asc"` or `"desc"`. `None`: ascending.
            **filters: See `JobFilters`. The engine cannot filter by topic or lock owner, nor show the topic.

        Raises:
            InvalidArgumentError: An argument is not what is described above. Nothing was sent.
            FlowableRestException: The engine refused, or something else answered.
            requests.RequestException: There was no answer.
        """
        query = pairs(filters, start=start, size=size, sort=sort, order=order)
        return codec.decode_page(self._call(Request(operations.LIST, operations.LIST.at(query=query))))

    def iter_jobs(
        self,
        *,
        page_size: int = PAGE,
        sort: SortKey | None = None,
        order: SortOrder | None = None,
        **filters: Unpack[JobFilters],
    ) -> Iterator[ExternalWorkerJobResponse]:
        """Go through all jobs that match, page by page, each once.

        The API pages by index, so jobs that come or go meanwhile can push others over the edge of a page. When the
        total shrinks, the next page begins as much earlier; a job can still be missed on a busy engine.

        Args:
            page_size: Jobs a request, at least 1.
            sort: As for `list_jobs`.
            order: As for `list_jobs`.
            **filters: As for `list_jobs`.

        Raises:
            InvalidArgumentError: An argument is not what is described above; raised here, before anything is sent.
            FlowableRestException: While iterating, as for `list_jobs`.
            requests.RequestException: While iterating, as for `list_jobs`.
        """
        arguments.count(page_size, "page_size")
        pairs(filters, sort=sort, order=order)
        return self._pages(page_size, sort, order, filters)

    def _pages(
        self, page_size: int, sort: SortKey | None, order: SortOrder | None, filters: JobFilters
    ) -> Iterator[ExternalWorkerJobResponse]:
        seen: set[str] = set()
        start, total = 0, None
        while True:
            page = self.list_jobs(start=start, size=page_size, sort=sort, order=order, **filters)
            for job in page.data:
                if job.id not in seen:
                    seen.add(job.id)
                    yield job
            vanished = max(0, total - page.total) if total is not None else 0
            total = page.total
            if not page.data and not vanished:
                return
            following = max(0, start + len(page.data) - vanished)
            if following >= total:
                return
            start = following

    def get_job(self, job_id: str) -> ExternalWorkerJobResponse:
        """Return one job. A job that was settled, or whose process went on without it, is not found any more: 404.

        Raises:
            InvalidArgumentError: The id is empty. Nothing was sent.
            FlowableRestException: The engine refused, or something else answered.
            requests.RequestException: There was no answer.
        """
        arguments.job_id(job_id)
        return codec.decode_job(self._call(Request(operations.GET, operations.GET.at(job_id)), job_id))

    def acquire_jobs(
        self,
        topic: str,
        lock_duration: DurationLike,
        number_of_tasks: int = 1,
        number_of_retries: int = 5,
        worker_id: str | None = None,
        scope_type: str | None = None,
    ) -> AcquiredJobs:
        """Lock jobs of a topic and return them.

        Which jobs: those with the lowest ids, of all tenants. An empty list does not prove that there is no work:
        other workers asking at the same moment, or two exclusive jobs of one process instance, give the same answer
        (docs/engine.md, Acquire).

        Args:
            topic: The topic, exactly.
            lock_duration: How long the jobs are locked, in any form of `durations`. Up to 24 days, 20 hours, 31
                minutes. The lock cannot be extended, and jobs are not offered to others before the engine's next
                reset of expired locks, every 60 seconds unless configured.
            number_of_tasks: Most jobs to return.
            number_of_retries: How often the *engine* tries again at once when other workers are faster. Nothing to do
                with the retries of a job.
            worker_id: The owner of the lock. `None`: that of this client.
            scope_type: `"bpmn"` for jobs of processes, `"cmmn"` for jobs of cases, `None` for both.

        Returns:
            The jobs, as a list with an attribute more: `unreadable`.

        Raises:
            InvalidArgumentError: An argument is not what is described above. Nothing was sent.
            FlowableRestException: The engine refused, or something else answered.
            requests.RequestException: There was no answer. The engine may have locked jobs all the same.
        """
        owner = self._worker(worker_id)
        body = codec.encode(
            {
                "topic": arguments.topic(topic),
                "lockDuration": durations.lock_duration(lock_duration).text,
                "numberOfTasks": arguments.count(number_of_tasks, "number_of_tasks"),
                "numberOfRetries": arguments.count(number_of_retries, "number_of_retries"),
                "workerId": owner,
                "scopeType": arguments.scope_type(scope_type),
            }
        )
        jobs = codec.decode_acquired(self._call(Request(operations.ACQUIRE, operations.ACQUIRE.path, body)))
        self._owners.remember_all([(job.id, job.correlation_id) for job in jobs], owner)
        for unreadable in jobs.unreadable:
            if unreadable.id is not None:
                self._owners.remember(unreadable.id, owner)
        return jobs

    def complete_job(
        self, job_id: str, variables: Iterable[EngineRestVariable] | None = None, worker_id: str | None = None
    ) -> None:
        """Complete a job: the process or case goes on, a moment later, with these variables (docs/engine.md, Settling).

        Args:
            job_id: The job.
            variables: What the work brought. `None`: nothing.
            worker_id: Who holds the lock. `None`: whoever acquired the job through this client, under the id that it
                has by now (it changes on some releases when a lock is reset; docs/engine.md, Jobs).

        Raises:
            InvalidArgumentError: An argument cannot be sent, or the release given as `engine` cannot hold it; the text
                names the variable. Nothing was sent.
            FlowableRestException: The engine refused (403: the lock is lost; 404: the job is gone), or something else
                answered.
            requests.RequestException: There was no answer. It may have been done.
        """
        self._settle(operations.COMPLETE, job_id, worker_id, variables=codec.encode_variables(variables, self._engine))

    def job_with_bpmn_error(
        self,
        job_id: str,
        variables: Iterable[EngineRestVariable] | None = None,
        error_code: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        """End a job of a process with a BPMN error (docs/engine.md, Settling).

        Args:
            job_id: The job.
            variables: Set before the error is thrown, under their own names: out-parameters of the task do not apply.
                `None`: none.
            error_code: `errorCode` or id of the `<error>`. `None`: any error event catches it.
            worker_id: As for `complete_job`.

        Raises:
            InvalidArgumentError: As for `complete_job`.
            FlowableRestException: As for `complete_job`; 400 for a job of a case. A code that nothing catches is
                accepted, and leaves a dead letter.
            requests.RequestException: As for `complete_job`.
        """
        self._settle(
            operations.BPMN_ERROR,
            job_id,
            worker_id,
            variables=codec.encode_variables(variables, self._engine),
            errorCode=codec.storable(arguments.message(error_code, "error_code")),
        )

    def fail_job(
        self,
        job_id: str,
        error_message: str | None = None,
        error_details: str | None = None,
        retries: int | None = None,
        retry_timeout: DurationLike | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Report that the work failed (docs/engine.md, Failing).

        Args:
            job_id: The job.
            error_message: What went wrong; cut by the engine after 2000 characters. `None` clears the last message.
            error_details: The long version, of any length. `None` keeps what the last failure left.
            retries: Attempts left: 0 moves the job to the dead letters. `None` takes one away.
            retry_timeout: How long the job waits before it is offered again, in any form of `durations`, and then
                until the engine's next reset of expired locks. `None`: no waiting.
            worker_id: As for `complete_job`.

        Raises:
            InvalidArgumentError: As for `complete_job`.
            FlowableRestException: As for `complete_job`.
            requests.RequestException: As for `complete_job`.
        """
        self._settle(
            operations.FAIL,
            job_id,
            worker_id,
            errorMessage=codec.storable(arguments.message(error_message, "error_message")),
            errorDetails=arguments.message(error_details, "error_details"),
            retries=None if retries is None else arguments.count(retries, "retries", minimum=0),
            retryTimeout=None if retry_timeout is None else durations.retry_timeout(retry_timeout).text,
        )

    def job_with_cmmn_terminate(
        self, job_id: str, variables: Iterable[EngineRestVariable] | None, worker_id: str | None = None
    ) -> None:
        """Terminate the plan item of a job of a case.

        Args:
            job_id: The job.
            variables: Set on the case before. `None`: none.
            worker_id: As for `complete_job`.

        Raises:
            InvalidArgumentError: As for `complete_job`.
            FlowableRestException: As for `complete_job`; 400 for a job of a process.
            requests.RequestException: As for `complete_job`.
        """
        self._settle(
            operations.CMMN_TERMINATE, job_id, worker_id, variables=codec.encode_variables(variables, self._engine)
        )

    def unacquire_job(self, job_id: str, worker_id: str | None = None) -> None:
        """Give one job back, retries and message unchanged. Needs Flowable 7.0.

        Up to 7.2 the process instance of an *exclusive* job stays locked until the lock would have ended, and the job
        blocks its topic for as long. Failing the job with its own retries and message does not have that flaw
        (docs/engine.md, Failing).

        Args:
            job_id: The job.
            worker_id: As for `complete_job`.

        Raises:
            InvalidArgumentError: As for `complete_job`.
            FlowableRestException: 403: the lock is lost. 404: the job is gone, or the engine is older than 7.0 (then
                `engine_error` is `None`).
            requests.RequestException: There was no answer.
        """
        address = self._address(job_id, worker_id, current_carrier())
        path = operations.UNACQUIRE.at(address.job_id)
        self._call(Request(operations.UNACQUIRE, path, codec.encode({"workerId": address.owner})), job_id)
        self._owners.forget(job_id, address.owner)

    def unacquire_jobs(self, worker_id: str | None = None, *, tenant_id: str | None = None) -> None:
        """Give back all jobs that a worker holds. Needs Flowable 7.0; for exclusive jobs, see `unacquire_job`.

        Jobs that a subscription acquired under a name of its own (`<worker id>.<number>`) are not among those of the
        client's worker id.

        Args:
            worker_id: Whose jobs. `None`: those locked under this client's `worker_id`.
            tenant_id: A guard, not a filter: if any job of the worker is of another tenant, nothing is given back.
                `None`: no guard.

        Raises:
            InvalidArgumentError: An argument is no text. Nothing was sent.
            FlowableRestException: 400: the guard. 404: the engine is older than 7.0.
            requests.RequestException: There was no answer.
        """
        body = codec.encode(
            {"workerId": self._worker(worker_id), "tenantId": arguments.message(tenant_id, "tenant_id")}
        )
        self._call(Request(operations.UNACQUIRE_ALL, operations.UNACQUIRE_ALL.path, body))

    def forget(self, job_id: str, owner: str | None) -> None:
        """Let go of what is known of a job that has come to its end here, whichever way; nothing is sent.

        Args:
            job_id: The job, by any id that it had.
            owner: The name that held it. `None`: this client's worker id.
        """
        self._owners.forget(job_id, owner or self.worker_id)

    def interrupt(self) -> None:
        """End the requests that are on the wire: whoever waits for an answer gets a `requests.ConnectionError` now.

        The engine may carry them out all the same. Adapters that `customize_session` mounted are left alone. Requests
        that wait for others to be answered end in the same way, and are never sent.
        """
        # First, or they would be sent in the place of those that end.
        self._limited.interrupt()
        for adapter in self.request_session.adapters.values():
            if isinstance(adapter, InterruptibleAdapter):
                adapter.connections.interrupt()
        if not isinstance(self._transport, RequestsTransport):
            self._transport.interrupt()

    def close(self) -> None:
        """Close the connections that are open. The client can be used again, and opens new ones."""
        self._transport.close()

    def __repr__(self) -> str:
        """Say where and as whom; no credentials."""
        host = arguments.without_credentials(self.flowable_host)
        fast = ", transport='fast'" if self.transport == "fast" else ""
        return f"{type(self).__name__}(flowable_host={host!r}, worker_id={self.worker_id!r}{fast})"

    def settle(self, call: Settling) -> None:
        """Send a settling call once, exactly as it is. What the methods above do with their arguments.

        Args:
            call: What to send. Its members are not checked again.

        Raises:
            FlowableRestException: As for `complete_job`.
            requests.RequestException: As for `complete_job`.
        """
        body = codec.encode_settling(call.owner, call.members)
        self._call(Request(call.operation, call.operation.at(call.job_id), body), call.job_id)

    def _settle(self, operation: Operation, job_id: str, worker_id: str | None, **members: Any) -> None:  # noqa: ANN401
        carrier = current_carrier()
        address = self._address(job_id, worker_id, carrier)
        call = Settling(operation, address.job_id, address.owner, members)
        if carrier is None:
            self.settle(call)
        else:
            carrier.carry(call, self)
        self._owners.forget(job_id, call.owner)

    def _worker(self, worker_id: str | None) -> str:
        return arguments.worker_id(worker_id) if worker_id else self.worker_id

    def _address(self, job_id: str, worker_id: str | None, carrier: Carrier | None) -> Address:
        """Return where a call for a job goes: as it was said, or to the newest id and owner that are known."""
        arguments.job_id(job_id)
        if worker_id:
            return Address(job_id, arguments.worker_id(worker_id))
        known = carrier.owner_of(job_id) if carrier is not None else None
        if known is not None:
            # The carrier knows the newest id, too, and at the moment of sending.
            return Address(job_id, known)
        return self._owners.find(job_id) or Address(job_id, self.worker_id)

    def _call(self, request: Request, job_id: str | None = None) -> Response:
        """Send one request; return the answer if it is the one promised."""
        problem: Exception
        try:
            response = self._limited.send(request)
        except TransportFailure as failure:
            problem = failure.cause
        else:
            if succeeded(request.operation, response.status, response.headers):
                return response
            problem = codec.error(response, hint=_hint(response, job_id))
        try:
            # Outside of the handlers above: the exception is the one that requests made, with its own chain.
            raise problem
        finally:
            # An exception that its own frame holds on to keeps connections open until the garbage is collected.
            del problem


def _fast() -> type[PyreqwestTransport]:
    # Only now: it is optional, and takes time to import.
    try:
        with allocated_in_small_pieces():
            from flowable.external_worker_client.rest.pyreqwest_transport import (  # noqa: PLC0415
                PyreqwestTransport,
            )
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "pyreqwest":
            raise
        raise MissingExtraError('transport="fast"', "fast") from None
    return PyreqwestTransport


_TRANSPORTS: dict[TransportName, Callable[[], type[RequestsTransport | PyreqwestTransport]]] = {
    "requests": lambda: RequestsTransport,
    "fast": _fast,
}


def _hint(response: Response, job_id: str | None) -> str | None:
    odd = operations.odd_characters(job_id) if job_id else ""
    if not odd or response.status not in (400, 401, 500):
        return None
    return f"the job id {job_id!r} contains {' and '.join(map(repr, odd))}, which servers refuse in a path"
