"""What the subscriptions of one client share, and how they are started and ended together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.runtime import clock as clocks
from flowable.external_worker_client.runtime.acquiring import Acquiring
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.company import Company
from flowable.external_worker_client.runtime.courier import Courier
from flowable.external_worker_client.runtime.held import Registry
from flowable.external_worker_client.runtime.keeper import Keeper
from flowable.external_worker_client.runtime.one_job import JobRunner
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.runtime.subscription import Consumer, Elsewhere, Job, Options
from flowable.external_worker_client.worker_result import Executable

#: Whoever waits for an end looks at least so often: an acquire that hangs, or a lock that ends, tells nobody.
_LOOK = 0.05  # seconds

#: How long threads get to end once the requests that hold them up have been interrupted.
_INTERRUPTED = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Handling:
    """How the handlers of a subscription are called.

    Attributes:
        run: Runs the person's function for a job and returns its outcome; raises what that raises.
        elsewhere: Starts it on something else than the subscription's threads, in the place of `run`. `None`: no.
    """

    run: Callable[[Job], Executable]
    elsewhere: Elsewhere | None = None


class Runtime:
    """The running part of a client.

    Args:
        rest_client: Returns the REST client to use.
        generated_id: The client's worker id if it was generated; see `Acquiring`.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        records: Where it is written down what happens to jobs.

    """

    def __init__(
        self,
        *,
        rest_client: Callable[[], Any],
        generated_id: str | None,
        clock: Clock,
        chance: Callable[[], float],
        records: Records,
    ) -> None:
        self._rest_client = rest_client
        self._clock = clock
        self._chance = chance
        self._records = records
        self._registry = Registry()
        self._company = Company(clock)
        self._keeper = Keeper()
        self._courier = Courier(clock)
        self._pauses = Pauses(clock, answered=self._company.engine_answers)
        self._company.listeners = (self._courier.try_now, self._pauses.end)
        self._acquiring = Acquiring(rest_client=rest_client, generated_id=generated_id, clock=clock, chance=chance)
        self._started = False
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._consumers: list[Consumer] = []

    @property
    def consumers(self) -> Sequence[Consumer]:
        """The subscriptions that have not ended."""
        with self._lock:
            self._consumers = [each for each in self._consumers if not each.ended]
            return tuple(self._consumers)

    def start(self, options: Options, policy: RetryPolicy, handling: Callable[[Stop], Handling]) -> Consumer:
        """Start a subscription.

        Args:
            options: What it asks for.
            policy: What to do about handlers that raise.
            handling: Returns how its handlers are called; gets what tells the subscription to stop.

        Returns:
            What runs.
        """
        stop = Stop(self._clock)
        handled = handling(stop)
        consumer = Consumer(
            rest_client=self._rest_client,
            runner=JobRunner(
                lock_seconds=options.question.lock.seconds,
                run_handler=handled.run,
                rest_client=self._rest_client,
                policy=policy,
                records=self._records,
                pauses=self._pauses,
                clock=self._clock,
                chance=self._chance,
                stop=stop,
            ),
            options=options,
            acquiring=self._acquiring,
            registry=self._registry,
            records=self._records,
            company=self._company,
            pauses=self._pauses,
            keeper=self._keeper,
            courier=self._courier,
            elsewhere=handled.elsewhere,
            stop=stop,
            clock=self._clock,
            chance=self._chance,
        )
        topic = options.question.topic
        count = options.threads or options.slots
        names = [f"flowable-worker-{topic}" + (f"-{number + 1}" if number else "") for number in range(count)]
        # Not daemons: the usual program ends its main thread after subscribing, and lives because of these. And all at
        # once, because no thread can be started any more after that.
        threads = [
            threading.Thread(target=consumer.run, args=(number,), name=name, daemon=False)
            for number, name in enumerate(names)
        ]
        consumer.threads = threads
        with self._lock:
            self._consumers.append(consumer)
            self._threads = [*(each for each in self._threads if each.is_alive()), *threads]
            first, self._started = not self._started, True
        # A clock that moves by itself when everybody waits has to know who everybody is before the first job.
        for thread in threads:
            clocks.join(self._clock, thread)
        self._keeper.attach(consumer)
        self._courier.attach(consumer)
        if first:
            self._courier.do(consumer.deliver_orphans)
        try:
            for thread in threads:
                thread.start()
        except BaseException:
            self._not_started(consumer)
            raise
        return consumer

    def _not_started(self, consumer: Consumer) -> None:
        """The machine has no more threads, or the program is ending: those that were started are to end again."""
        consumer.stop.set()
        started = [thread for thread in consumer.threads if thread.ident is not None]
        consumer.started(len(started))
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.ident is not None]
        if not started:
            with self._lock:
                self._consumers.remove(consumer)

    @property
    def all_ended(self) -> bool:
        """Whether there were subscriptions, and all have ended."""
        return self._started and not self.consumers

    def stop_all(self, grace: float | None) -> Sequence[Consumer]:
        """Tell all subscriptions to stop, and return those that have not ended. `grace`: see `Stop.within`."""
        consumers = self.consumers
        for consumer in consumers:
            consumer.stop.within(grace)
        return consumers

    def explain_running(self) -> None:
        """Write down that what still runs is not what ends the process."""
        for consumer in self.consumers:
            consumer.explain_running()

    def join(self, interrupt: Callable[[], object] | None) -> bool:
        """Wait a moment for threads whose work is over.

        Args:
            interrupt: Ends requests that are on the wire. `None`: there is no such thing.

        Returns:
            Whether all have ended. `False`: one is held up by a request that is not answered.
        """
        for last in (False, True):
            deadline = time.monotonic() + _INTERRUPTED
            for thread in [*self._threads, self._keeper.thread, self._courier.thread]:
                if thread is not None:
                    thread.join(max(0.0, deadline - time.monotonic()))
            if not self._alive():
                return True
            if interrupt is None or last:
                break
            self._acquiring.forget_lost()
            interrupt()
        return not self._alive()

    def close(self) -> None:
        """Close the journal."""
        self._records.close()

    def _alive(self) -> bool:
        others = [thread for thread in (self._keeper.thread, self._courier.thread) if thread is not None]
        return any(each.is_alive() for each in (*self._threads, *others))


def wait_for_end(
    consumers: Sequence[Consumer], timeout: float | None, unless: Callable[[], bool] = lambda: False
) -> bool:
    """Wait until subscriptions that were told to stop are over.

    Args:
        consumers: The subscriptions.
        timeout: Seconds to wait at most. `None`: as long as the locks of what is running last.
        unless: When it says yes, the waiting ends.

    Returns:
        Whether all are over. `False`: `say_still_running` names what is not.
    """
    began = time.monotonic()
    for consumer in consumers:
        while True:
            consumer.changed.clear()
            if consumer.over():
                consumer.join(_INTERRUPTED)
                break
            left = consumer.time_left() if timeout is None else began + timeout - time.monotonic()
            if left <= 0 or unless():
                return False
            consumer.changed.wait(min(left, _LOOK))
    return True


def say_still_running(consumers: Sequence[Consumer]) -> None:
    """Name in the log what a stop leaves running, and which jobs stay locked."""
    for consumer in consumers:
        consumer.say_still_running()
