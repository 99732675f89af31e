"""The fixtures for pytest: what they give, that they clean up, and that nobody notices who does not use them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flowable.external_worker_client import ExternalWorkerClient
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, JumpingClock, Process, Task
from flowable.external_worker_client.testing.real_engine import RealEngine

PLUGIN = "flowable.external_worker_pytest"
PROCESS = Process("p", Task("work", "t"), Task("more", "u"))
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run pytest on a text in a process and a folder of its own, without any setting of ours; return what it said."""

    def start(text: str, *arguments: str, code: int = 0, **environ: str) -> str:
        (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWABLE_", "PYTEST_"))}
        # Only pytest itself and this plugin: others may import what they like.
        command = [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", "-rs", *arguments]
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return start


def test_pytest_finds_the_plugin_by_itself(pytestconfig: pytest.Config) -> None:
    """In this very run: it is an entry point of the distribution."""
    plugin = pytestconfig.pluginmanager.get_plugin("flowable")
    assert getattr(plugin, "__name__", None) == PLUGIN


def test_installing_it_imports_nothing_heavy(run: Run) -> None:
    """Neither the library, nor what that needs; not even in a run with a test."""
    run("""
import sys

def test_what_is_imported():
    heavy = {"requests", "urllib3", "pydantic", "uvicorn", "asyncio", "http.client", "ssl"}
    assert heavy & set(sys.modules) == set()
    ours = [name for name in sys.modules if name.startswith("flowable")]
    assert sorted(ours) == ["flowable", "flowable.external_worker_pytest"]
""")


def test_tests_that_do_not_use_it_do_not_notice(run: Run) -> None:
    """No fixture runs by itself, no mark, no hook but the options."""
    run(
        """
import pytest

def test_nothing_is_there(request):
    assert request.fixturenames == ["request"]
    plugin = request.config.pluginmanager.get_plugin("flowable.external_worker_pytest")
    assert [name for name in vars(plugin) if name.startswith("pytest_")] == ["pytest_addoption"]
    public = [name for name in vars(plugin) if name.startswith("flowable_")]
    assert len(public) == 6
""",
        "--strict-config",
        "--strict-markers",
        "-W",
        "error",
    )


def test_the_fixtures_are_listed_with_a_description(run: Run) -> None:
    """By `pytest --fixtures`, each with the first line of its docstring."""
    said = run("", "--fixtures")
    found = dict(re.findall(r"^(flowable_\w+)[^\n]*\n    (\S[^\n]+)", said, re.MULTILINE))
    assert set(found) == {
        "flowable_clock",
        "flowable_engine",
        "flowable_client",
        "flowable_auth",
        "flowable_server",
        "flowable_real_engine",
    }
    assert "no docstring" not in said


def test_engine_client_and_clock_belong_together(
    flowable_engine: EmbeddedEngine, flowable_client: ExternalWorkerClient, flowable_clock: JumpingClock
) -> None:
    """Two topics, a failure with a pause of half an hour, and everything in the blink of an eye."""
    flowable_engine.deploy(PROCESS)
    instance = flowable_engine.start("p")
    flowable_client.subscribe(
        "t", lambda job, result: result.failure().retry_timeout("30m") if job.retries == 3 else result.success()
    )
    flowable_client.subscribe("u", lambda job, result: result.success().variable_int("answer", 42))
    flowable_engine.wait_for_end(instance)
    flowable_engine.assert_ended(instance, variables={"answer": 42}, path=["work", "more"])
    assert flowable_clock.now() >= 1800


def test_the_client_needs_no_socket(run: Run) -> None:
    """Also where sockets are forbidden."""
    run("""
import socket
from flowable.external_worker_client.testing import Process, Task

def test_it(flowable_engine, flowable_client, monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refused)
    flowable_engine.deploy(Process("p", Task("work", "t")))
    flowable_client.subscribe("t", lambda job, result: None)
    flowable_engine.wait_for_end(flowable_engine.start("p"))
    assert flowable_engine.sent("complete")[0].status == 204
""")


def test_the_server_serves_the_same_engine(
    flowable_engine: EmbeddedEngine, flowable_server: EmbeddedServer, flowable_clock: JumpingClock
) -> None:
    """A client over HTTP, on the same clock."""
    assert flowable_server.engine is flowable_engine
    flowable_engine.deploy(Process("p", Task("work", "t")))
    client = ExternalWorkerClient(flowable_server.url, clock=flowable_clock)
    subscription = client.subscribe("t", lambda job, result: None)
    flowable_engine.wait_for_end(flowable_engine.start("p"))
    assert subscription.unsubscribe(5)


def test_subscriptions_are_ended_after_the_test(run: Run) -> None:
    """In the middle of its idle wait, without any time-out."""
    run("""
import threading

def test_one(flowable_client):
    flowable_client.subscribe("t", lambda job, result: None)
    flowable_client.subscribe("u", lambda job, result: None)
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("flowable-worker")]) == 2

def test_two():
    assert threading.enumerate() == [threading.main_thread()]
""")


def test_a_handler_that_does_not_end_is_an_error_of_its_test(run: Run) -> None:
    """It names the thread; otherwise the next test would suffer from it."""
    said = run(
        """
import threading
import flowable.external_worker_pytest
from flowable.external_worker_client.testing import Process, Task

go = threading.Event()

def test_one(monkeypatch, flowable_engine, flowable_client):
    monkeypatch.setattr(flowable.external_worker_pytest, "GRACE", 0.05)
    flowable_engine.deploy(Process("p", Task("work", "t")))
    flowable_engine.start("p")
    flowable_client.subscribe("t", lambda job, result: go.wait(30) and None)
    flowable_engine.wait_until(lambda engine: engine.the_job("t").lock_owner is not None)

def test_two():
    go.set()
""",
        code=1,
    )
    assert "2 passed, 1 error" in said
    assert "on threads flowable-worker-t" in said


def test_another_engine_can_take_the_place(run: Run) -> None:
    """A fixture of the same name is what the client works for."""
    run("""
import pytest
from flowable.external_worker_client.testing import EmbeddedEngine, Process, Task

@pytest.fixture
def flowable_engine(flowable_clock):
    return EmbeddedEngine(Process("p", Task("work", "t")), release="6.8", clock=flowable_clock)

def test_it(flowable_engine, flowable_client):
    flowable_client.subscribe("t", lambda job, result: None)
    flowable_engine.wait_for_end(flowable_engine.start("p"))
    assert flowable_engine.release.version == "6.8.0"
""")


REAL = """
def test_real(flowable_real_engine):
    engine = flowable_real_engine
    print("engine", engine.url, engine.username, engine.password == PASSWORD)
"""


def test_the_real_engine_is_skipped_with_a_reason(run: Run) -> None:
    """Which says what to give."""
    said = run(REAL)
    assert "needs a real Flowable engine: give --flowable-engine URL, or set FLOWABLE_URL" in said
    assert "1 skipped" in said


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        (("--flowable-engine", "http://a/x"), {}, "engine http://a/x rest-admin True"),
        (
            ("--flowable-engine=http://a/x/", "--flowable-engine-auth", "me:test"),
            {"FLOWABLE_URL": "http://b", "FLOWABLE_USERNAME": "you", "FLOWABLE_PASSWORD": "other"},
            "engine http://a/x me True",
        ),
        (
            (),
            {"FLOWABLE_URL": "http://b/x", "FLOWABLE_USERNAME": "you", "FLOWABLE_PASSWORD": "test"},
            "engine http://b/x you True",
        ),
    ],
    ids=["url", "options first", "environment"],
)
def test_the_real_engine_is_where_the_options_or_the_environment_say(
    run: Run, arguments: tuple[str, ...], environ: dict[str, str], expected: str
) -> None:
    """Options first."""
    assert expected in run(f'PASSWORD = "test"\n{REAL}', "-s", *arguments, **environ)


