"""Outcomes: what a handler returns becomes variables. The worker for `models/loan.bpmn20.xml`.

python examples/loan_worker.py
python examples/start.py loan 4
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal

from flowable.external_worker_client import BpmnError, Worker

worker = Worker()
logger = logging.getLogger(__name__)


@dataclass
class Contract:
    """Each field becomes a variable: `contractNo`, `monthlyRate`, `terms`."""

    contract_no: str
    monthly_rate: Decimal
    terms: list[str]


@worker.job("rateCustomer", result="score")
def rate_customer(customer: str) -> int:
    """Return one value: it becomes the variable that `result` names."""
    return 100 * len(customer)


@worker.job("decideLoan")
def decide_loan(score: int, amount: int) -> dict[str, object]:
    """Return some variables, or take the way that the model has for loans that are too risky."""
    if amount > 100 * score:
        raise BpmnError("tooRisky", reason=f"{amount} is too much for a score of {score}", limit=100 * score)
    return {"interest_rate": Decimal("3.9"), "decided_by": "worker"}


@worker.job("writeContract")
def write_contract(customer: str, amount: int, interest_rate: Decimal) -> Contract:
    """Return an object: a dataclass here, a pydantic model or a TypedDict would do as well."""
    rate = (amount * (1 + interest_rate / 100) / 12).quantize(Decimal("0.01"))
    return Contract(f"L-{customer}", rate, ["twelve months", f"{interest_rate} %"])


@worker.job("archiveLoan")
def archive_loan(contract_no: str) -> None:
    """Return nothing: the job is done, and there are no variables."""
    logger.info("archived %s", contract_no)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
