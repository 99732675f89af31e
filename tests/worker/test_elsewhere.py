"""Handlers in processes of their own, and on executors: results, crashes, time-outs, and what is left over."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import until
from tests.worker import targets
from tests.worker.conftest import PATIENCE, Place

from flowable.external_worker_client import BpmnError, Call, CallNext, ProcessDiedError, RetryLater, RetryPolicy, Worker
from flowable.external_worker_client.runtime.processes import NotPicklableError, ProcessPool, ProcessTimeoutError
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task
from flowable.external_worker_client.worker_result import Executable

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


def alive(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False


def pipes() -> int:
    """Count what is open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def new_children(before: set[BaseProcess]) -> list[BaseProcess]:
    """Return the processes that were not there before."""
    return [child for child in multiprocessing.active_children() if child not in before]


# ---------------------------------------------------------------- the pool


@pytest.fixture(scope="module")
def pool() -> object:
    """A pool of one, for all that leaves it alive."""
    made: ProcessPool[str, object] = ProcessPool(targets.behave, 1)
    yield made
    made.close()


def test_what_the_function_returns_and_raises(pool: ProcessPool[str, object]) -> None:
    """Comes back; exceptions with the trace of there as their cause, and the process lives on."""
    first = pool.call("first")
    assert isinstance(first, dict)
    assert first["pid"] != os.getpid()
    assert pool.call("nothing") is None
    assert pool.call("big") == {"text": "x" * 1_000_000}
    with pytest.raises(ValueError, match="not a customer") as raised:
        pool.call("raise")
    assert "in behave" in str(raised.value.__cause__)
    with pytest.raises(BpmnError) as error:
        pool.call("bpmn")
    assert (error.value.code, dict(error.value.variables)) == ("refused", {"reason": "because"})
    with pytest.raises(SystemExit):
        pool.call("exit")
    with pytest.raises(KeyboardInterrupt):
        pool.call("interrupt")
    assert pool.call("last") == {**first, "how": "last"}


@pytest.mark.parametrize(
    ("how", "said"),
    [("picky", "PickyError: this and that"), ("mute", "MuteError: .its text cannot be had")],
)
def test_an_exception_that_cannot_be_sent_is_told_by_its_text(
    pool: ProcessPool[str, object], how: str, said: str
) -> None:
    """With its trace."""
    with pytest.raises(RuntimeError, match=said) as raised:
        pool.call(how)
    assert "in behave" in str(raised.value.__cause__)


def test_what_cannot_be_pickled_says_which_way_it_went(pool: ProcessPool[object, object]) -> None:
    """There, or back."""
    with pytest.raises(NotPicklableError, match="what the handler is called with cannot be sent") as there:
        pool.call(threading.Lock())
    with pytest.raises(NotPicklableError, match="what the handler returned, a dict, cannot be sent back") as back:
        pool.call("lock")
    assert (there.value.returned, back.value.returned) == (False, True)


@pytest.mark.parametrize(
    ("how", "code", "said"), [("kill", -9, "SIGKILL: was the memory used up"), ("_exit", 7, "exit code 7")]
)
def test_a_process_that_dies_is_replaced(how: str, code: int, said: str) -> None:
    """Whoever waits for it is told what it ended with; and nobody else."""
    pool: ProcessPool[str, object] = ProcessPool(targets.behave, 2)
    before = pool.call("before")
    with pytest.raises(ProcessDiedError, match=said) as died:
        pool.call(how)
    assert (died.value.exit_code, died.value.began) == (code, True)
    assert pool.call("after") != before
    pool.close()


def test_a_process_that_dies_while_it_is_idle_costs_no_call() -> None:
    """Nothing was begun, so another one does it."""
    pool: ProcessPool[str, dict[str, Any]] = ProcessPool(targets.behave, 1)
    for _ in range(3):
        pid = pool.call("x")["pid"]
        os.kill(pid, signal.SIGKILL)
        assert pool.call("y")["pid"] != pid
    pool.close()


