"""One program for each pattern does what it says: on the embedded engine, and the main ones on the real one."""

from __future__ import annotations

import re
import runpy
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.embedded_models import ModelFile
from tests.support.models import Model

from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Event
from flowable.external_worker_client.testing.real_engine import RealEngine, RealVariable

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MODELS = sorted(path.name.removesuffix(".bpmn20.xml") for path in (EXAMPLES / "models").glob("*.bpmn20.xml"))
# What `start.py` starts processes with, by the number of the instance.
PROCESSES: dict[str, Callable[[int], dict[str, Any]]] = runpy.run_path(str(EXAMPLES / "start.py"))["PROCESSES"]

Run = Callable[..., Any]


class Place:
    """An embedded engine with the model of an example, and where programs reach it."""

    def __init__(self, url: str, engine: EmbeddedEngine) -> None:
        self.url = url
        self.engine = engine

    def start(self, key: str, **variables: object) -> str:
        """Start an instance."""
        return self.engine.start(key, variables)

    def ended(self, *instances: str) -> list[tuple[str | None, dict[str, Any]]]:
        """Wait until instances have ended, and return where and with which variables."""
        return [(each.end, each.variables) for each in self.engine.wait_for_end(*instances, timeout=30)]

    def wait_for(self, kind: str, instance: str) -> Event:
        """Wait until something has happened in an instance, and return it."""

        def found(engine: EmbeddedEngine) -> list[Event]:
            return [event for event in engine.events if event.kind == kind and event.instance_id == instance]

        self.engine.wait_until(lambda engine: bool(found(engine)), 30)
        return found(self.engine)[0]

    def assert_kept(self, instance: str) -> None:
        """Assert that the job of an instance was completed or, if its handler had not begun, given back as it was."""
        if not self.engine.instance(instance).ended:
            (job,) = (job for job in self.engine.jobs() if job.instance_id == instance)
            assert (job.lock_owner, job.lock_expires_at, job.retries, job.exception_message) == (None, None, 3, None)


@pytest.fixture
def place() -> Iterator[Place]:
    """An embedded engine with the models of all examples."""
    engine = EmbeddedEngine(reset_interval=0.1)
    for name in MODELS:
        engine.deploy(ModelFile(EXAMPLES / "models" / f"{name}.bpmn20.xml").process)
    with EmbeddedServer(engine, auth=("rest-admin", "test")) as server:
        yield Place(server.url, engine)


def started(real: RealEngine, example: str, count: int) -> list[str]:
    """Deploy an example on a real engine and start instances, with the variables of `start.py`."""
    real.deploy(EXAMPLES / "models" / f"{example}.bpmn20.xml")
    return [real.start_process(example, PROCESSES[example](number)) for number in range(count)]


# ---------------------------------------------------------------- arguments and outcomes

LINES = [{"article": "nut", "pieces": 3, "price": "0.10"}, {"article": "bolt", "pieces": 1, "price": 1.5}]


def test_arguments_are_variables_of_the_types_that_a_handler_names(place: Place, run_program: Run) -> None:
    """Dataclasses, an enum, decimals, dates, a model over all; what does not fit is listed in the dead letter."""
    program = run_program("bill_worker.py", place.url)
    good = {"Customer No": 7, "due": date(2026, 2, 28), "channel": "email", "lines": LINES}
    first = place.start("bill", **good)
    second = place.start("bill", **good, discount=Decimal("0.05"))
    wrong = place.start("bill", **{**good, "Customer No": "seven", "lines": [{"article": "nut", "pieces": 1}]})
    (_, plain), (_, reduced) = place.ended(first, second)
    assert (plain["billNo"], plain["total"], reduced["total"]) == ("2026-7", Decimal("1.80"), Decimal("1.75"))
    assert (plain["postedOn"], plain["reminder"]) == (datetime.now(UTC).date(), False)
    assert plain["writtenAt"].tzinfo is not None
    assert place.wait_for("dead", wrong).topic == "writeBill"
    (letter,) = place.engine.dead_letters()
    assert "- Customer No: expected int, found 'seven' (string)" in str(letter.exception_message)
    assert "- lines[0].price: " in str(letter.exception_message)
    assert "posting 2026-7 by email, attempt 1" in program.stop()


