"""Watch workers at work: an order process on an embedded engine, over real HTTP, in a few seconds.

    make demo

Nothing is needed but this repository. The engine is the embedded one, in memory; the workers are written, and talk to
it, exactly as they would with a real Flowable. The program ends with 0 if every order ended as it should.
"""

from __future__ import annotations

import logging
import os
import queue
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, End, Event, Parallel, Process, Task

# ---------------------------------------------------------------- the process

ORDER = Process(
    "order",
    Task("reserve", "reserveStock"),
    Task("charge", "chargeCard", on_error={"CARD_DECLINED": [Task("release", "releaseStock"), End("cancelled")]}),
    Parallel(
        Task("label", "printLabel", exclusive=False),
        Task("pack", "packParcel", exclusive=False),
    ),
    Task("ship", "shipParcel"),
    End("shipped"),
)
PICTURE = """\
  reserveStock -> chargeCard -+-> printLabel -+-> shipParcel -> shipped
                      |       +-> packParcel -+
                      |
                      +-- CARD_DECLINED -> releaseStock -> cancelled"""

ORDERS = range(1001, 1013)
DECLINED = {1004, 1009}  # the bank says no: a BPMN error, and the process takes another way
OFFLINE = {1006}  # the printer is off at first: the job comes back after a second
UNKNOWN = {1011}  # no such article: nothing will help, so the job becomes a dead letter for a person to look at
TOPICS = ("reserveStock", "chargeCard", "releaseStock", "printLabel", "packParcel", "shipParcel")

CREDENTIALS = ("rest-admin", "test")
PATIENCE = 18.0  # seconds, then something is wrong

# ---------------------------------------------------------------- the workers


