"""`edgepress inspect`: what is really inside a file."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgepress.runtime import CheckFailedError, Manifest
from edgepress.runtime.files import file_sha256

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("inspect", short_help="What is really inside: types, sparsity, operators, oldest runtime.")
@click.argument("path", metavar="FILE|BUNDLE", type=click.Path())
@json_option
@reports_errors
def command(path: str, as_json: bool) -> None:
    """Read a .tflite or .onnx FILE, or every artifact of a BUNDLE, and say what it holds.

    Everything comes from the file itself, nothing from the manifest. For a bundle the digests are compared too; exit
    status 1 where one differs.
    """
    from edgepress.export import describe, draw

    place = Path(path)
    if not place.is_dir():
        found = describe(place)
        emit(_object(found), draw(found), as_json=as_json)
        return
    manifest = Manifest.read(place)
    descriptions = [describe(place / artifact.file) for artifact in manifest.artifacts]
    changed = [a.file for a in manifest.artifacts if file_sha256(place / a.file) != a.sha256]
    summary = {"bundle": str(path), "changed": changed, "artifacts": [_object(found) for found in descriptions]}
    text = "\n\n".join(draw(found).split("\n\ntensors")[0] for found in descriptions)
    emit(summary, text, as_json=as_json)
    if changed:
        raise CheckFailedError(f"not the files that the manifest states: {', '.join(changed)}")


def _object(found: Any) -> dict[str, Any]:
    return asdict(found) | {
        "weights": found.weights,
        "sparsity": found.sparsity,
        "weight_bytes": found.weight_bytes,
        "float_operators": sorted({step.operator for step in found.float_steps}),
    }
