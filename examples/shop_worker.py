"""Handlers over several modules: a worker that includes others. For `models/order.bpmn20.xml`.

    python examples/shop_worker.py
    python examples/start.py order 5

Each module of `shop/` declares its handlers on a worker of its own, with its own options, tables and middleware. This
program puts them together. Two handlers for the same topic would be refused, with both places named.
"""

from __future__ import annotations

import logging

from shop import cashdesk, stock

from flowable.external_worker_client import RetryPolicy, Worker

# What all departments have in common, where they do not say otherwise themselves.
worker = Worker(lock="1m", retry=RetryPolicy(attempts=5))
worker.include(stock.worker)
worker.include(cashdesk.worker)

logger = logging.getLogger(__name__)

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    logger.info("topics: %s", ", ".join(worker.topics))
    worker.run(grace="25s")
