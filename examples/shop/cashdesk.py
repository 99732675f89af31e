"""What the cash desk does."""

from __future__ import annotations

from decimal import Decimal

from flowable.external_worker_client import BpmnError, Worker

LIMIT = 500  # what a card is good for, in this example


class CardDeclinedError(Exception):
    """What the library of a card company raises."""


worker = Worker(errors={CardDeclinedError: lambda error: BpmnError("cardDeclined", reason=str(error))})


@worker.job("chargeCard", result="payment")
async def charge_card(total: Decimal) -> str:
    """Charge a card."""
    if total > LIMIT:
        raise CardDeclinedError(f"{total} is above the limit")
    return f"R-{total}"
