"""Results meet trouble on their way: each handler runs once, and each job is settled once, as the handler decided."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.faults.conftest import World, eventually
from tests.faults.stub import Fault, Stub, engine_error

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, WorkerResultBuilder, WorkResult

JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html;charset=utf-8"),)
LOGIN = b"<html><head><title>Please sign in</title></head><body></body></html>"
SPRING = json.dumps({"timestamp": 1, "status": 404, "error": "Not Found", "path": "/x"}).encode()
LOCK_TEXT = "somebody does not hold a lock on the requested job"
JDBC = engine_error("Internal server error", "JDBC rollback failed")

OUTCOMES: dict[str, Callable[[WorkerResultBuilder], object]] = {
    "complete": lambda result: result.success().variable_int("n", 5),
    "bpmnError": lambda result: result.bpmn_error().error_code("E").variable_string("s", "x"),
    "cmmnTerminate": lambda result: result.cmmn_terminate().variable_boolean("b", True),
    "fail": lambda result: result.failure().error_message("no").error_details("why").retries(4).retry_timeout("PT9M"),
}
BODIES: dict[str, dict[str, Any]] = {
    "complete": {"variables": [{"name": "n", "type": "integer", "value": 5}]},
    "bpmnError": {"variables": [{"name": "s", "type": "string", "value": "x"}], "errorCode": "E"},
    "cmmnTerminate": {"variables": [{"name": "b", "type": "boolean", "value": True}]},
    "fail": {"errorMessage": "no", "errorDetails": "why", "retries": 4, "retryTimeout": "PT9M"},
}
ENDED = {"complete": "completed", "bpmnError": "ended in a BPMN error", "cmmnTerminate": "terminated", "fail": "failed"}
EACH_OUTCOME = pytest.mark.parametrize("operation", OUTCOMES)


def run_batch(world: World, operation: str, *, number: int = 2, all_settled: bool = False, **client: Any) -> None:
    """Serve a batch whose jobs all end with one kind of outcome; stop when all, or all but the first, are settled."""
    ids = [str(position) for position in range(1, number + 1)]
    world.stub.add(*ids)
    # A lock that outlasts every pause: what waits in the batch is not to be given back.
    world.subscribe(
        lambda job, result: OUTCOMES[operation](result),
        client=world.client(**client),
        lock_duration="PT1H",
        number_of_tasks=number,
    )
    world.served(*(ids if all_settled else ids[1:]))
    world.stop()
    assert world.handled == ids


def endings(operation: str, *ids: str) -> list[str]:
    """Return how the lines begin that say of these jobs how they ended."""
    return [f"Topic 't': job {job_id} of 'task' {ENDED[operation]} after 0.000 s: " for job_id in ids]


def said_of_endings(world: World, operation: str, level: int = logging.INFO) -> list[str]:
    """Return the beginnings of the lines that say how a job ended."""
    middle = f" of 'task' {ENDED[operation]} after "
    return [line[: line.index(" s: ") + 4] for line in world.logged(level) if middle in line]


def troubles(world: World, operation: str) -> list[str]:
    """Return the lines from WARNING on, without those that say that a job was failed as its handler decided."""
    middle = f" of 'task' {ENDED[operation]} after "
    return [line for line in world.logged() if middle not in line]


def check_endings(world: World, operation: str, *ids: str) -> None:
    """See that each of these jobs, and no other, has one line: INFO, or WARNING when it was failed."""
    assert said_of_endings(world, operation) == endings(operation, *ids)
    assert said_of_endings(world, operation, logging.WARNING) == (endings("fail", *ids) if operation == "fail" else [])
    assert said_of_endings(world, operation, logging.ERROR) == []


def taken_over(stub: Stub, job_id: str | None) -> None:
    """Let somebody else have the job."""
    stub.change(str(job_id), owner="somebody else")


def moved_on(stub: Stub, job_id: str | None) -> None:
    """Let the process go on without the job."""
    stub.change(str(job_id), gone=True)


def page(status: int, *, effect: bool = False, retry_after: str | None = None) -> Fault:
    """Return an answer of a gateway."""
    pause = (("Retry-After", retry_after),) if retry_after else ()
    return Fault(effect=effect, status=status, headers=(*HTML, *pause), body=b"<title>Gateway</title>")


# What goes by, with the seconds of the first pause.
PASSING: dict[str, tuple[Fault, float]] = {
    "reset before the effect": (Fault(end="reset"), 0.25),
    "reset after the effect": (Fault(effect=True, end="reset"), 0.25),
    "no answer, not done": (Fault(end="hang"), 0.25),
    "no answer, done": (Fault(effect=True, end="hang"), 0.25),
    "cut off, done": (Fault(effect=True, status=200, body=b"{", end="cut"), 0.25),
    "cut off, chunked, not done": (Fault(status=200, body=b"{", end="cut-chunked"), 0.25),
    **{f"{status} before the effect": (page(status), 0.25) for status in (408, 409, 425, 429, 502, 503, 504)},
    **{f"{status} after the effect": (page(status, effect=True), 0.25) for status in (408, 409, 425, 502, 503, 504)},
    "429 with a pause": (page(429, retry_after="20"), 20),
    "503 with a pause": (page(503, retry_after="20"), 20),
    "503 for a year": (page(503, retry_after="31536000"), 300),
    "401": (Fault(status=401), 5),
    "403 of a gateway": (page(403), 5),
    "404 of a gateway": (page(404), 5),
    "404 of Spring": (Fault(status=404, headers=JSON, body=SPRING), 5),
    "302 to a login": (Fault(status=302, headers=(("Location", "/login"),)), 5),
    "a login with 200": (Fault(status=200, headers=HTML, body=LOGIN), 5),
    "a login in capitals": (Fault(status=200, headers=(("Content-Type", "Text/HTML"),), body=LOGIN), 5),
    "202, not done": (Fault(status=202), 5),
    "202, done": (Fault(effect=True, status=202), 5),
    "200 without a page, not done": (Fault(status=200, headers=JSON, body=b"{}"), 5),
    "200 without a page, done": (Fault(effect=True, status=200, headers=JSON, body=b"{}"), 5),
    "HTML 500, not done": (page(500), 5),
    "HTML 500, done": (page(500, effect=True), 5),
    "500 of the engine, not done": (Fault(status=500, headers=JSON, body=JDBC), 2),
}


@EACH_OUTCOME
@pytest.mark.parametrize(("fault", "pause"), PASSING.values(), ids=PASSING)
def test_a_result_survives_what_goes_by(world: World, operation: str, fault: Fault, pause: float) -> None:
    """The same request is sent again after a pause until the engine has it; it never becomes a failure."""
    world.stub.faults[operation].append(fault)
    run_batch(world, operation, all_settled=True, timeout=(5, 0.3) if fault.end == "hang" else 30)
    assert world.stub.settled == {"1": [operation], "2": [operation]}
    owner = world.stub.of("acquire")[0].body["workerId"]
    assert [request.body for request in world.stub.of(operation)] == [{"workerId": owner, **BODIES[operation]}] * 3
    # A long one is waited out by the courier, while the subscription goes on: which is first is chance.
    assert pytest.approx(pause, rel=0.2) in world.clock.waits
    assert [request.operation for request in world.stub.received if request.operation in OUTCOMES] == [operation] * 3
    (line,) = troubles(world, operation)
    assert line.startswith(f"Topic 't': {operation} of job 1 was not delivered, ")
    # A pause that long is waited out elsewhere: the thread of the handlers goes on with the next job.
    order = ("2", "1") if pause > 30 else ("1", "2")
    assert [request.job_id for request in world.stub.of(operation)] == ["1", *order]
    check_endings(world, operation, *order)


@EACH_OUTCOME
def test_a_result_survives_an_engine_that_is_away(
    world: World, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections are refused until the engine is back; then the result is delivered once."""
    caplog.set_level(logging.INFO)
    ups: list[float] = []

    def at_wait(seconds: float) -> None:
        ups.append(seconds)
        if len(ups) == 4:
            world.stub.up()

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> object:
        if job.id == "1":
            world.stub.down()
            world.clock.at_wait = at_wait
        return OUTCOMES[operation](result)

    world.stub.add("1", "2")
    world.subscribe(handler, number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": [operation], "2": [operation]}
    assert ups[:4] == [pytest.approx(pause, rel=0.2) for pause in (0.25, 0.5, 1, 2)]
    opening = f"Topic 't': {operation} of job 1 was not delivered, "
    lines = [line for line in world.logged(logging.INFO) if line.startswith(opening)]
    assert len(lines) == 4
    assert all("no connection to the engine" in line for line in lines)
    assert [line for line in world.logged() if line.startswith(opening)] == lines[:1]


def test_an_outage_is_a_warning_for_each_result_at_first_and_once_a_minute(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The log of a worker with many handlers is to be read while it lasts."""
    caplog.set_level(logging.INFO)
    downs: list[float] = []

    def at_wait(_: float) -> None:
        downs.append(world.clock.now())
        if downs[-1] > downs[0] + 200:
            world.stub.up()

    def handler(*_: object) -> None:
        world.stub.down()
        world.clock.at_wait = at_wait

    world.stub.add("1")
    world.subscribe(handler, lock_duration="PT1H")
    world.served("1")
    world.stop()
    opening = "Topic 't': complete of job 1 was not delivered, "
    warnings = [line for line in world.logged() if line.startswith(opening)]
    assert len([line for line in world.logged(logging.INFO) if line.startswith(opening)]) > 10
    # The pauses between two sends are some 30 seconds by then.
    assert 3 <= len(warnings) <= 4


@EACH_OUTCOME
def test_the_engines_500_for_something_done_is_found_out(world: World, operation: str) -> None:
    """The look at the job shows that the result was stored after all: nothing is sent again."""
    world.stub.faults[operation].append(Fault(effect=True, status=500, headers=JSON, body=JDBC))
    run_batch(world, operation)
    assert world.stub.settled == {"1": [operation], "2": [operation]}
    assert [request.job_id for request in world.stub.of(operation)] == ["1", "2"]
    assert [request.job_id for request in world.stub.of("get")] == ["1"]
    assert troubles(world, operation) == []
    check_endings(world, operation, "1", "2")


@EACH_OUTCOME
@pytest.mark.parametrize(
    "look",
    [Fault(end="reset"), page(502), Fault(status=401), Fault(status=200, headers=JSON, body=b"[]"), Fault(status=204)],
    ids=["reset", "502", "401", "no job", "204"],
)
def test_a_look_that_fails_decides_nothing(world: World, operation: str, look: Fault) -> None:
    """The result is sent again."""
    world.stub.faults[operation].append(Fault(status=500, headers=JSON, body=JDBC))
    world.stub.faults["get"].append(look)
    run_batch(world, operation)
    assert world.stub.settled == {"1": [operation], "2": [operation]}
    assert [request.job_id for request in world.stub.of(operation)] == ["1", "1", "2"]


LOST: dict[str, Fault] = {
    "403": Fault(effect=True, before=taken_over),
    "400": Fault(before=taken_over, status=400, headers=JSON, body=engine_error("Bad request", LOCK_TEXT)),
    "500, a look shows somebody else": Fault(before=taken_over, status=500, headers=JSON, body=JDBC),
}


@EACH_OUTCOME
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_job_that_somebody_else_holds_is_let_go(world: World, operation: str, fault: Fault) -> None:
    """It is sent once and never failed: whoever holds it settles it. The neighbour is served."""
    world.stub.faults[operation].append(fault)
    run_batch(world, operation)
    assert world.stub.settled == {"1": [], "2": [operation]}
    assert world.stub.jobs["1"].owner == "somebody else"
    assert [request.job_id for request in world.stub.of(operation)] == ["1", "2"]
    assert {request.operation for request in world.stub.received} <= {"acquire", operation, "get"}
    # A failed job is locked by nobody, or by the next one: as far as a look can tell, it was failed.
    failed = fault.status == 500 and operation == "fail"
    line = f"Topic 't': job 1: the lock was lost before {operation} arrived, and the job runs again; "
    line += "was its process suspended meanwhile, or does another program use the same worker id?"
    assert world.logged(logging.ERROR) == troubles(world, operation) == ([] if failed else [line])
    check_endings(world, operation, *(["1"] if failed else []), "2")


@EACH_OUTCOME
@pytest.mark.parametrize(
    "fault",
    [
        Fault(effect=True, before=moved_on),
        Fault(
            before=moved_on,
            status=404,
            headers=JSON,
            body=engine_error("Not found", "No External Worker job found for id: 1"),
        ),
    ],
    ids=["not found", "no external worker job"],
)
def test_a_job_that_is_gone_is_let_go(world: World, operation: str, fault: Fault) -> None:
    """It is sent once, and the log says that the process or case went on."""
    world.stub.faults[operation].append(fault)
    run_batch(world, operation)
    assert world.stub.settled == {"1": [], "2": [operation]}
    assert [request.job_id for request in world.stub.of(operation)] == ["1", "2"]
    line = (
        f"Topic 't': job 1: {operation} found no such job: the process or case went on without it, or it is suspended, "
    )
    assert troubles(world, operation) == [line + "and then the job comes back"]
    check_endings(world, operation, "2")


def test_a_job_that_is_gone_after_its_lock_is_said_to_have_taken_too_long(world: World) -> None:
    """Up to 6.8.0 a reset lock gives the job a new id: the log names the lock, not the process."""

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        world.clock.advance(61)

    world.stub.faults["complete"].append(Fault(effect=True, before=moved_on))
    world.stub.add("1")
    world.subscribe(handler)
    eventually(lambda: world.logged(logging.ERROR), "the error")
    world.stop()
    line, overrun = world.logged()
    assert overrun.startswith("Topic 't': job 1 of 'task' runs for 61.0 s, longer than its lock of 60 s: ")
    assert line == (
        "Topic 't': job 1: the lock was lost before complete arrived, and the job runs again; the lock of 60 s is "
        "over: choose a longer lock_duration"
    )


UNSTORABLE: dict[str, tuple[list[Fault], str]] = {
    "400": (
        [
            Fault(
                status=400,
                headers=JSON,
                body=engine_error("Bad request", "Variable 'v' has unsupported type: 'uuid'."),
            )
        ],
        "Variable 'v' has unsupported type: 'uuid'.",
    ),
    "413": ([page(413)], "the result is too large for the engine or a gateway before it; its largest variables are "),
    "500 three times": (
        [Fault(status=500, headers=JSON, body=engine_error("Internal server error", "Value too long"))] * 3,
        "Value too long",
    ),
}


@pytest.mark.parametrize("operation", ["complete", "bpmnError", "cmmnTerminate"])
@pytest.mark.parametrize(("faults", "message"), UNSTORABLE.values(), ids=UNSTORABLE)
def test_a_result_that_cannot_be_stored_fails_the_job_with_the_engines_words(
    world: World, operation: str, faults: list[Fault], message: str
) -> None:
    """Otherwise nobody would hear of it, and the job would run for ever."""
    world.stub.faults[operation].extend(faults)
    run_batch(world, operation)
    assert world.stub.settled == {"1": ["fail"], "2": [operation]}
    (report,) = world.stub.of("fail")
    assert report.job_id == "1"
    assert report.body["errorMessage"].startswith(f"The engine refused the result ({operation}): {message}")
    pause = float(report.body["retryTimeout"].removeprefix("PT").removesuffix("S"))
    assert 8 <= pause <= 12
    opening = f"Topic 't': job 1 of 'task' failed; it has 2 retries left and is offered again in {pause:.0f} s: "
    assert world.logged(logging.ERROR) == [opening + report.body["errorMessage"]]
    check_endings(world, operation, "2")
    assert "retries" not in report.body


@pytest.mark.parametrize("faults", [UNSTORABLE[name][0] for name in ("400", "413")], ids=["400", "413"])
def test_a_failure_that_cannot_be_stored_is_logged(world: World, faults: list[Fault]) -> None:
    """There is nothing else left to report it with; the neighbour is served."""
    world.stub.faults["fail"].extend(faults)
    run_batch(world, "fail")
    assert world.stub.settled == {"1": [], "2": ["fail"]}
    assert [request.job_id for request in world.stub.of("fail")] == ["1"] * len(faults) + ["2"]
    (line,) = world.logged(logging.ERROR)
    assert line.startswith("Topic 't': job 1: fail could not be delivered (unstorable), the job is offered again when ")
    check_endings(world, "fail", "2")


@EACH_OUTCOME
@pytest.mark.parametrize(
    ("lock", "took", "ends"), [("PT1M", 0, 600), ("PT1M", 30, 630), ("PT10M", 0, 900), ("PT1H", 1800, 3900)]
)
@pytest.mark.parametrize("fault", [page(503), Fault(status=401)], ids=["503", "401"])
def test_a_result_is_given_up_only_long_after_its_lock(
    world: World,
    caplog: pytest.LogCaptureFixture,
    operation: str,
    lock: str,
    took: int,
    ends: int,
    fault: Fault,
) -> None:
    """The last send is five minutes past the lock's end, and at least ten after the first; nothing is failed."""
    caplog.set_level(logging.INFO)
    began = world.clock.now()

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> object:
        if job.id == "1":
            world.clock.advance(took)
            world.stub.always[operation] = fault
        return OUTCOMES[operation](result)

    def given_up() -> bool:
        opening = f"Topic 't': job 1: {operation} could not be delivered (abandoned), the job is offered again when "
        return any(line.startswith(opening) for line in world.logged())

    world.stub.add("1")
    world.subscribe(handler, lock_duration=lock)
    eventually(given_up, "the result to be given up")
    world.stub.always.clear()
    world.stub.add("2")
    world.served("2")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": [], "2": [operation]}
    sends = [request.at - began for request in world.stub.of(operation, "1")]
    assert sends[0] == took
    assert sends[-1] == pytest.approx(ends)
    assert max(later - earlier for earlier, later in itertools.pairwise(sends)) <= 72.001
    assert len(sends) < 100
    assert {request.operation for request in world.stub.received} == {"acquire", operation}
    again = [line for line in world.logged(logging.INFO) if "was not delivered, " in line]
    # Each but the last, which is followed by the line that it is given up.
    assert len(again) == len(sends) - 1
    # What an engine that is restarted brings is a warning at first and once a minute; what lasts, an error each time.
    most = len(sends) if fault.status == 401 else 3 + ends // 60
    assert min(most, 2) <= len(troubles(world, operation)) <= most
    assert len(world.logged(logging.ERROR)) == (len(sends) if fault.status == 401 else 1)
    check_endings(world, operation, "2")


def test_a_failure_is_sent_until_the_engine_has_got_over_its_errors(world: World) -> None:
    """However many: there is nothing to report in its place."""
    world.stub.faults["fail"].extend(UNSTORABLE["500 three times"][0] * 3)
    run_batch(world, "fail", all_settled=True)
    assert world.stub.settled == {"1": ["fail"], "2": ["fail"]}
    assert world.stub.count("fail") == 11


def test_errors_of_the_database_that_pass_cost_no_result(world: World) -> None:
    """A deadlock, again and again, says nothing of what was sent."""
    deadlock = engine_error("Internal server error", "Deadlock detected. The current transaction was rolled back.")
    world.stub.faults["complete"].extend([Fault(status=500, headers=JSON, body=deadlock)] * 8)
    run_batch(world, "complete", all_settled=True)
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


def test_the_report_of_a_raising_handler_survives_an_outage(world: World) -> None:
    """It is delivered like any result."""
    world.stub.faults["fail"].extend(
        [Fault(end="reset"), page(503), Fault(status=401), Fault(effect=True, end="reset")]
    )

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        if job.id == "1":
            raise ValueError

    world.stub.add("1", "2")
    world.subscribe(handler, number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["fail"], "2": ["complete"]}


def test_the_report_of_an_unstorable_result_survives_an_outage(world: World) -> None:
    """It is delivered like any result."""
    world.stub.faults["complete"].extend(UNSTORABLE["400"][0])
    world.stub.faults["fail"].extend([Fault(end="reset"), page(503)])
    run_batch(world, "complete")
    assert world.stub.settled == {"1": ["fail"], "2": ["complete"]}


class Wrapping(WorkResult):
    """A person's outcome, which wraps what it catches."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id

    def execute(self, rest_client: Any) -> None:
        """Complete the job; say more when that fails."""
        try:
            rest_client.complete_job(self._job_id)
        except Exception as error:
            message = "could not complete"
            raise RuntimeError(message) from error


def test_an_outcome_that_wraps_a_delivery_problem_does_not_fail_its_job(world: World) -> None:
    """After the result was given up the engine is back: the job must run again, not lose one of its retries."""
    began = world.clock.now()

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> object:
        if job.id == "1":
            world.stub.always["complete"] = page(503)
            return Wrapping(job.id)
        return None

    world.stub.add("1")
    world.subscribe(handler)
    eventually(lambda: world.clock.now() > began + 600, "the result to be given up")
    world.stub.always.clear()
    world.stub.add("2")
    world.served("2")
    world.stop()
    assert world.stub.settled == {"1": [], "2": ["complete"]}


class Auth(requests.auth.AuthBase):
    """Raises at the requests for one operation, a number of times."""

    def __init__(self, error: BaseException, operation: str, times: int = 2) -> None:
        self._error = error
        self._operation = operation
        self._times = times

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Raise, or leave the request as it is."""
        if self._times and str(request.path_url).endswith(self._operation):
            self._times -= 1
            raise self._error
        return request


class UnspeakableError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError


AUTH_ERRORS = {
    "RuntimeError": RuntimeError("no token"),
    "KeyError": KeyError("access_token"),
    "ConnectionError": requests.exceptions.ConnectionError("token server"),
    "HTTPError": requests.exceptions.HTTPError("token server"),
    "InvalidHeader": requests.exceptions.InvalidHeader("a line break"),
    "without text": UnspeakableError(),
    "SystemExit": SystemExit(1),
}


#: The fast transport refuses hooks.
ON_REQUESTS = pytest.mark.parametrize("transport", ["requests"])
FAULT = "the session, its auth or a hook of it raised"


@pytest.mark.parametrize("error", AUTH_ERRORS.values(), ids=AUTH_ERRORS)
@pytest.mark.parametrize("operation", ["/acquire/jobs", "/complete"])
def test_an_auth_that_raises_loses_nothing(
    world: World, caplog: pytest.LogCaptureFixture, operation: str, error: BaseException
) -> None:
    """Nothing was sent: it is asked again later, and no job is failed for it; a program's mistake is an error."""
    caplog.set_level(logging.INFO)
    world.stub.add("1", "2")
    world.subscribe(client=world.client(auth=Auth(error, operation)), number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}
    acquire = operation == "/acquire/jobs"
    # What requests and the network raise is an OSError, and may be over soon.
    mistake = not isinstance(error, OSError)
    first = 5 if mistake else 0.5 if acquire else 0.25
    assert world.clock.waits[:2] == [pytest.approx(pause, rel=0.2) for pause in (first, 2 * first)]
    what = "cannot acquire jobs, " if acquire else "complete of job 1 was not delivered, "
    what = f"Topic 't': {what}" + (f"{FAULT}: {type(error).__name__}" if mistake else "")
    lines = [line for line in world.logged(logging.INFO) if line.startswith(what)]
    assert len(lines) == 2
    assert world.logged(logging.ERROR) == (lines if mistake else [])
    assert world.traced() == world.logged(logging.ERROR)


def hooked(operation: str, hook: Callable[[requests.Response], None]) -> Callable[[requests.Session], None]:
    """Return a `customize_session` whose response hook looks at one operation."""

    def on_response(response: requests.Response, *args: Any, **kwargs: Any) -> None:
        if str(response.request.path_url).endswith(operation):
            hook(response)

    def customize(session: requests.Session) -> None:
        session.hooks["response"].append(on_response)

    return customize


@ON_REQUESTS
@pytest.mark.parametrize("operation", OUTCOMES)
def test_a_response_hook_that_raises_loses_no_result(world: World, operation: str) -> None:
    """The engine has done it; the next answer tells, and nothing is done twice."""
    errors = [RuntimeError("metrics are down"), RuntimeError("metrics are down")]

    def hook(response: requests.Response) -> None:
        if errors:
            # Read to its end, or requests would leave the connection open.
            assert response.content is not None
            raise errors.pop()

    run_batch(world, operation, customize_session=hooked(operation, hook))
    assert world.stub.settled == {"1": [operation], "2": [operation]}
    assert world.clock.waits[:2] == [pytest.approx(pause, rel=0.2) for pause in (5, 10)]
    opening = f"Topic 't': {operation} of job 1 was not delivered, {FAULT}: RuntimeError: metrics are down; sending "
    lines = troubles(world, operation)
    assert [line.startswith(opening) for line in lines] == [True, True]
    assert world.logged(logging.ERROR) == world.traced() == lines
    check_endings(world, operation, "1", "2")


@ON_REQUESTS
def test_a_response_hook_that_raises_does_not_end_the_subscription(world: World) -> None:
    """Answers of the acquire are lost, and the jobs in them until their locks end; then they run once."""
    errors = [RuntimeError("metrics are down"), RuntimeError("metrics are down")]

    def hook(response: requests.Response) -> None:
        if errors:
            world.stub.unlock()
            assert response.content is not None
            raise errors.pop()

    world.stub.add("1")
    world.subscribe(client=world.client(customize_session=hooked("/acquire/jobs", hook)))
    world.served("1")
    world.stop()
    assert world.handled == ["1"]
    assert world.stub.settled == {"1": ["complete"]}


RAISED_FOR_STATUS: dict[str, tuple[Fault, list[str]]] = {
    "lock lost": (Fault(effect=True, before=taken_over), []),
    "gone": (Fault(effect=True, before=moved_on), []),
    "unstorable": (UNSTORABLE["400"][0][0], ["fail"]),
}


@ON_REQUESTS
@pytest.mark.parametrize(("fault", "settled"), RAISED_FOR_STATUS.values(), ids=RAISED_FOR_STATUS)
def test_a_hook_that_raises_for_status_changes_nothing(world: World, fault: Fault, settled: list[str]) -> None:
    """`raise_for_status` in a hook is common: the answer that the error carries is read like any other."""
    world.stub.faults["complete"].append(fault)
    customize = hooked("/complete", requests.Response.raise_for_status)
    run_batch(world, "complete", customize_session=customize)
    assert world.stub.settled == {"1": settled, "2": ["complete"]}
    assert [request.job_id for request in world.stub.of("complete")] == ["1", "2"]
