"""Every Python block of the README and of docs/ is run, on the embedded engine and on the real one."""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.models import Model
from tests.support.waiting import until

from flowable.external_worker_client import ClientClosedError, ExternalWorkerClient, ExternalWorkerSubscription
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer
from flowable.external_worker_client.testing.real_engine import RealEngine, RealVariable

ROOT = Path(__file__).resolve().parents[2]
LOCAL = "http://localhost:8090/flowable-rest"
CLOUD = "https://trial.flowable.com/work"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SUBSCRIBED = re.compile(r"""\bsubscribe\(\s*['"](\w+)['"]""")
DECLARED = re.compile(r"""\.job\(\s*['"](\w+)['"]""")
RUN = re.compile(r"\bworker\.run(?:ning)?\(")
# Their blocks are files of small projects: tests/testkit/test_page.py and test_first_worker.py run them.
OF_FILES = {ROOT / "docs" / "test-your-worker.md", ROOT / "docs" / "first-worker.md"}
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in {*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")} - OF_FILES
    if BLOCK.search(path.read_text(encoding="utf-8"))
)


def blocks(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def topics(page: str) -> set[str]:
    """Return the topics whose jobs a page takes when it is run."""
    text = "".join(blocks(page))
    return {*SUBSCRIBED.findall(text), *(DECLARED.findall(text) if RUN.search(text) else ())}


class Reader:
    """Runs the blocks of one page in one namespace, as somebody would who types them one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        program = types.ModuleType("somebodys_program")
        # Dataclasses look for the module that they are in.
        monkeypatch.setitem(sys.modules, program.__name__, program)
        self.names: dict[str, Any] = vars(program)

    def run(self, block: str, *, local: str, cloud: str) -> None:
        """Run a block; only the addresses are others."""
        # The default address is the public one, which a test has no business with.
        text = block.replace("ExternalWorkerClient(auth=", f"ExternalWorkerClient({cloud!r}, auth=")
        text = text.replace(LOCAL, local).replace(CLOUD, cloud)
        # Where a `Worker` without a client finds the engine.
        self._monkeypatch.setenv("FLOWABLE_URL", local)
        self._monkeypatch.setenv("FLOWABLE_USERNAME", "rest-admin")
        self._monkeypatch.setenv("FLOWABLE_PASSWORD", "test")
        exec(compile(text, "block", "exec"), self.names)  # noqa: S102 - that is the point


def terminate_soon() -> None:
    """Send SIGTERM to this process, as a platform does, once somebody has asked to be told."""

    def terminate() -> None:
        deadline = time.monotonic() + 30
        while signal.getsignal(signal.SIGTERM) == before:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=terminate, daemon=True).start()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reader]:
    """A reader; when it is done, its subscriptions are ended, and logging and signals are as they were.

    Its files are in a folder of its own, and it ends every program that waits to be told to stop.
    """
    subscribe, started = ExternalWorkerClient.subscribe, list[ExternalWorkerSubscription]()
    make, made = ExternalWorkerClient.__init__, list[ExternalWorkerClient]()
    wait = ExternalWorkerClient.run_until_stopped

    def recording(*args: Any, **kwargs: Any) -> ExternalWorkerSubscription:
        started.append(subscribe(*args, **kwargs))
        return started[-1]

    def making(client: ExternalWorkerClient, *args: Any, **kwargs: Any) -> None:
        make(client, *args, **kwargs)
        made.append(client)

    def waiting(client: ExternalWorkerClient, *args: Any, **kwargs: Any) -> None:
        terminate_soon()
        wait(client, *args, **kwargs)

    # Pages use a name for several subscriptions, so the names alone do not lead to all of them.
    monkeypatch.setattr(ExternalWorkerClient, "subscribe", recording)
    monkeypatch.setattr(ExternalWorkerClient, "__init__", making)
    monkeypatch.setattr(ExternalWorkerClient, "run_until_stopped", waiting)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield Reader(monkeypatch)
    finally:
        ended = [subscription.unsubscribe(timeout=30) for subscription in started]
        assert ended == [True] * len(started)
        assert [client.close() for client in made] == [True] * len(made)
        root.handlers[:], root.level = handlers, level
        for number, action in signals.items():
            signal.signal(number, action)


@pytest.fixture
def cloud() -> Iterator[str]:
    """An engine that wants the token of the sample."""
    with EmbeddedServer(EmbeddedEngine(), auth="<personal-access-token>") as server:
        yield server.url


def test_every_page_with_python_is_known() -> None:
    """A guard against a pattern that finds nothing."""
    known = {"README.md", "docs/errors.md", "docs/how-to.md", "docs/migration.md", "docs/promises.md", "docs/worker.md"}
    assert known <= set(PAGES)
    assert len(blocks("README.md")) >= 8


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_no_page_takes_the_jobs_of_the_readme(page: str) -> None:
    """Both run at the same time, on one engine."""
    assert topics("README.md") >= {"sendInvoice", "myTopic", "greet", "chargeAccount"}
    assert not topics("README.md") & topics(page)


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_on_the_embedded_engine(page: str, reader: Reader, cloud: str) -> None:
    """One after the other, as they stand there; also where there is no Java."""
    with EmbeddedServer(EmbeddedEngine(), auth=("rest-admin", "test")) as server:
        for block in blocks(page):
            reader.run(block, local=server.url, cloud=cloud)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_the_blocks_of_a_page_run_on_the_real_engine(
    page: str, reader: Reader, real_engine: RealEngine, cloud: str
) -> None:
    """One after the other, as they stand there."""
    for block in blocks(page):
        reader.run(block, local=real_engine.url, cloud=cloud)


def test_the_readme_keeps_its_promises_on_the_real_engine(
    reader: Reader,
    real_engine: RealEngine,
    cloud: str,
    models: Callable[[str], Model],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The samples work off a job of their topic, and the how-to does what its words say."""
    model = models("task.bpmn20.xml")

    def start(topic: str, **variables: object) -> str:
        key = f"{model.key}-{topic}"
        text = model.text.replace(model.topic("work"), topic).replace(f'"{model.key}"', f'"{key}"')
        real_engine.deploy(text)
        return real_engine.start_process(key, variables)

    typed, tested, in_the_cloud, local, *others = blocks("README.md")
    stop = [block for block in others if "run_until_stopped" in block][-1]
    rest = [block for block in others if block is not stop]
    reader.run(typed, local=real_engine.url, cloud=cloud)
    reader.run(tested, local=real_engine.url, cloud=cloud)
    lines = [{"article": "nut", "pieces": 3, "price": "0.10"}]
    invoiced = start("sendInvoice", customerId="Ada", lines=lines)
    with reader.names["worker"].running():
        real_engine.wait_for_end(invoiced)
    assert real_engine.variables(invoiced)["total"] == RealVariable("bigDecimal", "0.30")
    Reader(monkeypatch).run(in_the_cloud, local=real_engine.url, cloud=cloud)
    reader.run(local, local=real_engine.url, cloud=cloud)
    real_engine.wait_for_end(start("myTopic"))
    assert "Executed job: " in capsys.readouterr().out

    greeted = start("greet", customer="Ada")
    charged, declined = start("chargeAccount", amount=100), start("chargeAccount", amount=501)
    unclear, closed = start("chargeAccount"), start("chargeAccount", amount=0)
    for block in rest:
        reader.run(block, local=real_engine.url, cloud=cloud)
    real_engine.wait_for_end(greeted)
    assert real_engine.variables(greeted)["greeting"] == RealVariable("string", "Hello Ada")
    real_engine.wait_for_end(charged)
    variables = real_engine.variables(charged)
    assert variables["fee"] == RealVariable("double", 2.0)
    assert variables["log"] == RealVariable("json", [{"charged": 100}])
    assert real_engine.wait_for_dead_letter(unclear).exception_message == "amount is missing"
    # This model has no event that catches the error: the engine says so, a moment later, in a dead letter.
    assert until(lambda: real_engine.external_job_count(declined), lambda count: count == 0) == 0
    rest_client = reader.names["rest_client"]
    (job,) = until(lambda: list(rest_client.iter_jobs(process_instance_id=closed, with_exception=True)))
    assert (job.retries, job.exception_message, job.lock_owner) == (2, "the bank is closed", None)
    reader.run(stop, local=real_engine.url, cloud=cloud)
    with pytest.raises(ClientClosedError):
        reader.names["client"].subscribe("myTopic", reader.names["my_callback"])