def test_what_handlers_return_becomes_variables(place: Place, run_program: Run) -> None:
    """A scalar, a dict, a dataclass, nothing; and a BPMN error that takes its variables along."""
    program = run_program("loan_worker.py", place.url)
    granted, rejected = (
        place.start("loan", customer="Ada", amount=12_000),
        place.start("loan", customer="Ada", amount=90_000),
    )
    (end, variables), (other_end, other) = place.ended(granted, rejected)
    assert (end, other_end) == ("done", "rejected")
    assert variables == {
        "customer": "Ada",
        "amount": 12_000,
        "score": 300,
        "interestRate": Decimal("3.9"),
        "decidedBy": "worker",
        "contractNo": "L-Ada",
        "monthlyRate": Decimal("1039.00"),
        "terms": ["twelve months", "3.9 %"],
    }
    assert (other["reason"], other["limit"]) == ("90000 is too much for a score of 300", 30_000)
    assert "archived L-Ada" in program.stop()


# ---------------------------------------------------------------- errors


def test_each_kind_of_trouble_has_its_own_end(place: Place, run_program: Run) -> None:
    """The tables, the policy, and what the handler raises itself."""
    program = run_program("payment_worker.py", place.url)
    paid, closed, outage, bug, night, nothing = (
        place.start("payment", account=account, amount=amount)
        for account, amount in [("Ada", 5), ("closed", 5), ("outage", 5), ("bug", 5), ("night", 5), ("Bob", 0)]
    )
    assert [end for end, _ in place.ended(paid, closed)] == ["done", "refused"]
    for failed in (outage, bug, night):
        place.wait_for("failed", failed)
    place.wait_for("dead", nothing)
    jobs = {job.instance_id: job for job in place.engine.jobs("collectPayment")}
    assert (jobs[outage].retries, jobs[outage].exception_message) == (11, "the bank does not answer")
    assert (jobs[bug].retries, jobs[bug].exception_message) == (2, "nobody has thought of this")
    assert (jobs[night].retries, jobs[night].exception_message) == (3, "Retry later: the bank is closed at night")
    pauses = [jobs[one].lock_expires_at - datetime.now(UTC) for one in (bug, outage, night)]  # type: ignore[operator]
    assert [0 < pause.total_seconds() <= most for pause, most in zip(pauses, (12, 72, 8 * 3600), strict=True)]
    assert pauses == sorted(pauses)
    (letter,) = place.engine.dead_letters()
    assert letter.exception_message == "0 cannot be collected"
    # Failures are logged with their traces, so here they belong there.
    program.end()


# ---------------------------------------------------------------- where handlers run


def test_plain_functions_and_coroutines_work_side_by_side(place: Place, run_program: Run) -> None:
    """Both kinds of task of each instance."""
    program = run_program("report_worker.py", place.url)
    instances = [place.start("report", region="north") for _ in range(20)]
    for end, variables in place.ended(*instances):
        assert (end, variables["sales"], variables["rates"]["GBP"]) == ("done", 5000, 0.86)
    program.stop()


def test_processes_compute_and_are_ended_at_the_time_out(place: Place, run_program: Run) -> None:
    """The others do not notice."""
    program = run_program("primes_worker.py", place.url)
    endless = place.start("primes", limit=1_000_000_000)
    instances = [place.start("primes", limit=limit) for limit in (10, 100, 1000)]
    assert [variables["primes"] for _, variables in place.ended(*instances)] == [4, 25, 168]
    assert "time-out of 5 s; its process was ended" in place.wait_for("dead", endless).detail
    last = place.start("primes", limit=100_000)
    place.wait_for("acquired", last)
    program.interrupt()
    place.assert_kept(last)


def test_an_executor_of_ones_own_is_used_and_closed(place: Place, run_program: Run) -> None:
    """Prepared by its initializer; the program ends cleanly, so its processes do."""
    program = run_program("fingerprint_worker.py", place.url)
    instances = [place.start("fingerprint", text=text) for text in ("a", "b", "a")]
    first, other, same = (variables["fingerprint"] for _, variables in place.ended(*instances))
    assert (len(first), first) == (64, same)
    assert other != first
    # Before its initializer, a process still dies of Ctrl-C.
    program.wait_for(r"is ready(.|\n)*is ready")
    last = place.start("fingerprint", text="c")
    place.wait_for("acquired", last)
    program.interrupt()
    place.assert_kept(last)


