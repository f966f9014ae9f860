"""`edgepress inspect`: what is really inside a file."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgepress.base.files import file_sha256
from edgepress.runtime import Artifact, CheckFailedError, InputError, Manifest

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("inspect", short_help="What is really inside: types, sparsity, operators, oldest runtime.")
@click.argument("path", metavar="FILE|BUNDLE", type=click.Path())
@click.option(
    "--layers", is_flag=True, help="For a bundle: each layer's error against float32, on its self-test examples."
)
@json_option
@reports_errors
def command(path: str, layers: bool, as_json: bool) -> None:
    """Read a .tflite, .tflite.xz or .onnx FILE, or every artifact of a BUNDLE, and say what it holds.

    Everything comes from the file itself, nothing from the manifest. For a bundle the digests are compared too; a
    file that is missing or another one is named instead of described, and the exit status is 1.
    """
    from edgepress.export import describe, draw

    place = Path(path)
    if not place.is_dir():
        if layers:
            raise InputError(f"--layers compares the artifacts of a bundle with each other; {path} is a file")
        found = describe(place)
        emit(_object(found), draw(found), as_json=as_json)
        return
    manifest = Manifest.read(place)
    changed = [
        name
        for name, sha256 in manifest.digests.items()
        if not (place / name).is_file() or file_sha256(place / name) != sha256
    ]
    # What is not the manifest's file may hold anything: it is named, not read.
    try:
        descriptions = [describe(place / a.file) for a in manifest.artifacts if a.file not in changed]
    except InputError as error:
        raise CheckFailedError(str(error)) from None
    summary: dict[str, Any] = {
        "bundle": str(path),
        "changed": changed,
        "artifacts": [_object(found) for found in descriptions],
    }
    text = "\n\n".join(draw(found).split("\n\ntensors")[0] for found in descriptions)
    if layers and not changed:
        errors = _layer_errors(place, manifest)
        summary["layers"] = {file: [asdict(error) for error in found] for file, found in errors.items()}
        text = "\n\n".join([text, *(_table(file, found) for file, found in errors.items())])
    emit(summary, text, as_json=as_json)
    if changed:
        raise CheckFailedError(f"not the files that the manifest states: {', '.join(changed)}")


def _object(found: Any) -> dict[str, Any]:
    return asdict(found) | {
        "inputs": [spec.to_dict() for spec in found.inputs],
        "outputs": [spec.to_dict() for spec in found.outputs],
        "weights": found.weights,
        "sparsity": found.sparsity,
        "weight_bytes": found.weight_bytes,
        "float_operators": sorted({step.operator for step in found.float_steps}),
    }


def _layer_errors(folder: Path, manifest: Manifest) -> dict[str, list[Any]]:
    """Every TFLite artifact whose model is there in float32, on the inputs of the self-test."""
    from edgepress.export import compare_layers
    from edgepress.runtime.conformance.golden import Vectors

    if manifest.selftest is None:
        raise InputError(f"{folder} has no golden vectors to compare layers on: export it again")
    vectors = Vectors.read(folder / manifest.selftest)
    layered = [a for a in manifest.artifacts if a.format == "tflite"]
    floats: dict[str, Artifact] = {}
    for artifact in layered:
        if set(artifact.weights) == {"float32"}:
            floats.setdefault(artifact.model, artifact)
    errors = {}
    for artifact in layered:
        if artifact.model in floats and artifact != floats[artifact.model]:
            inputs = vectors.reals(manifest.contract, artifact)
            errors[artifact.file] = compare_layers(folder / artifact.file, folder / floats[artifact.model].file, inputs)
    return errors


def _table(file: str, errors: list[Any]) -> str:
    width = max(len(error.layer) for error in errors)
    lines = [f"{file}: each layer against float32"]
    for error in errors:
        lines.append(
            f"  {error.layer:{width}}  SQNR {error.sqnr_db:6.1f} dB  cosine {error.cosine:.5f}  "
            f"worst channel {error.worst_channel} at {error.worst_channel_sqnr_db:.1f} dB"
        )
    return "\n".join(lines)
