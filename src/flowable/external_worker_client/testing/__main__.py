"""`python -m flowable.external_worker_client.testing`: an embedded engine over HTTP, with a small process to try."""

from __future__ import annotations

import argparse
import sys
import threading

from flowable.external_worker_client.testing.engine import EmbeddedEngine
from flowable.external_worker_client.testing.http import Auth
from flowable.external_worker_client.testing.model import End, Parallel, Process, Task
from flowable.external_worker_client.testing.releases import RELEASES
from flowable.external_worker_client.testing.server import EmbeddedServer

#: What there is to work on: three topics, and an error that ends an order early.
SAMPLE = Process(
    "order",
    Task("check", "checkOrder", name="Check order", on_error={"REJECTED": [End("rejected")]}),
    Parallel(
        Task("charge", "chargeCard", name="Charge card", exclusive=False),
        Task("pack", "packGoods", name="Pack goods", exclusive=False),
    ),
)


def main(arguments: list[str] | None = None, stop: threading.Event | None = None) -> int:
    """Serve an engine until interrupted.

    Args:
        arguments: The command line; None is that of the process.
        stop: Ends it when set; None waits for Ctrl+C.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    auth: Auth = None if options.no_auth else options.token or _credentials(options.auth)
    engine = EmbeddedEngine(SAMPLE, release=options.release)
    for number in range(options.instances):
        engine.start(SAMPLE.key, {"orderId": number + 1, "amount": 10.0 * (number + 1)})
    try:
        server = EmbeddedServer(engine, options.host, options.port, auth).start()
    except (ImportError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        sys.stdout.write(_greeting(server, options, auth))
        sys.stdout.flush()
        (stop or threading.Event()).wait()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    finally:
        server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flowable.external_worker_client.testing",
        description="An embedded Flowable engine over HTTP, in memory, with a sample process.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port, 0 for a free one (default: %(default)s)")
    parser.add_argument(
        "--release", default="7.2", choices=list(RELEASES), help="which Flowable (default: %(default)s)"
    )
    parser.add_argument("--auth", default="rest-admin:test", metavar="USER:PASSWORD", help="default: %(default)s")
    parser.add_argument("--token", help="take this bearer token instead of a user and a password")
    parser.add_argument("--no-auth", action="store_true", help="let everybody in")
    parser.add_argument("--instances", type=int, default=5, help="how many to start at once (default: %(default)s)")
    return parser


def _credentials(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not colon or not user:
        sys.exit(f"--auth: {text!r} is not accepted; write USER:PASSWORD")
    return user, password


def _greeting(server: EmbeddedServer, options: argparse.Namespace, auth: Auth) -> str:
    token = '-H "Authorization: Bearer $TOKEN" ' if auth else ""
    login = f"-u {':'.join(auth)} " if isinstance(auth, tuple) else token
    credentials = " / ".join(auth) if isinstance(auth, tuple) else "the bearer token" if auth else "none needed"
    start = f'\'{{"processDefinitionKey":"{SAMPLE.key}"}}\''
    return (
        f"Embedded Flowable {options.release} at {server.url}\n"
        f"  credentials  {credentials}\n"
        f"  process      {SAMPLE.key}, topics checkOrder, chargeCard, packGoods; {options.instances} started\n"
        f"  start one    curl {login}-H 'Content-Type: application/json' -d {start} "
        f"{server.url}/service/runtime/process-instances\n"
        f"  jobs         curl {login}{server.url}/external-job-api/jobs\n"
        "Ctrl+C ends it.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
