"""Faults of version 1.0.2 that must not come back."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from flowable.external_worker_client import WorkerResultBuilder
from flowable.external_worker_client.response_converter import convert_to_external_worker_acquire_job_response

from .conftest import Workers
from .stub import ACQUIRE, DEADLINE, Answer, Seen, job_json


class MovingClock:
    """A clock that moves when it is told, and when somebody waits on it; real waits are short."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        """Return the time."""
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Move, and give way for a moment."""
        self.waits.append(seconds)
        self.time += seconds
        return event.wait(0.005)


def completing(job_id: str, *variables: dict[str, Any]) -> Seen:
    """Return the request that completes a job for `worker-1`."""
    return Seen("POST", f"{ACQUIRE}/{job_id}/complete", {"workerId": "worker-1", "variables": list(variables)})


def serves(workers: Workers, handler: Any = lambda job, result: None, **options: Any) -> None:
    """Work until the job `good` is completed; the clock of the subscription does not wait."""
    subscription = workers.subscribe(handler, client=workers.client(clock=MovingClock(), **options))
    workers.stub.wait_until(lambda stub: completing("good") in stub.settled())
    assert subscription.thread.is_alive()


# ---------------------------------------------------------------- the thread does not die


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop=True),
        Answer(400, {"message": "Bad request", "exception": "no"}),
        Answer(401),
        Answer(403, {"message": "Forbidden", "exception": "no"}),
        Answer(404, "<html><title>Not here</title></html>", {"Content-Type": "text/html"}),
        Answer(429, "", {"Retry-After": "1"}),
        Answer(500, {"message": "Internal server error", "exception": "no"}),
        Answer(503, "starting"),
        Answer(302, "", {"Location": "/login"}),
        Answer(200, "<html>login</html>", {"Content-Type": "text/html"}),
        Answer(200, '[{"id": "cut'),
        Answer(200, {"not": "a list"}),
        Answer(204),
    ],
    ids=["drop", "400", "401", "403", "404", "429", "500", "503", "302", "html", "cut off", "no list", "empty"],
)
def test_a_failed_acquire_does_not_end_it(workers: Workers, caplog: pytest.LogCaptureFixture, answer: Answer) -> None:
    """Logged, a pause, and the next acquire; whatever came in place of jobs."""
    workers.stub.answer("POST", ACQUIRE, answer, answer, Answer(body=[job_json("good")]))
    serves(workers)
    lines = [record.getMessage() for record in caplog.records if "cannot acquire jobs" in record.getMessage()]
    assert len(lines) == 2
    assert all(line.startswith("Topic 'topic': cannot acquire jobs, ") for line in lines)


