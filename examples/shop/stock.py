"""What the warehouse does."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from flowable.external_worker_client import Worker

# Options of this department; those that it does not set are the including worker's.
worker = Worker(lock="2m")


@worker.job("checkStock")
def check_stock(quantity: Annotated[int, Field(gt=0)]) -> dict[str, object]:
    """Look up what an order costs."""
    return {"in_stock": True, "total": quantity * Decimal("19.90")}


@worker.job("shipOrder", result="parcel")
def ship_order(quantity: int) -> str:
    """Hand the parcel over."""
    return f"parcel of {quantity}"
