"""Models in, bundle out: convert, describe, run on held-back data, publish what is true."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgepress import __version__
from edgepress.base.files import file_sha256, new_folder, write_file
from edgepress.base.progress import STEP, each
from edgepress.data import Dataset
from edgepress.runtime import Artifact, CheckFailedError, InputError, Manifest
from edgepress.runtime.bundle.embedded import Embedded
from edgepress.runtime.bundle.manifest import MANIFEST_NAME
from edgepress.runtime.conformance.matrix import Matrix

from .companions.write import Companions
from .convert import Converter
from .draw import GOLDEN_SAMPLES, Draw, PictureDraw, SampleDraw
from .errors import ConversionError
from .fidelity.admit import verify
from .fidelity.judge import judge
from .fidelity.measure import Outputs, run_artifacts
from .inspect.describe import describe
from .samples import Samples
from .source import Source, open_source
from .targets import RuntimeFloor
from .tflite.mixed import LayerChoice
from .variants import DEFAULT_VARIANTS, Variant, parse_variants

__all__ = ["ExportResult", "Withheld", "export"]

logger = logging.getLogger(__name__)

_TOOLS = (
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "ai-edge-litert",
    "numpy",
)
_UNKNOWN_SHARE = 0.02
"""Share of held-back images that the threshold for "unknown" may turn away."""


@dataclass(frozen=True)
class Withheld:
    """An artifact that was asked for and is not in the bundle."""

    file: str
    reason: str


@dataclass(frozen=True)
class ExportResult:
    """What was published, and what was not."""

    manifest: Manifest
    withheld: tuple[Withheld, ...]
    matrix: Matrix | None
    """Every artifact in every backend that is here; None where no artifact was left to try."""

    def raise_if_withheld(self) -> None:
        """Raise CheckFailedError that names every artifact that was withheld."""
        if self.withheld:
            reasons = "; ".join(f"{each.file}: {each.reason}" for each in self.withheld)
            raise CheckFailedError(f"withheld {len(self.withheld)} of the artifacts: {reasons}")


def export(
    models: Mapping[str, str | os.PathLike[str]],
    data: Dataset | Samples,
    out: str | os.PathLike[str],
    *,
    variants: Sequence[str] = DEFAULT_VARIANTS,
    runtime: str | None = None,
    calibration: Dataset | None = None,
    packed: Sequence[str] = (),
    also: Sequence[str] = (),
    seed: int = 0,
    name: str | None = None,
    overwrite: bool = False,
) -> ExportResult:
    """Write a bundle with every model in every variant.

    Each artifact is run on held-back training images before it is published; one that strays beyond its variant's
    bound (`variants.VARIANTS`) is withheld, the rest is published.

    Args:
        models: Name to Keras file. The last one is the bundle's default.
        data: The images that the models were trained on (calibration and checks use the training part only), or samples
            by input name, for models that take no pictures.
        out: The bundle's folder.
        variants: Names such as `int8` (every format) or `tflite:int8`.
        runtime: The oldest runtime that must load every file, such as `tflite-2.14`.
        calibration: Images of your own to measure activations on, instead of the training images.
        packed: Variants of the default model to write as `.tflite.xz` too.
        also: More of the default model: `c-header` for microcontrollers, `ort` for ONNX Runtime Mobile.
        seed: Draws calibration, held-back and self-test images.
        name: What the bundle is called in reports and by the server; the folder's name when None.
        overwrite: Replace what is at `out`.

    Raises:
        InputError: Unusable input; nothing was written.
        CheckFailedError: Not one artifact keeps its bound; nothing was written.
    """
    chosen = parse_variants(variants)
    companions = Companions(tuple(packed), tuple(also))
    floor = RuntimeFloor.parse(runtime) if runtime else None
    chosen = tuple(variant for variant in chosen if floor is None or floor.reads(variant))
    if not models or not chosen:
        raise InputError("nothing to export: name at least one model and one variant")
    with new_folder(Path(out), overwrite=overwrite) as folder:
        draw: Draw = SampleDraw(data, seed) if isinstance(data, Samples) else PictureDraw(data, seed, calibration)
        classes = len(draw.class_names)
        sources = [open_source(name, Path(path), classes=classes) for name, path in models.items()]
        default = sources[-1]
        held_back = {source.name: draw.held_back(source) for source in sources}
        references = {source.name: _answers(source, held_back[source.name]) for source in sources}
        embedded = Embedded(
            draw.class_names, _common_output(sources), draw.preprocessing, _unknown_threshold(default, references)
        )
        artifacts: list[Artifact] = []
        withheld: list[Withheld] = []
        mixed: dict[str, list[LayerChoice]] = {}
        for source in sources:
            converter = Converter(source, draw.calibration(source), held_back[source.name], embedded)
            made, failed = _convert(source, chosen, converter, floor, folder)
            kept, refused = _check(made, held_back[source.name], references[source.name], folder)
            artifacts += kept
            mixed[source.name] = converter.mixed
            withheld += failed + refused
        manifest = Manifest(
            name=name or Path(out).name,
            labels=draw.class_names,
            preprocessing=draw.preprocessing,
            output=embedded.output,
            artifacts=tuple(artifacts),
            default_model=default.name,
            unknown_threshold=embedded.unknown_threshold,
            source={
                "models": {source.name: _record(source, mixed[source.name]) for source in sources},
                "dataset": draw.record(),
            },
            tools={"edgepress": __version__} | {tool: version(tool) for tool in _TOOLS},
        )
        matrix, vectors = None, draw.golden(default)
        if artifacts:
            manifest, matrix = verify(folder, manifest, vectors, golden=GOLDEN_SAMPLES)
            withheld += [Withheld(file, reason) for file, reason in matrix.refused.items()]
        manifest, failed_companions = companions.write(folder, manifest, vectors.first(GOLDEN_SAMPLES).images)
        withheld += [Withheld(file, reason) for file, reason in failed_companions.items()]
        known = {MANIFEST_NAME, *manifest.digests}
        others = sorted(path for path in folder.iterdir() if path.name not in known)
        manifest = manifest._replace(files={path.name: file_sha256(path) for path in others})
        result = ExportResult(manifest, tuple(withheld), matrix)
        if not manifest.artifacts:
            result.raise_if_withheld()
        write_file(folder / MANIFEST_NAME, manifest.to_json())
    logger.info("wrote %s: %d artifacts, %d withheld", out, len(manifest.artifacts), len(withheld))
    return result


def _record(source: Source, mixed: Sequence[LayerChoice]) -> dict[str, Any]:
    """A model's entry in the manifest."""
    record: dict[str, Any] = {"file": source.path.name, "sha256": source.sha256}
    return record | ({"mixed": [choice._asdict() for choice in mixed]} if mixed else {})