def test_an_engine_that_is_not_up_yet_does_not_end_it(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    """The connection is refused until the engine listens."""
    workers.stub.offer([job_json("good")])
    refused = requests.exceptions.ConnectionError("refused")
    outage = [refused, refused]

    class NotUpYet(requests.adapters.HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            if outage:
                raise outage.pop()
            return super().send(*args, **kwargs)

    serves(workers, customize_session=lambda session: session.mount("http://", NotUpYet()))
    assert outage == []
    assert sum("cannot acquire jobs" in record.getMessage() for record in caplog.records) == 2


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refused_fail_does_not_end_it(workers: Workers, status: int) -> None:
    """Neighbours in the batch are served, and so is what comes after."""
    text = {
        400: "broken",
        403: "worker-1 does not hold a lock on the requested job",
        404: "Could not find external worker job with id 'bad'.",
    }[status]
    workers.stub.always("POST", f"{ACQUIRE}/bad/fail", Answer(status, {"message": "No", "exception": text}))
    workers.stub.offer([job_json("bad"), job_json("neighbour")], [job_json("good")])

    def handle(job: Any, result: Any) -> None:
        if job.id == "bad":
            raise ValueError("it went wrong")

    serves(workers, handle)
    assert [seen.path.removeprefix(ACQUIRE) for seen in workers.stub.settled()] == [
        "/bad/fail",
        "/neighbour/complete",
        "/good/complete",
    ]


@pytest.mark.parametrize("variables", [None, ()], ids=["null", "none"])
def test_null_variables_do_not_end_it(workers: Workers, variables: Any) -> None:
    """They are none; absent ones too."""
    without = job_json("absent")
    del without["variables"]
    workers.stub.offer([job_json("null", variables), without, job_json("good")])
    seen: list[Any] = []
    serves(workers, lambda job, result: seen.append(job.variables))
    assert seen == [[], [], []]


@pytest.mark.parametrize("date", ["2026-05-04T12:25:45.583+02:00", "2026-05-04T10:25:45-0000", "yesterday", 5, ""])
def test_an_unusual_date_does_not_end_it(workers: Workers, date: Any) -> None:
    """An offset is read; what is no date at all is `None`, and the job is worked on."""
    workers.stub.offer([job_json("odd", createTime=date, dueDate=date, lockExpirationTime=date)], [job_json("good")])
    serves(workers)
    assert workers.stub.settled() == [completing("odd"), completing("good")]


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=lambda error: type(error).__name__
)
def test_an_exception_beyond_exception_does_not_end_it(workers: Workers, error: BaseException) -> None:
    """`sys.exit()` in a handler fails the job, and the next one is served."""
    workers.stub.offer([job_json("bad"), job_json("neighbour")], [job_json("good")])

    def handle(job: Any, result: Any) -> None:
        if job.id == "bad":
            raise error

    serves(workers, handle)
    assert [seen.path.removeprefix(ACQUIRE) for seen in workers.stub.settled()] == [
        "/bad/fail",
        "/neighbour/complete",
        "/good/complete",
    ]


@pytest.mark.parametrize("element", [5, None, "job", {}, {"id": 7}, {"id": "bad", "variables": 5}], ids=repr)
def test_a_job_that_cannot_be_read_does_not_end_it(workers: Workers, element: Any) -> None:
    """Its neighbours are served; if it has an id, it is failed with a message that says why."""
    workers.stub.offer([element, job_json("good")])
    serves(workers)
    *reported, served = workers.stub.settled()
    assert served == completing("good")
    named = isinstance(element, dict) and element.get("id") == "bad"
    assert [seen.path for seen in reported] == ([f"{ACQUIRE}/bad/fail"] if named else [])
    assert all("cannot read" in seen.body["errorMessage"] for seen in reported)


# ---------------------------------------------------------------- deliveries and failures


@pytest.mark.parametrize(
    "lost",
    [
        Answer(drop=True),
        Answer(401),
        Answer(429),
        Answer(502, "gateway"),
        Answer(503, "busy"),
        Answer(302, "", {"Location": "/login"}),
        Answer(200, "<html>login</html>", {"Content-Type": "text/html"}),
    ],
    ids=["drop", "401", "429", "502", "503", "302", "html"],
)
def test_a_failed_delivery_is_not_a_failed_job(workers: Workers, lost: Answer) -> None:
    """The result is sent again until the engine has it; the job is never failed for it."""
    workers.stub.offer([job_json("a")], [job_json("good")])
    workers.stub.answer("POST", f"{ACQUIRE}/a/complete", lost, lost)
    runs: list[str] = []
    serves(workers, lambda job, result: runs.append(job.id))
    assert runs == ["a", "good"]
    assert workers.stub.settled() == [completing("a"), completing("a"), completing("a"), completing("good")]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (403, "worker-1 does not hold a lock on the requested job"),
        (404, "Could not find external worker job with id 'a'."),
    ],
)
def test_a_result_that_comes_too_late_is_not_a_failed_job(workers: Workers, status: int, text: str) -> None:
    """The engine says that the job is another's, or gone: that is the end of it, without a fail."""
    workers.stub.offer([job_json("a")], [job_json("good")])
    workers.stub.answer("POST", f"{ACQUIRE}/a/complete", Answer(status, {"message": "No", "exception": text}))
    serves(workers)
    assert workers.stub.settled() == [completing("a"), completing("good")]


def test_failing_does_not_burn_all_retries_at_once(workers: Workers) -> None:
    """Each failure carries a longer pause; the retries are left to the engine's own count."""
    workers.stub.offer([job_json("a", retries=3)], [job_json("b", retries=2)], [job_json("c", retries=1)])

    def fail(job: Any, result: Any) -> None:
        raise ValueError("the printer is on fire")

    workers.subscribe(fail)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 3)
    bodies = [seen.body for seen in workers.stub.settled()]
    pauses = [float(body["retryTimeout"].removeprefix("PT").removesuffix("S")) for body in bodies]
    assert [low <= pause <= high for pause, low, high in zip(pauses, (8, 24, 72), (12, 36, 108), strict=True)] == [
        True
    ] * 3
    assert [body.get("retries") for body in bodies] == [None, None, None]


def test_a_batch_does_not_run_past_its_lock(workers: Workers) -> None:
    """What would not be done in time is given back unstarted, retries and message unchanged, with a pause."""
    clock = MovingClock()
    workers.stub.offer(
        [job_json("a"), job_json("b", retries=2, exceptionMessage="earlier"), job_json("c")], [job_json("d")]
    )
    started: list[str] = []

    def handle(job: Any, result: Any) -> None:
        started.append(job.id)
        if job.id == "a":
            clock.time += 50

    workers.subscribe(handle, client=workers.client(clock=clock), number_of_tasks=3, lock_duration="PT1M")
    workers.stub.wait_until(lambda stub: completing("d") in stub.settled())
    assert started == ["a", "d"]
    (complete_a, fail_b, fail_c, complete_d) = workers.stub.settled()
    assert (complete_a, complete_d) == (completing("a"), completing("d"))
    pause = fail_b.body["retryTimeout"]
    assert [fail_b, fail_c] == [
        Seen("POST", f"{ACQUIRE}/b/fail", _body(errorMessage="earlier", retries=2, retryTimeout=pause)),
        Seen("POST", f"{ACQUIRE}/c/fail", _body(retries=3, retryTimeout=pause)),
    ]
    assert 0 < float(pause.removeprefix("PT").removesuffix("S")) <= 60


