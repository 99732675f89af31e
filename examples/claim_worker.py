"""The worker for `models/claim.cmmn`: a case whose plan item the worker completes or terminates.

Start the engine with `make engine`, then this program, then some claims:

    python examples/claim_worker.py
    python examples/start.py claim 3
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


def assess_damage(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
    """Accept the claim, which lets the case pay it out, or abandon it, which lets somebody explain why."""
    values = {variable.name: variable.value for variable in job.variables}
    if not values.get("covered"):
        return result.cmmn_terminate().variable_string("rejection", "this damage is not covered")
    return result.success().variable_int("amount", 1200)


def pay_out(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
    """Pay. Told apart by the case, so that paying twice would be noticed."""
    return result.success().variable_string("payment", f"claim {job.scope_id}")


def main() -> None:
    """Work until told to stop, by Ctrl-C or SIGTERM. What is being worked on is finished first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stdout)
    client = ExternalWorkerClient(
        os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest"),
        auth=HTTPBasicAuth(
            os.environ.get("FLOWABLE_USERNAME", "rest-admin"), os.environ.get("FLOWABLE_PASSWORD", "test")
        ),
    )
    client.subscribe("assessDamage", assess_damage, scope_type="cmmn", wait_period_seconds=1)
    client.subscribe("payOut", pay_out, scope_type="cmmn", wait_period_seconds=1)
    client.run_until_stopped(grace="25s")


if __name__ == "__main__":
    main()
