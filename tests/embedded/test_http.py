"""The door: requests and answers of the external job API and of what stands around it, without a socket."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from flowable.external_worker_client.testing import (
    Case,
    Door,
    EmbeddedEngine,
    MovingClock,
    Process,
    Task,
    UserTask,
)
from flowable.external_worker_client.testing.http import handle

API = "/flowable-rest/external-job-api"
SERVICE = "/flowable-rest/service"
ONE = Process("one", Task("work", "t", name="Work", exclusive=False), UserTask("after"))
CASE = Case("case", Task("work", "t", name="Work"), UserTask("keep"))


class Client:
    """Sends requests through a door, as a browser would fill them in."""

    def __init__(self, engine: EmbeddedEngine, **door: Any) -> None:
        self.engine = engine
        self.door = Door(engine, **door)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the JSON, or the text, of an answer."""
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"host": "engine.test", **({"content-type": "application/json"} if sent else {})}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.answer = self.door.handle(method, path, given, sent)
        self.headers = {name.lower(): value for name, value in self.answer.headers}
        text = self.answer.body.decode()
        return self.answer.status, json.loads(text) if "json" in self.headers.get("content-type", "") and text else text

    def page(self, query: str = "") -> Any:
        """Return a page of the job list."""
        status, body = self.send("GET", f"{API}/jobs?{query}")
        assert status == 200
        return body

    def acquire(self, **more: Any) -> list[dict[str, Any]]:
        """Acquire jobs of topic t for W1."""
        status, body = self.send(
            "POST", f"{API}/acquire/jobs", {"topic": "t", "lockDuration": "PT10M", "workerId": "W1", **more}
        )
        assert status == 200
        return list(body)


@pytest.fixture
def client() -> Client:
    """Return a client of an engine with a process and a case."""
    return Client(EmbeddedEngine(ONE, CASE, clock=MovingClock()))


# ---------------------------------------------------------------- the list


def test_pages_have_a_start_and_a_size(client: Client) -> None:
    """Ten by default, none with size 0, ten again with a negative one, and the total is always true."""
    for _ in range(25):
        client.engine.start("one")
    ids = [job.id for job in client.engine.jobs()]
    pages = {
        query: client.page(query) for query in ("", "start=20", "size=0", "size=-1", "start=-5&size=3", "size=100")
    }
    shown = {query: ([job["id"] for job in page["data"]], page["size"], page["total"]) for query, page in pages.items()}
    assert shown == {
        "": (ids[:10], 10, 25),
        "start=20": (ids[20:], 5, 25),
        "size=0": ([], 0, 25),
        "size=-1": (ids[:10], 10, 25),
        "start=-5&size=3": (ids[:3], 3, 25),
        "size=100": (ids, 25, 25),
    }


def test_every_key_sorts_both_ways(client: Client) -> None:
    """Ids are compared as text, jobs without the value come first with asc; other keys are refused."""
    client.engine.start("one", tenant_id="b")
    client.engine.start("case", tenant_id="a")
    client.engine.start("one", tenant_id="c")
    [job] = client.acquire()
    client.send("POST", f"{API}/acquire/jobs/{job['id']}/fail", {"workerId": "W1", "retries": 9})
    first, case, last = (job.id for job in client.engine.jobs())
    orders = {
        "id": [first, case, last],
        "dueDate": [first, case, last],
        "createTime": [first, case, last],
        "executionId": [case, first, last],
        "processInstanceId": [case, first, last],
        "retries": [case, last, first],
        "tenantId": [case, first, last],
    }
    for key, ascending in orders.items():
        assert [job["id"] for job in client.page(f"sort={key}")["data"]] == ascending, key
        page = client.page(f"sort={key}&order=desc")
        assert (page["sort"], page["order"]) == (key, "desc")
        if key not in {"dueDate", "createTime", "retries"}:
            assert [job["id"] for job in page["data"]] == ascending[::-1], key
    for key in ("lockOwner", "topic", "lockExpirationTime", "elementId", "ID_"):
        text = f"Value for param 'sort' is not valid, '{key}' is not a valid property"
        assert client.send("GET", f"{API}/jobs?sort={key}") == (400, {"message": "Bad request", "exception": text})


