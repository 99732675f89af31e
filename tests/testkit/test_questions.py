"""What a test asks of the embedded engine, and what it is told when the answer is another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from flowable.external_worker_client import FlowableExternalWorkerRestClient, FlowableRestException
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.testing import (
    EmbeddedAdapter,
    EmbeddedEngine,
    EmbeddedServer,
    End,
    MovingClock,
    NotInTimeError,
    Process,
    SentRequest,
    Task,
    UserTask,
    difference,
)

PROCESS = Process("p", Task("work", "t", on_error={"E": [End("other")]}), Task("more", "u"))


@pytest.fixture
def engine() -> EmbeddedEngine:
    """An engine with a process of two tasks."""
    return EmbeddedEngine(PROCESS, clock=MovingClock())


@pytest.fixture(params=["in-process", "over HTTP"])
def rest_client(request: pytest.FixtureRequest, engine: EmbeddedEngine) -> Iterator[FlowableExternalWorkerRestClient]:
    """A client of it, through either door."""
    if request.param == "over HTTP":
        with EmbeddedServer(engine) as server:
            yield FlowableExternalWorkerRestClient(server.url, "worker")
    else:
        adapter = EmbeddedAdapter(engine)
        yield FlowableExternalWorkerRestClient(adapter.url, "worker", customize_session=adapter.mount)


def told(question: Callable[[], object]) -> str:
    """Return what a question that is answered with no says."""
    with pytest.raises(AssertionError) as caught:
        question()
    return str(caught.value)


def test_every_request_is_remembered_with_what_was_in_it(
    engine: EmbeddedEngine, rest_client: FlowableExternalWorkerRestClient
) -> None:
    """Operations, topics, instances, variables and statuses."""
    instance = engine.start("p")
    (job,) = rest_client.acquire_jobs("t", "PT1M")
    rest_client.fail_job(job.id, "no", "why", 2, "PT1M30S")
    with pytest.raises(FlowableRestException):
        rest_client.job_with_bpmn_error(job.id, [EngineRestVariable("a", "short", 1)], "E")
    rest_client.get_job(job.id)
    rest_client.list_jobs()
    acquired, failed, errored, got, listed = engine.sent("any")
    assert (acquired.operation, acquired.topic, acquired.status) == ("acquire", "t", 200)
    about: dict[str, Any] = {"topic": "t", "instance_id": instance, "job_id": job.id, "worker_id": "worker"}
    assert failed == SentRequest(
        operation="fail",
        message="no",
        details="why",
        retries=2,
        retry_timeout=timedelta(seconds=90),
        status=204,
        body=failed.body,
        **about,
    )
    assert failed.body["retryTimeout"] == "PT1M30S"
    assert errored == SentRequest(
        operation="bpmn_error",
        error_code="E",
        variables={"a": 1},
        types={"a": "short"},
        status=403,
        body=errored.body,
        **about,
    )
    assert (got.operation, got.job_id, listed.operation) == ("get", job.id, "list")
    assert engine.sent() == [failed, errored]
    assert engine.sent("fail") == engine.sent("fail", topic="t", instance_id=instance) == [failed]
    assert engine.sent(topic="u") == engine.sent(instance_id="other") == []


def test_a_request_whose_answer_is_lost_is_remembered(
    engine: EmbeddedEngine, rest_client: FlowableExternalWorkerRestClient
) -> None:
    """Before and after the engine did what it was asked for; one that a fault answers has that status."""
    engine.start("p")
    (job,) = rest_client.acquire_jobs("t", "PT1M")
    engine.faults.lost_answer("complete", "before")
    engine.faults.next("complete", status=503)
    engine.faults.lost_answer("complete", "after")
    for _ in range(2):
        with pytest.raises((requests.ConnectionError, FlowableRestException)):
            rest_client.complete_job(job.id)
    with pytest.raises(requests.ConnectionError):
        rest_client.complete_job(job.id)
    assert [request.status for request in engine.sent()] == [None, 503, None]


def test_requests_that_cannot_be_read_are_remembered(engine: EmbeddedEngine) -> None:
    """What the engine refuses may be what a test looks for."""
    adapter = EmbeddedAdapter(engine)
    session = requests.Session()
    adapter.mount(session)
    url = f"{adapter.url}/external-job-api/acquire/jobs/x/fail"
    for body in (b"{", b"[1]", b'{"variables": 5, "retryTimeout": "soon"}', b'{"retryTimeout": 5}'):
        session.post(url, body, headers={"Content-Type": "application/json"})
    assert [(sent.operation, sent.job_id, sent.topic, sent.retry_timeout) for sent in engine.sent()] == [
        ("fail", "x", "", None)
    ] * 4
    engine.requests.clear()
    assert engine.sent() == []


def complete_both(engine: EmbeddedEngine, rest_client: FlowableExternalWorkerRestClient) -> str:
    """Work a process off, and return its id."""
    instance = engine.start("p", {"a": 1})
    (job,) = rest_client.acquire_jobs("t", "PT1M")
    rest_client.complete_job(job.id, [EngineRestVariable("id", "string", "4711"), EngineRestVariable("n", None, 2)])
    (job,) = rest_client.acquire_jobs("u", "PT1M")
    rest_client.complete_job(job.id)
    return instance


def test_what_was_sent_is_found(engine: EmbeddedEngine, rest_client: FlowableExternalWorkerRestClient) -> None:
    """By any of its members, and as often as it is expected."""
    instance = complete_both(engine, rest_client)
    (found,) = engine.assert_sent("complete", variables={"id": "4711", "n": 2})
    assert found.topic == "t"
    assert len(engine.assert_sent("complete", times=2, worker_id="worker", status=204)) == 2
    assert len(engine.assert_sent("complete", topic="u", instance_id=instance, times=1, variables={})) == 1
    assert engine.assert_sent("fail", times=0) == []


def test_what_was_not_sent_is_shown_with_a_difference(
    engine: EmbeddedEngine, rest_client: FlowableExternalWorkerRestClient
) -> None:
    """To the last request of the operation, member by member."""
    complete_both(engine, rest_client)
    text = told(lambda: engine.assert_sent("complete", topic="t", variables={"id": "4712", "n": 2}))
    assert text.splitlines() == [
        "'complete' for topic 't' was never sent as expected; the last of 1 differs:",
        "--- expected",
        "+++ actual",
        "@@ -1,6 +1,6 @@",
        " {",
        "   'variables': {",
        "-    'id': '4712'",
        "+    'id': '4711'",
        "     'n': 2",
        "   }",
        " }",
    ]


def test_what_was_never_sent_is_shown_with_what_was(
    engine: EmbeddedEngine, rest_client: FlowableExternalWorkerRestClient
) -> None:
    """How jobs were ended in its place, or that none was."""
    assert told(lambda: engine.assert_sent("fail")) == "'fail' was never sent as expected; sent were: none"
    instance = complete_both(engine, rest_client)
    first, second = told(lambda: engine.assert_sent("fail", instance_id=instance)).splitlines()[1:]
    assert first.startswith("  SentRequest(operation='complete', topic='t', ")
    assert second.startswith("  SentRequest(operation='complete', topic='u', ")
    text = told(lambda: engine.assert_sent("complete", times=1))
    assert text.splitlines()[0] == "'complete' was sent 2 times, not 1, as expected; sent were:"


def test_the_one_job_of_a_topic_is_found_wherever_it_is(engine: EmbeddedEngine) -> None:
    """Free, locked, suspended, dead."""
    instance = engine.start("p")
    (job,) = engine.acquire("t", worker_id="w")
    assert engine.the_job("t", instance_id=instance) == engine.assert_job("t", lock_owner="w", retries=3)
    engine.suspend(instance)
    engine.assert_job("t", table="suspended", lock_owner=None)
    engine.activate(instance)
    (job,) = engine.acquire("t", worker_id="w")
    engine.fail(job.id, "w", error_message="broken", retries=0)
    assert engine.assert_job("t", table="deadletter", exception_message="broken").id == job.id
    assert engine.every_job() == engine.dead_letters()


def test_a_job_that_differs_is_shown_with_the_difference(engine: EmbeddedEngine) -> None:
    """And none, or more than one, with the jobs there are."""
    engine.start("p")
    text = told(lambda: engine.assert_job("t", retries=2, table="external"))
    assert text.splitlines()[0] == "the job of topic 't' differs:"
    assert text.splitlines()[-5:] == [" {", "-  'retries': 2", "+  'retries': 3", "   'table': 'external'", " }"]
    first, job = told(lambda: engine.the_job("u")).splitlines()
    assert first == "0 jobs have topic 'u', not one; there are:"
    assert job.startswith("  JobView(id='")
    engine.start("p")
    assert told(lambda: engine.the_job("t")).startswith("2 jobs have topic 't', not one; there are:\n  JobView(")


def test_how_an_instance_ended_is_seen_and_shown(engine: EmbeddedEngine) -> None:
    """Its end, its variables, its path."""
    instance = engine.start("p", {"a": 1})
    text = told(lambda: engine.assert_ended(instance))
    assert text.splitlines()[0] == f"instance {instance} of 'p' has not ended; its jobs:"
    (job,) = engine.acquire("t", worker_id="w")
    engine.bpmn_error(job.id, "w", "E", {"b": [1, {}]})
    view = engine.assert_ended(instance, end="other", variables={"a": 1, "b": [1, {}]})
    assert view == engine.instance(instance)
    text = told(lambda: engine.assert_ended(instance, end="end", variables={"a": 1, "b": [2, {}]}))
    assert [line for line in text.splitlines() if line[0] in "-+" and line[1] not in "-+"] == [
        "-  'end': 'end'",
        "+  'end': 'other'",
        "-      2",
        "+      1",
    ]
    straight = engine.start("p")
    for topic in ("t", "u"):
        (job,) = engine.acquire(topic, worker_id="w")
        engine.complete(job.id, "w")
    engine.assert_ended(straight, path=["work", "more"])
    assert "-    'other'" in told(lambda: engine.assert_ended(straight, path=["work", "other"]))


def test_an_unknown_member_is_refused_by_name(engine: EmbeddedEngine) -> None:
    """A misspelt one would otherwise compare nothing."""
    with pytest.raises(TypeError, match=r"^a request has no member variable; it has job_id, "):
        engine.assert_sent("complete", variable={})  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^a job has no member retry; it has table, "):
        engine.assert_job("t", retry=1)  # type: ignore[call-arg]


def test_values_that_are_equal_have_no_difference() -> None:
    """And empty ones are shown as they are."""
    assert difference({"a": {}}, {"a": {}}) == ""
    assert difference((), [1]).splitlines()[3:] == ["-()", "+[", "+  1", "+]"]


def test_a_wait_in_vain_says_where_everything_stands() -> None:
    """Instances, their jobs, and what workers asked for."""
    engine = EmbeddedEngine(PROCESS, Process("q", UserTask("look")), clock=MovingClock())
    free, held, dead, person = engine.start("p"), engine.start("p"), engine.start("p"), engine.start("q")
    first, second, third = engine.acquire("t", worker_id="w", number_of_tasks=3)
    engine.fail(second.id, "w", error_message="not yet", retry_timeout=60)
    engine.fail(third.id, "w", error_message="broken", retries=0)
    engine.unacquire(first.id, "w")
    adapter = EmbeddedAdapter(engine)
    FlowableExternalWorkerRestClient(adapter.url, "w", customize_session=adapter.mount).acquire_jobs("tt", 60)
    with pytest.raises(NotInTimeError) as caught:
        engine.wait_for_end(free, timeout=0.01)
    assert isinstance(caught.value, TimeoutError)
    assert str(caught.value).splitlines() == [
        "the condition did not hold within 0.01 s; 4 instances run, 2 external jobs, 1 dead letters",
        f"  instance {free} of 'p' runs, reached work",
        f"    job {first.id} of topic 't': free, waiting for a worker, 3 retries left",
        f"  instance {held} of 'p' runs, reached work",
        f"    job {second.id} of topic 't': held back for 60 s more, 2 retries left; failed with 'not yet'",
        f"  instance {dead} of 'p' runs, reached work",
        f"    job {third.id} of topic 't': a dead letter, 0 retries left; failed with 'broken'",
        f"  instance {person} of 'q' runs, reached look, waits for people at look",
        "  workers asked for topics 'tt'",
    ]


def test_a_wait_in_vain_shows_the_first_instances_only() -> None:
    """A test may have thousands."""
    engine = EmbeddedEngine(Process("q", UserTask("look")), Process("p", Task("work", "t")), clock=MovingClock())
    locked = engine.start("p")
    engine.acquire("t", worker_id="w")
    engine.suspend(engine.start("p"))
    for _ in range(5):
        engine.start("q")
    with pytest.raises(NotInTimeError) as caught:
        engine.wait_for_end(locked, timeout=0.01)
    lines = str(caught.value).splitlines()
    assert lines[2].endswith("of topic 't': locked by 'w', 3 retries left")
    assert "of 'p' is suspended" in lines[3]
    assert lines[4].endswith("of topic 't': suspended, 3 retries left")
    assert lines[-2:] == ["  and 2 more", "  no worker asked for jobs"]


def test_misspelt_names_are_refused() -> None:
    """They would be questions that nothing answers, and faults that come at another moment."""
    engine: Any = EmbeddedEngine()
    with pytest.raises(ValueError, match=r"^operation: 'compleet' is not accepted; one of acquire, complete"):
        engine.assert_sent("compleet", times=0)
    with pytest.raises(ValueError, match=r"^when: 'aftr' is not accepted"):
        engine.faults.lost_answer("complete", "aftr")