def test_a_time_out_ends_the_process() -> None:
    """And counts from when the function is called: a process takes its time to start."""
    before = set(multiprocessing.active_children())
    pool: ProcessPool[str, dict[str, Any]] = ProcessPool(targets.behave, 1)
    assert pool.call("quick", 0.05)["how"] == "quick"
    assert len(new_children(before)) == 1
    began = time.monotonic()
    with pytest.raises(ProcessTimeoutError, match=r"longer than its time-out of 0.1 s"):
        pool.call("hang", 0.1)
    assert 0.1 <= time.monotonic() - began < 5
    assert new_children(before) == []
    pool.close()


def test_close_ends_what_is_idle_and_what_works_and_lets_no_more_begin(tmp_path: Path) -> None:
    """Whoever waits is told to try later; it may be closed again, and nothing is left."""
    pool: ProcessPool[str, object] = ProcessPool(targets.hold, 2)
    before, children = pipes(), set(multiprocessing.active_children())
    told: list[BaseException] = []

    def call() -> None:
        try:
            pool.call(str(tmp_path))
        except RetryLater as later:
            told.append(later)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.iterdir()]
    pool.close()
    for thread in threads:
        thread.join(PATIENCE)
    pool.close()
    with pytest.raises(RetryLater, match="the worker ends"):
        pool.call(str(tmp_path))
    assert len(told) == 3
    until(lambda: not any(map(alive, pids)))
    assert new_children(children) == []
    assert pipes() <= before


def test_nothing_leaks() -> None:
    """Processes, pipes and threads, after many that died."""
    threads = threading.active_count()
    pool: ProcessPool[str, object] = ProcessPool(targets.behave, 1)
    pool.call("x")
    before = pipes()
    for _ in range(4):
        with pytest.raises(ProcessDiedError):
            pool.call("_exit")
        pool.call("x")
    assert pipes() == before
    pool.close()
    assert pipes() < before
    assert threading.active_count() == threads


def test_a_handler_can_end_programs_that_it_started() -> None:
    """Processes do not heed SIGTERM, which some supervisors send to all of a service; their children do."""
    before = set(multiprocessing.active_children())
    pool: ProcessPool[list[str], int] = ProcessPool(targets.end_a_program, 1)
    assert pool.call([sys.executable, "-c", "import time; time.sleep(60)"]) == -signal.SIGTERM
    [child] = new_children(before)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(child.pid or 0, number)
    assert pool.call([sys.executable, "-c", "import time; time.sleep(60)"]) == -signal.SIGTERM
    assert new_children(before) == [child]
    pool.close()


# ---------------------------------------------------------------- handlers in processes


def test_handlers_run_in_processes(place: Place, tmp_path: Path) -> None:
    """As many at once as there are; jobs, builders and typed arguments go along."""
    worker = Worker()
    worker.job("meet", processes=2)(targets.meet)
    worker.job("before", processes=1)(targets.as_before)
    instances = [*place.start("meet", 2, folder=str(tmp_path), name="x", others=2), *place.start("before")]
    with worker.running(place.client):
        one, two, before = place.ended(instances)
    assert len({os.getpid(), one.variables["pid"], two.variables["pid"], before.variables["pid"]}) == 4


def test_a_crash_fails_its_job_and_no_other(place: Place) -> None:
    """With a pause; those beside it and after it are done."""
    worker = Worker()
    worker.job("t", processes=2)(targets.behave)
    place.start(how="kill")
    good = [place.start(how=f"fine {number}")[0] for number in range(6)]
    with worker.running(place.client):
        place.ended(good)
        until(lambda: [request for request in place.engine.sent() if request.operation == "fail"])
    [failed] = [request for request in place.engine.sent() if request.operation == "fail"]
    assert "SIGKILL" in str(failed.message)
    assert failed.retry_timeout is not None
    assert "ProcessDiedError" in str(failed.details)
    assert "EOFError" not in str(failed.details)


@pytest.mark.parametrize("redact", [False, True])
def test_what_cannot_come_back_from_a_process_is_a_dead_letter(place: Place, redact: bool) -> None:
    """The work is done: doing it again would end the same."""
    worker = Worker(errors={TypeError: BpmnError("never")}, redact=redact)
    worker.job("t", processes=1)(targets.behave)
    place.start(how="lock")
    with worker.running(place.client):
        [failed] = place.settled()
    assert (failed.operation, failed.retries) == ("fail", 0)
    assert str(failed.message).startswith("tests.worker.targets.behave returned what cannot be sent back from its proc")
    for said in (failed.message, failed.details):
        assert ("cannot pickle" in str(said)) is not redact


