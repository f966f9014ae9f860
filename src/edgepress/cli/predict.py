"""`edgepress predict`: what a model says about pictures."""

from collections.abc import Sequence
from typing import Any

import click

from edgepress.base.hush import hushed
from edgepress.runtime import Model, Prediction, load
from edgepress.runtime.backends import BACKENDS

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("predict")
@click.argument("model", type=click.Path())
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--variant", default="int8", show_default=True, help="Which artifact of a bundle to take.")
@click.option("--backend", default="auto", show_default=True, help=f"auto, {', '.join(BACKENDS)}.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads of one call.")
@click.option("--no-delegate", is_flag=True, help="Without XNNPACK: int8 is equal bit for bit on every machine.")
@click.option("--unknown", is_flag=True, help="Say `unknown` below the bundle's threshold.")
@click.option("--page", is_flag=True, help="Each image is a page: find every object, in reading order, with its box.")
@click.option("--isolate", is_flag=True, help="Run the model in a child process with limits.")
@json_option
@reports_errors
def command(
    model: str,
    images: tuple[str, ...],
    variant: str,
    backend: str,
    threads: int,
    no_delegate: bool,
    unknown: bool,
    page: bool,
    isolate: bool,
    as_json: bool,
) -> None:
    """Classify PNG and JPEG files of one object each with MODEL, a bundle or a model file."""
    settings: dict[str, Any] = {"backend": backend, "threads": threads, "isolate": isolate}
    # LiteRT announces its delegate on standard error.
    with hushed():
        opened = load(model, variant=variant, delegate=not no_delegate, **settings)
    with opened as loaded:
        if page:
            found = [entry for file in images for entry in _page_entries(loaded, file, unknown)]
        else:
            found = _entries(loaded, images, loaded.predict_files(images, unknown=unknown))
        result = {"artifact": loaded.artifact.file, "backend": loaded.backend, "predictions": found}
    width = max(map(len, images))
    lines = [f"{p['file']:<{width}}  {p['label']}  {p['probability']:.4f}{_where(p)}" for p in found]
    emit(result, "\n".join(lines), as_json=as_json)


def _entries(model: Model, files: Sequence[str], prediction: Prediction) -> list[dict[str, Any]]:
    names = model.labels or tuple(map(str, range(prediction.probabilities.shape[1])))
    return [
        {
            "file": file,
            "label": str(label),
            "probability": float(row.max()),
            "probabilities": dict(zip(names, map(float, row), strict=True)),
        }
        for file, label, row in zip(files, prediction.labels, prediction.probabilities, strict=True)
    ]


def _page_entries(model: Model, file: str, unknown: bool) -> list[dict[str, Any]]:
    prediction, boxes = model.predict_page(file, unknown=unknown)
    entries = _entries(model, [file] * len(prediction), prediction)
    return [entry | {"box": box} for entry, box in zip(entries, boxes.tolist(), strict=True)]


def _where(entry: dict[str, Any]) -> str:
    return f"  box {' '.join(map(str, entry['box']))}" if "box" in entry else ""