class Handlers:
    """One handler for each topic. What they decide is noted for the screen; a real handler only returns it."""

    def __init__(self) -> None:
        self.decided: dict[str, tuple[int, str]] = {}

    def reserve_stock(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Reserve what was ordered; give up on what does not exist."""
        order = self._work(job)
        if order in UNKNOWN:
            self._note(job, "failure: no such article, give up")
            return result.failure().error_message("no such article").error_details(f"order {order}").retries(0)
        shelf = f"{'ABC'[order % 3]}-{order % 7 + 1}"
        self._note(job, f"success: shelf {shelf}")
        return result.success().variable_string("shelf", shelf)

    def charge_card(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Charge the card; a refusal is no failure of ours but a way that the process knows."""
        order = self._work(job)
        amount = _variable(job, "amount")
        if order in DECLINED:
            self._note(job, "BPMN error CARD_DECLINED")
            return result.bpmn_error().error_code("CARD_DECLINED")
        self._note(job, f"success: charged {amount:.2f}")
        return result.success().variable_string("receipt", f"R{order}").variable_float("charged", amount)

    def release_stock(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Put back what was reserved."""
        self._work(job)
        self._note(job, f"success: shelf {_variable(job, 'shelf')} is free")
        return result.success()

    def print_label(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Print the label, later if the printer is off."""
        order = self._work(job)
        if order in OFFLINE and job.exception_message is None:
            self._note(job, "failure: printer is off, try in 1 s")
            return result.failure().error_message("printer is off").retry_timeout("PT1S")
        self._note(job, "success: printed")
        return result.success().variable_json("label", {"order": order, "copies": 1})

    def pack_parcel(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Pack the parcel."""
        order = self._work(job)
        grams = 250 + order % 9 * 130
        self._note(job, f"success: {grams} g")
        return result.success().variable_int("grams", grams)

    def ship_parcel(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Hand the parcel over."""
        self._work(job)
        self._note(job, f"success: {_variable(job, 'grams')} g on the truck")
        return result.success().variable_boolean("shipped", True)

    def _work(self, job: ExternalWorkerAcquireJobResponse) -> int:
        """Take as long as such work takes, the same at every run. Returns the number of the order."""
        order = int(_variable(job, "order"))
        time.sleep(random.Random(f"{job.element_id} {order}").uniform(0.05, 0.25))  # noqa: S311 - no secret
        return order

    def _note(self, job: ExternalWorkerAcquireJobResponse, decision: str) -> None:
        self.decided[str(job.correlation_id)] = (int(_variable(job, "order")), decision)


def _variable(job: ExternalWorkerAcquireJobResponse, name: str) -> Any:  # noqa: ANN401 - whatever the process holds
    return next(variable.value for variable in job.variables if variable.name == name)


# ---------------------------------------------------------------- the screen


#: Colours of the terminal, by what they say.
STYLES = {"good": "32", "warn": "33", "error": "35", "bad": "31;1", "dim": "2", "bold": "1"}


class Screen:
    """Writes lines, in colour where a person is likely to see it."""

    def __init__(self) -> None:
        windows = os.name == "nt" and "WT_SESSION" not in os.environ
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or windows
        self._colour = sys.stdout.isatty() and not plain

    def style(self, text: str, style: str) -> str:
        """Return a text in a style."""
        return f"\033[{STYLES[style]}m{text}\033[0m" if self._colour else text

    def line(self, text: str = "") -> None:
        """Write a line, at once."""
        print(text, flush=True)

    def event(self, seconds: float, topic: str, order: str, decision: str, effect: str, style: str) -> None:
        """Write what happened to a job."""
        when = self.style(f"{seconds:6.2f} s", "dim")
        self.line(f"  {when}  {topic:<13} {order:<6} {self.style(f'{decision:<36}', style)} {effect}")


@dataclass
class Board:
    """Follows what the engine does, writes a line for every job, and keeps the count."""

    engine: EmbeddedEngine
    screen: Screen
    handlers: Handlers
    began: float
    endings: Counter[str] = field(default_factory=Counter[str])
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {topic: Counter() for topic in TOPICS})
    created: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    endings_of: dict[str, str] = field(default_factory=dict[str, str])
    came_back: set[str] = field(default_factory=set[str])

    def take(self, event: Event) -> None:
        """Take note of an event."""
        count = self.counts.get(event.topic, Counter())
        match event.kind:
            case "created":
                self.created.setdefault(event.instance_id, []).append(event.topic)
            case "ended":
                self.endings[event.detail] += 1
                self.endings_of[event.instance_id] = event.detail
            case "acquired":
                count["handed out"] += 1
                self.created.pop(event.instance_id, None)
            case "completed":
                count["success"] += 1
            case "errored":
                count["BPMN error"] += 1
            case "failed":
                count["failure"] += 1
                attempts = self.engine.job(event.correlation_id).retries
                self._write(event, "warn", f"keeps it for a second, {attempts} attempts left")
            case "reset" if event.correlation_id not in self.came_back:
                self.came_back.add(event.correlation_id)
                self._write(event, "dim", "offers it again", decision="")
            case "dead":
                count["dead letter"] += 1
                self.endings["dead letter"] += 1
                self._write(event, "bad", f"makes it a dead letter: {event.detail}")
            case "continued":
                self._continued(event)
            case _:
                pass

    def _continued(self, event: Event) -> None:
        ending = self.endings_of.get(event.instance_id)
        following = self.created.pop(event.instance_id, [])
        if ending is not None:
            style = "good" if ending == "shipped" else "error"
            effect = self.screen.style(f"the order is {ending}", style)
        elif following:
            effect = f"goes on to {' and '.join(following)}"
        else:
            effect = "waits for the other branch"
        _, decision = self.handlers.decided[event.correlation_id]
        self._write(event, "error" if decision.startswith("BPMN") else "good", effect)

    def _write(self, event: Event, style: str, effect: str, decision: str | None = None) -> None:
        order, decided = self.handlers.decided[event.correlation_id]
        shown = decided if decision is None else decision
        self.screen.event(event.at - self.began, event.topic, f"#{order}", shown, effect, style)

    @property
    def done(self) -> bool:
        """Whether every order has come to its end."""
        return self.endings.total() == len(ORDERS)

    def summary(self, seconds: float) -> None:
        """Write the table."""
        screen = self.screen
        columns = ("handed out", "success", "failure", "BPMN error", "dead letter")
        screen.line()
        screen.line(screen.style(f"  {'topic':<14}" + "".join(f"{column:>13}" for column in columns), "bold"))
        for topic, count in self.counts.items():
            screen.line(f"  {topic:<14}" + "".join(f"{count[column] or '-':>13}" for column in columns))
        total: Counter[str] = sum(self.counts.values(), Counter())
        screen.line(
            screen.style(f"  {'all':<14}" + "".join(f"{total[column] or '-':>13}" for column in columns), "bold")
        )
        screen.line()
        endings = ", ".join(f"{number} {ending}" for ending, number in self.endings.most_common())
        screen.line(f"  {len(ORDERS)} orders: {endings}; {total['handed out']} jobs in {seconds:.1f} s")


# ---------------------------------------------------------------- the program


def subscribe(client: ExternalWorkerClient, handlers: Handlers) -> list[Callable[[], object]]:
    """Subscribe a handler to every topic. Returns what ends it."""
    by_topic = {
        "reserveStock": handlers.reserve_stock,
        "chargeCard": handlers.charge_card,
        "releaseStock": handlers.release_stock,
        "printLabel": handlers.print_label,
        "packParcel": handlers.pack_parcel,
        "shipParcel": handlers.ship_parcel,
    }
    return [
        client.subscribe(topic, handler, lock_duration="PT1M", wait_period_seconds=0.2).unsubscribe
        for topic, handler in by_topic.items()
    ]


def watch(events: queue.SimpleQueue[Event], board: Board, until: float) -> None:
    """Show what happens until every order has come to its end, or the time is up."""
    while not board.done and (left := until - time.monotonic()) > 0:
        try:
            board.take(events.get(timeout=left))
        except queue.Empty:
            return


def check(engine: EmbeddedEngine, board: Board) -> list[str]:
    """Compare the engine's state with what was to be expected. Returns what is wrong."""
    expected = {
        "shipped": len(ORDERS) - len(DECLINED) - len(UNKNOWN),
        "cancelled": len(DECLINED),
        "dead letter": len(UNKNOWN),
    }
    wrong = []
    if board.endings != expected:
        wrong.append(f"orders ended as {dict(board.endings)}, expected {expected}")
    if [job.exception_message for job in engine.dead_letters()] != ["no such article"] * len(UNKNOWN):
        wrong.append(f"dead letters are {engine.dead_letters()}")
    for instance in engine.instances("order"):
        order = instance.variables["order"]
        end = None if order in UNKNOWN else "cancelled" if order in DECLINED else "shipped"
        if instance.end != end:
            wrong.append(f"order {order} ended as {instance.end}, expected {end}")
        if end == "shipped" and instance.variables.get("charged") != instance.variables["amount"]:
            wrong.append(f"order {order} was charged {instance.variables.get('charged')}")
    return wrong


def main() -> int:
    """Run the demonstration. Returns the exit status."""
    screen = Screen()
    handlers = Handlers()
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    engine = EmbeddedEngine(ORDER, reset_interval=0.1)
    engine.on_event(events.put)
    began = time.monotonic()
    board = Board(engine, screen, handlers, began)
    with EmbeddedServer(engine, auth=CREDENTIALS) as server:
        screen.line(screen.style("External workers at an order process", "bold"))
        screen.line()
        screen.line(PICTURE)
        screen.line()
        screen.line(f"  engine    embedded Flowable {engine.release.version}, {server.url}")
        screen.line(f"  workers   one for each of {len(TOPICS)} topics, over HTTP with basic authentication")
        screen.line(f"  orders    {len(ORDERS)}, two with a refused card, one printer that is off, one unknown article")
        screen.line()
        heads = f"  {'time':>8}  {'topic':<13} {'order':<6} {'the handler decided':<36} the engine"
        screen.line(screen.style(heads, "bold"))
        client = ExternalWorkerClient(server.url, auth=HTTPBasicAuth(*CREDENTIALS))
        for order in ORDERS:
            engine.start("order", {"order": order, "amount": order % 10 * 12.5 + 9.9})
        unsubscribes = subscribe(client, handlers)
        try:
            watch(events, board, began + PATIENCE)
        finally:
            for unsubscribe in unsubscribes:
                unsubscribe()
        board.summary(time.monotonic() - began)
    wrong = check(engine, board)
    for sentence in wrong:
        screen.line(screen.style(f"  not as expected: {sentence}", "bad"))
    screen.line()
    screen.line("  Next: README.md shows how to write a worker, and examples/ has them with their models.")
    return 1 if wrong else 0


if __name__ == "__main__":
    # The board shows what the log would say.
    logging.getLogger("flowable.external_worker_client").addHandler(logging.NullHandler())
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # The workers have been told to stop on the way here.
        sys.exit(130)
