"""Asking for jobs goes wrong: the subscription says so, pauses, asks again, and serves what comes then."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from tests.faults.conftest import World, eventually
from tests.faults.stub import Fault, Stub, engine_error

JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html;charset=utf-8"),)
LOGIN = b"<html><head><title>Please sign in</title></head><body></body></html>"
SPRING = json.dumps({"timestamp": 1, "status": 404, "error": "Not Found", "path": "/x"}).encode()

SHORT = (0.4, 0.6)  # seconds: the first pause after what may be over soon
SLOW = (4.0, 6.0)  # seconds: the first pause after what somebody has to mend
WARNING, ERROR = logging.WARNING, logging.ERROR

FAULTS = {
    "500 of the engine": (
        Fault(status=500, headers=JSON, body=engine_error("Internal server error", "Could not open JDBC Connection")),
        SHORT,
        WARNING,
        "the engine reports an error of its own (500): Could not open JDBC Connection",
    ),
    "500 No endpoint": (
        Fault(status=500, headers=JSON, body=engine_error("Internal server error", "No endpoint POST /x.")),
        SLOW,
        ERROR,
        (
            "there is no external job API at this address (500): check flowable_host and its context path: "
            "Internal server error: No endpoint POST /x."
        ),
    ),
    "400 of the engine": (
        Fault(status=400, headers=JSON, body=engine_error("Bad request", "topic is required")),
        SLOW,
        ERROR,
        "the engine answered 400 (refused): topic is required",
    ),
    "401": (
        Fault(status=401, headers=(("WWW-Authenticate", 'Basic realm="Realm"'),)),
        SLOW,
        ERROR,
        "the credentials were refused (401): check auth",
    ),
    "403 of somebody else": (
        Fault(status=403, headers=JSON, body=b'{"error": "Forbidden"}'),
        SLOW,
        ERROR,
        "this user may not use the external job API (403): check its privileges: Forbidden",
    ),
    "404 of Spring": (
        Fault(status=404, headers=JSON, body=SPRING),
        SLOW,
        ERROR,
        "there is no external job API at this address (404): check flowable_host and its context path: Not Found",
    ),
    "429": (
        Fault(status=429, headers=(("Retry-After", "7"),)),
        (7.0, 7.0),
        WARNING,
        "the engine, or a gateway before it, wants fewer requests (429)",
    ),
    "503": (
        Fault(status=503, headers=(("Retry-After", "11"),)),
        (11.0, 11.0),
        WARNING,
        "the engine is not available now (503)",
    ),
    "503 for a year": (
        Fault(status=503, headers=(("Retry-After", "31536000"),)),
        (300.0, 300.0),
        WARNING,
        "the engine is not available now (503)",
    ),
    "503 until a date": (
        Fault(status=503, headers=(("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"),)),
        (300.0, 300.0),
        WARNING,
        "the engine is not available now (503)",
    ),
    "503 with nonsense": (
        Fault(status=503, headers=(("Retry-After", "soon"),)),
        SHORT,
        WARNING,
        "the engine is not available now (503)",
    ),
    "502": (Fault(status=502), SHORT, WARNING, "the engine is not available now (502)"),
    "302 to a login": (
        Fault(status=302, headers=(("Location", "/login"),)),
        SLOW,
        ERROR,
        "something redirects the requests elsewhere (302): check flowable_host and the gateway",
    ),
    "307 without a place": (
        Fault(status=307),
        SLOW,
        ERROR,
        "something redirects the requests elsewhere (307): check flowable_host and the gateway",
    ),
    "200 HTML": (
        Fault(status=200, headers=HTML, body=LOGIN),
        SLOW,
        ERROR,
        "something else than the engine answered (200): check flowable_host and the gateway: Please sign in",
    ),
    "200 HTML as JSON": (
        Fault(status=200, headers=JSON, body=LOGIN),
        SLOW,
        ERROR,
        "something else than the engine answered (200): check flowable_host and the gateway: the answer is not JSON",
    ),
    "200 empty": (Fault(status=200), SLOW, ERROR, "something else than the engine answered (200)"),
    "202": (
        Fault(status=202, headers=JSON, body=b"[]"),
        SLOW,
        ERROR,
        "something else than the engine answered (202): check flowable_host and the gateway",
    ),
    "204": (
        Fault(status=204),
        SLOW,
        ERROR,
        "something else than the engine answered (204): check flowable_host and the gateway",
    ),
    "200 half a JSON": (
        Fault(status=200, headers=JSON, body=b'[{"id": "x", '),
        SLOW,
        ERROR,
        "something else than the engine answered (200)",
    ),
    "200 an object": (
        Fault(status=200, headers=JSON, body=b'{"data": []}'),
        SLOW,
        ERROR,
        (
            "something else than the engine answered (200): check flowable_host and the gateway: "
            "a list of jobs was expected, not {'data': []}"
        ),
    ),
    "200 null": (Fault(status=200, headers=JSON, body=b"null"), SLOW, ERROR, "a list of jobs was expected, not None"),
    "200 no text": (Fault(status=200, headers=JSON, body=b"\xff\xfe\xfd"), SLOW, ERROR, "the answer is not JSON"),
    "200 too deep": (
        Fault(status=200, headers=JSON, body=b"[" * 100_000),
        SLOW,
        ERROR,
        "the answer is not JSON",
    ),
    "200 cut off": (Fault(status=200, body=b"[]", end="cut"), SHORT, WARNING, "no answer from the engine"),
    "200 cut off, chunked": (
        Fault(status=200, body=b"[]", end="cut-chunked"),
        SHORT,
        WARNING,
        "no answer from the engine",
    ),
    "reset": (Fault(end="reset"), SHORT, WARNING, "no answer from the engine"),
    "no answer": (Fault(end="hang"), SHORT, WARNING, "no answer from the engine"),
}


def failures(world: World) -> list[tuple[int, str]]:
    """Return level and text of the log lines about acquires that failed."""
    return [
        (level, text)
        for level in (WARNING, ERROR)
        for text in world.logged(level)
        if "cannot acquire jobs" in text and (level == ERROR or text not in world.logged(ERROR))
    ]


@pytest.mark.parametrize(("fault", "pause", "level", "text"), FAULTS.values(), ids=FAULTS)
def test_a_failed_acquire_is_followed_by_a_pause_and_the_next_one(
    world: World, fault: Fault, pause: tuple[float, float], level: int, text: str
) -> None:
    """Two such answers in a row: two lines, two growing pauses, a line for the recovery, and the job is served once."""
    world.stub.faults["acquire"].extend([fault, fault])
    world.stub.add("1")
    world.subscribe(client=world.client(timeout=(5, 0.3) if fault.end == "hang" else 30))
    world.served("1")
    world.stop()

    said = failures(world)
    assert [at for at, _ in said] == [level, level]
    assert all(f"Topic 't': cannot acquire jobs, {text}" in line or text in line for _, line in said), said
    first, second = world.clock.waits[:2]
    assert pause[0] <= first <= pause[1]
    asked = dict(fault.headers).get("Retry-After", "soon") != "soon"
    assert second == first if asked else 2 * pause[0] <= second <= 2 * pause[1]
    assert [line for line in world.logged() if "answers again" in line] == [
        f"Topic 't': the engine answers again (failures: 2, in {first + second:.0f} s)"
    ]
    assert world.handled == ["1"]
    assert world.stub.settled == {"1": ["complete"]}


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("operation", ["acquire", "complete"])
def test_a_redirect_that_keeps_the_method_is_followed(world: World, operation: str, status: int) -> None:
    """The same request is sent to the new address, body and all, and its answer counts."""
    path = "/external-job-api/acquire/jobs" + ("/1/complete" if operation == "complete" else "")
    moved = Fault(status=status, headers=(("Location", f"/moved{path}"),))
    world.stub.faults[operation].extend([moved, moved])
    world.stub.add("1")
    world.subscribe()
    world.served("1")
    world.stop()
    bodies = [request.body for request in world.stub.of(operation)][:3]
    assert bodies == [bodies[0]] * len(bodies)
    assert len(bodies) >= 2
    assert world.handled == ["1"]
    assert world.stub.settled == {"1": ["complete"]}
    assert world.logged() == []


def test_redirects_in_a_circle_do_not_end_the_subscription(world: World) -> None:
    """They are given up on, logged, and after the circle is broken the job is served."""
    circle = Fault(status=307, headers=(("Location", "/external-job-api/acquire/jobs"),))
    world.stub.faults["acquire"].extend([circle] * 40)
    world.stub.add("1")
    world.subscribe()
    world.served("1")
    world.stop()
    assert len(failures(world)) >= 1
    assert world.stub.settled == {"1": ["complete"]}


LOST = pytest.mark.parametrize(
    "end", ["reset", "cut", "cut-chunked", "hang"], ids=["reset", "cut off", "cut off, chunked", "no answer"]
)


@LOST
def test_jobs_of_a_lost_answer_are_given_back(world: World, end: str) -> None:
    """The engine has locked them for a name that no later acquire uses: they are found by it, and not run."""
    world.stub.faults["acquire"].append(Fault(effect=True, end=end))
    world.stub.add("1", retries=2, message="last time")
    world.stub.add("2", retries=7)
    world.stub.add("3", owner="somebody else")
    world.subscribe(client=world.client(timeout=(5, 0.3)), number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    owners = [request.body["workerId"] for request in world.stub.of("acquire")]
    assert len(set(owners)) == len(owners)
    assert [(request.job_id, request.body) for request in world.stub.of("fail")] == [
        ("1", {"workerId": owners[0], "errorMessage": "last time", "retries": 2}),
        ("2", {"workerId": owners[0], "retries": 7}),
    ]
    assert world.handled == []
    assert world.stub.settled == {"1": ["fail"], "2": ["fail"], "3": []}
    said = "Topic 't': cannot acquire jobs, no answer from the engine"
    assert [line for line in world.logged() if not line.startswith(said)][:2] == [
        f"Job {job_id} of 'task' was locked by an acquire whose answer was lost; it was given back"
        for job_id in ("1", "2")
    ]


@LOST
def test_jobs_of_a_lost_answer_are_served_when_their_lock_has_ended(world: World, end: str) -> None:
    """With a name of the person's own nobody can tell whose jobs they are; afterwards they run once."""
    world.stub.faults["acquire"].append(Fault(effect=True, end=end))
    world.stub.add("1", "2")
    world.subscribe(client=world.client(timeout=(5, 0.3), worker_id="mine"), number_of_tasks=2)
    eventually(lambda: world.stub.count("acquire") >= 2, "the second acquire")
    assert world.handled == []
    world.stub.unlock()
    world.served("1", "2")
    world.stop()
    assert sorted(world.handled) == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}
    assert {request.operation for request in world.stub.received} == {"acquire", "complete"}
    assert {request.body["workerId"] for request in world.stub.received} == {"mine"}


