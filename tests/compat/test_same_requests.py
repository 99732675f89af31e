"""One program, run with version 1.0.2 itself and with this library.

It sends the same requests in the same order, and sees the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import HERE, OURS, run
from .stub import ACQUIRE, JOBS, Answer, Seen, Stub, job_json, page_json

VARIABLES = (
    {"name": "text", "type": "string", "value": "v"},
    {"name": "tree", "type": "json", "value": {"a": None}},
    {"name": "nothing", "value": None},
    {"name": "file", "type": "binary", "value": None, "valueUrl": "u"},
)
ERRORS = {
    "missing": Answer(
        404, {"message": "Not found", "exception": "Could not find external worker job with id 'missing'."}
    ),
    "locked": Answer(403, {"message": "Forbidden", "exception": "worker-1 does not hold a lock on the requested job"}),
    "broken": Answer(502, "gateway"),
}
#: Two by two; the first acquire finds nothing.
WORK = [
    [],
    ["none", "success"],
    ["values", "failure"],
    ["explained", "dead"],
    ["error"],
    ["coded", "terminate"],
    ["terminate values", "duck"],
    ["callback", "raises"],
    ["last"],
]


@dataclass(frozen=True)
class Run:
    """What one library did with the scenario."""

    source: str
    seen: list[Seen]
    observations: list[list[Any]]


def play(library: Path, folder: Path) -> Run:
    """Run the scenario with a library against the canned answers."""
    with Stub() as stub:
        listed = [job_json("a", lockOwner=None, lockExpirationTime=None), job_json("b", dueDate="2026-01-02T03:04:05Z")]
        stub.answer("GET", JOBS, Answer(body=page_json(*listed, total=12)))
        stub.always("GET", f"{JOBS}/missing", ERRORS["missing"])
        for job_id, error in ERRORS.items():
            for operation in ("complete", "bpmnError", "cmmnTerminate", "fail"):
                stub.always("POST", f"{ACQUIRE}/{job_id}/{operation}", error)
        stub.offer([job_json("x", VARIABLES)], [], [job_json("y", scopeType="cmmn", scopeId="s"), job_json("z")])
        stub.answer("POST", ACQUIRE, Answer(400, {"message": "Bad request", "exception": "no"}))
        stub.offer(*([job_json(job_id, VARIABLES) for job_id in batch] for batch in WORK))
        file = folder / "observations.json"
        run(library, HERE / "scenario.py", stub.url, file)
        written = json.loads(file.read_text(encoding="utf-8").replace(stub.url, "http://address"))
        return Run(written["source"], stub.seen, written["observations"])


@pytest.fixture(scope="module")
def theirs(predecessor: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenario with version 1.0.2."""
    return play(predecessor, tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenario with this library."""
    return play(OURS, tmp_path_factory.mktemp("ours"))


def without_nulls(body: Any) -> Any:
    """Return the body of a request without members that are null, the values of variables left as they are."""
    if not isinstance(body, dict):
        return body
    present = {name: value for name, value in body.items() if value is not None}
    if "variables" in present:
        present["variables"] = [
            {name: value for name, value in variable.items() if value is not None} for variable in present["variables"]
        ]
    return present


def is_the_fail_of_an_exception(seen: Seen) -> bool:
    """Tell the one request that may say more than it did."""
    return seen.path == f"{ACQUIRE}/raises/fail"


def comparable(seen: Seen) -> tuple[str, str, Any]:
    """Return what has to be equal: method, path with query, and body."""
    body = without_nulls(seen.body)
    if is_the_fail_of_an_exception(seen):
        body = {name: value for name, value in body.items() if name not in ("errorDetails", "retryTimeout")}
    return seen.method, seen.path, body


def test_each_run_was_of_the_library_it_claims(theirs: Run, ours: Run, predecessor: Path) -> None:
    """Otherwise the others would compare one with itself."""
    assert Path(theirs.source).is_relative_to(predecessor)
    assert Path(ours.source).is_relative_to(OURS)


def test_the_scenario_is_whole(theirs: Run) -> None:
    """Every endpoint that 1.0.2 has is in it, and every outcome was reported."""
    operations = {(seen.method, seen.path.removeprefix("/external-job-api").split("/")[-1]) for seen in theirs.seen}
    assert {("POST", name) for name in ("jobs", "complete", "bpmnError", "cmmnTerminate", "fail")} < operations
    assert ("GET", "jobs") in operations
    handled = [label.removeprefix("handling ") for label, _ in theirs.observations if label.startswith("handling ")]
    assert handled == [job_id for batch in WORK for job_id in batch]
    assert theirs.observations[-1] == ["ended", True]


def test_the_same_requests_are_sent_in_the_same_order(theirs: Run, ours: Run) -> None:
    """Method, path, query and body are equal, null members apart; nothing is sent besides.

    Only a batch that came back empty is followed by a single one: two exclusive jobs of one process instance in it are
    answered with nothing.
    """
    expected = [comparable(seen) for seen in theirs.seen]
    batches = [body for _, path, body in expected if path == ACQUIRE and body["topic"] == "work"]
    assert [body["numberOfTasks"] for body in batches] == [2] * len(WORK)
    for earlier, body in zip(WORK, batches[1:], strict=False):
        body["numberOfTasks"] = 2 if earlier else 1
    assert [comparable(seen) for seen in ours.seen] == expected


def test_the_same_headers_are_sent(theirs: Run, ours: Run) -> None:
    """Credentials, content type and what the person put on the session."""
    names = ("authorization", "content-type", "accept", "accept-encoding", "user-agent", "x-custom")

    def headers(run: Run) -> list[list[str | None]]:
        return [[seen.path, *(seen.headers.get(name) for name in names)] for seen in run.seen]

    assert headers(ours) == headers(theirs)


def test_nothing_is_sent_as_null(ours: Run) -> None:
    """The engine reads a null number as 0; nulls inside the value of a variable are the person's."""
    assert [seen.body for seen in ours.seen] == [without_nulls(seen.body) for seen in ours.seen]
    assert any(seen.body and {"a": None, "b": [None, {"c": None}]} in _values(seen.body) for seen in ours.seen)


def _values(body: dict[str, Any]) -> list[Any]:
    return [variable.get("value") for variable in body.get("variables", ())]


def test_the_fail_of_an_exception_says_more(theirs: Run, ours: Run) -> None:
    """The message is the same; details and a retry time-out are new, and nothing else."""
    (before,) = [seen.body for seen in theirs.seen if is_the_fail_of_an_exception(seen)]
    (now,) = [seen.body for seen in ours.seen if is_the_fail_of_an_exception(seen)]
    assert without_nulls(before) == {"workerId": "worker-1", "errorMessage": "it went wrong"}
    assert now == {
        "workerId": "worker-1",
        "errorMessage": "it went wrong",
        "errorDetails": now["errorDetails"],
        "retryTimeout": now["retryTimeout"],
    }
    assert "ValueError: it went wrong" in now["errorDetails"]


def test_the_program_sees_the_same(theirs: Run, ours: Run) -> None:
    """Jobs, variables, dates, pages, and errors with class and text."""
    assert ours.observations == theirs.observations