def test_what_cannot_go_to_a_process_is_a_failure(place: Place) -> None:
    """Nothing was done yet."""

    def unsendable(call: Call, call_next: CallNext) -> Executable:
        return call_next(dataclasses.replace(call, arguments={"how": threading.Lock()}))

    worker = Worker()
    worker.job("t", processes=1, middleware=[unsendable])(targets.behave)
    place.start(how="fine")
    with worker.running(place.client):
        [failed] = place.settled()
    assert failed.retries != 0
    assert "what the handler is called with" in str(failed.message)


def test_a_failure_has_the_trace_of_there(place: Place) -> None:
    """In the details of the job."""
    worker = Worker()
    worker.job("t", processes=1)(targets.behave)
    place.start(how="raise")
    with worker.running(place.client):
        [failed] = place.settled()
    assert "not a customer" in str(failed.message)
    assert "in behave" in str(failed.details)
    assert "targets.py" in str(failed.details)


def test_a_time_out_of_a_handler_ends_its_process(place: Place) -> None:
    """The table sees a `TimeoutError`."""
    worker = Worker(errors={TimeoutError: BpmnError("late")})
    worker.job("t", processes=1, timeout="100ms")(targets.behave)
    [late] = place.start(how="hang")
    [fine] = place.start(how="fine")
    with worker.running(place.client):
        place.ended([fine])
        place.settled(number=2)
    assert [request.error_code for request in place.engine.sent(instance_id=late)] == ["late"]


def test_a_stop_lets_processes_finish(place: Place, tmp_path: Path) -> None:
    """They are ended after the last job, not before."""
    worker = Worker()
    worker.job("t", processes=1)(targets.hold)
    [instance] = place.start(folder=str(tmp_path))
    with worker.running(place.client) as running:
        until(lambda: list(tmp_path.iterdir()))
        release = threading.Timer(0.3, (tmp_path / "go").touch)
        release.start()
        assert "active" in repr(running.subscriptions["t"])
    assert place.engine.instance(instance).ended
    release.join()


def test_processes_that_outlast_the_grace_are_ended_and_spend_no_retry(place: Place, tmp_path: Path) -> None:
    """Their jobs are offered again soon."""
    worker = Worker()
    worker.job("t", processes=1)(targets.hold)
    place.start(folder=str(tmp_path))
    with worker.running(place.client, grace=0.1):
        until(lambda: list(tmp_path.iterdir()))
    [sent] = place.settled()
    assert (sent.operation, sent.retries) == ("fail", 3)
    assert "the worker ends" in str(sent.message)


# ---------------------------------------------------------------- programs

PROGRAM = """
import os, sys, time
from pathlib import Path
from flowable.external_worker_client import Worker

worker = Worker()

@worker.job("t", processes=2)
def handler(folder: str):
    (Path(folder) / f"pid-{{os.getpid()}}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    return {{"pid": os.getpid()}}

if {main} or __name__ == "__main__":
    worker.run()
    print("returned", flush=True)
"""


class Program:
    """A program whose handler is in its main module, for two jobs."""

    def __init__(self, folder: Path, *, main: bool = False) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.log = folder / "log"
        self.engine = EmbeddedEngine(Process("p", Task("work", "t")))
        self.instances = [self.engine.start("p", {"folder": str(self.notes)}) for _ in range(2)]
        (folder / "program.py").write_text(PROGRAM.format(main=main))
        self._server = EmbeddedServer(self.engine)
        self._server.start()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWABLE", "COV"))}
        environment |= {"FLOWABLE_URL": self._server.url, "PYTHONPATH": str(ROOT / "src")}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(folder / "program.py")],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def children(self) -> list[int]:
        """Wait until both handlers run, and return their processes."""
        until(lambda: list(self.notes.iterdir()), lambda notes: len(notes) == 2, deadline=PATIENCE)
        return [int(path.name.removeprefix("pid-")) for path in self.notes.iterdir()]

    def end(self) -> int:
        """Wait for the end, and return the status."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self._server.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_does_not_end_handlers_before_the_grace(
    tmp_path: Path, number: signal.Signals
) -> None:
    """As Ctrl-C is one to all of a terminal, and SIGTERM by some supervisors to all of a service."""
    program = Program(tmp_path)
    children = program.children()
    os.killpg(program.process.pid, number)
    until(lambda: program.engine.sent("any") and program.process.poll() is None)
    (program.notes / "go").touch()
    assert program.end() == 0, program.log.read_text()
    assert sorted(program.engine.instance(each).variables["pid"] for each in program.instances) == sorted(children)
    assert [request.operation for request in program.engine.sent()] == ["complete"] * 2
    assert program.log.read_text() == "returned\n"
    assert not any(map(alive, children))


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Their jobs are given to others: they must not go on with them."""
    program = Program(tmp_path)
    children = program.children()
    assert all(map(alive, children))
    program.process.kill()
    assert program.end() == -signal.SIGKILL
    until(lambda: not any(map(alive, children)), deadline=PATIENCE)