def test_a_job_that_waits_out_its_retry_timeout_counts_as_locked(client: Client) -> None:
    """It has no owner but an expiry, and that is what the filter asks for."""
    client.engine.start("one")
    [job] = client.acquire()
    client.send("POST", f"{API}/acquire/jobs/{job['id']}/fail", {"workerId": "W1", "retryTimeout": "PT1H"})
    assert (client.page("locked=true")["total"], client.page("unlocked=true")["total"]) == (1, 0)


def test_flags_that_are_none_fail(client: Client) -> None:
    """An empty flag is no boolean, a number out of range no number; of several the first counts."""
    for query in ("locked=", "locked=x&locked=true", "start=99999999999", "size=1_0"):
        status, body = client.send("GET", f"{API}/jobs?{query}")
        assert (status, body["message"]) == (500, "Internal server error"), query
    assert client.page("start=&size=&locked=true&locked=x")["total"] == 0
    assert client.page("size=0xA&start=%2B1&start=x")["start"] == 1


def test_tenants_are_matched_by_pattern(client: Client) -> None:
    """Percent and underscore are the wildcards of SQL, everything else is itself."""
    for tenant in ("a.b", "axb", ""):
        client.engine.start("one", tenant_id=tenant)
    found = {
        query: [job["tenantId"] for job in client.page(f"tenantIdLike={query}")["data"]]
        for query in ("a.b", "a_b", "%25b", "")
    }
    assert found == {"a.b": ["a.b"], "a_b": ["a.b", "axb"], "%25b": ["a.b", "axb"], "": [""]}


# ---------------------------------------------------------------- requests


def test_suspension_over_http(client: Client) -> None:
    """The process API suspends, activates and deletes; workers notice as with the real engine."""
    status, started = client.send("POST", f"{SERVICE}/runtime/process-instances", {"processDefinitionKey": "one"})
    assert (status, started["suspended"], started["ended"]) == (201, False, False)
    path = f"{SERVICE}/runtime/process-instances/{started['id']}"
    [job] = client.acquire()
    assert client.send("PUT", path, {"action": "suspend"})[1]["suspended"] is True
    complete = f"{API}/acquire/jobs/{job['id']}/complete"
    assert client.send("POST", complete, {"workerId": "W1"})[0] == 404
    assert client.send("PUT", path, {"action": "activate"})[0] == 200
    status, found = client.send("GET", f"{API}/jobs/{job['id']}")
    assert (status, found["lockOwner"]) == (200, None)
    assert client.send("POST", complete, {"workerId": "W1"})[0] == 403
    assert client.send("PUT", path, {"action": "stop"})[0] == 400
    assert client.send("GET", path)[1]["id"] == started["id"]
    assert client.send("DELETE", path) == (204, "")
    assert client.send("GET", path)[0] == 404


@pytest.mark.parametrize(("key", "kind"), [("one", "process"), ("case", "case")])
def test_suspending_twice_is_a_conflict(key: str, kind: str, client: Client) -> None:
    """As is activating what is active; nothing changes."""
    api = f"{SERVICE}/runtime" if kind == "process" else "/flowable-rest/cmmn-api/cmmn-runtime"
    path = f"{api}/{kind}-instances/{(instance := client.engine.start(key))}"
    for action, state in (("activate", "active"), ("suspend", "suspended")):
        if action == "suspend":
            assert client.send("PUT", path, {"action": "suspend"})[0] == 200
        text = f"{kind.capitalize()} instance with id '{instance}' is already {state}."
        assert client.send("PUT", path, {"action": action}) == (409, {"message": "Conflict", "exception": text})
        assert client.engine.instance(instance).suspended is (state == "suspended")


@pytest.mark.parametrize("path", ["", "/{}"])
def test_the_tenant_of_a_release_has_to_be_text(path: str, client: Client) -> None:
    """For one job, where it plays no part, as for all; nothing is given back otherwise."""
    client.engine.start("one")
    [job] = client.acquire()
    target = f"{API}/unacquire/jobs{path.format(job['id'])}"
    status, body = client.send("POST", target, {"workerId": "W1", "tenantId": []})
    assert (status, body["exception"].partition(":")[0]) == (400, "JSON parse error")
    assert client.engine.job(job["id"]).lock_owner == "W1"
    assert client.send("POST", target, {"workerId": "W1", "tenantId": ""}) == (204, "")
    assert client.engine.job(job["id"]).lock_owner is None


