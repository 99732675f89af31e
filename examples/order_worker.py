"""The worker for `models/order.bpmn20.xml`: three topics, a BPMN error, a job that nobody should try again.

Start the engine with `make engine`, then this program, then some orders:

    python examples/order_worker.py
    python examples/start.py order 5

Ctrl-C ends it; so does SIGTERM. What it is working on is finished first.
"""

from __future__ import annotations

import logging
import os
import sys

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    WorkerResultBuilder,
    WorkResult,
)

LIMIT = 500.0  # what a card is good for, in this example


def variables_of(job: ExternalWorkerAcquireJobResponse) -> dict[str, object]:
    """Return the variables of a job by name."""
    return {variable.name: variable.value for variable in job.variables}


def check_stock(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
    """Look up what the order costs."""
    quantity = variables_of(job).get("quantity")
    if not isinstance(quantity, int) or quantity < 1:
        # Trying again does not mend an order: no retries left, so the job moves to the dead letters.
        return result.failure().error_message(f"quantity is {quantity!r}, not a number of pieces").retries(0)
    return result.success().variable_boolean("inStock", True).variable_float("total", quantity * 19.9)


def charge_card(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
    """Charge the card, or take the path that the process has for cards that are declined."""
    total = variables_of(job).get("total")
    if not isinstance(total, float) or total > LIMIT:
        return result.bpmn_error().error_code("cardDeclined").variable_string("reason", f"{total} is above the limit")
    return result.success().variable_json("payment", {"receipt": f"R-{job.process_instance_id}", "total": total})


def ship_order(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
    """Hand the parcel over."""
    return result.success().variable_string("parcel", f"P-{job.process_instance_id}")


def main() -> None:
    """Work until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stdout)
    client = ExternalWorkerClient(
        os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest"),
        auth=HTTPBasicAuth(
            os.environ.get("FLOWABLE_USERNAME", "rest-admin"), os.environ.get("FLOWABLE_PASSWORD", "test")
        ),
    )
    for topic, handler in [("checkStock", check_stock), ("chargeCard", charge_card), ("shipOrder", ship_order)]:
        client.subscribe(topic, handler, scope_type="bpmn", wait_period_seconds=1)
    client.run_until_stopped(grace="25s")


if __name__ == "__main__":
    main()
