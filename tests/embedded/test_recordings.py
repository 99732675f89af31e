"""The embedded engine gives the answers that real releases of Flowable gave, case by case."""

from __future__ import annotations

import ast
import base64
import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from flowable.external_worker_client.testing import (
    Call,
    Case,
    Door,
    EmbeddedEngine,
    InParameter,
    MovingClock,
    OutParameter,
    Parallel,
    Process,
    StartCase,
    Task,
    UserTask,
    When,
)

RECORDINGS = Path(__file__).parent / "recordings"

#: Recorded cases that the embedded engine does not reproduce yet, each with its reason. The next one goes on here.
NOT_COVERED: dict[tuple[str, int], str] = {}


def work(topic: str = "t", *, element: str = "work", name: str | None = "Work", **more: Any) -> Task:
    """Return a task as the recorded models have them."""
    return Task(element, topic, name=name, **{"exclusive": False, **more})


AFTER = UserTask("after")
CAUGHT = [UserTask("caught")]
ERRORS = {"errX": "X"}
STARTED = datetime(2026, 5, 4, 10, 25, 45, 583_000, tzinfo=UTC)
MODELS: list[Process | Case] = [
    Process("one", work(), AFTER),
    Process("one-exclusive", work(exclusive=None), AFTER),
    Process("chain", work(), work("t2", element="next", name="Next"), AFTER),
    Process("boundary", work(on_error={"X": CAUGHT}), AFTER, error_ids=ERRORS),
    Process("boundary-any", work(on_error={None: CAUGHT}), AFTER),
    Process(
        "boundary-both",
        work(on_error={None: [UserTask("caught-any")], "X": [UserTask("caught-x")]}),
        AFTER,
        error_ids=ERRORS,
    ),
    Process(
        "boundary-out",
        work(on_error={"X": CAUGHT}, out_parameters=[OutParameter("mapped", "raw")]),
        AFTER,
        error_ids=ERRORS,
    ),
    Process("no-variables", work(include_variables=False), AFTER),
    Process("no-variables-in", work(include_variables=False, in_parameters=[InParameter("x", "a")]), AFTER),
    Process(
        "in-parameters",
        work(in_parameters=[InParameter("x", "a"), InParameter("y", "missing"), InParameter("sum", None, "${a + b}")]),
        AFTER,
    ),
    Process("out-parameters", work(out_parameters=[OutParameter("x", "a"), OutParameter("y", "missing")]), AFTER),
    Process("out-failing", work(out_parameters=[OutParameter("x", None, "${missing + 1}")]), AFTER),
    Process("dead-end", work(), Call("boom", "${missing.name}"), AFTER),
    Process("parallel-multi", work(instances=3), AFTER),
    *(
        Process(
            key,
            Parallel(
                [Task("work1", topics[0], name="Work1", exclusive=exclusive), UserTask("after1")],
                [Task("work2", topics[1], name="Work2", exclusive=exclusive), UserTask("after2")],
            ),
        )
        for key, topics, exclusive in (
            ("two-exclusive", ("t", "t"), None),
            ("two-nonexclusive", ("t", "t"), False),
            ("two-topics-exclusive", ("a", "b"), None),
        )
    ),
    Case(
        "case-one",
        work(exclusive=None),
        UserTask("on-complete", entry=When("work", "complete")),
        UserTask("on-terminate", entry=When("work", "terminate")),
        UserTask("keep"),
    ),
    Case("case-two", Task("work1", "t"), Task("work2", "t"), UserTask("keep")),
    Process("start-case-one", StartCase("case", "case-one"), AFTER),
    Process("start-case-two", StartCase("case", "case-two"), AFTER),
]


def recorded() -> list[Any]:
    """Return all recordings that are to be reproduced, as parameters."""
    found = sorted(RECORDINGS.glob("*/*.json"))
    return [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}")
        for path in found
        if (path.parent.name, int(path.stem)) not in NOT_COVERED
    ]


@pytest.mark.parametrize("recording", recorded())
def test_answers_are_those_of_the_real_engine(recording: Path) -> None:
    """Every answer of a recorded case is given again, and the engine's state is the same afterwards."""
    case = json.loads(recording.read_text(encoding="utf-8"))
    Replay(case["version"], executor=case["async executor"]).play(case["exchanges"])


def test_all_recordings_are_there() -> None:
    """The recordings of the three releases are not lost by accident, and what is left out exists."""
    counts = {folder.name: len(list(folder.glob("*.json"))) for folder in RECORDINGS.iterdir() if folder.is_dir()}
    assert counts == {"6.8.0": 94, "7.0.1": 98, "7.2.0": 99}
    for version, number in NOT_COVERED:
        assert (RECORDINGS / version / f"{number:03d}.json").exists()


