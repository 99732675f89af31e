"""The tutorial "Your first worker in ten minutes", followed word by word."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowable.external_worker_client.testing.real_engine import RealEngine

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "first-worker.md").read_text(encoding="utf-8")
LOCAL = "http://localhost:8090/flowable-rest"
FILE = re.compile(r"^```python\n(?P<text># (?P<name>\w+\.py)\n.*?)^```$", re.MULTILINE | re.DOTALL)
MODEL = re.compile(r"^```xml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOGGED = re.compile(r"^```text\n[-\d]+ [:,\d]+ (.*?)\n(?:[-\d]+ [:,\d]+ (.*?)\n)?```$", re.MULTILINE)
PATIENCE = 30.0  # seconds


def write_files(folder: Path, *, url: str = LOCAL, port: str = "8090") -> None:
    """Write the files of the page into a folder; only the address is another."""
    (folder / "billing.bpmn20.xml").write_text(MODEL.findall(PAGE)[0], encoding="utf-8")
    for file in FILE.finditer(PAGE):
        text = file["text"].replace(LOCAL, url).replace("port=8090", f"port={port}")
        (folder / file["name"]).write_text(text, encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {
        "billing.bpmn20.xml", "billing.py", "engine.py", "orders.py", "test_billing.py"
    }  # fmt: skip
    assert PAGE.count("```python\n") == len(FILE.findall(PAGE))


def environment(**more: str) -> dict[str, str]:
    """Return the environment of somebody who has set nothing but this."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWABLE_", "PYTEST_"))}
    return {**plain, "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def running(folder: Path, program: str, **more: str) -> Generator[subprocess.Popen[str]]:
    """Run one of the files, as in a terminal of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen([sys.executable, program], cwd=folder, env=environment(**more), text=True, **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def type_in(folder: Path, examples: list[doctest.Example]) -> None:
    """Type what the page says into Python, and see what it says; ask again if the worker needs a moment."""
    orders = types.ModuleType("orders")
    exec((folder / "orders.py").read_text(encoding="utf-8"), orders.__dict__)  # noqa: S102 - that is the point
    names = {name: value for name, value in vars(orders).items() if not name.startswith("_")}
    for example in examples:
        if example.source != "from orders import *\n":
            until_it_is_said(example, names)


def until_it_is_said(example: doctest.Example, names: dict[str, Any]) -> None:
    """Run one line until what it says is what stands on the page."""
    code, said, end = compile(example.source, "page", "single"), "", time.monotonic() + PATIENCE
    while True:
        try:
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(code, names)  # noqa: S102 - as above
            said = output.getvalue()
            if doctest.OutputChecker().check_output(example.want, said, doctest.ELLIPSIS):
                return
        except (LookupError, ValueError) as error:
            # The variable, or the dead letter, is not there yet.
            said = repr(error)
        assert time.monotonic() < end, f"{example.source}expected {example.want!r}, got {said!r}"
        time.sleep(0.1)


def follow(folder: Path, url: str) -> str:
    """Run the worker, type what the page says, stop the worker, and return its log."""
    with running(
        folder, "billing.py", FLOWABLE_URL=url, FLOWABLE_USERNAME="rest-admin", FLOWABLE_PASSWORD="test"
    ) as worker:
        type_in(folder, doctest.DocTestParser().get_examples("\n".join(TYPED.findall(PAGE))))
        worker.send_signal(signal.SIGINT)
        log, _ = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, log
    return log


def check(log: str) -> None:
    """See that the lines of the log that stand on the page are in it."""
    lines = [line for found in LOGGED.findall(PAGE) for line in found if line]
    assert len(lines) == 4
    for line in lines:
        assert re.search(re.escape(line.replace("7c1e", "")).replace("…", ".*"), log), f"{line}\n{log}"


def test_the_tutorial_on_the_engine_of_the_page(tmp_path: Path) -> None:
    """Somebody without a Flowable."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = LOCAL.replace("8090", str(port))
    write_files(tmp_path, url=url, port=str(port))
    with running(tmp_path, "engine.py") as engine:
        assert engine.stdout is not None
        greeting = f"An engine at {url}, until you press Enter. ".replace("localhost", "127.0.0.1")
        assert engine.stdout.read(len(greeting)) == greeting
        check(follow(tmp_path, url))
        engine.communicate("\n", timeout=PATIENCE)
        assert engine.returncode == 0


def test_the_tutorial_on_the_real_engine(tmp_path: Path, real_engine: RealEngine) -> None:
    """Somebody with one, who deploys the model of the page."""
    write_files(tmp_path, url=real_engine.url)
    [command] = re.findall(r'^\$ python -c "(.*)"$', PAGE, re.MULTILINE)
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, env=environment(), timeout=60, check=True)
    check(follow(tmp_path, real_engine.url))


def test_the_tests_of_the_tutorial_pass(tmp_path: Path) -> None:
    """Without any setting of ours."""
    write_files(tmp_path)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, re.findall(r"\b4 passed", ended.stdout)) == (0, ["4 passed"]), ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["FLOWABLE_URL", "FLOWABLE_USERNAME", "FLOWABLE_PASSWORD"])
def test_the_page_names_what_the_worker_reads(name: str) -> None:
    """As settings of the environment."""
    assert f"$ export {name}=" in PAGE
