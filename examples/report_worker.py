"""Plain functions and coroutines side by side in one worker, for `models/report.bpmn20.xml`.

    python examples/report_worker.py
    python examples/start.py report 20

A `def` handler runs in a thread, an `async def` handler on an event loop that the worker has for all of them. Neither
keeps the other waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time

from flowable.external_worker_client import Worker

worker = Worker()


@worker.job("sumUpSales", result="sales", concurrency=2)
def sum_up_sales(region: str) -> int:
    """Ask a database whose driver knows no asyncio: it blocks, which is what threads are for. Two at once."""
    time.sleep(0.05)
    return 1000 * len(region)


async def ask(currency: str) -> float:
    """Stand in for a service on the web."""
    await asyncio.sleep(0.1)
    return {"USD": 1.08, "GBP": 0.86, "CHF": 0.95}[currency]


@worker.job("fetchRates", concurrency=500, timeout="10s")
async def fetch_rates() -> dict[str, object]:
    """Ask for three rates at once, and that for up to 500 jobs at once. After ten seconds, it is cancelled."""
    currencies = ["USD", "GBP", "CHF"]
    rates = await asyncio.gather(*(ask(currency) for currency in currencies))
    return {"rates": dict(zip(currencies, rates, strict=True))}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