class Replay:
    """Leads an embedded engine through one recorded case."""

    def __init__(self, version: str, *, executor: bool) -> None:
        self.clock = MovingClock()
        self.engine = EmbeddedEngine(
            *MODELS, release=version, clock=self.clock, started_at=STARTED, async_executor=executor
        )
        for tenant in ("a", "b"):
            self.engine.deploy(MODELS[0], tenant_id=tenant)
        self.doors = {auth: Door(self.engine, auth=auth) for auth in (None, ("rest-admin", "test"))}
        self.ids: dict[str, str] = {"<base>": "http://engine.test/flowable-rest"}
        self.expiries: dict[str, set[str]] = {}
        self.before = 0

    def play(self, exchanges: list[dict[str, Any]]) -> None:
        """Send every request, let every pause pass, compare every answer."""
        for exchange in exchanges:
            if "concurrent" in exchange:
                self.play([without_chance(one) for one in exchange["concurrent"]])  # the winner comes first
            elif "wait" in exchange:
                self.wait(exchange)
            elif "request" in exchange:
                self.exchange(exchange)
            elif exchange.get("role") == "check":
                self.check_tasks(exchange["note"])
            elif exchange["note"].startswith("setup: "):
                self.set_odd_variable(exchange["note"])

    # ------------------------------------------------------------ what is not a request

    def wait(self, exchange: dict[str, Any]) -> None:
        """Let time pass: so many seconds, or until the engine is where the recording waited for it."""
        if not isinstance(exchange["wait"], str):
            self.clock.advance(exchange["wait"])
            return
        reached = self.condition(exchange["why"])
        for _ in range(120):
            if reached():
                return
            self.clock.advance(1)
        raise AssertionError(f"not reached within two minutes: {exchange['why']}")

    def condition(self, why: str) -> Callable[[], bool]:
        """Return what a recording waited for."""
        if why.startswith("user task "):
            return lambda: why.split()[2] in self.open_tasks()
        return {
            "some task is open": lambda: bool(self.open_tasks()),
            "the next job exists": lambda: any(job.lock_expires_at is None for job in self.engine.jobs()),
            "the reset thread frees the job": lambda: any(job.lock_expires_at is None for job in self.engine.jobs()),
            "the continuation has failed three times": lambda: bool(self.engine.dead_letters()),
        }[why]

    def open_tasks(self) -> list[str]:
        """Return the open tasks of people in the instance that was started last, and in a case that it has started."""
        return sorted({task for instance in self.engine.instances()[self.before :] for task in instance.tasks})

    def check_tasks(self, note: str) -> None:
        """Compare the open tasks of people."""
        expected = note.removeprefix("open user tasks: ")
        assert (", ".join(self.open_tasks()) or "none") == expected

    def set_odd_variable(self, note: str) -> None:
        """Set a variable that the API cannot show."""
        name = "bytes" if "byte array" in note else "uuid"
        value: object = b"\x01\x02" if name == "bytes" else UUID(int=1)
        self.engine.set_variables(self.engine.instances()[-1].id, {name: value})

    # ------------------------------------------------------------ requests

    def exchange(self, exchange: dict[str, Any]) -> None:
        """Send a request, as often as the recording did, and compare the first answer."""
        request, expected = exchange["request"], exchange["response"]
        if request["path"].endswith("-instances"):
            self.before = len(self.engine.instances())
        answers = [self.send(request, exchange.get("note", "")) for _ in range(exchange.get("times", 1))]
        status, headers, body = answers[0]
        if exchange["role"] == "setup" and isinstance(body, dict):
            body = {name: body[name] for name in expected["body"]}
        shown = {"status": status, "headers": headers, "body": body}
        self.compare(expected, shown, f"{request['method']} {request['path']} {json.dumps(request['body'])[:200]}")

    def send(self, request: dict[str, Any], note: str) -> tuple[int, dict[str, str], Any]:
        """Send a request through the door, and return what the recorder kept of an answer."""
        headers = {"host": "engine.test", "connection": "keep-alive", **request["headers"]}
        auth: tuple[str, str] | None = None
        if note.startswith("{"):
            headers.update({name.lower(): value for name, value in ast.literal_eval(note).items()})
        elif "credentials" in note or "password" in note:
            auth = ("rest-admin", "test")
            if login := re.fullmatch("user (.+), password (.+)", note):
                headers["authorization"] = "Basic " + base64.b64encode(":".join(login.groups()).encode()).decode()
        path = "/flowable-rest" + self.known(request["path"])
        if request.get("query"):
            query = {name: self.known(value) for name, value in request["query"].items()}
            path = f"{path}?{urlencode(query, doseq=True)}"
        answer = self.doors[auth].handle(request["method"], path, headers, self.body(request["body"]))
        kept = {"content-type", "connection", "www-authenticate", "allow"}
        found = {name.lower(): value for name, value in answer.headers if name.lower() in kept}
        text = answer.body.decode("utf-8" if "json" in found.get("content-type", "") else "iso-8859-1")
        body = json.loads(text) if "json" in found.get("content-type", "") and text else text or None
        return answer.status, found, body

    def body(self, recorded: Any) -> bytes:
        """Return a request body: text is sent as it is."""
        if recorded is None:
            return b""
        if recorded == "<gzip>":
            return gzip.compress(b"{}")
        if isinstance(recorded, str):
            # The recorder could not keep a byte that is no UTF-8.
            return recorded.encode().replace("\ufffd".encode(), b"\xff")
        return json.dumps(self.known(recorded)).encode()

    def known(self, recorded: Any) -> Any:
        """Put the ids of this engine in place of the recorded names."""
        if isinstance(recorded, dict):
            return {name: self.known(value) for name, value in recorded.items()}
        if isinstance(recorded, list):
            return [self.known(value) for value in recorded]
        if isinstance(recorded, str):
            return re.sub("<[^<>]+>", lambda found: self.ids.get(found[0]) or repeated(found[0]), recorded)
        return recorded

    # ------------------------------------------------------------ answers

    def compare(self, expected: Any, actual: Any, where: str) -> None:
        """Compare a recorded value with one of this engine."""
        if isinstance(expected, dict):
            assert isinstance(actual, dict), where
            assert list(expected) == list(actual) or sorted(expected) == sorted(actual), where
            for name, value in expected.items():
                self.compare(value, actual[name], f"{where} > {name}")
        elif isinstance(expected, list):
            assert isinstance(actual, list), where
            assert len(expected) == len(actual), f"{where}: {actual}"
            for number, (one, other) in enumerate(zip(expected, in_order(actual), strict=True)):
                self.compare(one, other, f"{where} > {number}")
        elif isinstance(expected, str):
            assert isinstance(actual, str), where
            self.compare_texts(expected, actual, where)
        else:
            assert (type(expected), expected) == (type(actual), actual), where

    def compare_texts(self, expected: str, actual: str, where: str) -> None:
        """Compare texts, binding the names of ids that appear for the first time."""
        if expected.startswith("<!doctype html>"):
            assert actual.startswith("<!doctype html>"), where
            return
        if expected.startswith("JSON parse error: "):
            # What an older Spring adds repeats the text with the place in the document.
            assert actual.split("; nested", maxsplit=1)[0] == expected.split("; nested", maxsplit=1)[0], where
            assert ("; nested exception is com.fasterxml" in actual) == ("; nested" in expected), where
            return
        if re.fullmatch(r"<now[-+]\d+s>", expected):
            self.compare_expiry(expected, actual, where)
            return
        if re.fullmatch(r"<(.) (\d+) times>", expected):
            # Millions of characters: an expression for them would take seconds.
            assert actual == repeated(expected), where
            return
        pattern, names = self.pattern(expected)
        found = re.fullmatch(pattern, actual, re.DOTALL)
        assert found, f"{where}: {actual!r} instead of {expected!r}"
        for name, value in zip(names, found.groups(), strict=True):
            assert value not in self.ids.values(), f"{where}: {name} is {value}, which has another name already"
            self.ids[name] = value

    def pattern(self, expected: str) -> tuple[str, list[str]]:
        """Return an expression for a text, and the names that its groups bind."""
        pattern = ""
        names: list[str] = []
        for part in re.split("(<[^<>]+>)", expected):
            if part in self.ids:
                pattern += re.escape(self.ids[part])
            elif part == "<time>":
                pattern += r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|\+00:00)"
            elif re.fullmatch(r"<[a-z-]+-\d+>", part):
                pattern += r"([^'/\" ]+)"
                names.append(part)
            else:
                pattern += re.escape(repeated(part))
        return pattern, names

    def compare_expiry(self, expected: str, actual: str, where: str) -> None:
        """Compare the end of a lock: so many seconds from now, or the same that was seen before."""
        if actual in self.expiries.get(expected, set()):
            return
        wanted = int(expected[4:-2])
        seconds = (datetime.fromisoformat(actual) - STARTED).total_seconds() - self.clock.now()
        assert abs(seconds - wanted) <= 1, f"{where}: {seconds} s from now instead of {wanted}"
        self.expiries.setdefault(expected, set()).add(actual)


def without_chance(exchange: dict[str, Any]) -> dict[str, Any]:
    """Return a loser that clashed in the database as one that came too late: which of the two happens is chance."""
    response = exchange["response"]
    if response["status"] != 500:
        return exchange
    job = exchange["request"]["path"].split("/")[-2]
    text = f"Could not find external worker job with id '{job}'."
    body = {"message": "Not found", "exception": text}
    return {
        **exchange,
        "response": {"status": 404, "headers": {**response["headers"], "connection": "keep-alive"}, "body": body},
    }


def repeated(text: str) -> str:
    """Return what `<x 5000 times>` stands for; another text as it is."""
    found = re.fullmatch(r"<(.) (\d+) times>", text)
    return found[1] * int(found[2]) if found else text


def in_order(items: list[Any]) -> list[Any]:
    """Return variables by name, as the recordings have them, and other lists as they are."""
    if items and all(isinstance(item, dict) and {"name", "value"} <= set(item) for item in items):
        return sorted(items, key=lambda item: item["name"])
    return items