def test_a_hung_up_idle_connection_is_no_outage_for_long(world: World) -> None:
    """The server closes what the client kept open: at most one pause later the next job is served."""
    world.clock.limit = world.clock.now()
    world.stub.add("1")
    world.subscribe()
    world.served("1")
    eventually(lambda: world.clock.blocked, "the idle wait")
    world.stub.down()
    world.stub.up()
    world.stub.add("2")
    world.clock.limit = float("inf")
    world.served("2")
    world.stop()
    assert len(failures(world)) <= 1
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


def test_an_engine_that_comes_goes_and_comes_back_is_served(world: World) -> None:
    """Ten minutes without, a job, ten minutes without, a job: few lines, each clear, and each recovery said."""
    world.stub.down()
    lines = []
    for job_id in ("1", "2"):
        already = len(world.logged())
        world.clock.limit = world.clock.now() + 600
        if not world.subscriptions:
            world.subscribe()
        eventually(lambda: world.clock.blocked and world.clock.now() > world.clock.limit - 70, "ten minutes")
        lines = world.logged()[already:]
        assert 5 < len(lines) < 40, lines
        assert all(line.startswith("Topic 't': cannot acquire jobs, no connection to the engine: ") for line in lines)
        assert max(map(len, lines)) < 600

        already = len(world.logged())
        world.stub.add(job_id)
        world.stub.up()
        world.clock.limit = float("inf")
        world.served(job_id)
        world.clock.limit = world.clock.now()
        eventually(lambda: world.clock.blocked, "the idle wait")
        recovered = [line for line in world.logged()[already:] if "cannot acquire" not in line]
        assert len(recovered) == 1
        assert recovered[0].startswith("Topic 't': the engine answers again (failures: ")
        world.stub.down()
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


