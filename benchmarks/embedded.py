"""What the embedded engine costs: by backlog, beside the client that calls it, and over HTTP.

Every figure is a ratio of things that were measured in turn in the same run, because nothing else compares on a machine
that does other work as well: medians over rounds, and between them the lowest and the highest quarter.
"""

# ruff: noqa: T201, S603  # a program, which prints, and starts servers of its own

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from spread import Spread

from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.testing import (
    Door,
    EmbeddedAdapter,
    EmbeddedEngine,
    EmbeddedServer,
    MovingClock,
    Process,
    Task,
)

BACKLOGS: Final = (100, 1_000, 10_000, 100_000)
ACQUIRE: Final = {"topic": "t", "lockDuration": "PT5M", "numberOfTasks": 1, "numberOfRetries": 5, "workerId": "w"}
API: Final = "/flowable-rest/external-job-api"
CONNECTIONS: Final = 8  # that ask at the same time
OUTPUT: Final = Path(__file__).parents[1] / "build" / "benchmarks" / "embedded.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was measured.
        figure: By itself, with its unit; it depends on the machine and on what else it does.
        ratio: To what it is compared with, in the same round.
        to: What that is.
        asked: What the ratio has to be, and whether it is.
    """

    name: str
    figure: str
    ratio: Spread
    to: str
    asked: str = ""
    holds: bool | None = None


def ratios(values: list[float], base: list[float]) -> Spread:
    """Return how values compare with those of the same rounds."""
    return Spread.of([one / other for one, other in zip(values, base, strict=True)])


def engine_with(jobs: int) -> EmbeddedEngine:
    """Return an engine with so many jobs that wait."""
    engine = EmbeddedEngine(Process("p", Task("work", "t", exclusive=False)), clock=MovingClock(), keep_events=1_000)
    for _ in range(jobs):
        engine.start("p", {"number": 1})
    return engine


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the collector away: it would look at every waiting job."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


#: What this process spends itself, whatever else the machine does; on Windows that is too coarse.
cpu_seconds: Final = time.perf_counter if os.name == "nt" else time.process_time


def seconds(call: Callable[[], object], clock: Callable[[], float] = cpu_seconds) -> float:
    """Return how long something takes."""
    began = clock()
    call()
    return clock() - began


# ---------------------------------------------------------------- the backlog


def measure_backlogs(rounds: int) -> list[Row]:
    """Acquire single jobs from engines with more and more that wait."""
    engines = {size: engine_with(size) for size in BACKLOGS}
    times: dict[int, list[float]] = {size: [] for size in BACKLOGS}
    # Not to be looked at by the collector again and again.
    gc.collect()
    gc.freeze()
    batch = 20
    for _ in range(5 * rounds):
        for size, engine in engines.items():
            with undisturbed():
                times[size].append(seconds(lambda engine=engine: [engine.acquire("t") for _ in range(batch)]))  # type: ignore[misc]
            engine.unacquire_all("worker")
    gc.unfreeze()
    first = times[BACKLOGS[0]]
    return [
        Row(
            f"acquire, {size:,} jobs wait",
            f"{statistics.median(times[size]) / batch * 1e6:.1f} µs",
            ratios(times[size], first),
            f"with {BACKLOGS[0]} jobs",
            "flat: below 2",
            ratios(times[size], first).median < 2,  # noqa: PLR2004 - so the row says
        )
        for size in BACKLOGS
    ]


# ---------------------------------------------------------------- in-process


def measure_in_process(rounds: int) -> list[Row]:
    """Acquire and complete: with the client, at the door, and on the engine itself."""
    pairs = 200
    engine = engine_with(0)
    adapter = EmbeddedAdapter(engine)
    client = FlowableExternalWorkerRestClient(adapter.url, "w", customize_session=adapter.mount)
    door = Door(engine)
    headers = {
        "host": "embedded.invalid",
        "user-agent": "benchmark",
        "accept-encoding": "gzip, deflate",
        "accept": "*/*",
        "connection": "keep-alive",
        "content-type": "application/json",
    }
    body = json.dumps(ACQUIRE).encode()
    complete = b'{"workerId":"w"}'

    def by_client() -> None:
        for _ in range(pairs):
            [job] = client.acquire_jobs("t", "PT5M")
            client.complete_job(job.id)

    def by_door() -> None:
        for _ in range(pairs):
            answer = door.handle("POST", f"{API}/acquire/jobs", headers, body)
            # The id by its place: reading JSON is the client's business.
            job_id = answer.body[8:44].decode()
            assert door.handle("POST", f"{API}/acquire/jobs/{job_id}/complete", headers, complete).status == 204  # noqa: PLR2004, S101

    def by_engine() -> None:
        for _ in range(pairs):
            [job] = engine.acquire("t", worker_id="w")
            engine.complete(job.id, "w")

    calls = {"client": by_client, "door": by_door, "engine": by_engine}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(pairs):
                engine.start("p", {"number": 1})
            with undisturbed():
                times[name].append(seconds(call))
    client.request_session.close()
    shown = {name: f"{statistics.median(values) / pairs * 1e6:.0f} µs" for name, values in times.items()}
    share = ratios(times["engine"], times["client"])
    call_of = "the client's call"
    return [
        Row("acquire + complete, client's call", shown["client"], ratios(times["client"], times["client"]), call_of),
        Row("… of it the engine", shown["engine"], share, call_of, "below 0.1", share.median < 0.1),  # noqa: PLR2004
        Row("… of it the engine and its JSON", shown["door"], ratios(times["door"], times["client"]), call_of),
    ]


# ---------------------------------------------------------------- over HTTP


def measure_http(rounds: int) -> list[Row]:
    """Ask for jobs where there are none, and ask a server that can say nothing else."""
    count = 400
    with server("embedded") as embedded, server("constant") as constant:
        urls = {"embedded": embedded, "constant": constant}
        times: dict[str, list[float]] = {name: [] for name in urls}
        for url in urls.values():
            ask(url, count)
        for _ in range(rounds):
            for name, url in urls.items():
                times[name].append(seconds(lambda url=url: ask(url, count), time.perf_counter))  # type: ignore[misc]
    shown = {name: f"{count / statistics.median(values):,.0f} per second" for name, values in times.items()}
    share = ratios(times["constant"], times["embedded"])
    to = "the same server, answering []"
    return [
        Row("[] from the same server", shown["constant"], ratios(times["constant"], times["constant"]), to),
        Row("empty acquires over HTTP", shown["embedded"], share, to, "0.5 or more", share.median >= 0.5),  # noqa: PLR2004
    ]


def ask(url: str, count: int) -> None:
    """Send so many acquires on some connections at once, and wait for all answers."""
    where = urlsplit(url)
    body = json.dumps(ACQUIRE).encode()
    head = f"POST {API}/acquire/jobs HTTP/1.1\r\nHost: {where.netloc}\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"
    head += "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    left = count
    with selectors.DefaultSelector() as ready:
        sockets = [socket.create_connection((where.hostname, where.port)) for _ in range(CONNECTIONS)]
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(each, selectors.EVENT_READ, bytearray())
            each.sendall(request)
        waiting = CONNECTIONS
        left -= CONNECTIONS
        while waiting:
            for key, _ in ready.select():
                readable, received = key.fileobj, key.data
                assert isinstance(readable, socket.socket)  # noqa: S101 - only these were registered
                piece = readable.recv(65_536)
                received += piece
                if not piece or not received.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(f"no answer, but {bytes(received)!r}")
                if not received.endswith(b"[]\r\n0\r\n\r\n"):
                    continue
                received.clear()
                if left:
                    left -= 1
                    readable.sendall(request)
                else:
                    waiting -= 1
        for each in sockets:
            each.close()


@contextmanager
def server(kind: str) -> Iterator[str]:
    """Start a server in a process of its own, and return its address."""
    command = [sys.executable, __file__, "--serve", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield process.stdout.readline().strip()
        finally:
            # The end of its input is the end of it.
            process.stdin.close()


def serve(kind: str) -> None:
    """Serve until the input ends."""
    if kind == "embedded":
        with EmbeddedServer(engine_with(0), requests_per_connection=None) as embedded:
            print(embedded.url, flush=True)
            sys.stdin.read()
    else:
        asyncio.run(serve_constant())


async def serve_constant() -> None:
    """Answer every request with an empty list, as fast as the server can."""
    import uvicorn  # noqa: PLC0415 - as the embedded engine: only to serve

    async def application(_scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"[]"})

    # Settings and socket are those of EmbeddedServer.
    config = uvicorn.Config(
        application,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
    )
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        running = uvicorn.Server(config)
        served = asyncio.create_task(running.serve(sockets=[listening]))
        await asyncio.to_thread(sys.stdin.read)
        running.should_exit = True
        await served


# ---------------------------------------------------------------- the table


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'':34} {'':>17}  {'ratio':>6}  {'middle half':13}  to")
    for row in rows:
        ratio = row.ratio
        half = f"{ratio.low:.3f} - {ratio.high:.3f}"
        verdict = "" if row.holds is None else f"  [{row.asked}: {'yes' if row.holds else 'NO'}]"
        print(f"{row.name:34} {row.figure:>17}  {ratio.median:6.3f}  {half:13}  {row.to}{verdict}")


def main() -> int:
    """Measure, print, write. Returns 1 if something is not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about ten seconds")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="where the figures are written as JSON")
    parser.add_argument("--serve", choices=["embedded", "constant"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    rounds = 7 if options.quick else 31
    rows = [*measure_backlogs(rounds), *measure_in_process(rounds), *measure_http(rounds)]
    show(rows)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"python": platform.python_version(), "rounds": rounds, "rows": [asdict(row) for row in rows]}
    options.json.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(row.holds is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
