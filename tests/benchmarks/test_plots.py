"""The plots: the same figures make the same files. Only where matplotlib is, which `make bench` installs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.support.made_up_samples import everything

pytest.importorskip("matplotlib", reason="matplotlib is not installed; `make bench` does that")

from side_by_side import pictures

SAMPLES = everything()
LARGEST = 60_000  # bytes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All plots of the made-up samples."""
    return pictures.draw(SAMPLES, tmp_path_factory.mktemp("plots"))


def test_same_figures_make_the_same_files(drawn: list[Path], tmp_path: Path) -> None:
    """Byte for byte, so that a page that is written anew differs by what was measured only."""
    again = pictures.draw(SAMPLES, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]


def test_nothing_tells_when_or_by_what_they_were_drawn(drawn: list[Path]) -> None:
    """No date, no version, no place."""
    for path in drawn:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"20\d\d-\d\d-\d\d|matplotlib v|/site-packages", text, re.IGNORECASE)
        assert len(text) < LARGEST


def test_what_stands_in_them_can_be_read(drawn: list[Path]) -> None:
    """They are text: each client is named beside what is its own, and axes have names."""
    texts = {path.stem: {each.text for each in ET.parse(path).iter() if each.text} for path in drawn}  # noqa: S314
    assert set(texts) == {"drain", "waiting", "pickup", "chain", "backlog", "topics"}
    assert {"CPU of the client for one job, embedded engine", "100,000", "jobs that wait"} <= texts["backlog"]
    assert {"1.0.2", "fast transport, concurrency 4", "the ceiling", "100%"} <= texts["drain"]
    assert {"handlers at once", "jobs a second", "256"} <= texts["waiting"]
    assert {"Worker", "1.0.2", "seconds from the start of the process to the call of the handler"} <= texts["pickup"]
    assert {"Worker", "0.40 s, worst 0.44 s", "1.0.2", "139 s, worst 153 s"} <= texts["chain"]


def test_no_samples_no_plots(tmp_path: Path) -> None:
    """And no empty files."""
    assert pictures.draw([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