def test_pauses_of_an_outage_grow_to_half_a_minute_and_start_anew_after_it(world: World) -> None:
    """From half a second, doubling, up to 30 s; an answer in between begins at the beginning."""
    outage = Fault(status=503)
    world.stub.faults["acquire"].extend([outage] * 9)
    world.stub.add("1")
    world.subscribe(lambda job, result: world.stub.faults["acquire"].append(outage))
    world.served("1")
    eventually(lambda: len(failures(world)) == 10, "the second outage")
    world.stop()
    centres = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5]
    assert world.clock.waits[:10] == [pytest.approx(centre, rel=0.2) for centre in centres]


def _without(*names: str) -> Any:
    return lambda members: {name: value for name, value in members.items() if name not in names}


def _with(**members: Any) -> Any:
    return lambda given: {**given, **members}


UNREADABLE: dict[str, tuple[Any, list[str]]] = {
    "null": (lambda members: None, []),
    "a number": (lambda members: 5, []),
    "a list": (lambda members: [members], []),
    "no id": (_without("id"), []),
    "id null": (_with(id=None), []),
    "id a number": (_with(id=5), []),
    "id empty": (_with(id=""), []),
    "variables an object": (_with(variables={"n": 1}), ["fail"]),
    "variables a text": (_with(variables="n=1"), ["fail"]),
    "a variable null": (_with(variables=[None]), ["fail"]),
    "a variable a number": (_with(variables=[{"name": "n", "value": 1}, 7]), ["fail"]),
}