def test_a_tenant_guards_a_release_of_all(client: Client) -> None:
    """All jobs of the worker have to be of the tenant that is named; those of others do not count."""
    client.engine.start("one", tenant_id="a")
    client.engine.start("one", tenant_id="b")
    [first], [second] = client.acquire(), client.acquire(workerId="W2")
    target = f"{API}/unacquire/jobs"
    text = "provided worker id has external worker jobs from different tenant."
    refused = client.send("POST", target, {"workerId": "W1", "tenantId": "b"})
    assert refused == (400, {"message": "Bad request", "exception": text})
    assert [client.engine.job(job["id"]).lock_owner for job in (first, second)] == ["W1", "W2"]
    assert client.send("POST", target, {"workerId": "W1", "tenantId": "a"}) == (204, "")
    assert [client.engine.job(job["id"]).lock_owner for job in (first, second)] == [None, "W2"]


def test_a_failure_clears_the_message_but_not_the_details(client: Client) -> None:
    """What is not sent, or null, clears the message and leaves the details."""
    client.engine.start("one")
    seen: list[tuple[str | None, str | None]] = []
    for told in (
        {"errorMessage": "m", "errorDetails": "d"},
        {"errorDetails": None, "errorMessage": None},
        {"errorMessage": "n"},
    ):
        [job] = client.acquire()
        fail = {"workerId": "W1", "retries": 3, **told}
        assert client.send("POST", f"{API}/acquire/jobs/{job['id']}/fail", fail) == (204, "")
        view = client.engine.job(job["id"])
        seen.append((view.exception_message, view.details))
    assert seen == [("m", "d"), (None, "d"), ("n", "d")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "Either processDefinitionId, processDefinitionKey or message is required."),
        ({"processDefinitionKey": "x"}, "No process definition found for key 'x'"),
        ({"processDefinitionId": "x"}, "no deployed process definition found with id 'x'"),
    ],
)
def test_what_cannot_be_started_is_refused(body: Any, text: str, client: Client) -> None:
    """A start needs a definition that is there."""
    expected = (400, {"message": "Bad request", "exception": text})
    assert client.send("POST", f"{SERVICE}/runtime/process-instances", body) == expected


def test_instances_start_by_the_id_of_a_definition(client: Client) -> None:
    """The id that jobs show starts an instance too, of a process or of a case."""
    client.engine.start("case", tenant_id="a")
    definition = client.page()["data"][0]["scopeDefinitionId"]
    status, _ = client.send(
        "POST", "/flowable-rest/cmmn-api/cmmn-runtime/case-instances", {"caseDefinitionId": definition}
    )
    assert (status, client.page()["total"]) == (201, 2)


def test_dead_letters_move_one_by_one_or_together(client: Client) -> None:
    """Listed, looked at, moved; an unknown one, and another action, are refused."""
    for key in ("one", "case"):
        client.engine.start(key)
    for job in client.acquire(numberOfTasks=2):
        fail = {"workerId": "W1", "retries": 0, "errorMessage": "m", "errorDetails": "größer als 🐟"}
        client.send("POST", f"{API}/acquire/jobs/{job['id']}/fail", fail)
    dead = f"{SERVICE}/management/deadletter-jobs"
    _, page = client.send("GET", dead)
    first, second = (job["id"] for job in page["data"])
    assert client.send("GET", "/flowable-rest/cmmn-api/cmmn-management/deadletter-jobs")[1]["total"] == 1
    assert (
        client.door.handle("GET", f"{dead}/{first}/exception-stacktrace", {"host": "h"}, b"").body
        == b"gr\xf6\xdfer als ?"
    )
    assert client.send("GET", f"{dead}/{first}")[1]["exceptionMessage"] == "m"
    assert client.send("POST", f"{dead}/x", {"action": "move"})[0] == 404
    assert client.send("POST", f"{dead}/{first}", {"action": "delete"})[0] == 400
    assert client.send("POST", dead, {"action": "move", "jobIds": [first, second]}) == (204, "")
    assert client.page()["total"] == 2


