"""What the server makes of HTTP: methods, content types, paths, headers."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of
from tests.conformance.registry import case
from tests.conformance.scene import LOCK

if TYPE_CHECKING:
    from tests.conformance.answers import Answer
    from tests.conformance.scene import Scene

SPRING_6 = (7, 0)


def is_no_endpoint(s: Scene, answer: Answer, method: str, path: str) -> None:
    """Assert that there is nothing at a path: an error of the engine from 7.0 on, before one of its framework."""
    if s.release >= SPRING_6:
        answer.is_error(500, f"No endpoint {method} /flowable-rest/external-job-api{path}.")
    else:
        answer.is_generic(404)


@case(85)
def what_is_wrong_as_http_is_an_internal_error(s: Scene) -> None:
    """Parameters, methods and content types that do not fit are 500, with a text about it."""
    for name, value in (("start", "abc"), ("size", "1.5"), ("locked", "maybe")):
        answer = s.send("GET", f"/jobs?{name}={value}")
        assert answer.status == 500
        field = f"Field error in object 'externalWorkerJobQueryRequest' on field '{name}': rejected value [{value}]"
        assert field in answer.error
    refusal, header = (
        ("is not supported", "Content-Type") if s.release >= SPRING_6 else ("not supported", "Content type")
    )
    for method, path in (("GET", "/acquire/jobs"), ("PUT", "/acquire/jobs"), ("DELETE", "/jobs/x")):
        s.send(method, path, body={}).is_error(500, f"Request method '{method}' {refusal}")
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        shown = f"{kind};charset=UTF-8" if kind else "application/octet-stream"
        answer = s.send("POST", "/acquire/jobs", raw=b"{}", headers={"Content-Type": kind})
        answer.is_error(500, f"{header} '{shown}' {refusal}")
    for path in ("/nothing", ""):
        is_no_endpoint(s, s.send("GET", path), "GET", path)


@case(91)
def who_does_not_take_json_gets_nothing(s: Scene) -> None:
    """The answer is empty, and nothing is done."""
    job = s.query(processInstanceId=s.start(models.one)).page["data"][0]
    order = {"topic": s.topic, "lockDuration": LOCK, "workerId": s.w1}
    for accept in ("application/xml", "text/plain"):
        headers = {"Accept": accept}
        s.send("GET", "/jobs", headers=headers).is_empty(406)
        s.send("POST", "/acquire/jobs", body=order, headers=headers).is_empty(406)
    assert lock_of(s.now(job)) == FREE
    for accept in ("*/*", "application/*", "application/*+json", "application/xml, */*;q=0.1"):
        s.not_found("x", s.send("GET", "/jobs/x", headers={"Accept": accept}))


@case(92)
def nothing_is_compressed(s: Scene) -> None:
    """A compressed request cannot be read; an answer is never compressed."""
    body = json.dumps({"topic": s.topic, "lockDuration": LOCK, "workerId": s.w1}).encode()
    s.send("POST", "/acquire/jobs", raw=gzip.compress(body), headers={"Content-Encoding": "gzip"}).is_unreadable()
    for _ in range(10):
        s.start(models.one)
    answer = s.send("GET", f"/jobs?elementName={s.own('Work')}", headers={"Accept-Encoding": "gzip"})
    assert answer.total == 10
    assert "content-encoding" not in answer.headers


@case(93)
def head_is_get_without_a_body(s: Scene) -> None:
    """For the list and for a job."""
    job = s.query(processInstanceId=s.start(models.one)).page["data"][0]
    for path, status in (("/jobs", 200), (f"/jobs/{job['id']}", 200), ("/jobs/x", 404)):
        answer = s.send("HEAD", path)
        assert (answer.status, answer.body) == (status, b"")
        assert answer.headers["content-type"] == "application/json"


@case(94)
def a_slash_at_the_end_is_another_path(s: Scene) -> None:
    """From 7.0 on; before, it was the same."""
    order = {"topic": s.topic, "lockDuration": LOCK, "workerId": s.w1}
    acquired = s.send("POST", "/acquire/jobs/", body=order)
    listed = s.send("GET", f"/jobs/?tenantId={s.own('nobody')}")
    if s.release >= SPRING_6:
        is_no_endpoint(s, acquired, "POST", "/acquire/jobs/")
        is_no_endpoint(s, listed, "GET", "/jobs/")
    else:
        acquired.is_nothing()
        assert listed.total == 0


@case(95)
def odd_characters_in_a_job_id_do_not_reach_the_engine(s: Scene) -> None:
    """Slashes are refused by the container, others by the firewall, with good credentials too."""
    for path in ("a%2Fb", "a%5Cb", "a%00b", "a|b", "%zz"):
        s.send("GET", f"/jobs/{path}").is_html(400)
    for path in ("a;b", "a%25b", "a%3Bb", "a%2Eb", "a//b", "."):
        answer = s.send("GET", f"/jobs/{path}")
        if s.release >= SPRING_6:
            answer.is_empty(401)
        else:
            answer.is_generic(500)
    for path, job_id in (("a%20b", "a b"), ("a+b", "a+b"), ("%C3%A4", "ä"), ("a:b", "a:b"), ("a.b", "a.b")):
        s.not_found(job_id, s.send("GET", f"/jobs/{path}"))


@case(112)
def the_url_of_a_job_follows_the_host_header(s: Scene) -> None:
    """And not what a proxy says about itself."""
    job = s.started(models.one)
    path = f"/flowable-rest/external-job-api/jobs/{job['id']}"
    answer = s.send("GET", f"/jobs/{job['id']}", headers={"Host": "example.test"})
    assert answer.json["url"] == f"http://example.test{path}"
    proxy: dict[str, str | None] = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.test"}
    answer = s.send("GET", f"/jobs/{job['id']}", headers=proxy)
    assert answer.json["url"] == job["url"]
