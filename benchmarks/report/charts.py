"""The report's charts, drawn by matplotlib as SVG that takes its text colour from the page around it."""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from edgepress.base.extras import require

from ..measure.speed import BATCH
from ..values import Batch, Row, Threads

__all__ = [
    "ACCENT",
    "INK",
    "MUTED",
    "SECOND",
    "confusion_chart",
    "draw_svg",
    "latency_chart",
    "layer_chart",
    "pareto_chart",
    "sweep_chart",
]

# Stands for the page's text colour until the SVG is written; no chart uses it for anything else.
INK = "#010203"
ACCENT, SECOND, MUTED = "#3b82c4", "#d9822b", "#8a8f98"
_COLOURS = {"tflite": ACCENT, "onnx": SECOND}
"""By format; the float Keras model is drawn in a colour of its own."""
_PALETTE = (MUTED, ACCENT, SECOND, "#4c9f70", "#a55fb0", "#c4483b")
"""Of backends, in the order of the rows: the baseline's comes first."""
_WIDTH = 4.8
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def pareto_chart(rows: Sequence[Row]) -> str:
    """The task's metric against download size; the line joins the rows that no other beats in both. Points carry row
    numbers."""

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        scored = [(row, *_worth(row)) for row in rows if row.scores is not None or row.metric is not None]
        sizes = np.array([row.sizes.gzip_bytes / 1000 for row, *_ in scored])
        shares = np.array([value for _, value, _ in scored])
        intervals = np.array([interval for *_, interval in scored])
        metric = scored[0][0].metric
        lower = metric is not None and metric.better == "lower"
        front = _front(sizes, -shares if lower else shares)
        axes.plot(sizes[front], shares[front], color=ACCENT, linewidth=1.5, drawstyle="steps-post", zorder=1)
        axes.vlines(sizes, intervals[:, 0], intervals[:, 1], color=MUTED, linewidth=1, alpha=0.6, zorder=0)
        colours = [_COLOURS.get(row.format, INK) for row, *_ in scored]
        axes.scatter(sizes, shares, c=colours, s=36, zorder=2)
        span = float(np.ptp(intervals)) or 1.0
        for number, x, y in _spread(sizes, shares, span):
            axes.annotate(str(number), (x, y), (6, 5), textcoords="offset points")
        _log_axis(axes)
        axes.set_xlabel("download, KB gzipped (log scale)")
        axes.set_ylabel(_metric_label(scored[0][0]))
        axes.margins(x=0.12, y=0.1)

    return draw_svg(draw, "pareto", height=3.6)


def _metric_label(row: Row) -> str:
    if row.scores is not None or row.metric is None:
        return "accuracy, %"
    unit = row.metric.unit if row.metric.better == "lower" else ""
    return f"{row.metric.name}, {unit}" if unit else row.metric.name


def _worth(row: Row) -> tuple[float, tuple[float, float]]:
    """The metric, and its interval where it has one by itself; accuracy in percent."""
    if row.scores is not None:
        low, high = row.scores.accuracy_interval
        return 100 * row.scores.accuracy, (100 * low, 100 * high)
    value = row.metric.value if row.metric else 0.0
    return value, (value, value)


def _front(sizes: Any, shares: Any) -> list[int]:
    """Indices of the rows that are more accurate than every smaller one, smallest first."""
    front: list[int] = []
    for i in sorted(range(len(sizes)), key=lambda i: (sizes[i], -shares[i])):
        if not front or shares[i] > shares[front[-1]]:
            front.append(i)
    return front


def _spread(sizes: Any, shares: Any, span: float) -> list[tuple[str, float, float]]:
    """Labels of the points; those of points that lie on one another are joined into one."""
    groups: list[tuple[list[int], float, float]] = []
    for i in range(len(sizes)):
        for members, x, y in groups:
            if abs(np.log(sizes[i] / x)) < 0.06 and abs(shares[i] - y) < span / 18:
                members.append(i + 1)
                break
        else:
            groups.append(([i + 1], float(sizes[i]), float(shares[i])))
    return [(", ".join(map(str, members)), x, y) for members, x, y in groups]


def latency_chart(rows: Sequence[Row]) -> str:
    """One image: a bar to the median, its box from the first to the third quartile, a line from p1 to p99."""

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        medians = [row.speed.latency_us.p50 for row in rows]
        lowest = min(dict(row.speed.latency_quantiles_us)[1.0] for row in rows)
        for place, row in enumerate(rows):
            at = dict(row.speed.latency_quantiles_us)
            colour = _COLOURS.get(row.format, MUTED)
            axes.barh(place, at[50.0], height=0.34, color=colour, alpha=0.35, zorder=0)
            axes.barh(place, at[75.0] - at[25.0], left=at[25.0], height=0.34, color=colour, zorder=1)
            axes.hlines(place, at[1.0], at[99.0], color=INK, linewidth=1, zorder=2)
            axes.vlines(at[90.0], place - 0.12, place + 0.12, color=INK, linewidth=1, zorder=2)
            axes.text(
                lowest * 0.62,
                place - 0.3,
                f"{row.name}: {medians[place]:,.1f} us",
                va="bottom",
                ha="left",
                fontsize=10,
            )
        _log_axis(axes)
        axes.set_xlim(left=lowest * 0.6)
        axes.set_ylim(len(rows) - 0.4, -0.85)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("one image, microseconds (log scale)")

    return draw_svg(draw, "latency", height=0.9 + 0.42 * len(rows))