def test_a_dask_cluster_computes_and_is_closed_after_the_last_job(place: Place, run_program: Run) -> None:
    """Two processes, which end with the program."""
    program = run_program("simulation_worker.py", place.url)
    instances = [place.start("simulation", throws=20_000, seed=seed % 5) for seed in range(10)]
    variables = [variables for _, variables in place.ended(*instances)]
    assert variables[0]["doubles"] == variables[5]["doubles"]
    assert 3000 < variables[0]["doubles"] < 3700
    assert len({each["computedBy"] for each in variables} - {program.process.pid}) == 2
    last = place.start("simulation", throws=500_000, seed=0)
    place.wait_for("acquired", last)
    program.interrupt()
    place.assert_kept(last)


# ---------------------------------------------------------------- around handlers


def test_what_handlers_share_is_opened_before_and_closed_after_them(
    place: Place, run_program: Run, tmp_path: Path
) -> None:
    """One seat, two passengers: the database decides, and has what the process says."""
    program = run_program("booking_worker.py", place.url, BOOKINGS=str(tmp_path / "seats.db"))
    first = place.start("booking", seat="1A", passenger="Ada")
    place.ended(first)
    second, third = (
        place.start("booking", seat="1A", passenger="Bob"),
        place.start("booking", seat="2A", passenger="Bob"),
    )
    (taken, refused), (end, booked) = place.ended(second, third)
    assert (taken, refused["owner"], end, booked["ticket"]) == ("refused", "Ada", "done", "2A/Bob")
    output = program.stop()
    assert output.index("the database is open") < output.index("the database is closed")
    with closing(sqlite3.connect(tmp_path / "seats.db")) as database:
        assert database.execute("select * from seats order by seat").fetchall() == [("1A", "Ada"), ("2A", "Bob")]


def test_handlers_of_several_modules_work_in_one_program(place: Place, run_program: Run) -> None:
    """The order of `order_worker.py`, with a worker for each department."""
    program = run_program("shop_worker.py", place.url)
    cheap, dear = place.start("order", quantity=2), place.start("order", quantity=40)
    ((end, variables),) = place.ended(cheap)
    assert (end, variables["parcel"], variables["payment"]) == ("shipped", "parcel of 2", "R-39.80")
    place.engine.wait_until(lambda engine: engine.instance(dear).tasks == ("callCustomer",), 30)
    assert place.engine.instance(dear).variables["reason"] == "796.00 is above the limit"
    assert "topics: checkStock, shipOrder, chargeCard" in program.stop()


def test_middleware_logs_limits_breaks_and_remembers(place: Place, run_program: Run, tmp_path: Path) -> None:
    """No more than twenty a second, the same text once, and no retry spent while the provider is down."""
    program = run_program("message_worker.py", place.url, SENT=str(tmp_path / "sent.db"))
    instances = [place.start("message", number=f"+49 {number}", text="Hello") for number in range(30)]
    place.ended(*instances)
    began = [event.at for event in place.engine.events if event.kind == "acquired"]
    # The limit counts from when a job is asked for, which is a moment before the engine gives it.
    assert began[20] - began[0] >= 0.7
    again = place.start("message", number="+49 7", text="Hello")
    ((_, variables),) = place.ended(again)
    assert variables["receipt"] == "+49 7: 5 characters"
    down = [place.start("message", number="down", text=f"text {number}") for number in range(5)]
    program.wait_for("the circuit breaker of .*send_text is open")
    # The third failure in a row opened it: that job and those after it keep their retries.
    place.engine.wait_until(lambda engine: sum(job.retries == 2 for job in engine.jobs("sendText")) == 2, 30)
    assert len(down) == len(place.engine.jobs("sendText"))
    assert not place.engine.dead_letters()
    assert "was done before" in program.output
    assert "sendText{'number': '+49 7', 'text': 'Hello'} took " in program.output
    with closing(sqlite3.connect(tmp_path / "sent.db")) as database:
        assert database.execute("select count(*) from sent").fetchone() == (30,)
    program.end()