def test_a_program_without_the_usual_guard_says_so(tmp_path: Path) -> None:
    """Its processes run it again; they take no jobs for themselves, and the error says what to write."""
    program = Program(tmp_path, main=True)
    until(lambda: [request for request in program.engine.sent() if request.operation == "fail"], deadline=PATIENCE)
    program.process.send_signal(signal.SIGTERM)
    program.end()
    assert 'if __name__ == "__main__"' in program.log.read_text()
    assert len({request.worker_id.rpartition(".")[0] for request in program.engine.sent() if request.worker_id}) == 1
    assert all("before it began" in str(request.message) for request in program.engine.sent() if request.message)


# ---------------------------------------------------------------- executors


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_runs_the_handler(
    place: Place, kind: type[ThreadPoolExecutor | ProcessPoolExecutor], tmp_path: Path
) -> None:
    """Any of `concurrent.futures`; parameters may be called like its own."""
    # A process with threads cannot be forked.
    options: dict[str, Any] = {} if kind is ThreadPoolExecutor else {"mp_context": multiprocessing.get_context("spawn")}
    with kind(2, **options) as executor:
        worker = Worker()
        worker.job("t", executor=executor, concurrency=2)(targets.options_of_others)
        with worker.running(place.client):
            [ended] = place.ended(place.start(fn=1, key="k", workers=3, timeout="x"))
            assert ended.variables["seen"] == [1, "k", 3, "x"]
            assert (ended.variables["pid"] == os.getpid()) is (kind is ThreadPoolExecutor)


def test_an_executor_that_takes_too_long(place: Place) -> None:
    """The job fails with a `TimeoutError`; that the handler goes on is logged."""
    free = threading.Event()
    worker = Worker(errors={TimeoutError: BpmnError("late")}, timeout="50ms")

    def handler() -> None:
        assert free.wait(PATIENCE)

    with ThreadPoolExecutor(1) as executor:
        worker.job("t", executor=executor)(handler)
        place.start(number=2)
        with worker.running(place.client):
            place.settled(number=2)
        free.set()
    assert [request.error_code for request in place.engine.sent()] == ["late", "late"]
    # The second was not begun: it was taken back.
    assert sum("still runs on its executor" in line for line in place.logged()) == 1


def test_a_time_out_of_the_handlers_own_is_not_that_of_the_worker(place: Place) -> None:
    """It is raised as it is."""
    worker = Worker(timeout="1m")

    def handler() -> None:
        raise TimeoutError("of the database")

    with ThreadPoolExecutor(1) as executor:
        worker.job("t", executor=executor)(handler)
        place.start()
        with worker.running(place.client):
            [failed] = place.settled()
    assert "of the database" in str(failed.message)


def test_an_executor_that_is_shut_down(place: Place) -> None:
    """Jobs fail with a pause, and the subscription is alive."""
    executor = ThreadPoolExecutor(1)
    worker = Worker(retry=RetryPolicy(first_pause="1h", longest_pause="1h"))
    worker.job("t", executor=executor)(targets.double)
    with worker.running(place.client) as running:
        place.ended(place.start(x=1))
        executor.shutdown()
        place.start(x=2)
        failed = place.settled(number=2)[1]
        assert "active" in repr(running.subscriptions["t"])
    assert "shutdown" in str(failed.message)
    assert failed.retry_timeout is not None
