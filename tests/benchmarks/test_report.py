"""Tables, and their places on the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from side_by_side import report, tables
from side_by_side.samples import Document
from side_by_side.statistic import estimate
from tests.support.made_up_samples import MACHINE, everything

DOCUMENT = Document(machine=MACHINE, samples=everything())
ROOT = Path(__file__).resolve().parents[2]


def test_every_row_has_as_many_cells_as_the_head() -> None:
    """Otherwise the page has a table that is none."""
    for table in tables.all_of(DOCUMENT.samples, MACHINE).values():
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count(" | ") for line in lines if "---" not in line}) <= 1
        assert len({line.count("|") for line in lines}) <= 1


def test_a_run_of_one_part_has_tables_that_say_so() -> None:
    """The others are not measured, and not empty tables."""
    some = [each for each in DOCUMENT.samples if each.part == "chain"]
    written = tables.all_of(some, MACHINE)
    assert written["drain"] == written["pickup"] == "*not measured*"
    assert "| Worker | 0.40 s | 0.43 s | 0.44 s | 0.32 s | 20 |" in written["chain"].splitlines()


def test_what_never_came_is_told() -> None:
    """Beside how many did: in percentiles it has no place."""
    lost = replace(next(each for each in DOCUMENT.samples if each.part == "chain"), metric="never", value=2.0)
    assert "| 20, 2 never |" in tables.chain([*DOCUMENT.samples, lost])


def test_numbers_have_as_many_digits_as_mean_something() -> None:
    """With the interval of their median, and alone when there is one."""
    assert tables.number(estimate([1234.6])) == "1,235"
    assert tables.number(estimate([0.3333, 0.34, 0.35])) == "0.340 [0.333, 0.350]"
    assert tables.number(estimate([0.0])) == "0"
    assert tables.number(None) == "—"


def test_the_page_has_a_place_for_every_table() -> None:
    """And what is around them stays as it is."""
    page = report.PAGE.read_text(encoding="utf-8")
    written = tables.all_of(DOCUMENT.samples, MACHINE)
    filled = report.filled(page, written)
    assert all(table in filled for table in written.values())
    assert report.filled(filled, written) == filled
    assert filled.splitlines()[0] == page.splitlines()[0]
    assert filled.splitlines()[-1] == page.splitlines()[-1]


def test_a_table_without_a_place_is_refused() -> None:
    """Rather than left out."""
    with pytest.raises(ValueError, match="no place for the table 'chain'"):
        report.filled("<!-- pickup: here -->\n<!-- end -->\n", {"chain": "|"})


def test_each_part_is_of_the_last_document_that_has_it() -> None:
    """So that one part can be measured again."""
    again = [replace(each, value=7.0) for each in DOCUMENT.samples if each.part == "chain"]
    later = Document(machine=replace(MACHINE, cpu="another"), samples=again)
    merged = report.merged([DOCUMENT, later])
    assert merged.machine.cpu == "another"
    assert {each.value for each in merged.samples if each.part == "chain"} == {7.0}
    assert len(merged.samples) == len(DOCUMENT.samples)


def test_plots_stand_above_their_tables() -> None:
    """Those that were drawn; of what was not measured there is none, and no place that waits for one."""
    written = {"drain": "| drain |", "chain": "| chain |", "machine": "| machine |"}
    assert report.illustrated(written, [Path("elsewhere/chain.svg")]) == {
        "drain": "| drain |",
        "chain": f"![{report.PICTURES['chain'][0][1]}](speed/chain.svg)\n\n| chain |",
        "machine": "| machine |",
    }


def test_every_plot_of_the_page_is_there() -> None:
    """A page without its pictures is not finished."""
    page = report.PAGE.read_text(encoding="utf-8")
    wanted = [part.split(")")[0] for part in page.split("](")[1:] if part.startswith("speed/")]
    assert all(name.endswith(".svg") for name in wanted)
    assert [name for name in wanted if not (ROOT / "docs" / name).exists()] == []