def test_a_dead_letter_without_details_has_no_trace(client: Client) -> None:
    """The trace of a job that never had one is not found."""
    client.engine.start("one")
    [job] = client.acquire()
    client.engine.fail(job["id"], "W1", retries=0)
    status, _ = client.send("GET", f"{SERVICE}/management/deadletter-jobs/{job['id']}/exception-stacktrace")
    assert status == 404


def test_continuations_can_be_run_by_hand() -> None:
    """Without an executor the management API runs what is left."""
    client = Client(EmbeddedEngine(ONE, clock=MovingClock(), async_executor=False))
    client.engine.start("one")
    [job] = client.acquire()
    client.engine.complete(job["id"], "W1")
    jobs = f"{SERVICE}/management/jobs"
    assert client.send("GET", f"{jobs}/{job['id']}")[1]["retries"] == 3
    assert client.send("POST", f"{jobs}/{job['id']}", {"action": "execute"})[0] == 204
    assert client.engine.instances()[0].tasks == ("after",)
    assert client.send("PATCH", jobs)[0] == 500


def test_names_and_types_may_be_numbers_but_not_lists(client: Client) -> None:
    """Texts of a variable are read as every text: a number is one, an array is refused before anything is looked at."""
    client.engine.start("one")
    [job] = client.acquire()
    complete = f"{API}/acquire/jobs/{job['id']}/complete"
    for wrong in ({"name": ["a"]}, {"name": "a", "type": {}}, {"name": "a", "valueUrl": []}):
        status, body = client.send("POST", complete, {"variables": [wrong]})
        assert (status, body["exception"].startswith("JSON parse error: Cannot deserialize")) == (400, True)
    status, body = client.send("POST", complete, {"variables": [5]})
    assert "no int/Int-argument constructor" in body["exception"]
    sent = [{"name": 5, "value": 1}, {"name": True, "value": 2}, {"name": "f", "type": 7, "value": 3}]
    status, body = client.send("POST", complete, {"workerId": "W1", "variables": sent})
    assert body["exception"] == "Variable 'f' has unsupported type: '7'."
    assert client.send("POST", complete, {"workerId": "W1", "variables": sent[:2]})[0] == 204
    assert client.engine.instances()[0].variables == {"5": 1, "true": 2}


# ---------------------------------------------------------------- what stands around


def test_options_say_what_is_allowed(client: Client) -> None:
    """OPTIONS answers with the methods of the path."""
    allowed = {}
    for path in ("/acquire/jobs", "/jobs", "/jobs/x", "/unacquire/jobs/x", "/acquire/jobs/x/fail"):
        assert client.send("OPTIONS", API + path)[0] == 200
        allowed[path] = client.headers["allow"]
    assert allowed == {
        "/acquire/jobs": "POST,OPTIONS",
        "/jobs": "GET,HEAD,OPTIONS",
        "/jobs/x": "GET,HEAD,OPTIONS",
        "/unacquire/jobs/x": "POST,OPTIONS",
        "/acquire/jobs/x/fail": "POST,OPTIONS",
    }


def test_outside_of_the_application_the_container_answers(client: Client) -> None:
    """HTML outside of the context path, without a host, and generic JSON inside for what is not there."""
    assert client.send("GET", "/other")[0] == 404
    assert client.answer.body.startswith(b"<!doctype html>")
    assert client.door.handle("GET", f"{API}/jobs", {}, b"").status == 400
    assert client.send("GET", "/flowable-rest/nothing")[1]["path"] == "/flowable-rest/nothing"
    assert client.send("GET", "/flowable-rest/actuator/health") == (200, {"status": "UP"})
    assert client.send("GET", f"http://engine.test{API}/jobs")[0] == 200