def test_a_service_on_asyncio_works_while_it_serves(place: Place, run_program: Run) -> None:
    """On one event loop: what handlers found, the web server tells."""
    program = run_program("quote_service.py", place.url, PORT="0")
    address = program.wait_for(r"http://127\.0\.0\.1:\d+/")[0]
    ((_, variables),) = place.ended(place.start("quote", article="bolt"))
    assert variables["quote"] == Decimal("5.00")
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - the program's own
        assert answer.read() == b"bolt 5.00\n"
    program.stop()


def test_a_callback_for_version_1_works_beside_a_worker(place: Place, run_program: Run) -> None:
    """On one client, stopped together."""
    program = run_program("parcel_worker.py", place.url)
    ((_, variables),) = place.ended(place.start("parcel", pieces=5))
    assert variables == {"pieces": 5, "grams": 1250, "label": "1250 g", "heavy": True}
    output = program.stop()
    assert "Topic 'weighParcel': unsubscribed" in output
    assert "Topic 'labelParcel': unsubscribed" in output


# ---------------------------------------------------------------- on the real engine


def test_bills_on_the_real_engine(real_engine: RealEngine, run_program: Run) -> None:
    """Typed arguments and an async handler. The third bill has no lines."""
    program = run_program("bill_worker.py", real_engine.url)
    first, second, third = started(real_engine, "bill", 3)
    for bill, total in ((first, "1.0"), (second, "2.0")):
        real_engine.wait_for_end(bill)
        found = real_engine.variables(bill)
        assert found["total"].type == "bigDecimal"
        assert Decimal(found["total"].value) == Decimal(total)
        assert (found["postedOn"].type, found["reminder"]) == ("localDate", RealVariable("boolean", value=False))
        assert found["writtenAt"].type == "instant"
    message = str(real_engine.wait_for_dead_letter(third).exception_message)
    assert "- lines: expected list[Line], there is no such variable" in message
    program.stop()


def test_payments_on_the_real_engine(real_engine: RealEngine, run_program: Run) -> None:
    """Errors and retries."""
    program = run_program("payment_worker.py", real_engine.url)
    paid, closed, outage, bug, night, nothing = started(real_engine, "payment", 6)
    real_engine.wait_for_end(paid)
    assert real_engine.variables(paid)["receipt"] == RealVariable("string", "Ada: 100")
    real_engine.wait_for_end(closed)
    assert "refused" in real_engine.path_taken(closed)
    assert real_engine.wait_for_dead_letter(nothing).exception_message == "0 cannot be collected"
    for waiting in (outage, bug, night):
        assert real_engine.external_job_count(waiting) == 1
    program.end()


def test_primes_on_the_real_engine(real_engine: RealEngine, run_program: Run) -> None:
    """Processes, and their time-out."""
    program = run_program("primes_worker.py", real_engine.url)
    *counted, endless = started(real_engine, "primes", 6)
    for instance, primes in zip(counted, (1229, 2262, 3245, 4203, 5133), strict=True):
        real_engine.wait_for_end(instance)
        assert real_engine.variables(instance)["primes"] == RealVariable("integer", primes)
    assert "its process was ended" in str(real_engine.wait_for_dead_letter(endless).exception_message)
    program.end()


def test_simulations_on_the_real_engine(real_engine: RealEngine, run_program: Run) -> None:
    """A Dask cluster."""
    program = run_program("simulation_worker.py", real_engine.url)
    instances = started(real_engine, "simulation", 6)
    for instance in instances:
        real_engine.wait_for_end(instance)
        assert 32_000 < real_engine.variables(instance)["doubles"].value < 34_700
    program.stop()


def test_every_model_can_be_deployed_and_started_on_the_real_engine(
    real_engine: RealEngine, models: Callable[[str], Model]
) -> None:
    """With what `start.py` gives it; and its tasks are not exclusive, so that no job holds up another."""
    topics: list[str] = []
    for name in MODELS:
        model = models(f"{name}.bpmn20.xml")
        real_engine.deploy(model.text)
        for number in range(7):
            assert real_engine.start_process(model.key, PROCESSES[name](number))
        assert all('flowable:exclusive="false"' in task for task in re.findall(r"<serviceTask[^>]*>", model.text))
        topics += ModelFile(EXAMPLES / "models" / f"{name}.bpmn20.xml").topics
    assert len(topics) == len(set(topics))
