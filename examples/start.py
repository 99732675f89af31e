"""Deploy an example and start instances of it on a real engine (`make engine`).

    python examples/start.py order 5
    python examples/start.py claim 3

Prints the ids of the instances. Not all of them go well: some orders are too dear for a card, some claims not covered.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from flowable.external_worker_client.testing.real_engine import RealEngine, RealVariable

MODELS = Path(__file__).resolve().parent / "models"


def bill(number: int) -> dict[str, Any]:
    """Return the variables of a bill. Every third has none of the lines that it needs."""
    lines = [{"article": "nut", "pieces": 10 * (number + 1), "price": "0.10"}]
    return {
        "Customer No": 4711 + number,
        "due": RealVariable("localDate", "2026-12-31"),
        "channel": "email" if number % 2 else "letter",
        **({} if number % 3 == 2 else {"lines": lines}),  # noqa: PLR2004 - every third
    }


#: What each process starts with, by the number of the instance.
PROCESSES: dict[str, Callable[[int], dict[str, Any]]] = {
    "bill": bill,
    "booking": lambda number: {"seat": f"{number // 2 + 1}A", "passenger": f"passenger {number}"},
    "fingerprint": lambda number: {"text": f"text {number}"},
    "loan": lambda number: {"customer": "Ada", "amount": 20_000 * (number + 1)},
    "message": lambda number: {"number": "down" if number % 7 == 6 else f"+49 {number}", "text": "Hello"},  # noqa: PLR2004
    "order": lambda number: {"quantity": 1 + 30 * (number % 2)},
    "parcel": lambda number: {"pieces": number + 1},
    "payment": lambda number: {
        "account": ("Ada", "closed", "outage", "bug", "night", "Bob")[number % 6],
        "amount": 0 if number % 6 == 5 else 100,  # noqa: PLR2004 - Bob's
    },
    "primes": lambda number: {"limit": 100_000_000 if number % 6 == 5 else 10_000 * (number + 1)},  # noqa: PLR2004
    "quote": lambda number: {"article": ("nut", "bolt", "washer")[number % 3]},
    "report": lambda number: {"region": "north" if number % 2 else "southwest"},
    "simulation": lambda number: {"throws": 200_000, "seed": number},
}


def main() -> None:
    """Deploy the model and start the instances."""
    parser = argparse.ArgumentParser(description="Deploy an example and start instances of it.")
    parser.add_argument("example", choices=[*PROCESSES, "claim"])
    parser.add_argument("count", type=int, nargs="?", default=3, choices=range(1, 1001), metavar="COUNT")
    arguments = parser.parse_args()
    name = arguments.example
    address = os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest")
    username = os.environ.get("FLOWABLE_USERNAME", "rest-admin")
    password = os.environ.get("FLOWABLE_PASSWORD", "test")
    with RealEngine(address, username, password) as engine:
        if name in PROCESSES:
            engine.deploy(MODELS / f"{name}.bpmn20.xml")
            for number in range(arguments.count):
                print(name, engine.start_process(name, PROCESSES[name](number)))
        else:
            engine.deploy_case(MODELS / "claim.cmmn", variables=["covered"])
            for number in range(arguments.count):
                print(name, engine.start_case("claim", {"covered": number % 2 == 0}))


if __name__ == "__main__":
    try:
        main()
    except requests.ConnectionError:
        address = os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest")
        sys.exit(f"No engine answers at {address}: start one with `make engine`, or set FLOWABLE_URL.")