def _body(**members: Any) -> dict[str, Any]:
    return {"workerId": "worker-1", **members}


def test_a_batch_runs_whole_when_there_is_time(workers: Workers) -> None:
    """The same batch with quick handlers: nothing is given back."""
    workers.stub.offer([job_json("a"), job_json("b"), job_json("good")])
    serves(workers)
    assert workers.stub.settled() == [completing("a"), completing("b"), completing("good")]


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, "integer"),
        (2**31 - 1, "integer"),
        (-(2**31), "integer"),
        (2**31, "long"),
        (-(2**31) - 1, "long"),
        (2**63 - 1, "long"),
        (-(2**63), "long"),
    ],
)
def test_a_large_int_is_not_narrowed(workers: Workers, caplog: pytest.LogCaptureFixture, value: int, kind: str) -> None:
    """What 32 bits do not hold is sent as `long`, with a warning that names the variable."""
    builder = WorkerResultBuilder(convert_to_external_worker_acquire_job_response(job_json("j")))
    builder.success().variable_int("n", value).execute(workers.client()._restClient)
    assert workers.stub.seen == [completing("j", {"name": "n", "type": kind, "value": value})]
    warnings = [(record.levelno, "'n'" in record.getMessage()) for record in caplog.records]
    assert warnings == ([(logging.WARNING, True)] if kind == "long" else [])


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_given_as_int_is_a_boolean(workers: Workers, caplog: pytest.LogCaptureFixture, value: bool) -> None:
    """The engine refuses it as an integer, after the work was done."""
    builder = WorkerResultBuilder(convert_to_external_worker_acquire_job_response(job_json("j")))
    builder.success().variable_int("n", value).execute(workers.client()._restClient)
    assert workers.stub.seen == [completing("j", {"name": "n", "type": "boolean", "value": value})]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# ---------------------------------------------------------------- what is said


def test_nothing_is_printed(
    workers: Workers, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A refused acquire, a handler that raises and a refused fail are logged, under the library's name."""
    workers.stub.answer("POST", ACQUIRE, Answer(500, {"message": "Internal server error", "exception": "oh"}))
    workers.stub.offer([job_json("bad")], [job_json("good")])
    workers.stub.answer("POST", f"{ACQUIRE}/bad/fail", Answer(404, {"message": "Not found", "exception": "oh"}))

    def handle(job: Any, result: Any) -> None:
        if job.id == "bad":
            raise ValueError("it went wrong")

    serves(workers, handle)
    assert capfd.readouterr() == ("", "")
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert any("cannot acquire jobs" in text for text in texts)
    assert any("bad" in text and "it went wrong" in text for text in texts)
    ours = {
        record.name.startswith("flowable.external_worker_client") for record in caplog.records if record.levelno >= 30
    }
    assert ours == {True}


async def _coroutine() -> None:
    """Never awaited by anybody."""


@pytest.mark.parametrize(
    ("make", "named"),
    [
        pytest.param(lambda: {"a": 1}, "{'a': 1}, a dict", id="dict"),
        pytest.param(lambda: "done", "'done', a str", id="text"),
        pytest.param(lambda: 5, "5, a int", id="number"),
        pytest.param(_coroutine, "a coroutine", id="coroutine"),
    ],
)
def test_another_return_value_is_explained(workers: Workers, make: Callable[[], Any], named: str) -> None:
    """The message says what was returned and what can be, not that something has no attribute."""
    workers.stub.offer([job_json("bad"), job_json("good")])
    serves(workers, lambda job, result: make() if job.id == "bad" else None)
    gc.collect()
    failed, served = workers.stub.settled()
    assert failed.path == f"{ACQUIRE}/bad/fail"
    assert named in failed.body["errorMessage"]
    assert "worker_result_builder" in failed.body["errorMessage"]
    assert "no attribute" not in failed.body["errorMessage"]
    assert served == completing("good")


def test_a_turn_sends_two_requests(workers: Workers) -> None:
    """The acquire and the result; no look, no list, no release."""
    workers.stub.offer([job_json("good")])
    ready = threading.Event()

    def handle(job: Any, result: Any) -> None:
        assert ready.wait(DEADLINE)
        subscription.event.set()

    subscription = workers.subscribe(handle)
    ready.set()
    subscription.thread.join(DEADLINE)
    assert [seen.path for seen in workers.stub.seen] == [ACQUIRE, f"{ACQUIRE}/good/complete"]