def test_credentials_without_a_colon_are_refused_and_not_shown(run: Run) -> None:
    """What was given may be the password alone."""
    said = run(REAL, "--flowable-engine", "http://a", "--flowable-engine-auth", "s3cret", "--tb=short", code=1)
    assert "has no colon; write USER:PASSWORD" in said
    assert "s3cret" not in said


def test_the_real_engine_is_there(run: Run, real_engine: RealEngine) -> None:
    """With the helpers of `RealEngine`, on the engine of this run."""
    environ = {
        "FLOWABLE_URL": real_engine.url,
        "FLOWABLE_USERNAME": real_engine.username,
        "FLOWABLE_PASSWORD": real_engine.password,
    }
    run("def test_it(flowable_real_engine):\n    assert flowable_real_engine.external_job_count() >= 0\n", **environ)


def test_a_failing_test_does_not_keep_the_run_from_ending(run: Run) -> None:
    """Its subscriptions are ended for it, also those of a client that it made itself."""
    said = run(
        """
from flowable.external_worker_client import ExternalWorkerClient
from flowable.external_worker_client.testing import Process, Task

def test_it(flowable_engine, flowable_server, flowable_clock):
    flowable_engine.deploy(Process("p", Task("work", "t")))
    instance = flowable_engine.start("p")
    client = ExternalWorkerClient(flowable_server.url, clock=flowable_clock)
    client.subscribe("t", lambda job, result: result.success())
    flowable_engine.wait_for_end(instance)
    assert 1 == 2
""",
        code=1,
    )
    assert "1 failed in" in said