def test_every_answer_may_not_be_stored(client: Client) -> None:
    """The security filter's headers stand on all answers of the application."""
    client.send("GET", f"{API}/jobs", connection="keep-alive")
    assert client.headers == {
        "content-type": "application/json",
        "x-content-type-options": "nosniff",
        "x-xss-protection": "0",
        "cache-control": "no-cache, no-store, max-age=0, must-revalidate",
        "pragma": "no-cache",
        "expires": "0",
        "x-frame-options": "DENY",
        "connection": "keep-alive",
        "keep-alive": "timeout=60",
    }


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Basic " + base64.b64encode(b"user:pass:word").decode(), 200),
        ("basic " + base64.b64encode(b"user:pass:word").decode(), 200),
        ("Basic " + base64.b64encode(b"user:wrong").decode(), 401),
        ("Basic ???", 401),
        ("Bearer user:pass:word", 401),
    ],
)
def test_basic_credentials_are_checked(header: str, status: int) -> None:
    """Only the right user and password get in, whatever the case of the scheme."""
    client = Client(EmbeddedEngine(), auth=("user", "pass:word"))
    assert client.send("GET", f"{API}/jobs", authorization=header)[0] == status
    assert "pass:word" not in repr(client.door)


@pytest.mark.parametrize(("header", "status"), [("Bearer tok", 200), ("Bearer other", 401), ("Basic dG9r", 401)])
def test_bearer_tokens_are_checked(header: str, status: int) -> None:
    """Only the right token gets in."""
    client = Client(EmbeddedEngine(), auth="tok")
    assert client.send("GET", f"{API}/jobs", authorization=header)[0] == status
    assert client.headers.get("www-authenticate") == (None if status == 200 else "Bearer")


def test_accept_with_json_somewhere_is_enough(client: Client) -> None:
    """JSON may be one of several, even with a weight of nothing; a word that is no type fails."""
    accepted = {
        accept: client.send("GET", f"{API}/jobs", accept=accept)[0]
        for accept in ("text/html, application/json;q=0.5", "text/html, */*;q=0", "APPLICATION/JSON", "text/html", "x")
    }
    assert list(accepted.values()) == [200, 200, 200, 406, 500]


@pytest.mark.parametrize(
    ("release", "text"),
    [("6.8", "Could not find acceptable representation"), ("7.0", "No acceptable representation")],
)
def test_kinds_of_json_are_told_apart(release: str, text: str) -> None:
    """Any kind of JSON will do for the engine's; a special one cannot be had, and nothing is done."""
    client = Client(EmbeddedEngine(ONE, release=release, clock=MovingClock()))
    client.engine.start("one")
    assert client.send("GET", f"{API}/jobs", accept="application/*+json")[0] == 200
    order = {"topic": "t", "lockDuration": "PT10M", "workerId": "W1"}
    refused = client.send("POST", f"{API}/acquire/jobs", order, accept="text/html, application/vnd.x+json;q=0.5")
    assert refused == (500, {"message": "Internal server error", "exception": text})
    assert [job.lock_owner for job in client.engine.jobs()] == [None]


@pytest.mark.parametrize(
    "job_id", ["a%2Fb", "a%5cb", "a%00b", "%zz", "%2", "a%", "a|b", "a^b", "a{b", 'a"b', "a b", "ä"]
)
def test_what_is_no_path_is_refused_by_the_container(job_id: str, client: Client) -> None:
    """Zeros, encoded slashes, broken encodings and characters that have to be encoded get a page."""
    for method, path in (("GET", f"{API}/jobs/{job_id}"), ("POST", f"{API}/acquire/jobs/{job_id}/complete")):
        status, page = client.send(method, path, {"workerId": "W1"})
        assert status == 400
        assert page.startswith("<!doctype html>")


@pytest.mark.parametrize("job_id", ["a;b", "a%3bb", "a%25b", "a%2Eb", "%2e%2e", ".", "..", "a//b"])
def test_what_could_lead_elsewhere_is_refused_by_the_firewall(job_id: str) -> None:
    """With good credentials too, by 7 as if there were none, by 6.8 as an error of nobody in particular."""
    answers: dict[str, tuple[int, Any]] = {}
    for release in ("6.8", "7.0", "7.2"):
        client = Client(EmbeddedEngine(release=release, clock=MovingClock()))
        answers[release] = client.send("GET", f"{API}/jobs/{job_id}")
    assert answers.pop("6.8")[1].keys() == {"timestamp", "status", "error", "path"}
    assert answers == {"7.0": (401, ""), "7.2": (401, "")}


