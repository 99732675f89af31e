"""Plots for the documentation, as SVG. The only module that needs matplotlib (`make bench` installs it).

The same figures make the same file, byte for byte: no date, no version, and ids from a fixed salt. The background is
light in every theme of the documentation, the colours are told apart by people who see fewer of them, and no two lines
of a plot have only the colour to tell them apart: each kind has strokes and markers of its own. What lines stand for is
written beside the plot, in the order of their ends, where it cannot lie across them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter
from side_by_side.statistic import Estimate, delays, seconds, steps

#: Okabe and Ito's colours, and a grey for what is no client but a limit.
COLOURS: Mapping[str, str] = {
    "fast": "#0072B2",
    "ours": "#009E73",
    "ours, plain": "#56B4E9",
    "worker": "#E69F00",
    "v1": "#D55E00",
    "js": "#CC79A7",
    "limit": "#666666",
}
#: Strokes and markers, for those who do not see colours, or print without. Lines that lie on each other show through.
STROKES: Mapping[str, Any] = {
    "fast": "-",
    "ours": (0, (6, 2)),
    "ours, plain": (0, (4, 1.5)),
    "worker": (0, (7, 1.5, 1.5, 1.5)),
    "v1": (0, (2, 1.2)),
    "js": (0, (5, 1.5, 1, 1.5, 1, 1.5)),
    "limit": (0, (1, 1)),
}
MARKERS: Mapping[str, str] = {
    "fast": "o",
    "ours": "s",
    "ours, plain": "^",
    "worker": "D",
    "v1": "v",
    "js": "X",
    "limit": "P",
}
#: For text in the colour of something, where that itself is too light to be read.
DARKER: Mapping[str, str] = {
    "ours": "#00785A",
    "ours, plain": "#2B7BB0",
    "worker": "#8A6000",
    "js": "#A8568A",
    "v1": "#B94F00",
}
INK, FAINT, PAPER = "#222222", "#dddddd", "#fcfcfa"

SHORTEST = 0.01  # seconds; what is less is drawn there
POINTS = 100  # of a distribution; more cannot be seen, and make the file large
NARROW, WIDE = 7.2, 8.6  # inches; wide is what has names beside it
_BESIDE: Mapping[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}

STYLE: Mapping[str, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "savefig.facecolor": PAPER,
    # Text stays text: small files, and the reader's own sans-serif.
    "svg.fonttype": "none",
    "svg.hashsalt": "side by side",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with its interval.

    Attributes:
        label: What stands beside it.
        colour: A name of `COLOURS`.
        value: How long it is.
    """

    label: str
    colour: str
    value: Estimate


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with an interval at each point.

    Attributes:
        label: What it stands for.
        colour: A name of `COLOURS`, which is that of its strokes and markers too.
        points: x, and what was measured there.
    """

    label: str
    colour: str
    points: Sequence[tuple[float, Estimate]]


@dataclass(frozen=True, slots=True)
class Waits:
    """Times that somebody waited.

    Attributes:
        label: What they stand for.
        colour: A name of `COLOURS`, which is that of its markers too.
        seconds: All of them.
    """

    label: str
    colour: str
    seconds: Sequence[float]


def bars(path: Path, title: str, axis: str, rows: Sequence[Bar], *, limit: str) -> None:
    """Draw shares of a limit as bars, the first one on top."""
    with mpl.rc_context(dict(STYLE)):
        figure, axes = _axes(height=0.9 + 0.42 * len(rows), title=title)
        for place, row in enumerate(reversed(rows)):
            low, high = row.value.median - row.value.low, row.value.high - row.value.median
            axes.barh(place, row.value.median, height=0.62, color=COLOURS[row.colour])
            once = row.value.number == 1
            if not once:
                axes.errorbar(row.value.median, place, xerr=[[low], [high]], color=INK, capsize=3, linewidth=1)
            # Beside the plot: behind its bar, it would lie across the ceiling one day.
            text = f"{row.value.median:.2f}{', one round' if once else ''}"
            axes.annotate(text, (1, place), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), **_BESIDE)
        axes.axvline(1, color=COLOURS["limit"], linestyle="--", linewidth=1.2)
        axes.text(1, len(rows) - 0.45, limit, ha="right", va="bottom", color=COLOURS["limit"], fontsize=9)
        axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, max(1.02, *(row.value.high + 0.02 for row in rows)))
        axes.set_ylim(-0.6, len(rows) - 0.1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(axis)
        _save(figure, path)


def lines(
    path: Path, title: str, x: str, y: str, rows: Sequence[Line], *, logarithmic_y: bool = True, apart: float = 1.0
) -> None:
    """Draw lines against a logarithmic axis of whole numbers; what ends highest is named first.

    Args:
        path: Of the file.
        title: Of the plot.
        x: What the lines are drawn against.
        y: What they show.
        rows: The lines.
        logarithmic_y: Whether the other axis is logarithmic too. Otherwise it begins at 0.
        apart: By which factor each line is drawn to the right of the one before, so that those that lie on each other
            can be told apart.
    """
    with mpl.rc_context(dict(STYLE)):
        figure, axes = _axes(height=3.6, width=WIDE, title=title)
        axes.set_xscale("log")
        if logarithmic_y:
            axes.set_yscale("log")
        ends: list[tuple[float, Any, Line]] = []
        for number, row in enumerate(rows):
            shifted = apart ** (number - (len(rows) - 1) / 2)
            places = [place * shifted for place, _ in row.points]
            middles = [value.median for _, value in row.points]
            [drawn] = axes.plot(
                places,
                middles,
                marker=MARKERS[row.colour],
                linestyle=STROKES[row.colour],
                color=COLOURS[row.colour],
                markeredgecolor=PAPER,
                markeredgewidth=0.5,
            )
            axes.fill_between(
                places,
                [value.low for _, value in row.points],
                [value.high for _, value in row.points],
                color=COLOURS[row.colour],
                alpha=0.18,
                linewidth=0,
            )
            ends.append((middles[-1], drawn, row))
        every = sorted({place for row in rows for place, _ in row.points})
        axes.set_xticks(every, [f"{place:,.0f}" for place in every])
        axes.xaxis.set_minor_locator(NullLocator())
        _plain_numbers(axes.yaxis, logarithmic=logarithmic_y)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if not logarithmic_y:
            axes.set_ylim(bottom=0)
        ends.sort(key=lambda end: -end[0])
        _name(figure, [(drawn, row) for _, drawn, row in ends])
        _save(figure, path)


def distribution(path: Path, title: str, x: str, rows: Sequence[Waits]) -> None:
    """Draw which share of waits was no longer than a time, against a logarithmic axis."""
    with mpl.rc_context(dict(STYLE)):
        figure, axes = _axes(height=3.6, width=WIDE, title=title)
        axes.set_xscale("log")
        named: list[tuple[Any, Waits]] = []
        for number, row in enumerate(rows):
            values, shares = steps(row.seconds, POINTS)
            places = [max(value, SHORTEST) for value in values]
            [drawn] = axes.step(
                [places[0], *places],
                [0, *shares],
                where="post",
                color=COLOURS[row.colour],
                # Strokes would break the steps. Markers stand at other heights on each, so that none hides another.
                marker=MARKERS[row.colour],
                markevery=(5 + 4 * number, 20) if len(places) >= POINTS else (1 + number, 8),
                markeredgecolor=PAPER,
                markeredgewidth=0.5,
            )
            named.append((drawn, row))
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _plain_numbers(axes.xaxis, logarithmic=True)
        axes.set_xlabel(x)
        axes.set_ylabel("share of the jobs")
        _name(figure, named)
        _save(figure, path)


def ranges(path: Path, title: str, x: str, rows: Sequence[Waits]) -> None:
    """Draw the median and the range up to the worst of some waits, against a logarithmic axis."""
    with mpl.rc_context(dict(STYLE)):
        figure, axes = _axes(height=0.9 + 0.46 * len(rows), title=title)
        axes.set_xscale("log")
        for place, row in enumerate(reversed(rows)):
            found, best = delays(row.seconds), min(row.seconds)
            axes.plot([best, found.worst], [place, place], color=COLOURS[row.colour], linewidth=5, alpha=0.35)
            axes.plot(found.p50, place, marker="o", markersize=8, color=COLOURS[row.colour])
            axes.annotate(
                f"{seconds(found.p50)}, worst {seconds(found.worst)}",
                (found.p50, place),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
        axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(-0.5, len(rows) - 0.2)
        _plain_numbers(axes.xaxis, logarithmic=True)
        axes.set_xlabel(x)
        _save(figure, path)


def _axes(*, height: float, title: str, width: float = NARROW) -> tuple[Figure, Any]:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)  # inches
    figure = Figure(figsize=(width, height), layout=layout)
    axes: Any = figure.subplots()
    axes.set_title(title, pad=12)
    axes.set_axisbelow(True)
    return figure, axes


def _name(figure: Figure, drawn: Sequence[tuple[Any, Line | Waits]]) -> None:
    """Write beside the plot what each line of it stands for."""
    legend = figure.legend(
        [line for line, _ in drawn],
        [row.label for _, row in drawn],
        loc="outside right upper",
        frameon=False,
        handlelength=4.6,
        labelspacing=0.7,
    )
    for text, (_, row) in zip(legend.get_texts(), drawn, strict=True):
        text.set_color(DARKER.get(row.colour, COLOURS[row.colour]))


def _plain_numbers(axis: Any, *, logarithmic: bool) -> None:  # noqa: ANN401 - of matplotlib
    """Write numbers at an axis as people do: 0.01, 20, 1,000."""
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.10g}"))
    if logarithmic:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
    # Places to a hundredth of a point are fine enough, and matplotlib ends lines with blanks.
    text = re.sub(r"(\d+\.\d\d)\d+", r"\1", path.read_text(encoding="utf-8"))
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