@pytest.mark.parametrize(
    "fault", ['lost_answer("complete", "after")', 'next("complete", status=503, times=None)'], ids=["lost", "for ever"]
)
def test_a_result_that_waits_to_be_sent_again_does_not_hold_up_the_end_of_a_test(run: Run, fault: str) -> None:
    """Nobody moves the clock any more: it is let go, and the worker with it."""
    said = run(f"""
from flowable.external_worker_client.testing import Process, Task

def test_it(flowable_engine, flowable_client):
    flowable_engine.deploy(Process("p", Task("work", "t")))
    flowable_engine.faults.{fault}
    flowable_engine.start("p")
    flowable_client.subscribe("t", lambda job, result: result.success())
    flowable_engine.wait_until(lambda engine: engine.sent("complete"))
""")
    assert "1 passed in" in said


def test_another_kind_of_clock_will_do(run: Run) -> None:
    """A fixture of the same name takes the place of ours."""
    said = run("""
import pytest
from flowable.external_worker_client.testing import MovingClock, Process, Task

@pytest.fixture
def flowable_clock():
    return MovingClock()

def test_it(flowable_engine, flowable_client):
    flowable_engine.deploy(Process("p", Task("work", "t")))
    instance = flowable_engine.start("p")
    flowable_client.subscribe("t", lambda job, result: result.success())
    flowable_engine.wait_for_end(instance)
""")
    assert "1 passed in" in said


def test_a_handler_of_any_client_on_the_clock_is_not_overtaken(run: Run) -> None:
    """One topic has nothing to do while a job of the other takes a while: its lock does not run out meanwhile."""
    said = run("""
import time
from flowable.external_worker_client import ExternalWorkerClient
from flowable.external_worker_client.testing import EmbeddedAdapter, Process, Task

def test_it(flowable_engine, flowable_clock):
    flowable_engine.deploy(Process("p", Task("work", "t")))
    adapter = EmbeddedAdapter(flowable_engine)
    client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount, clock=flowable_clock)
    handled = []

    def slow(job, result):
        handled.append(job.id)
        time.sleep(0.3)
        return result.success()

    instance = flowable_engine.start("p")
    client.subscribe("idle", slow)
    client.subscribe("t", slow)
    flowable_engine.wait_for_end(instance)
    assert len(handled) == 1
    assert flowable_clock.now() < 50
""")
    assert "1 passed in" in said


@pytest.mark.parametrize(
    ("credentials", "header"),
    [("('ada', 'secret')", "Basic YWRhOnNlY3JldA=="), ("'s3cr3t'", "Bearer s3cr3t")],
    ids=["basic", "bearer"],
)
def test_the_server_asks_for_the_credentials_of_a_fixture(run: Run, credentials: str, header: str) -> None:
    """Without them it lets nobody in."""
    said = run(f"""
import pytest
import requests

@pytest.fixture
def flowable_auth():
    return {credentials}

def test_it(flowable_server):
    jobs = flowable_server.url + "/external-job-api/jobs"
    assert requests.get(jobs, timeout=5).status_code == 401
    assert requests.get(jobs, timeout=5, headers={{"Authorization": {header!r}}}).status_code == 200
""")
    assert "1 passed in" in said
