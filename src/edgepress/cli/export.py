"""`edgepress export`: Keras models in, bundle out."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import click

from edgepress.base.files import check_writable
from edgepress.quality import quality_of
from edgepress.runtime import InputError, Manifest
from edgepress.runtime.contract import Input

from .common import (
    DataChoice,
    asking_options,
    bounds_of,
    custom_option,
    data_options,
    emit,
    json_option,
    out_option,
    overwrite_option,
    reports_errors,
    seed_option,
)

__all__ = ["command"]


@click.command("export", short_help="Convert Keras models to TFLite and ONNX: a bundle.")
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]MODEL...")
@data_options(help="What the models were trained on")
@asking_options
@out_option("The bundle's folder.", required=True)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="[FORMAT:]NAME",
    help="Which files to make: float32, float16, dynamic-int8, int8, int8-float-io, int8-percentile, "
    "int16x8, mixed, dynamic-int4, int4, or one format's, such as tflite:int8. Repeat for several.",
)
@click.option("--target", metavar="NAME", help="Pick variants for raspberry-pi, android, ios, browser, ...")
@click.option("--runtime", metavar="NAME-X.Y", help="Only files that this old runtime loads, such as tflite-2.14.")
@click.option("--calibration", metavar="PATH", help="Your own examples to calibrate on, instead of training examples.")
@click.option(
    "--samples", metavar="NPZ", type=click.Path(), help="In place of --data: an .npz of arrays by input name."
)
@click.option("--pack", "packed", multiple=True, metavar="NAME", help="Variants to write as .tflite.xz too.")
@click.option("--also", multiple=True, metavar="NAME", help="More files: c-header (microcontrollers), ort (mobile).")
@seed_option
@overwrite_option
@json_option
@reports_errors
@custom_option
def command(
    models: tuple[str, ...],
    data: DataChoice,
    input_: str | None,
    bounds: tuple[str, ...],
    accept_chance: bool,
    out: str,
    variants: tuple[str, ...],
    target: str | None,
    runtime: str | None,
    calibration: str | None,
    samples: str | None,
    packed: tuple[str, ...],
    also: tuple[str, ...],
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Convert Keras MODELs (.keras, .h5 or SavedModel) to every variant, check each on held-back data, write a bundle.

    A model is called after its file, or NAME. The last one is the bundle's default. Exit status 1: an artifact strayed
    beyond its bound and was withheld; the rest is published. `--target browser` also writes the page, which
    infers in the browser, into the bundle's folder `site`.
    """
    from edgepress.export import DEFAULT_VARIANTS, export, find_target
    from edgepress.runtime.serve.web.assets import require_assets
    from edgepress.runtime.serve.web.offline import write_static_site

    check_writable(out)
    if calibration and samples:
        raise InputError("--calibration with --samples: the samples calibrate too; leave one of the two out")
    place = find_target(target) if target else None
    if place is not None and place.with_page:
        require_assets()
    result = export(
        _named(models),
        replace(data, source=samples or data.source).load(in_pieces=True),
        out,
        variants=variants or (place.variants if place else DEFAULT_VARIANTS),
        runtime=runtime or (place.runtime if place else None),
        calibration=replace(data, source=calibration).load(in_pieces=True) if calibration else None,
        task=data.task,
        input=input_,
        bounds=bounds_of(bounds),
        accept_chance=accept_chance,
        packed=packed,
        also=also or (place.also if place else ()),
        seed=seed,
        overwrite=overwrite,
    )
    site = None
    if place is not None and place.with_page and result.manifest.artifacts:
        site = str(write_static_site(out, Path(out) / "site"))
    rows = [
        f"{a.file:32} {a.bytes:>10,} bytes{_packed(a.metrics)}  {_metric(result.manifest, a.metrics)}  "
        f"sparsity {a.sparsity:.2f}"
        for a in result.manifest.artifacts
    ]
    summary = {
        "out": str(out),
        "site": site,
        "artifacts": [artifact.to_dict() for artifact in result.manifest.artifacts],
        "withheld": [asdict(each) for each in result.withheld],
        "conformance": result.matrix.to_dict() if result.matrix else None,
    }
    if result.withheld and result.matrix:
        rows.append(result.matrix.to_text())
    rows += _on_test(result.manifest)
    rows += [f"input {name}: {_way(result.manifest, one)}" for name, one in result.manifest.contract.inputs.items()]
    rows.append(f"bundle: {out}")
    if site:
        rows.append(f"page for any static host: {site}")
    emit(summary, "\n".join(rows), as_json=as_json)
    result.raise_if_withheld()


def _named(models: tuple[str, ...]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in models:
        name, path = text.split("=", 1) if "=" in text else (Path(text).stem, text)
        if name in named:
            raise InputError(f"two models are called {name!r}: give them names, as in float=a.keras pressed=b.keras")
        named[name] = path
    return named


def _packed(metrics: Mapping[str, float]) -> str:
    return f", packed {metrics['packed_bytes']:,}" if "packed_bytes" in metrics else ""


def _metric(manifest: Manifest, metrics: Mapping[str, float]) -> str:
    quality = quality_of(manifest.task)
    if quality is None or "difference" not in metrics:
        return f"held-back SQNR {metrics['sqnr_db']:.1f} dB"
    name, unit = quality.metric.name, "points" if quality.metric.unit == "points" else "% of the mean's error"
    return f"held-back {name} {metrics[name]:.4f} ({metrics['difference']:+.2f} {unit})"


def _on_test(manifest: Manifest) -> list[str]:
    """What the Keras models themselves come to on the test part."""
    quality = quality_of(manifest.task)
    tested = {name: model["test"] for name, model in manifest.source.get("models", {}).items() if "test" in model}
    if quality is None:
        return []
    metric = quality.metric.name
    return [f"{name} itself: {metric} {t[metric]:.4f} on {t['examples']:,} test examples" for name, t in tested.items()]


def _way(manifest: Manifest, contract: Input) -> str:
    """How an input is made, and how that was found."""
    found = manifest.contract.found
    by = {"stated": "as stated", "training": "as recorded by training", "tried": "found by trying"}.get(
        str(found.get("by")), f"told by the {found.get('by', 'data')}"
    )
    return f"{contract.kind}, {found.get('why') or 'as the model was trained'} ({by})"
