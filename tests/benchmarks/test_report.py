"""Tables, and their places on the page."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from side_by_side import found, report, tables
from side_by_side.samples import Document, Noise
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


def test_a_terminal_gets_what_was_measured() -> None:
    """Of a run of one part, the rest would only be in the way; on the page it stands, so that nobody misses it."""
    some = tables.all_of([each for each in DOCUMENT.samples if each.part == "chain"], MACHINE)
    assert len(tables.measured(some["figures"]).splitlines()) == 4
    assert tables.measured(some["drain"]) == tables.measured(tables.figures([])) == ""
    assert tables.measured(some["chain"]) == some["chain"]


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


def test_a_ratio_says_no_more_than_the_rounds_that_both_sides_have() -> None:
    """Nine rounds of one side and one of the other are one round; what is compared with itself says nothing."""
    once = [each for each in DOCUMENT.samples if each.round == 0 or not each.scenario.startswith("1.0.2")]
    rows = {
        row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ") for row in tables.drain(once, "stub").splitlines()
    }
    assert rows["fast transport, concurrency 4"][2:] == [
        "0.85 [0.85, 0.85]",
        "0.316 [0.300, 0.353]",
        "0.091, of 1 round",
        "9",
    ]
    assert rows["ceiling"][2] == "1"
    assert rows["1.0.2"][1:] == ["1,200", "0.20", "3.30", "1", "1"]
    twice = [each for each in DOCUMENT.samples if each.round < 2 or not each.scenario.startswith("1.0.2")]
    assert "0.091 [0.091, 0.091], of 2 rounds" in tables.drain(twice, "stub")


def test_rounds_are_counted_along_a_curve() -> None:
    """The fewest and the most, since one interval is of less than another; a place without any does not count."""
    some = [each for each in DOCUMENT.samples if each.round in {0, 4, 8} or each.x == 32]
    rows = tables.waiting(some).splitlines()
    assert [row.rsplit(" | ", 1)[1] for row in rows[2:]] == ["3 to 9 |", "3 to 9 |", "3 |"]
    assert tables.cost(some).splitlines()[2].endswith(" | 3 |")


def test_memory_of_handlers_that_wait_is_told() -> None:
    """And what they cost, of all clients; the ceiling is none."""
    waits = next(each for each in DOCUMENT.samples if each.part == "waiting" and each.scenario.startswith("ours"))
    ceiling = replace(waits, scenario="ceiling, 50 ms", metric="cpu_ms_per_job")
    table = tables.waiting_cost([ceiling, replace(waits, metric="rss_mb", value=240.0, x=256)])
    assert table.splitlines()[2:] == ["| fast transport, threads | engine | memory, MB | 240 | 1 |"]


def test_a_machine_is_as_restless_as_in_its_worst_hour() -> None:
    """Of several documents; those of which no part is taken do not count."""

    def document(part: str, spread: float, load: float) -> Document:
        noise = Noise(name="loop", low=0.9, median=1.0, high=1.1, spread=spread)
        machine = replace(MACHINE, noise=[noise], load_before=load)
        return Document(machine=machine, samples=[replace(DOCUMENT.samples[0], part=part)])

    merged = report.merged([document("a", 0.9, 9), document("b", 0.4, 4.5), document("a", 0.1, 0.5)])
    assert ([each.spread for each in merged.machine.noise], merged.machine.load_before) == ([0.4], 4.5)


@pytest.mark.parametrize(("check", "status"), [([], 0), (["--check"], 1)], ids=["report", "check"])
def test_what_is_not_as_asked_is_named(
    check: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A report that was written is one, whatever it says; whoever wants a check asks for it."""
    worse = [replace(each, value=2 * each.value) if each.x == found.MANY_JOBS else each for each in DOCUMENT.samples]
    file = tmp_path / "found.json"
    Document(machine=MACHINE, samples=worse).write(file)
    monkeypatch.setattr(sys, "argv", ["report.py", str(file), *check])
    monkeypatch.setattr(report, "draw", lambda *_: [])
    assert report.main() == status
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not as asked: ")]
    assert len(said) == 4
    assert said[0] == (
        "not as asked: 100,000 waiting jobs (embedded engine), CPU a job, compared with 100: default transport: "
        "2.00 [2.00, 2.00] times, asked flat: ≤ 1.25"
    )


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
