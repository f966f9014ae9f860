"""The model card: what a bundle is, what it was measured to do, and what nobody measured (Mitchell et al., 2019)."""

from collections.abc import Mapping
from typing import Any

from edgepress.base.tables import markdown_table
from edgepress.runtime.tasks import TASKS

from ..values import Report, Row
from .table import to_markdown
from .words import say_difference

__all__ = ["to_card"]


def to_card(report: Report, chosen: Row | None) -> str:
    """Markdown with the metadata block that model hubs read.

    Args:
        report: What `benchmark` returned.
        chosen: The row that one would ship; None where accuracy was not measured.
    """
    data = report.dataset
    name = report.bundle.name
    kind = _pipeline(report)
    head = ["---", "library_name: edgepress", *([f"pipeline_tag: {kind}"] if kind else [])]
    head += ["tags: [tflite, onnx, quantized]"]
    figure = _figure(chosen)
    if data and kind and figure:
        head += [
            "model-index:",
            f"- name: {name}",
            "  results:",
            f"  - task: {{type: {kind}}}",
            f"    dataset: {{name: {data.name}, type: {data.name}, split: test}}",
            f"    metrics: [{{type: {figure[0]}, value: {figure[1]:.4f}}}]",
        ]
    lines = [*head, "---", "", f"# {name}", ""]
    lines += [f"**No better than chance**: {report.chance}.", ""] if report.chance else []
    lines += [_what_it_does(report), ""]
    lines += ["## What was measured", "", to_markdown(report).rstrip(), ""]
    lines += _evidence(report, chosen)
    lines += ["## What was not measured", "", *_gaps(report), ""]
    lines += ["## Where it comes from", ""]
    models = _models(report.bundle.source)
    lines += [f"- model {key}: {value['file']}, sha256 {value['sha256']}" for key, value in models]
    lines += [f"- test data: {data.name}, sha256 {data.sha256}"] if data else []
    lines += [f"- measured {report.created} with seed {report.seed}, preset {report.preset}", ""]
    return "\n".join(lines)


_PIPELINES = {
    ("picture", True): "image-classification",
    ("audio", True): "audio-classification",
    ("features", True): "tabular-classification",
    ("features", False): "tabular-regression",
    ("signal", True): "time-series-classification",
}
"""What model hubs call it, by kind of input and whether it classifies; other tasks have no name there."""
_DOES = {
    "multilabel": "Says which of these apply to {examples}: {labels}.",
    "regression": "Estimates {labels} of {examples}.",
    "anomaly": "Says how far {examples} are from what it learned as normal.",
    "raw": "Gives numbers for {examples}; what they mean is not recorded.",
}


def _pipeline(report: Report) -> str | None:
    if report.task is None:
        return _PIPELINES["picture", True]
    if not report.classifies and not TASKS[report.task["kind"]].numeric:
        return None
    kinds = {each["kind"] for each in report.contract["inputs"]} if report.contract else {"picture"}
    return _PIPELINES.get((kinds.pop(), report.classifies)) if len(kinds) == 1 else None


def _figure(row: Row | None) -> tuple[str, float] | None:
    if row is None:
        return None
    if row.scores is not None:
        return "accuracy", row.scores.accuracy
    return None if row.metric is None else (row.metric.name, row.metric.value)


def _what_it_does(report: Report) -> str:
    labels = ", ".join(report.bundle.labels)
    text = "Classifies {examples} as one of: {labels}."
    if not report.classifies and report.task is not None:
        text = _DOES[report.task["kind"]]
    return text.format(examples=report.examples, labels=labels or "numbers")


def _models(source: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    return [(key, value) for key, value in source.get("models", {}).items() if {"file", "sha256"} <= set(value)]


def _evidence(report: Report, chosen: Row | None) -> list[str]:
    if chosen is None or chosen.verdict is None:
        return []
    if chosen.scores is None or chosen.comparison is None:
        return [
            f"`{chosen.artifact}`: {say_difference(chosen)} from {report.baseline.artifact} (95 % interval); "
            f"{chosen.verdict.text}.",
            "",
        ]
    low, high = chosen.comparison.difference_interval_points
    worst, f1 = min(enumerate(chosen.scores.f1), key=lambda each: each[1])
    lines = [
        f"`{chosen.artifact}`: {chosen.comparison.difference_points:+.2f} points from {report.baseline.artifact} "
        f"(95 % interval {low:+.2f} to {high:+.2f}); {chosen.verdict.text}. Its weakest class is "
        f"{report.bundle.labels[worst]} (F1 {f1:.3f}).",
        "",
    ]
    if chosen.robustness:
        rows = [(entry.name, f"{100 * entry.accuracy:.2f}") for entry in chosen.robustness]
        lines += ["On the same test images, changed:", ""]
        lines += [*markdown_table(("pictures", "accuracy %"), rows, columns="lr"), ""]
    return lines


def _gaps(report: Report) -> list[str]:
    gaps = []
    if report.classifies:
        gaps.append(
            f"- {report.examples.capitalize()} that are none of its classes: it names one of them all the same, unless "
            "asked for `unknown`."
        )
    gaps += [f"- What it was fitted to: {note}." for note in report.notes or ()]
    if report.dataset is None:
        gaps.append("- Accuracy: no labelled images were given.")
    if report.conditions.not_comparable:
        gaps.append("- Comparable latencies: " + "; ".join(report.conditions.not_comparable) + ".")
    if report.energy:
        gaps.append(f"- Energy: {report.energy}.")
    gaps += [f"- {failure.artifact}: {failure.reason}." for failure in report.failed]
    return gaps
