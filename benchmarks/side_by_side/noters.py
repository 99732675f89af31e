"""Which program notes the calls of the handlers of which client, and what runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from side_by_side.notes import Noting

if TYPE_CHECKING:
    from side_by_side.bed import Bed

#: What each client is called among the samples.
NAMES = {
    "worker": "ours, Worker",
    "subscribe": "ours, default",
    "v1": "1.0.2, default",
    "js": "JavaScript, default",
}

HERE = Path(__file__).resolve().parent / "noting"


def program(bed: Bed, client: str, url: str, groups: Sequence[Sequence[str]]) -> Noting:
    """Return a program at work on some topics.

    Args:
        bed: Where the other clients are installed.
        client: `worker` or `subscribe`, which are ours; `v1` or `js`.
        url: Of the engine.
        groups: Topics; each group gets a client of its own.
    """
    if client == "v1":
        return Noting([str(bed.peers.v1_python), str(HERE / "v1.py"), url], groups)
    if client == "js":
        return Noting(["node", str(HERE / "js.mjs"), str(bed.peers.js_folder), url], groups)
    return Noting([sys.executable, str(HERE / "ours.py"), client, url], groups)
