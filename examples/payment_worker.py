"""Errors and retries: what becomes of a job when something goes wrong. The worker for `models/payment.bpmn20.xml`.

    python examples/payment_worker.py
    python examples/start.py payment 6

Each of the payments meets another kind of trouble; only one of the customers is without.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from flowable.external_worker_client import BpmnError, Context, DeadLetter, RetryLater, RetryPolicy, Worker

# What exceptions mean, for all handlers of this worker. The tables of handlers are asked first.
worker = Worker(
    errors={
        # An outage is no mistake of the payment: many attempts, with pauses that grow from one minute to an hour.
        ConnectionError: RetryPolicy(first_pause="1m", longest_pause="1h", attempts=12),
    },
    # Whatever is in no table: three attempts.
    retry=RetryPolicy(first_pause="10s", attempts=3),
)


class UnknownAccountError(LookupError):
    """What the bank says to an account that it does not have, or no more."""


def collect(account: str, amount: Decimal) -> str:
    """Stand in for a bank's library: it knows nothing of processes, and raises what such libraries raise."""
    if account == "closed":
        raise UnknownAccountError(account)
    if account == "outage":
        raise ConnectionResetError("the bank does not answer")
    if account == "bug":
        raise ZeroDivisionError("nobody has thought of this")
    return f"{account}: {amount}"


@worker.job("collectPayment", result="receipt", errors={UnknownAccountError: BpmnError("accountClosed")})
def collect_payment(account: str, amount: Decimal, context: Context) -> str:
    """Collect a payment."""
    if amount <= 0:
        # In vain, however often: to the dead letters, where a person looks at it.
        raise DeadLetter(f"{amount} cannot be collected")
    if account == "night" and context.attempt == 1:
        # No failure: the job comes back when the bank opens, with all its retries.
        raise RetryLater("8h", "the bank is closed at night")
    return collect(account, amount)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
