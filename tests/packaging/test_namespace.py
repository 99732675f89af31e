"""Beside and over what others ship: the namespace `flowable` stays whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task

from .conftest import VERSION, Built, Environment, clean_environ

OURS = "flowable.external-worker-client"
SIBLING = "flowable.rpaframework-client"
IMPORT_OURS = "from flowable.external_worker_client.client import ExternalWorkerClient"
IMPORT_SIBLING = "from flowable.rpaframework_client.rpaframework_handler import RpaframeworkRobotHandler"
ROBOT = Path(__file__).with_name("greeting.robot")
DEADLINE = 45  # seconds; Robot Framework takes a few to start


def test_an_upgrade_leaves_nothing_of_the_predecessor(built: Built, environment: Environment) -> None:
    """Installed over 1.0.2, only our files are left, and the import works."""
    environment.install(f"{OURS}==1.0.2")
    namespace = environment.site_packages / "flowable"
    assert (namespace / "__init__.py").is_file()
    environment.install(built.wheel)
    assert environment.installed() == {"flowable-external-worker-client": VERSION}
    held = sorted(path.name for path in namespace.iterdir() if path.name != "__pycache__")
    assert held == ["external_worker_client", "external_worker_pytest.py"]
    environment.run(IMPORT_OURS)


def test_a_downgrade_and_an_upgrade_again_work(built: Built, environment: Environment) -> None:
    """Going back to 1.0.2 leaves nothing of ours, and going forward again works."""
    environment.install(built.wheel)
    environment.install(f"{OURS}==1.0.2")
    environment.run("from flowable.external_worker_client import ExternalWorkerClient")
    assert environment.lacks("flowable.external_worker_client.errors")
    environment.install(built.wheel)
    environment.run(IMPORT_OURS)


@pytest.fixture(params=["sibling first", "sibling last"])
def both(request: pytest.FixtureRequest, built: Built, environment: Environment) -> Environment:
    """An environment with the sibling and us, installed in either order."""
    steps: list[str | Path] = [f"{SIBLING}==1.0.2", built.wheel]
    for what in steps if request.param == "sibling first" else reversed(steps):
        environment.install(what)
    return environment


def test_both_work_beside_each_other(both: Environment) -> None:
    """Both import, and the sibling is content with our version."""
    found = both.installed()
    assert found == {"flowable-external-worker-client": VERSION, "flowable-rpaframework-client": "1.0.2"}
    both.run(IMPORT_OURS)
    both.run(IMPORT_SIBLING)


def test_uninstalling_the_sibling_leaves_us_whole(both: Environment) -> None:
    """The sibling takes its `flowable/__init__.py` with it, and we do without."""
    both.uninstall(SIBLING)
    both.run(IMPORT_OURS)
    assert both.lacks("flowable.rpaframework_client")


def test_uninstalling_us_leaves_the_sibling_whole(both: Environment) -> None:
    """Every file of the sibling is still there, and it works again once 1.0.2 is installed."""
    both.uninstall(OURS)
    both.run("import flowable.rpaframework_client.call_python_module")
    assert both.lacks("flowable.external_worker_client")
    both.install(f"{OURS}==1.0.2")
    both.run(IMPORT_SIBLING)


def test_a_robot_of_the_sibling_runs_on_our_client(built: Built, environment: Environment) -> None:
    """The sibling's own program acquires a job through our client, runs a robot, and reports what it gave out."""
    environment.install(f"{SIBLING}==1.0.2", "robotframework")
    environment.install(built.wheel)
    engine = EmbeddedEngine(Process("greeting", Task("greet", "greetings")))
    instance = engine.start("greeting", {"__rpaFrameworkTaskName": "Greet", "customer": "Ada"})
    with EmbeddedServer(engine, auth=("rest-admin", "test")) as server:
        address = ("--flowable-host", server.url)
        credentials = ("--flowable-username", "rest-admin", "--flowable-password", "test")
        with subprocess.Popen(
            (environment.python, "-m", "flowable.rpaframework_client", "greetings", ROBOT, *address, *credentials),
            cwd=environment.folder,
            env=clean_environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as program:
            try:
                (ended,) = engine.wait_for_end(instance, timeout=DEADLINE)
            finally:
                program.terminate()
                output, _ = program.communicate(timeout=DEADLINE)
    assert ended.variables["greeting"] == "Hello Ada", output