@pytest.mark.parametrize(("element", "settled"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_job_that_cannot_be_read_is_logged_and_failed_and_its_neighbours_are_served(
    world: World, element: Any, settled: list[str]
) -> None:
    """One line names the fault; where there is an id, the engine gets to know as well; the handler never sees it."""
    world.stub.add("1")
    world.stub.add("2", element=element)
    world.stub.add("3")
    world.subscribe(number_of_tasks=3)
    world.served("1", "3", *(["2"] if settled else []))
    world.stop()
    assert world.handled == ["1", "3"]
    assert world.stub.settled == {"1": ["complete"], "2": settled, "3": ["complete"]}
    opening = "Topic 't': the engine sent a job that cannot be read: "
    said = [line for line in world.logged() if line.startswith(opening)]
    assert len(said) == 1
    reason = said[0].removeprefix(opening)
    assert [(request.body["errorMessage"], request.body["retryTimeout"]) for request in world.stub.of("fail", "2")] == (
        [(f"The worker cannot read this job: {reason}", "PT1M")] if settled else []
    )


STRANGE: dict[str, tuple[Any, str, object]] = {
    "variables null": (_with(variables=None), "variables", []),
    "variables absent": (_without("variables"), "variables", []),
    "no dates": (_with(createTime=None), "create_time", None),
    "a bad date": (_with(createTime="yesterday"), "create_time", None),
    "a date as a number": (_with(createTime=1714979289123), "create_time", None),
    "a date as an object": (_with(createTime={"year": 2024}), "create_time", None),
    "a date beyond years of four digits": (_with(createTime="+10000-01-01T00:00:00Z"), "create_time", None),
    "a date that leaves the calendar": (_with(createTime="0001-01-01T00:00:00+14:00"), "create_time", None),
    "another that leaves the calendar": (_with(dueDate="9999-12-31T23:59:59-14:00"), "due_date", None),
    "retries null": (_with(retries=None), "retries", None),
    "retries a text": (_with(retries="many"), "retries", "many"),
    "only an id": (lambda members: {"id": members["id"]}, "correlation_id", None),
    "more than known": (_with(somethingNew={"a": [1]}), "retries", 3),
}


@pytest.mark.parametrize(("element", "attribute", "value"), STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
def test_a_strange_job_is_served_like_its_neighbours(
    world: World, element: Any, attribute: str, value: object, fails: bool
) -> None:
    """What can be read is handed to the handler, and each job is settled as the handler decided."""
    seen = []

    def handler(job: Any, result: Any) -> None:
        if job.id == "2":
            seen.append(getattr(job, attribute))
            if fails:
                message = "no"
                raise ValueError(message)

    world.stub.add("1")
    world.stub.add("2", element=element)
    world.stub.add("3")
    world.subscribe(handler, number_of_tasks=3)
    world.served("1", "2", "3")
    world.stop()
    assert seen == [value]
    assert world.handled == ["1", "2", "3"]
    assert world.stub.settled == {"1": ["complete"], "2": ["fail" if fails else "complete"], "3": ["complete"]}


def test_a_date_with_an_offset_is_read_as_utc(world: World) -> None:
    """Naive and in UTC, as all dates of version 1."""
    seen = []
    world.stub.add("1", element=_with(createTime="2024-05-06T09:08:09.123+02:00"))
    world.subscribe(lambda job, result: seen.append(job.create_time.isoformat()))
    world.served("1")
    world.stop()
    assert seen == ["2024-05-06T07:08:09.123000"]


@pytest.mark.parametrize("job_id", [".", ".."])
def test_a_job_whose_id_no_path_can_carry_does_not_stop_its_neighbours(world: World, job_id: str) -> None:
    """It cannot be settled, which is logged; the others are."""
    world.stub.add("1")
    world.stub.add("2", element=_with(id=job_id))
    world.stub.add("3")
    world.subscribe(number_of_tasks=3)
    world.served("1", "3")
    world.stop()
    assert world.handled == ["1", job_id, "3"]
    assert world.stub.settled == {"1": ["complete"], "2": [], "3": ["complete"]}
    said = world.logged(ERROR)
    assert len(said) == 2
    opening = f"Topic 't': job {job_id} of 'task' failed; it has 2 retries left and is offered again in "
    assert re.match(f"{re.escape(opening)}(8|9|1[0-2]) s: job_id='{re.escape(job_id)}' is not accepted: ", said[0])
    assert said[1] == f"Topic 't': job {job_id}: its failure could not be reported"


def test_a_stop_during_the_acquire_gives_all_of_its_jobs_back(world: World) -> None:
    """Nothing starts after the stop; each job goes back with its own retries and message."""

    def stop(stub: Stub, job_id: str | None) -> None:
        world.subscriptions[0].event.set()

    world.clock.limit = world.clock.now()
    world.subscribe(number_of_tasks=2)
    eventually(lambda: world.clock.blocked, "the idle wait")
    world.stub.faults["acquire"].append(Fault(effect=True, before=stop))
    world.stub.add("1", retries=2, message="last time")
    world.stub.add("2", retries=7)
    world.clock.limit = float("inf")
    world.served("1", "2")
    world.stop()
    assert world.handled == []
    owner = world.stub.of("acquire")[-1].body["workerId"]
    assert [request.body for request in world.stub.of("fail")] == [
        {"workerId": owner, "errorMessage": "last time", "retries": 2},
        {"workerId": owner, "retries": 7},
    ]
