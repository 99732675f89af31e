"""Arguments: what a handler needs, as the types that it wants them in. The worker for `models/bill.bpmn20.xml`.

    python examples/bill_worker.py
    python examples/start.py bill 3

Variables are found by the names of parameters and checked by their annotations, before the handler is called. A job
whose variables do not fit goes to the dead letters, with a message that lists every problem.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated

from pydantic import BaseModel

from flowable.external_worker_client import AllVariables, Context, Variable, Worker

worker = Worker()

REMIND_ABOVE = 1000


class Channel(Enum):
    """How a customer wants bills."""

    EMAIL = "email"
    LETTER = "letter"


@dataclass
class Line:
    """A line of an order. In the process it is an object in JSON."""

    article: str
    pieces: int
    price: Decimal


@dataclass
class Bill:
    """What `write_bill` returns: each field becomes a variable, `bill_no` as `billNo`."""

    bill_no: str
    total: Decimal
    written_at: datetime


class Posting(BaseModel):
    """What `post_bill` wants of all the variables. Those that it does not name are left alone."""

    bill_no: str
    total: Decimal
    channel: Channel
    due: date


@worker.job("writeBill")
def write_bill(
    customer_no: Annotated[int, Variable("Customer No")],  # for names that are no Python names
    lines: list[Line],
    due: date,
    discount: Decimal = Decimal(0),  # a default: the variable may be missing
) -> Bill:
    """Add up the lines. Decimals stay decimals, so no cent gets lost on the way."""
    total = sum((line.price * line.pieces for line in lines), -discount)
    return Bill(f"{due:%Y}-{customer_no}", total, datetime.now(UTC))


@worker.job("postBill", lock="2m")
async def post_bill(posting: Annotated[Posting, AllVariables], context: Context) -> dict[str, object]:
    """Post the bill. An `async def` handler waits without a thread, and a hundred of them wait at once."""
    context.logger.info("posting %s by %s, attempt %d", posting.bill_no, posting.channel.value, context.attempt)
    await asyncio.sleep(0.1)  # a mail server
    return {"posted_on": datetime.now(UTC).date(), "reminder": posting.total > REMIND_ABOVE}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
