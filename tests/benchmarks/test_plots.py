"""The plots: the same figures make the same files. Only where matplotlib is, which `make bench` installs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.support.made_up_samples import everything

pytest.importorskip("matplotlib", reason="matplotlib is not installed; `make bench` does that")

from side_by_side import cost, pictures, plots, waiting
from side_by_side.statistic import estimate
from side_by_side.variants import VARIANTS

SAMPLES = everything()
LARGEST = 60_000  # bytes
SVG = "{http://www.w3.org/2000/svg}"


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


@pytest.mark.parametrize(
    "scenarios",
    [
        {scene.scenario for scene in (*waiting.ALWAYS, *waiting.SELDOM)},
        {VARIANTS[name].scenario for name in cost.VARIANTS_HERE},
        {VARIANTS[name].scenario for name in cost.WITH_TOPICS},
    ],
    ids=["waiting", "backlog", "topics"],
)
def test_no_two_lines_of_a_plot_look_alike(scenarios: set[str]) -> None:
    """In no way: each has a colour, strokes and markers of its own."""
    for looks in (plots.COLOURS, plots.STROKES, plots.MARKERS):
        assert len({looks[pictures.colour(scenario)] for scenario in scenarios}) == len(scenarios)


def test_names_stand_beside_the_plot(tmp_path: Path) -> None:
    """Wherever lines end: names in the plot would lie across others."""
    rows = [
        plots.Line(colour, colour, [(1, estimate([20.0])), (10**number, estimate([500.0 + number]))])
        for number, colour in enumerate(plots.COLOURS, start=1)
    ]
    waits = [plots.Waits(colour, colour, [0.1, 0.2 + number]) for number, colour in enumerate(plots.COLOURS)]
    plots.lines(tmp_path / "lines.svg", "title", "x", "y", rows)
    plots.distribution(tmp_path / "waits.svg", "title", "x", waits)
    for name in ("lines.svg", "waits.svg"):
        root = ET.parse(tmp_path / name).getroot()  # noqa: S314
        inside = next(root.iter(f"{SVG}clipPath"))[0]
        right = float(inside.attrib["x"]) + float(inside.attrib["width"])
        named = {text.text: float(text.attrib["x"]) for text in root.iter(f"{SVG}text") if text.text in plots.COLOURS}
        assert set(named) == set(plots.COLOURS)
        assert min(named.values()) > right


def test_a_bar_of_one_round_has_no_interval(tmp_path: Path) -> None:
    """And says what it is of."""
    for name, shares in (("one", [0.28]), ("three", [0.27, 0.28, 0.29])):
        plots.bars(tmp_path / name, "title", "axis", [plots.Bar("1.0.2", "v1", estimate(shares))], limit="limit")
    one, three = ((tmp_path / name).read_text(encoding="utf-8") for name in ("one", "three"))
    assert ("0.28, one round" in one, "LineCollection" in one) == (True, False)
    assert ("0.28, one round" in three, "LineCollection" in three) == (False, True)


def test_no_samples_no_plots(tmp_path: Path) -> None:
    """And no empty files."""
    assert pictures.draw([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