@pytest.mark.parametrize(
    ("path", "job_id"),
    [("a%20b", "a b"), ("a+b", "a+b"), ("a.b", "a.b"), ("...", "..."), ("[a]", "[a]"), ("%C3%A4", "ä")],
)
def test_other_characters_are_part_of_the_id(path: str, job_id: str, client: Client) -> None:
    """They are decoded once."""
    text = f"Could not find external worker job with id '{job_id}'."
    assert client.send("GET", f"{API}/jobs/{path}") == (404, {"message": "Not found", "exception": text})


def test_a_body_without_a_type_is_refused_but_none_is_missing(client: Client) -> None:
    """Without a content type there has to be no body; then it is the body that is missing."""
    status, body = client.send("POST", f"{API}/acquire/jobs")
    assert status == 400
    assert body["exception"].startswith("Required request body is missing: ")


def test_one_request_needs_no_door() -> None:
    """`handle` answers a single request."""
    answer = handle(EmbeddedEngine(release="6.8"), "GET", f"{API}/jobs/", {"host": "h"}, b"")
    assert (answer.status, json.loads(answer.body)["total"]) == (200, 0)


# ---------------------------------------------------------------- faults


def test_faults_answer_for_the_engine(client: Client) -> None:
    """A planned answer comes once, in order, and the engine does not see the request unless it is carried out."""
    client.engine.start("one")
    client.engine.faults.next("acquire", status=503, body={"a": 1}, headers={"Retry-After": "2"})
    client.engine.faults.html("acquire", status=502)
    client.engine.faults.next("acquire", status=500, body="text", carried_out=True)
    body = {"topic": "t", "lockDuration": "PT10M", "workerId": "W1"}
    assert client.send("POST", f"{API}/acquire/jobs", body) == (503, {"a": 1})
    assert client.headers == {"retry-after": "2", "content-type": "application/json"}
    assert client.send("POST", f"{API}/acquire/jobs", body)[0] == 502
    assert client.headers["content-type"] == "text/html"
    assert client.engine.jobs()[0].lock_owner is None
    assert client.send("POST", f"{API}/acquire/jobs", body) == (500, "text")
    assert client.headers["connection"] == "close"
    assert client.engine.jobs()[0].lock_owner == "W1"
    assert (client.send("POST", f"{API}/acquire/jobs", body), client.engine.faults.pending) == ((200, []), 0)


def test_faults_are_for_their_operation(client: Client) -> None:
    """Others pass; `any` is every operation of the API and nothing else."""
    client.engine.faults.next("fail", status=503)
    assert client.page()["total"] == 0
    assert client.send("POST", f"{API}/acquire/jobs/x/fail", {})[0] == 503
    client.engine.faults.next("any", status=503, times=None)
    assert client.send("GET", "/flowable-rest/actuator/health")[0] == 200
    assert [client.send("GET", f"{API}/jobs")[0], client.send("POST", f"{API}/unacquire/jobs", {})[0]] == [503, 503]
    client.engine.faults.clear()
    assert client.send("GET", f"{API}/jobs")[0] == 200


def test_a_share_of_the_requests_is_the_same_at_every_run() -> None:
    """The dice are seeded."""
    runs = []
    for _ in range(2):
        client = Client(EmbeddedEngine())
        client.engine.faults.next("list", status=503, times=None, share=0.3)
        runs.append([client.send("GET", f"{API}/jobs")[0] for _ in range(100)])
    assert runs[0] == runs[1]
    assert 15 < runs[0].count(503) < 45


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({"operation": "finish", "status": 500}, "operation: 'finish' is not known; accepted are acquire, complete"),
        ({"operation": "any", "status": 500, "times": 0}, "times: 0 is not accepted"),
        ({"operation": "any", "status": 500, "share": 0}, "share: 0 is not accepted"),
    ],
)
def test_wrong_plans_are_refused(plan: Any, text: str) -> None:
    """A fault that could never happen is a mistake."""
    with pytest.raises(ValueError, match=text):
        EmbeddedEngine().faults.next(**plan)
