"""Deploy an example and start instances of it on a real engine (`make engine`).

    python examples/start.py order 5
    python examples/start.py claim 3

Prints the ids of the instances. Some orders are too dear for a card, some claims are not covered.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import requests

from flowable.external_worker_client.testing.real_engine import RealEngine

MODELS = Path(__file__).resolve().parent / "models"


def main() -> None:
    """Deploy the model and start the instances."""
    parser = argparse.ArgumentParser(description="Deploy an example and start instances of it.")
    parser.add_argument("example", choices=["order", "claim"])
    parser.add_argument("count", type=int, nargs="?", default=3, choices=range(1, 1001), metavar="COUNT")
    arguments = parser.parse_args()
    address = os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest")
    username = os.environ.get("FLOWABLE_USERNAME", "rest-admin")
    password = os.environ.get("FLOWABLE_PASSWORD", "test")
    with RealEngine(address, username, password) as engine:
        if arguments.example == "order":
            engine.deploy(MODELS / "order.bpmn20.xml")
            for number in range(arguments.count):
                print("order", engine.start_process("order", {"quantity": 1 + 30 * (number % 2)}))
        else:
            engine.deploy_case(MODELS / "claim.cmmn", variables=["covered"])
            for number in range(arguments.count):
                print("claim", engine.start_case("claim", {"covered": number % 2 == 0}))


if __name__ == "__main__":
    try:
        main()
    except requests.ConnectionError:
        address = os.environ.get("FLOWABLE_URL", "http://127.0.0.1:8090/flowable-rest")
        sys.exit(f"No engine answers at {address}: start one with `make engine`, or set FLOWABLE_URL.")
