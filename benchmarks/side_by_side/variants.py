"""What is measured side by side, and the program for each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from side_by_side.peers import Peers
from side_by_side.places import HERE

DRAINING: Final = HERE / "draining"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to work on jobs.

    Attributes:
        name: What the command line calls it.
        scenario: What the results call it.
        client: Whose program: `"ours"`, `"v1"` or `"js"`.
        tasks: How many jobs one acquire asks for; ours know by their name.
        concurrency: How many handlers at once, unless somebody says otherwise.
    """

    name: str
    scenario: str
    client: str
    tasks: int = 1
    concurrency: int = 1


VARIANTS: Final = {
    each.name: each
    for each in (
        Variant("default", "ours, default", "ours"),
        Variant("batched", "ours, batched", "ours", tasks=20),
        Variant("concurrent", "ours, concurrency 4", "ours", tasks=20, concurrency=4),
        Variant("async", "ours, async", "ours", tasks=20, concurrency=4),
        Variant("worker", "ours, Worker", "ours", tasks=20, concurrency=4),
        Variant("fast", "ours, fast, concurrency 4", "ours", tasks=20, concurrency=4),
        Variant("fast-default", "ours, fast, default", "ours"),
        Variant("bare", "pyreqwest alone, 4 threads", "ours", tasks=20, concurrency=4),
        Variant("v1", "1.0.2, default", "v1"),
        Variant("v1-batched", "1.0.2, batched", "v1", tasks=20),
        Variant("js", "JavaScript, default", "js"),
        Variant("js-batched", "JavaScript, batched", "js", tasks=20),
    )
}
CEILING: Final = "ceiling"
WAITING_CEILING: Final = "ceiling, 50 ms"


def command(
    variant: Variant,
    peers: Peers,
    *,
    url: str,
    topics: Sequence[str],
    concurrency: int | None = None,
    sleep_ms: int = 0,
) -> list[str]:
    """Return what runs the program of a variant.

    Args:
        variant: Which.
        peers: The other clients.
        url: Of the engine.
        topics: Of which it takes jobs.
        concurrency: Of ours. `None`: as the variant says.
        sleep_ms: How long each handler waits.

    Raises:
        BenchmarkError: The client of the variant cannot be installed.
    """
    common = ["--url", url, "--topics", ",".join(topics), "--sleep-ms", str(sleep_ms)]
    match variant.client:
        case "v1":
            # -I: nothing of the surroundings, such as PYTHONPATH, may bring this library in its place.
            return [str(peers.v1_python), "-I", str(DRAINING / "v1.py"), *common, "--tasks", str(variant.tasks)]
        case "js":
            folder = ["--folder", str(peers.js_folder)]
            return ["node", str(DRAINING / "js.mjs"), *folder, *common, "--tasks", str(variant.tasks)]
        case _:
            slots = ["--concurrency", str(concurrency or variant.concurrency)]
            return [sys.executable, str(DRAINING / "ours.py"), *common, "--variant", variant.name, *slots]
