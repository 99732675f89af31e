"""A worker inside of an asyncio program that does other things too. For `models/quote.bpmn20.xml`.

    python examples/quote_service.py
    python examples/start.py quote 3
    curl http://127.0.0.1:8077/

`lifespan` has the form that FastAPI and Starlette want: `FastAPI(lifespan=lifespan)`. Here a web server of a few lines
stands in for them. Handlers run on the same event loop as the server, and share with it what they like, without locks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from flowable.external_worker_client import Worker

worker = Worker()
logger = logging.getLogger(__name__)
quotes: dict[str, Decimal] = {}


@worker.job("findQuote", result="quote")
async def find_quote(article: str) -> Decimal:
    """Find a price, and remember it for those who ask over HTTP."""
    quotes[article] = Decimal(len(article)) * Decimal("1.25")
    return quotes[article]


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Work for as long as the service is up. At its end, running handlers finish, and the loop is not blocked."""
    async with worker.running(grace="25s"):
        yield


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request with all quotes."""
    await reader.readuntil(b"\r\n\r\n")
    text = "".join(f"{article} {quote}\n" for article, quote in quotes.items())
    writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{text}".encode())
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(answer, "127.0.0.1", int(os.environ.get("PORT", "8077")))
    async with lifespan(None), server:
        port = server.sockets[0].getsockname()[1]
        logger.info("listening on http://127.0.0.1:%d/", port)
        await stop.wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    asyncio.run(main())
