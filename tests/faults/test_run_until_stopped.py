"""A program that ends with `run_until_stopped`, in a process of its own, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import eventually
from tests.faults.stub import Fault, Stub

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")

SOURCE = Path(__file__).resolve().parents[2] / "src"
SOON = 8.0  # real seconds: on a machine that is busy
PROGRAM = r"""
import json, logging, signal, sys, threading, time
from flowable.external_worker_client import ExternalWorkerClient

given = json.loads(sys.argv[2])
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
client = ExternalWorkerClient(sys.argv[1])
ended, subscribed = threading.Event(), threading.Event()

def handle(job, result):
    # In one piece: others write, too.
    sys.stdout.write(f"handling {job.id}\n")
    sys.stdout.flush()
    subscribed.wait(20)
    if job.id.startswith("short"):
        # Until the stop was told, and a moment more.
        subscription.event.wait(20)
        time.sleep(0.2)
    elif job.id.startswith("long"):
        ended.wait(60)
    elif job.id == "close":
        threading.Thread(target=client.close).start()
    elif job.id == "unsubscribe":
        subscription.unsubscribe()

def handlers():
    return {signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

def say_when_ready():
    while handlers() & before:
        time.sleep(0.002)
    print("waiting", flush=True)

before = handlers()
threading.Thread(target=say_when_ready, daemon=True).start()
subscription = client.subscribe("t", handle, **given.get("subscribe", {}))
subscribed.set()
client.run_until_stopped(given.get("grace"))
print("left", handlers() == before, [thread.name for thread in threading.enumerate() if not thread.daemon])
sys.stdout.write("not flushed by anybody else")
"""


class Program:
    """A process of its own, and what it says."""

    def __init__(self, stub: Stub, folder: Path, source: str = PROGRAM, **given: Any) -> None:
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", source, f"http://127.0.0.1:{stub.port}", json.dumps(given)],
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
            )

    @property
    def said(self) -> str:
        """What it has written so far."""
        return self._out.read_text()

    @property
    def logged(self) -> str:
        """What it has logged so far."""
        return self._err.read_text()

    def until(self, text: str) -> None:
        """Wait until it has written something."""
        eventually(lambda: text in self.said or self.process.poll() is not None, text)
        assert text in self.said, self.logged

    def tell(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, float]:
        """Wait for its end; return the status, and how long that took."""
        began = time.monotonic()
        return self.process.wait(SOON + 12), time.monotonic() - began


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A server."""
    made = Stub(time.monotonic)
    made.up()
    yield made
    made.close()


@pytest.fixture
def run(stub: Stub, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start programs; they are ended after the test."""
    started: list[Program] = []

    def start(**given: Any) -> Program:
        started.append(Program(stub, tmp_path, **given))
        # Until then, signals do what Python does.
        started[-1].until("waiting")
        return started[-1]

    yield start
    for program in started:
        program.process.kill()
        program.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("slots", [1, 3])
def test_a_signal_ends_an_idle_program_in_order(
    stub: Stub, run: Callable[..., Program], number: signal.Signals, slots: int
) -> None:
    """Soon, with status 0; what comes after the line is run, and the signals are what they were before."""
    program = run(subscribe={"concurrency": slots})
    eventually(lambda: stub.count("acquire"), "an acquire")
    program.tell(number)
    status, took = program.end()
    assert (status, took < SOON) == (0, True)
    assert "left True ['MainThread']\nnot flushed by anybody else" in program.said
    assert f"INFO Told to stop by {number.name}" in program.logged
    assert "INFO Topic 't': unsubscribed" in program.logged
    assert "Traceback" not in program.logged


@pytest.mark.parametrize("grace", [None, "30s"])
def test_a_running_handler_is_let_finish_and_what_waits_is_given_back(
    stub: Stub, run: Callable[..., Program], grace: str | None
) -> None:
    """Status 0; every job is settled or free."""
    stub.add("short", "waits", "waits2")
    program = run(grace=grace, subscribe={"number_of_tasks": 3})
    program.until("handling short")
    program.tell(signal.SIGTERM)
    assert program.end()[0] == 0
    assert stub.settled == {"short": ["complete"], "waits": ["fail"], "waits2": ["fail"]}
    assert "left True ['MainThread']" in program.said


def test_after_the_grace_the_program_ends_and_names_what_was_still_running(
    stub: Stub, run: Callable[..., Program]
) -> None:
    """Status 1; the job stays locked, the others are free or settled, and the log is whole."""
    stub.add("long", "short", "waits")
    program = run(grace="1s", subscribe={"concurrency": 2, "number_of_tasks": 3})
    program.until("handling long")
    program.until("handling short")
    program.tell(signal.SIGTERM)
    status, took = program.end()
    assert status == 1
    assert 0.9 < took < SOON
    assert stub.settled == {"long": [], "short": ["complete"], "waits": ["fail"]}
    assert stub.jobs["long"].owner is not None
    assert "WARNING Topic 't': job long of 'task' still runs after " in program.logged
    assert "left" not in program.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_second_signal_ends_the_program_at_once(
    stub: Stub, run: Callable[..., Program], number: signal.Signals
) -> None:
    """With 128 and its number, as a signal would; what still runs is named."""
    stub.add("long")
    program = run(subscribe={"lock_duration": "1h"})
    program.until("handling long")
    program.tell(signal.SIGTERM)
    eventually(lambda: "Told to stop by SIGTERM" in program.logged, "the first signal")
    assert program.process.poll() is None
    program.tell(number)
    status, took = program.end()
    assert (status, took < SOON) == (128 + number, True)
    assert "WARNING Topic 't': job long of 'task' still runs after " in program.logged
    assert stub.settled == {"long": []}


@pytest.mark.parametrize("slots", [1, 2])
def test_an_engine_that_hangs_does_not_keep_the_program(stub: Stub, run: Callable[..., Program], slots: int) -> None:
    """The acquire is waited for two seconds, and then interrupted: long before its time-out, with status 0."""
    stub.always["acquire"] = Fault(end="hang")
    program = run(subscribe={"concurrency": slots})
    eventually(lambda: stub.count("acquire"), "the acquire")
    program.tell(signal.SIGTERM)
    status, took = program.end()
    assert (status, took < SOON) == (0, True), program.logged
    assert "left True ['MainThread']" in program.said


@pytest.mark.parametrize("how", ["close", "unsubscribe"])
def test_it_returns_when_everything_has_ended_without_a_signal(
    stub: Stub, run: Callable[..., Program], how: str
) -> None:
    """Told by `close` from another thread, or because the last subscription ended by itself."""
    stub.add(how)
    program = run()
    assert program.end()[0] == 0
    assert stub.settled == {how: ["complete"]}
    assert "left True ['MainThread']" in program.said


ELSEWHERE = """
import sys, threading
from flowable.external_worker_client import ExternalWorkerClient

client = ExternalWorkerClient(sys.argv[1])
print("waiting", flush=True)

def wait():
    try:
        client.run_until_stopped()
    except RuntimeError as error:
        print(error)

thread = threading.Thread(target=wait)
thread.start()
thread.join()
"""


def test_it_belongs_on_the_main_thread(run: Callable[..., Program]) -> None:
    """Elsewhere no signal arrives: it says so, and what to call instead."""
    program = run(source=ELSEWHERE)
    assert program.end()[0] == 0
    assert "must be called on the main thread, where signals arrive; elsewhere, call close()" in program.said
