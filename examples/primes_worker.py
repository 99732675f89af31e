"""Work for the processor, in processes of its own. The worker for `models/primes.bpmn20.xml`.

    python examples/primes_worker.py
    python examples/start.py primes 6

Threads of one Python process share one processor core; processes do not. A process also can be ended, as `timeout`
does. One that crashes costs its job a retry, and its neighbours nothing.
"""

from __future__ import annotations

import logging

from flowable.external_worker_client import DeadLetter, Worker

worker = Worker()


@worker.job(
    "countPrimes",
    result="primes",
    processes=2,  # so many at once
    timeout="5s",  # then its process is killed, and the job fails with a TimeoutError
    errors={TimeoutError: DeadLetter},  # which would come again
)
def count_primes(limit: int) -> int:
    """Count the primes below a limit. Its arguments, and what it returns, travel between processes."""
    return sum(all(number % divisor for divisor in range(2, int(number**0.5) + 1)) for number in range(2, limit))


# Each of the processes imports this module: what is not to be done there stands below this line.
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
