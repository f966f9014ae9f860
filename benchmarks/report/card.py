"""The model card: what a bundle is, what it was measured to do, and what nobody measured (Mitchell et al., 2019)."""

from collections.abc import Mapping
from typing import Any

from edgepress.base.tables import markdown_table

from ..values import Report, Row
from .table import to_markdown

__all__ = ["to_card"]


def to_card(report: Report, chosen: Row | None) -> str:
    """Markdown with the metadata block that model hubs read.

    Args:
        report: What `benchmark` returned.
        chosen: The row that one would ship; None where accuracy was not measured.
    """
    data = report.dataset
    name = report.bundle.name
    head = ["---", "library_name: edgepress", "pipeline_tag: image-classification", "tags: [tflite, onnx, quantized]"]
    if data and chosen and chosen.scores:
        head += [
            "model-index:",
            f"- name: {name}",
            "  results:",
            "  - task: {type: image-classification}",
            f"    dataset: {{name: {data.name}, type: {data.name}, split: test}}",
            f"    metrics: [{{type: accuracy, value: {chosen.scores.accuracy:.4f}}}]",
        ]
    lines = [*head, "---", "", f"# {name}", ""]
    lines += [f"Classifies images as one of: {', '.join(report.bundle.labels)}.", ""]
    lines += ["## What was measured", "", to_markdown(report).rstrip(), ""]
    lines += _evidence(report, chosen)
    lines += ["## What was not measured", "", *_gaps(report), ""]
    lines += ["## Where it comes from", ""]
    models = _models(report.bundle.source)
    lines += [f"- model {key}: {value['file']}, sha256 {value['sha256']}" for key, value in models]
    lines += [f"- test data: {data.name}, sha256 {data.sha256}"] if data else []
    lines += [f"- measured {report.created} with seed {report.seed}, preset {report.preset}", ""]
    return "\n".join(lines)


def _models(source: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    return [(key, value) for key, value in source.get("models", {}).items() if {"file", "sha256"} <= set(value)]


def _evidence(report: Report, chosen: Row | None) -> list[str]:
    if chosen is None or chosen.scores is None or chosen.comparison is None or chosen.verdict is None:
        return []
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
    gaps = ["- Images that are none of its classes: it names one of them all the same, unless asked for `unknown`."]
    if report.dataset is None:
        gaps.append("- Accuracy: no labelled images were given.")
    if report.conditions.not_comparable:
        gaps.append("- Comparable latencies: " + "; ".join(report.conditions.not_comparable) + ".")
    if report.energy:
        gaps.append(f"- Energy: {report.energy}.")
    gaps += [f"- {failure.artifact}: {failure.reason}." for failure in report.failed]
    return gaps
