"""Draw what was measured, one message each: docs/images/performance-*.png."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Drawing

from tests.bench.figure import Figure
from tests.bench.figures import figures
from tests.bench.load import PERCENTILES
from tests.bench.results import Case, Held, Results, Run, Weight
from tests.bench.servers import Which

FOLDER = Path(__file__).parents[2] / "docs" / "images"
COLOURS = {Which.FLOOR: "#808080", Which.USUAL: "#d07a1f", Which.GATEWAY: "#1f5fbf"}
NAMES = {Which.FLOOR: "floor", Which.USUAL: "usual loop", Which.GATEWAY: "gateway"}
INCHES = (7.0, 3.4)
STYLE: dict[str, Any] = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e2e2e2",
    "lines.linewidth": 2,
    "legend.frameon": False,
}
BAR = 0.26


def draw(results: Results) -> None:
    """Draw every plot."""
    plots: dict[str, Callable[[Any, Results], str]] = {
        "cpu": _cpu,
        "delay": _delay,
        "first": _first,
        "memory": _memory,
        "turns": _turns,
    }
    for name, plot in plots.items():
        with matplotlib.rc_context(STYLE):
            drawing = Drawing(figsize=INCHES)
            title = plot(drawing.add_subplot(), results)
            drawing.suptitle(title, x=0.01, horizontalalignment="left")
            # Without the version of the library: the same figures are the same file.
            drawing.savefig(FOLDER / f"performance-{name}.png", metadata={"Software": None})


# Each draws and returns what it shows.


def _cpu(axes: Any, results: Results) -> str:
    start = "CPU of a chunk, "
    bars = [row for row in figures(results) if row.name.startswith(start) and row.floor is not None]
    for offset, which in enumerate(Which):
        values = [_value(row, which) for row in bars]
        places = [place + (offset - 1) * BAR for place in range(len(bars))]
        drawn = axes.barh(places, values, BAR, color=COLOURS[which], label=NAMES[which])
        axes.bar_label(drawn, fmt="%.0f", padding=3, fontsize=10)
    axes.set_yticks(range(len(bars)), [row.name.removeprefix(start) for row in bars])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("CPU of the server for one chunk (µs)")
    _legend(axes)
    times = [_value(row, Which.GATEWAY) / _value(row, Which.FLOOR) for row in bars]
    less = [_value(row, Which.USUAL) / _value(row, Which.GATEWAY) for row in bars]
    return (
        f"A chunk costs the gateway {_span(times)} times what it costs the floor,\n"
        f"and the usual loop {_span(less)} times what it costs the gateway"
    )


def _delay(axes: Any, results: Results) -> str:
    paced = [run for run in results.runs if run.case is Case.PACED]
    counts = list(dict.fromkeys(run.streams for run in paced))
    for offset, which in enumerate(Which):
        middle = [_age(paced, which, count, 50) for count in counts]
        worst = [_age(paced, which, count, 99) for count in counts]
        places = [place + (offset - 1) * BAR for place in range(len(counts))]
        axes.hlines(places, middle, worst, color=COLOURS[which], linewidth=3)
        axes.plot(middle, places, "o", color=COLOURS[which], label=NAMES[which])
        axes.plot(worst, places, "|", color=COLOURS[which], markersize=12, markeredgewidth=3)
        for place, value in zip(places, worst, strict=True):
            axes.annotate(
                _milliseconds(value),
                (value, place),
                (7, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
            )
    axes.set_xscale("log")
    axes.margins(x=0.16)
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.set_yticks(range(len(counts)), [f"{count} streams" for count in counts])
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("from the upstream to the client (ms): ● half of the chunks, | 99 of 100")
    _legend(axes)
    most = _age(paced, Which.GATEWAY, counts[-1], 99)
    return f"With {counts[-1]} answers at once, 99 of 100 chunks come within {_milliseconds(most)}"


def _first(axes: Any, results: Results) -> str:
    burst = [run for run in results.runs if run.case is Case.BURST]
    for which in Which:
        those = [run for run in burst if run.which is which]
        seconds = [statistics.median(run.first[p] / 1e6 for run in those) for p in PERCENTILES]
        axes.plot(seconds, PERCENTILES, color=COLOURS[which], label=NAMES[which])
    axes.set_xlim(left=0)
    axes.set_ylim(0, 101)
    axes.set_xlabel("seconds after all have asked at once")
    axes.set_ylabel("have their first text (%)")
    _legend(axes)
    ours, usual = (
        statistics.median(run.first[99] / 1e6 for run in burst if run.which is which)
        for which in (Which.GATEWAY, Which.USUAL)
    )
    return (
        f"{burst[0].streams} questions at once: 99 of 100 have their first text\n"
        f"within {ours:.2g} s, with the usual loop within {usual:.2g} s"
    )


def _memory(axes: Any, results: Results) -> str:
    kinds = {Held.STREAMING: "-", Held.ANSWERED: "--", Held.IDLE: ":"}
    for held, line in kinds.items():
        points = _weights(results.weights, held)
        start = points[0]
        axes.plot(
            [0, *(point.count - start.count for point in points[1:])],
            [0, *((point.size - start.size) / 2**20 for point in points[1:])],
            line,
            color=COLOURS[Which.GATEWAY],
            label=str(held),
        )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("how many more")
    axes.set_ylabel("more memory (MB)")
    _legend(axes)
    rows = {row.name: row.gateway for row in figures(results)}
    idle, running = rows["Memory of an idle connection"], rows["Memory of a running answer"]
    return f"An idle connection takes {idle:.0f} KB, a running answer {running:.0f} KB"


def _turns(axes: Any, results: Results) -> str:
    points = _weights(results.weights, Held.TURNS)
    sizes = [point.size / 2**20 for point in points]
    counts = [point.count for point in points]
    axes.plot(counts, sizes, "o-", color=COLOURS[Which.GATEWAY])
    axes.set_xlim(left=0)
    axes.set_ylim(0, max(sizes) * 1.2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("turns since the start")
    axes.set_ylabel("memory of the gateway (MB)")
    grown = sizes[-1] - sizes[0]
    return f"From {counts[0]:,} to {counts[-1]:,} turns the memory grows by {grown:.1f} MB"


def _value(row: Figure, which: Which) -> float:
    value: float | None = getattr(row, which)
    assert value is not None, f"{row.name}: {which} was not measured"
    return value


def _age(runs: Sequence[Run], which: Which, streams: int, percent: int) -> float:
    those = [run for run in runs if (run.which, run.streams) == (which, streams)]
    return statistics.median(run.ages[percent] / 1000 for run in those)


def _weights(weights: Sequence[Weight], held: Held) -> list[Weight]:
    return [w for w in weights if w.held is held and w.which is Which.GATEWAY]


def _legend(axes: Any) -> None:
    # Above, where nothing is drawn.
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.2, borderaxespad=0.3
    )


def _milliseconds(value: float) -> str:
    return f"{value:,.1f} ms" if value < 10 else f"{value:,.0f} ms"


def _span(values: Sequence[float]) -> str:
    low, high = (f"{value:.2g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
