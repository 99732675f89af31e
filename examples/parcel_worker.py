"""Moving on step by step: a callback for version 1 beside a `Worker`. For `models/parcel.bpmn20.xml`.

    python examples/parcel_worker.py
    python examples/start.py parcel 3

Both are on one client, so they share its connections and its end. Whoever has a hundred callbacks does not have to
touch ninety-nine of them.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    Worker,
    WorkerResultBuilder,
    WorkResult,
)

HEAVY = 1000  # grams


def weigh_parcel(job: ExternalWorkerAcquireJobResponse, worker_result_builder: WorkerResultBuilder) -> WorkResult:
    """Weigh a parcel, as callbacks of 1.0.2 do."""
    values: dict[str, Any] = {variable.name: variable.value for variable in job.variables}
    return worker_result_builder.success().variable_int("grams", 250 * values["pieces"])


def label_parcel(grams: int) -> dict[str, object]:
    """Print its label: the same in new."""
    return {"label": f"{grams} g", "heavy": grams > HEAVY}


def main() -> None:
    """Work until told to stop."""
    client = ExternalWorkerClient(
        os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest"),
        auth=HTTPBasicAuth(
            os.environ.get("FLOWABLE_USERNAME", "rest-admin"), os.environ.get("FLOWABLE_PASSWORD", "test")
        ),
    )
    client.subscribe("weighParcel", weigh_parcel, wait_period_seconds=1)
    worker = Worker(client)
    worker.job("labelParcel")(label_parcel)
    # Runs its own handlers, and waits for all of the client's.
    worker.run(grace="25s")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    main()
