"""`edgepress predict`: what a model says about pictures."""

from typing import Any

import click

from edgepress.runtime import load

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("predict")
@click.argument("model", type=click.Path())
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--variant", default="int8", show_default=True, help="Which artifact of a bundle to take.")
@click.option("--backend", default="auto", show_default=True, help="litert, tflite-runtime, onnxruntime or numpy.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads of one call.")
@click.option("--no-delegate", is_flag=True, help="Without XNNPACK: int8 is equal bit for bit on every machine.")
@click.option("--unknown", is_flag=True, help="Say `unknown` below the bundle's threshold.")
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
    as_json: bool,
) -> None:
    """Classify PNG and JPEG files of one object each with MODEL, a bundle or a model file."""
    with load(model, variant=variant, backend=backend, threads=threads, delegate=not no_delegate) as loaded:
        prediction = loaded.predict_files(images, unknown=unknown)
        names = loaded.labels or tuple(map(str, range(prediction.probabilities.shape[1])))
        result: dict[str, Any] = {
            "artifact": loaded.artifact.file,
            "backend": loaded.backend,
            "predictions": [
                {
                    "file": file,
                    "label": str(label),
                    "probability": float(row.max()),
                    "probabilities": dict(zip(names, map(float, row), strict=True)),
                }
                for file, label, row in zip(images, prediction.labels, prediction.probabilities, strict=True)
            ],
        }
    width = max(map(len, images))
    lines = [f"{p['file']:<{width}}  {p['label']}  {p['probability']:.4f}" for p in result["predictions"]]
    emit(result, "\n".join(lines), as_json=as_json)
