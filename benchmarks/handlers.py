"""What a typed handler costs around its own work: finding its arguments, and making an outcome of what it returns.

The unit is one validation by pydantic of the same five values, as the engine sent them, against the same annotations.
Both were measured in turn in the same run, because nothing else compares on a machine that does other work as well:
medians over rounds, and between them the lowest and the highest quarter.
"""

# ruff: noqa: T201  # a program, which prints

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter
from spread import Spread
from typing_extensions import TypedDict

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers.declared import Declared, declare
from flowable.external_worker_client.handlers.naming import camel
from flowable.external_worker_client.testing import make_job

OUTPUT: Final = Path(__file__).parents[1] / "build" / "benchmarks" / "handlers.json"
CALLS: Final = 500  # in a row, for one time
LIMIT: Final = 10  # times one validation

#: What this process spends itself, whatever else the machine does; on Windows that is too coarse.
cpu_seconds: Final = time.perf_counter if os.name == "nt" else time.process_time


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was measured.
        figure: By itself, with its unit; it depends on the machine and on what else it does.
        ratio: To one validation, in the same round.
        asked: What the ratio has to be, and whether it is.
    """

    name: str
    figure: str
    ratio: Spread
    asked: str = ""
    holds: bool | None = None


# ---------------------------------------------------------------- the handlers


@dataclass
class Line:
    """One line of an order."""

    article: str
    pieces: int
    price: Decimal


@dataclass
class Invoice:
    """What comes of it."""

    invoice_id: str
    total: Decimal


def of_values(customer_id: str, pieces: int, price: Decimal, created: datetime, due: date) -> dict[str, object]:
    """Have five simple arguments."""
    return {"invoice_id": f"{customer_id}-{created:%y}", "total": price * pieces, "due": due}


def of_lines(customer_id: str, pieces: int, discount: float, due: date, lines: list[Line]) -> Invoice:
    """Have a list of dataclasses among the five."""
    total = sum((line.price * line.pieces for line in lines), Decimal(0))
    return Invoice(f"{customer_id}-{due:%y}", total * (1 - int(discount)) * pieces)


VARIABLES: Final[dict[str, object]] = {
    "customerId": "Ada Lovelace",
    "pieces": 3,
    "price": Decimal("19.90"),
    "discount": 0.0,
    "created": datetime.fromisoformat("2026-01-31T12:30:15.250Z"),
    "due": date(2026, 2, 28),
    "lines": [{"article": "A-4711", "pieces": 2, "price": "9.95"}, {"article": "B-4712", "pieces": 1, "price": "0.10"}],
}


# ---------------------------------------------------------------- measuring


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes, out of many in a row."""
    began = cpu_seconds()
    for _ in range(CALLS):
        call()
    return (cpu_seconds() - began) / CALLS


def validation(function: Callable[..., object], job: ExternalWorkerAcquireJobResponse) -> Callable[[], object]:
    """Return one validation by pydantic of what a handler takes."""
    hints = {name: hint for name, hint in get_type_hints(function).items() if name != "return"}
    make: Any = TypedDict
    adapter: TypeAdapter[Any] = TypeAdapter(make("Arguments", hints))
    sent = {each.name: each.value for each in job.variables}
    values = {name: sent[camel(name)] for name in hints}
    return lambda: adapter.validate_python(values)


def measure(name: str, function: Callable[..., object], rounds: int) -> list[Row]:
    """Measure one handler."""
    hints = get_type_hints(function)
    job = make_job({camel(each): VARIABLES[camel(each)] for each in hints if each != "return"})
    handler: Declared = declare(function)
    context = handler.context(job)
    returned = function(**handler.bind(job, context))
    calls: dict[str, Callable[[], object]] = {
        "validation": validation(function, job),
        "arguments": lambda: handler.bind(job, context),
        "outcome": lambda: handler.outcome(job, returned),
        "run": lambda: handler.run(job, context),
        "work": lambda: function(**arguments),
    }
    arguments = handler.bind(job, context)
    times: dict[str, list[float]] = {each: [] for each in calls}
    for _ in range(rounds):
        for each, call in calls.items():
            times[each].append(seconds(call))
    unit = times["validation"]
    both = [one + other for one, other in zip(times["arguments"], times["outcome"], strict=True)]
    around = [one - other for one, other in zip(times["run"], times["work"], strict=True)]
    share = ratios(both, unit)
    return [
        Row(f"{name}: one validation", figure(unit), ratios(unit, unit)),
        Row("… arguments and outcome", figure(both), share, f"at most {LIMIT}", share.median <= LIMIT),
        Row("… of it the arguments", figure(times["arguments"]), ratios(times["arguments"], unit)),
        Row("… all around the function", figure(around), ratios(around, unit)),
    ]


def ratios(values: list[float], base: list[float]) -> Spread:
    """Return how values compare with those of the same rounds."""
    return Spread.of([one / other for one, other in zip(values, base, strict=True)])


def figure(values: list[float]) -> str:
    """Show a time."""
    return f"{statistics.median(values) * 1e6:.2f} µs"


# ---------------------------------------------------------------- the table


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'':34} {'':>10}  {'ratio':>6}  middle half")
    for row in rows:
        half = f"{row.ratio.low:.2f} - {row.ratio.high:.2f}"
        verdict = "" if row.holds is None else f"  [{row.asked}: {'yes' if row.holds else 'NO'}]"
        print(f"{row.name:34} {row.figure:>10}  {row.ratio.median:6.2f}  {half}{verdict}")


def main() -> int:
    """Measure, print, write. Returns 1 if something is not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about a second")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="where the figures are written as JSON")
    options = parser.parse_args()
    rounds = 15 if options.quick else 101
    gc.collect()
    gc.freeze()
    rows = [*measure("five values", of_values, rounds), *measure("with a list of objects", of_lines, rounds)]
    show(rows)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"python": platform.python_version(), "rounds": rounds, "rows": [asdict(row) for row in rows]}
    options.json.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(row.holds is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
