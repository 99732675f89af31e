"""The programs in examples/ do what they say: run as somebody runs them, against the real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowable.external_worker_client.testing.real_engine import RealEngine, RealVariable

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def _environment(engine: RealEngine) -> dict[str, str]:
    return {
        **os.environ,
        "FLOWABLE_URL": engine.url,
        "FLOWABLE_USERNAME": engine.username,
        "FLOWABLE_PASSWORD": engine.password,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def _running(program: str, engine: RealEngine) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(EXAMPLES / program)]
    process = subprocess.Popen(
        command, env=_environment(engine), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def _start(example: str, count: int, engine: RealEngine) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "start.py"), example, str(count)],
        env=_environment(engine),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_the_order_worker_ships_orders_declines_dear_ones_and_stops_cleanly(real_engine: RealEngine) -> None:
    """Every other order is above the limit of the card; SIGTERM ends the program with code 0."""
    with _running("order_worker.py", real_engine) as worker:
        first, second, third, fourth = _start("order", 4, real_engine)
        for shipped in (first, third):
            real_engine.wait_for_end(shipped)
            assert real_engine.path_taken(shipped)[-1] == "shipped"
            assert real_engine.variables(shipped)["parcel"] == RealVariable("string", f"P-{shipped}")
            assert real_engine.variables(shipped)["total"] == RealVariable("double", 19.9)
        for declined in (second, fourth):
            real_engine.wait_for_task(declined, "callCustomer")
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0, output
    assert "Topic 'shipOrder': unsubscribed" in output
    assert "ERROR" not in output, output


def test_an_order_without_a_quantity_becomes_a_dead_letter(real_engine: RealEngine) -> None:
    """With the message of the worker, at the first attempt."""
    with _running("order_worker.py", real_engine):
        _start("order", 1, real_engine)
        order = real_engine.start_process("order", {"quantity": 0})
        letter = real_engine.wait_for_dead_letter(order)
    assert (letter.exception_message, letter.retries) == ("quantity is 0, not a number of pieces", 0)


def test_the_claim_worker_pays_covered_claims_and_terminates_others(real_engine: RealEngine) -> None:
    """The program waits to be told to stop; Ctrl-C ends its subscriptions, and it."""
    with _running("claim_worker.py", real_engine) as worker:
        paid, rejected = _start("claim", 2, real_engine)
        real_engine.wait_for_end(paid)
        real_engine.wait_for_task(real_engine.case_instance_id(rejected), "explainRejection")
        assert worker.poll() is None
        worker.send_signal(signal.SIGINT)
        output, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0, output
    assert "Traceback" not in output, output


def test_the_demo_shows_every_outcome_and_ends_well() -> None:
    """What `make demo` runs, without a terminal. It exits with 1 if an order ended otherwise than planned."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert time.monotonic() - began < 20
    assert "\x1b[" not in done.stdout
    for shown in (
        "success: shelf",
        "BPMN error CARD_DECLINED",
        "failure: printer is off",
        "offers it again",
        "makes it a dead letter: no such article",
        "the order is shipped",
        "the order is cancelled",
        "12 orders: 9 shipped, 2 cancelled, 1 dead letter",
    ):
        assert shown in done.stdout


def test_starting_instances_without_an_engine_says_what_is_missing() -> None:
    """One line instead of a trace."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "start.py"), "order"],
        env={**os.environ, "FLOWABLE_URL": "http://127.0.0.1:9/flowable-rest"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("No engine answers at http://127.0.0.1:9/flowable-rest")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_program_is_run_by_a_test_of_this_folder(program: str) -> None:
    """A new example brings its test."""
    tests = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(f'"{program}"' in text for text in tests)


def test_the_page_about_examples_has_all_of_them() -> None:
    """Programs, and modules that they include."""
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert not [path.name for path in EXAMPLES.glob("*.py") if f"`{path.name}`" not in page]