def _common_output(sources: Sequence[Source]) -> str:
    if len({source.output for source in sources}) > 1:
        kinds = ", ".join(f"{source.name} gives {source.output}" for source in sources)
        raise InputError(f"models of one bundle must give the same kind of output: {kinds}")
    return sources[0].output


def _answers(source: Source, samples: Samples) -> Outputs:
    """What the Keras model itself gives, in float32."""
    given = source.model.predict([samples.inputs[name] for name in source.model.input_names], batch_size=256, verbose=0)
    arrays = given if isinstance(given, list) else [given]
    return dict(zip(source.model.output_names, arrays, strict=True))


def _unknown_threshold(source: Source, references: Mapping[str, Outputs]) -> float | None:
    """The highest probability that all but `_UNKNOWN_SHARE` of the held-back images reach."""
    if source.output == "raw":
        return None
    (values,) = references[source.name].values()
    if source.output == "logits":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        values = powers / powers.sum(axis=1, keepdims=True)
    return round(float(np.quantile(values.max(axis=1), _UNKNOWN_SHARE)), 4)


_Made = tuple[Variant, Artifact]


def _convert(
    source: Source, variants: Sequence[Variant], converter: Converter, floor: RuntimeFloor | None, folder: Path
) -> tuple[list[_Made], list[Withheld]]:
    made: list[_Made] = []
    failed: list[Withheld] = []
    for variant in each(f"export {source.name}", variants, lambda variant: {"file": variant.file(source.name)}):
        logger.info("exporting %s", variant.file(source.name), extra=STEP)
        try:
            path = converter.write(variant, folder)
        except ConversionError as error:
            failed.append(Withheld(variant.file(source.name), str(error)))
            continue
        found = describe(path)
        objection = floor.objection(found.oldest_runtime) if floor else None
        if objection:
            failed.append(Withheld(path.name, objection))
            path.unlink()
            continue
        artifact = Artifact(
            file=path.name,
            model=source.name,
            format=variant.format,
            variant=variant.name,
            sha256=file_sha256(path),
            bytes=found.bytes,
            inputs=found.inputs,
            outputs=found.outputs,
            weights=found.weights,
            sparsity=found.sparsity,
            operators=found.operators,
            oldest_runtime=found.oldest_runtime,
        )
        made.append((variant, artifact))
    return made, failed


def _check(
    made: Sequence[_Made], held_back: Samples, reference: Outputs, folder: Path
) -> tuple[list[Artifact], list[Withheld]]:
    """Run each artifact; what keeps its bound stays in the folder, with its metrics."""
    kept: list[Artifact] = []
    refused: list[Withheld] = []
    answers = run_artifacts(folder, [artifact for _, artifact in made], held_back)
    for variant, artifact in made:
        answer = answers[artifact.file]
        metrics, failure = ({}, answer) if isinstance(answer, str) else judge(variant, answer, reference, held_back)
        if failure is None:
            kept.append(artifact._replace(metrics=metrics))
        else:
            logger.warning("withheld %s: %s", artifact.file, failure)
            refused.append(Withheld(artifact.file, failure))
            (folder / artifact.file).unlink()
    return kept, refused
