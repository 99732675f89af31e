"""The report: tables, plots, and docs/speed.md.

    python benchmarks/side_by_side/report.py                       # what the last run found
    python benchmarks/side_by_side/report.py --part pickup         # what the last run of this part alone found
    python benchmarks/side_by_side/report.py --write-page          # onto the page, with its plots

Of several files, each part is taken from the last that has it: parts can be measured on their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from side_by_side import found, tables
from side_by_side.places import BUILD, ROOT, results
from side_by_side.samples import Document, Noise

PAGE = ROOT / "docs" / "speed.md"
PLOTS = ROOT / "docs" / "speed"

#: The plots that stand above a table: their files, and what is in them for those who do not see them.
PICTURES: Mapping[str, Sequence[tuple[str, str]]] = {
    "drain": [("drain.svg", "Bars: which share of the ceiling each client has on the real engine")],
    "waiting": [("waiting.svg", "Lines: jobs a second against handlers at once")],
    "pickup": [("pickup.svg", "Distribution: how long a job waits until its handler is called")],
    "chain": [("chain.svg", "Ranges: how long a process of five external tasks takes, from its start to its end")],
    "cost": [
        ("backlog.svg", "Lines: CPU a job against the number of jobs that wait"),
        ("topics.svg", "Lines: CPU a job against the number of topics"),
    ],
}


def main() -> int:
    """Print the tables, draw the plots, and say what does not hold. Returns 1 for that with `--check` only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="*", type=Path, help="default: of the last run")
    parser.add_argument("--part", action="append", default=[], help="of the last run of these parts alone, not of all")
    parser.add_argument("--write-page", action="store_true", help="write docs/speed.md and its plots anew")
    parser.add_argument("--check", action="store_true", help="end with 1 if a figure is not as asked")
    options = parser.parse_args()
    document = merged([Document.read(path) for path in options.documents or [results(options.part)]])
    written = tables.all_of(document.samples, document.machine)
    for name, table in written.items():
        if there := tables.measured(table):
            print(f"\n{name}\n\n{tables.text(there)}")
    drawn = draw(document, PLOTS if options.write_page else BUILD / "plots")
    if options.write_page:
        if not drawn:
            parser.error("--write-page: without matplotlib there are no plots for the page; `make bench` installs it")
        page = filled(PAGE.read_text(encoding="utf-8"), illustrated(written, drawn))
        PAGE.write_text(page, encoding="utf-8")
    missed = [each for each in found.figures(document.samples) if each.holds is False]
    for each in missed:
        print(f"not as asked: {each.what}: {each.found}, asked {each.asked}")
    return 1 if missed and options.check else 0


def merged(documents: Sequence[Document]) -> Document:
    """Return one document with each part of the last document that has it.

    The machine is the last document's, but how restless it was is the worst of all of them: parts that were measured in
    a noisy hour do not get quieter by others that were not.
    """
    parts = {each.part: number for number, document in enumerate(documents) for each in document.samples}
    samples = [
        each for number, document in enumerate(documents) for each in document.samples if parts[each.part] == number
    ]
    noises: dict[str, Noise] = {}
    for each in (noise for number in sorted(set(parts.values())) for noise in documents[number].machine.noise):
        if each.name not in noises or noises[each.name].spread < each.spread:
            noises[each.name] = each
    load = max(documents[number].machine.load_before for number in set(parts.values())) if parts else 0.0
    machine = replace(documents[-1].machine, noise=list(noises.values()), load_before=load)
    return replace(documents[-1], samples=samples, machine=machine)


def filled(page: str, written: Mapping[str, str]) -> str:
    """Return a page with tables in their places: between `<!-- name: … -->` and `<!-- end -->`.

    Raises:
        ValueError: There is no place for one of them.
    """
    for name, table in written.items():
        before, start, after = page.partition(f"<!-- {name}: ")
        marker, middle, rest = after.partition("-->\n")
        _, end, last = rest.partition("<!-- end -->")
        if not (start and middle and end):
            raise ValueError(f"{PAGE.name} has no place for the table {name!r}")
        page = f"{before}{start}{marker}-->\n\n{table}\n\n{end}{last}"
    return page


def illustrated(written: Mapping[str, str], drawn: Iterable[Path]) -> dict[str, str]:
    """Return the tables with the plots that there are above them."""
    there = {path.name for path in drawn}
    return {
        name: "".join(f"![{what}]({PLOTS.name}/{file})\n\n" for file, what in PICTURES.get(name, ()) if file in there)
        + table
        for name, table in written.items()
    }


def draw(document: Document, folder: Path) -> list[Path]:
    """Draw the plots, if what draws them is installed, and return their files."""
    try:
        from side_by_side import pictures  # noqa: PLC0415 - matplotlib is installed by `make bench` only
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        print("\nno plots: matplotlib is not installed; `make bench` does that")
        return []
    drawn = pictures.draw(document.samples, folder)
    print(f"\nplots: {', '.join(path.name for path in drawn)} in {folder.relative_to(ROOT)}")
    return drawn


if __name__ == "__main__":
    sys.exit(main())
