"""A loaded model in one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Model

__all__ = ["summary"]

_SHOWN_LABELS = 4


def summary(model: Model, *, closed: bool) -> str:
    """Its file, where it runs, what goes in and what comes out."""
    artifact = model.artifact
    what = ", ".join(part for part in (artifact.format, artifact.variant, f"{artifact.bytes:,} bytes") if part)
    takes = ", ".join(each.kind for each in model.contract.inputs.values()) if model.contract else "tensors"
    gives = model.task.kind if model.task else "tensors"
    if model.labels:
        shown = [*model.labels[:_SHOWN_LABELS], *(["..."] if len(model.labels) > _SHOWN_LABELS else [])]
        gives += f" of {len(model.labels)} ({', '.join(shown)})"
    state = ", closed" if closed else ""
    return f"<edgepress Model {artifact.file} ({what}) in {model.backend}: {takes} to {gives}{state}>"