def sweep_chart(rows: Sequence[Row], examples: str) -> str:
    """Throughput by batch size, a panel for each number of threads, a line for each row in its backend's colour.

    Args:
        rows: Of a report. Numbers at the lines' ends are theirs.
        examples: What people call them, such as images.
    """

    def draw(figure: Any) -> None:
        swept = [_swept(row) for row in rows]
        counts = sorted({count for found in swept for count in found})
        largest = max(size for found in swept for points in found.values() for size, _ in points)
        colours = dict(zip(dict.fromkeys(row.backend for row in rows), cycle(_PALETTE)))
        panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for axes, count in zip(panels, counts, strict=True):
            ends = []
            for number, (row, found) in enumerate(zip(rows, swept, strict=True), 1):
                if count in found:
                    sizes, speeds = zip(*found[count], strict=True)
                    axes.plot(sizes, speeds, color=colours[row.backend], linewidth=1.2, marker="o", markersize=2.5)
                    ends.append((number, sizes[-1], speeds[-1]))
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks([size for size in (1, 16, 256, 4096) if size <= largest], minor=False)
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.margins(x=0.16)
            axes.set_title(f"{count} thread{'s' if count > 1 else ''}", fontsize=11)
            axes.tick_params(labelsize=9)
            _number_lines(axes, ends)
        panels[0].set_ylabel(f"{examples} a second")
        figure.supxlabel(f"{examples} a call", fontsize=11)
        lines = [panels[0].plot([], [], color=colour)[0] for colour in colours.values()]
        figure.legend(lines, list(colours), frameon=False, ncols=3, loc="outside upper center", fontsize=10)

    return draw_svg(draw, "sweep", height=4.4)


def _swept(row: Row) -> dict[int, list[tuple[int, float]]]:
    """By threads: batch sizes and examples a second, one at a time first. What was not swept has its own threads."""
    own = Threads(row.threads, row.speed.latency_us.p50, 0.0, row.speed.batches)
    return {
        each.threads: [(1, 1e6 / each.p50_us), *((batch.size, batch.images_per_s) for batch in _batches(each))]
        for each in row.threads_sweep or (own,)
    }


def _batches(threads: Threads) -> tuple[Batch, ...]:
    return (Batch(BATCH, threads.images_per_s),) if threads.batches is None else threads.batches


def _number_lines(axes: Any, ends: Sequence[tuple[int, float, float]]) -> None:
    """Write rows' numbers beside their lines' ends; those of ends that lie on one another stand in one line."""
    low, high = np.log(axes.get_ylim())
    groups: list[tuple[list[int], float, float]] = []
    for number, x, y in sorted(ends, key=lambda end: end[2]):
        if groups and np.log(y / groups[-1][2]) < 0.045 * (high - low):
            groups[-1][0].append(number)
        else:
            groups.append(([number], x, y))
    for numbers, x, y in groups:
        text = ", ".join(map(str, sorted(numbers)))
        axes.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", fontsize=8)


def confusion_chart(row: Row, labels: Sequence[str]) -> str:
    """Mistakes of one row, true class down and answer across; right answers are left blank but counted."""

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        counts = np.array(row.scores.confusion if row.scores and row.scores.confusion else [])
        wrong = counts.copy()
        np.fill_diagonal(wrong, 0)
        largest = max(1, int(wrong.max()))
        few = len(labels) <= 20
        short = [textwrap.shorten(label, 10, placeholder="…") for label in labels]
        for true in range(len(labels)):
            for said in range(len(labels)):
                share = wrong[true, said] / largest
                if share:
                    axes.add_patch(_square(said, true, alpha=0.15 + 0.85 * share))
                if few and counts[true, said]:
                    axes.text(said, true, str(counts[true, said]), ha="center", va="center", fontsize=8)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_aspect("equal")
        if few:
            turned = 90 if max(map(len, short)) > 2 else 0
            axes.set_xticks(range(len(labels)), short, rotation=turned)
            axes.set_yticks(range(len(labels)), short)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
        axes.set_title(row.name, fontsize=11)

    return draw_svg(draw, f"confusion-{row.artifact}-{row.backend}", height=4.6)


def layer_chart(layers: Mapping[str, Any]) -> str:
    """Signal-to-quantization-noise ratio of each layer, and a tick where its worst channel is."""

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for place, error in enumerate(layers["errors"]):
            axes.barh(place, error["sqnr_db"], height=0.34, color=ACCENT, alpha=0.6)
            worst = error["worst_channel_sqnr_db"]
            axes.vlines(worst, place - 0.2, place + 0.2, color=INK, linewidth=1.5)
            name = textwrap.shorten(error["layer"], 40, placeholder="…")
            axes.text(0, place - 0.3, f" {name}: {error['sqnr_db']:.1f} dB", va="bottom", ha="left", fontsize=10)
        axes.set_ylim(len(layers["errors"]) - 0.4, -0.85)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("signal to quantization noise, dB (more is better)")

    return draw_svg(draw, "layers", height=0.9 + 0.42 * len(layers["errors"]))


def _log_axis(axes: Any) -> None:
    """Logarithmic, with ticks at 1, 2 and 5 so that a short range has some, too; few where it is long."""
    ticker = require("matplotlib.ticker", extra="toolkit")
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=steps, numticks=8))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")


def _square(x: int, y: int, alpha: float) -> Any:
    return require("matplotlib.patches", extra="toolkit").Rectangle(
        (x - 0.5, y - 0.5), 1, 1, facecolor=SECOND, alpha=alpha, linewidth=0
    )


def draw_svg(draw: Callable[[Any], None], name: str, *, height: float) -> str:
    """Draw on a figure of fixed width; the SVG scales with the page and carries no date."""
    matplotlib = require("matplotlib", extra="toolkit")
    figures = require("matplotlib.figure", extra="toolkit")
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = figures.Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")
