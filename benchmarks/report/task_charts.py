"""The charts of single tasks: ROC curves, residuals, labels, scores; one row of a table each."""

import textwrap
from collections.abc import Callable
from typing import Any

from ..values import Report, Row
from .charts import ACCENT, INK, MUTED, SECOND, draw_svg

__all__ = ["task_charts"]

_COLOURS = (MUTED, ACCENT)
"""The float model, and the row that is compared with it."""
_LABELS = 40


def task_charts(report: Report, chosen: Row) -> list[dict[str, str]]:
    """What there is to draw of the task, for the float model and the chosen row: name, SVG and caption each."""
    rows = (report.rows[0], chosen)
    found = []
    for name, (draw, caption) in _CHARTS.items():
        if all(row.curves and row.curves.get(name) for row in rows):
            text = caption.format(float=rows[0].artifact, chosen=chosen.artifact)
            found.append({"name": name.replace("_", "-"), "svg": draw(report, rows), "caption": text})
    return found


_Rows = tuple[Row, Row]


def _curve(row: Row, name: str) -> Any:
    assert row.curves is not None
    return row.curves[name]


def _roc(report: Report, rows: _Rows) -> str:
    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        for row, colour in zip(rows, _COLOURS, strict=True):
            points = _curve(row, "roc")
            axes.plot([x for x, _ in points], [y for _, y in points], color=colour, linewidth=1.5)
        axes.set_aspect("equal")
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")

    return draw_svg(draw, "roc", height=4.4)


def _precision_recall(name: str) -> Callable[[Report, _Rows], str]:
    def chart(report: Report, rows: _Rows) -> str:
        def draw(figure: Any) -> None:
            axes = figure.add_subplot()
            axes.axhline(_curve(rows[0], name)[-1][1], color=INK, linewidth=0.8, linestyle=":")
            for row, colour in zip(rows, _COLOURS, strict=True):
                points = _curve(row, name)
                axes.plot([x for x, _ in points], [y for _, y in points], color=colour, linewidth=1.5)
            axes.set_aspect("equal")
            axes.set_xlim(0, 1.02)
            axes.set_ylim(0, 1.02)
            axes.set_xlabel("recall")
            axes.set_ylabel("precision")

        return draw_svg(draw, "precision-recall", height=4.4)

    return chart


def _residuals(report: Report, rows: _Rows) -> str:
    numbers = len(_curve(rows[0], "residuals"))

    def draw(figure: Any) -> None:
        for place in range(numbers):
            axes = figure.add_subplot(numbers, 1, place + 1)
            axes.axhline(0, color=INK, linewidth=0.8)
            for row, colour in zip(rows, _COLOURS, strict=True):
                points = _curve(row, "residuals")[place]["points"]
                axes.scatter([x for x, _ in points], [y for _, y in points], s=8, alpha=0.5, color=colour)
            entry = _curve(rows[0], "residuals")[place]
            unit = f", {entry['unit']}" if entry["unit"] else ""
            axes.set_xlabel(f"truth: {entry['name']}{unit}")
            axes.set_ylabel("answer - truth")

    return draw_svg(draw, "residuals", height=2.8 * numbers)


def _labels(report: Report, rows: _Rows) -> str:
    names = report.bundle.labels[:_LABELS]

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for shift, (row, colour) in zip((-0.18, 0.18), zip(rows, _COLOURS, strict=True), strict=True):
            values = _curve(row, "label_f1")[: len(names)]
            axes.barh([place + shift for place in range(len(values))], values, height=0.34, color=colour)
        axes.set_yticks(range(len(names)), [textwrap.shorten(name, 16, placeholder="…") for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("F1")

    return draw_svg(draw, "label-f1", height=1.2 + 0.35 * len(names))


def _scores(report: Report, rows: _Rows) -> str:
    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        counted = _curve(rows[1], "scores")
        for kind, colour in (("normal", ACCENT), ("anomaly", SECOND)):
            axes.stairs(counted[kind], counted["edges"], color=colour, fill=True, alpha=0.5, label=kind)
        threshold = report.task["threshold"] if report.task else 0.0
        if counted["edges"] and counted["edges"][0] <= threshold <= counted["edges"][-1]:
            axes.axvline(threshold, color=INK, linewidth=1, linestyle=":")
        axes.legend(frameon=False)
        axes.set_xlabel("score")
        axes.set_ylabel("examples")

    return draw_svg(draw, "scores", height=3.2)


_CHARTS: dict[str, tuple[Callable[[Report, _Rows], str], str]] = {
    "roc": (_roc, "ROC curve: grey {float}, blue {chosen}."),
    "precision_recall": (
        _precision_recall("precision_recall"),
        "Precision and recall: grey {float}, blue {chosen}; dotted what naming everything is worth.",
    ),
    "micro_precision_recall": (
        _precision_recall("micro_precision_recall"),
        "Precision and recall over all labels together: grey {float}, blue {chosen}; dotted what naming everything is "
        "worth.",
    ),
    "residuals": (_residuals, "What an answer is beside the truth: grey {float}, blue {chosen}."),
    "label_f1": (_labels, "F1 of each label by itself: grey {float}, blue {chosen}."),
    "scores": (_scores, "Scores of {chosen}: normal examples and anomalies; dotted the threshold."),
}
"""By the name under `Row.curves`: how it is drawn, and its caption."""
