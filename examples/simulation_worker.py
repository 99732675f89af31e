"""Work on a Dask cluster, for those who outgrow one machine. The worker for `models/simulation.bpmn20.xml`.

    pip install "flowable.external-worker-client[dask]"
    python examples/simulation_worker.py
    python examples/start.py simulation 20

With `DASK_SCHEDULER=tcp://…:8786`, the handlers run on that cluster; without, on one of two processes on this machine,
which this program starts. This program itself only acquires jobs and reports how they ended.
"""

from __future__ import annotations

import logging
import os
import random
from contextlib import ExitStack

from distributed import Client, LocalCluster

from flowable.external_worker_client import Worker

# Ctrl-C reaches all processes of a terminal. What it means is for the worker to decide, which finishes its jobs.
IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


def throw_dice(throws: int, seed: int) -> dict[str, object]:
    """Throw two dice many times. Where a process of the cluster is lost, Dask does it again on another one.

    So it should bear being done twice, as every handler should.
    """
    dice = random.Random(seed)  # noqa: S311 - a game
    doubles = sum(dice.randint(1, 6) == dice.randint(1, 6) for _ in range(throws))
    return {"doubles": doubles, "computed_by": os.getpid()}


def main() -> None:
    """Work until told to stop."""
    with ExitStack() as stack:
        # Opened before the worker runs, and so closed after its last job.
        address = os.environ.get("DASK_SCHEDULER") or stack.enter_context(
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                preload=IGNORE_CTRL_C,
            )
        )
        dask = stack.enter_context(Client(address))
        worker = Worker()
        # concurrency: how many jobs are on the cluster at once. As many as it has threads, and some to keep it busy.
        # timeout: a cluster that has lost all its processes lets jobs wait for ever.
        worker.job("throwDice", executor=dask.get_executor(), concurrency=8, timeout="5m", lock="10m")(throw_dice)
        worker.run(grace="25s")


# The processes of the cluster import this module.
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    main()
