"""Starting and ending engines, as `make engine`, the fixtures and benchmarks do."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from engine import launch
from tests.support.waiting import until

from flowable.external_worker_client.testing.real_engine import RealEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.models import Model

    from flowable.external_worker_client import ExternalWorkerClient

PROGRAM = Path(launch.__file__)


def test_an_engine_ends_when_the_process_that_it_was_started_for_ends(
    own_engine: Callable[..., launch.Engine],
) -> None:
    """However that process ended: a test run that is killed leaves no engine behind."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as watched:
        engine = own_engine(exit_with=watched.pid)
        engine.wait_healthy()
        watched.kill()
    until(lambda: not engine.healthy())
    # Ended by itself, in good order: that is status 0.
    assert engine.wait(20) == 0
    assert f"Process {watched.pid}, which this engine was started for, is gone" in engine.log.read_text()


def test_without_executor_a_completed_job_is_not_continued(
    own_engine: Callable[..., launch.Engine],
    models: Callable[[str], Model],
    connect: Callable[..., ExternalWorkerClient],
) -> None:
    """The engine accepts the result, and everything stays where it is."""
    model = models("task.bpmn20.xml")
    engine = own_engine(executor=False)
    engine.wait_healthy()
    with RealEngine(engine.url, engine.username, engine.password) as access:
        access.deploy(model.text)
        instance = access.start_process(model.key)
        rest = connect(access)._restClient
        [job] = rest.acquire_jobs(model.topic("work"), "PT1M")
        rest.complete_job(job.id)
        assert access.job_count("jobs", instance) == 1
        assert not access.instance_ended(instance)


@pytest.mark.usefixtures("own_engine")  # says that there must be what it takes to build one
def test_the_program_says_where_the_engine_is_and_ends_it_on_sigterm() -> None:
    """`python engine/launch.py`: URL and credentials when it is up; after SIGTERM the engine is gone, status 0."""
    command = [sys.executable, str(PROGRAM), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = program.stdout.readline()
            assert line, f"ended after saying {said!r}"
            said += line
        url = re.search(r"URL +(\S+)", said)
        assert url is not None
        assert re.search(r"user +rest-admin\n +password +test\n", said)
        with RealEngine(url[1]) as access:
            assert access.external_job_count() == 0
        program.send_signal(signal.SIGTERM)
        assert "Ending the engine." in program.stdout.read()
        assert program.wait(30) == 0
    port = urllib.parse.urlsplit(url[1]).port
    assert port is not None
    assert not launch.port_in_use(port)


def test_a_port_in_use_is_said_at_once() -> None:
    """Nothing is built or started, and the program says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(launch.PortInUseError, match=f"^Port {port} is in use by another program$"):
            launch.start(port=port)
        done = subprocess.run(
            [sys.executable, PROGRAM, "--port", str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"Port {port} is in use by another program. Is an engine running already? Another port: --port 8091\n"
    )


def test_an_unknown_release_is_refused() -> None:
    """The error names the ones there are."""
    with pytest.raises(launch.EngineError, match=r"^release must be one of 7\.2\.0, 7\.0\.1, 6\.8\.0, not '5\.0\.0'$"):
        launch.start("5.0.0")


@pytest.mark.usefixtures("own_engine")
def test_missing_tools_are_named_with_the_packages_that_have_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Maven, the one sentence says so, and how to get it; what is built already does not need it."""
    launch.build()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.missing_tools([launch.DEFAULT_RELEASE]) is None
    said = launch.missing_tools(["a release that is not built"])
    assert said is not None
    assert "Maven (mvn)" in said
    assert said.endswith("On Debian and Ubuntu: apt-get install openjdk-17-jdk-headless (or a newer one) maven")


def test_the_password_of_a_database_is_not_on_the_command_line() -> None:
    """Everybody on the machine can read a command line; the environment they cannot."""
    properties, environment = launch.database_settings("postgresql://flow:s%40cret@127.0.0.1:5433/engine")
    assert properties == {"spring.datasource.url": "jdbc:postgresql://127.0.0.1:5433/engine"}
    assert environment == {"SPRING_DATASOURCE_USERNAME": "flow", "SPRING_DATASOURCE_PASSWORD": "s@cret"}


def test_locks_between_processes_are_held_one_after_the_other(tmp_path: Path) -> None:
    """A second process gets the lock when the first lets go of it."""
    path = tmp_path / "lock"
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); from engine import launch\n"
        "with launch.locked(pathlib.Path(sys.argv[2])): print('have it', flush=True)"
    )
    with launch.locked(path):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(PROGRAM.parents[1]), str(path)], stdout=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
    said, _ = other.communicate(timeout=30)
    assert said == "have it\n"
