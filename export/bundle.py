"""Models in, bundle out: convert, describe, run on held-back data, publish what is true."""

import gc
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgepress import __version__
from edgepress.base.files import check_writable, file_sha256, new_folder, write_file
from edgepress.base.progress import STEP, each
from edgepress.data import as_dataset
from edgepress.runtime import Artifact, CheckFailedError, InputError, Manifest
from edgepress.runtime.bundle.embedded import Embedded
from edgepress.runtime.bundle.manifest import MANIFEST_NAME
from edgepress.runtime.conformance.golden import Vectors
from edgepress.runtime.conformance.matrix import Matrix
from edgepress.runtime.contract import Contract
from edgepress.runtime.tasks import Task

from .clip import clipped
from .companions.write import Companions
from .convert import Converter
from .draw import GOLDEN_SAMPLES
from .errors import ConversionError
from .fidelity.admit import Standard, verify
from .fidelity.judge import judge
from .fidelity.learned import from_training, rounded_answers
from .fidelity.measure import Outputs, Runs, run_artifacts
from .inspect.describe import describe
from .question import Asked, ask, common, with_thresholds
from .source import Source, open_source
from .standardize import blamed, standardized
from .targets import RuntimeFloor
from .tflite.convert import converting, start_converter
from .variants import DEFAULT_VARIANTS, Variant, parse_variants, with_bounds

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
            reasons = "; ".join(f"{one.file}: {one.reason}" for one in self.withheld)
            raise CheckFailedError(f"withheld {len(self.withheld)} of the artifacts: {reasons}")


def export(
    models: Mapping[str, str | os.PathLike[str]],
    data: Any,
    out: str | os.PathLike[str],
    *,
    variants: Sequence[str] = DEFAULT_VARIANTS,
    runtime: str | None = None,
    calibration: Any = None,
    task: str | None = None,
    input: str | None = None,
    bounds: Mapping[str, float] | None = None,
    accept_chance: bool = False,
    packed: Sequence[str] = (),
    also: Sequence[str] = (),
    seed: int = 0,
    name: str | None = None,
    overwrite: bool = False,
) -> ExportResult:
    """Write a bundle with every model in every variant.

    Each artifact is run on held-back training examples before it is published; one that strays beyond its variant's
    bound (`variants.VARIANTS`) is withheld, the rest is published.

    Args:
        models: Name to Keras file. The last one is the bundle's default.
        data: What the models were trained on, as `as_dataset` takes it; calibration and checks use the training part
            only, as training recorded its split.
        out: The bundle's folder.
        variants: Names such as `int8` (every format) or `tflite:int8`.
        runtime: The oldest runtime that must load every file, such as `tflite-2.14`.
        calibration: Examples of your own to measure activations on, instead of the training examples.
        task: The question, where models and data leave it open.
        input: How the models take their input: a normalization's name, or a TOML file; found where None.
        bounds: Variant to the bound that takes the place of its own, in the task's unit.
        accept_chance: Publish models that are no better than the trivial answer all the same.
        packed: Variants of the default model to write as `.tflite.xz` too.
        also: More of the default model: `c-header` for microcontrollers, `ort` for ONNX Runtime Mobile.
        seed: Draws calibration, held-back and self-test examples.
        name: What the bundle is called in reports and by the server; the folder's name when None.
        overwrite: Replace what is at `out`.

    Raises:
        InputError: Unusable input; nothing was written.
        CheckFailedError: Not one artifact keeps its bound; nothing was written.
    """
    chosen = with_bounds(parse_variants(variants), bounds or {})
    companions = Companions(tuple(packed), tuple(also))
    floor = RuntimeFloor.parse(runtime) if runtime else None
    chosen = tuple(variant for variant in chosen if floor is None or floor.reads(variant))
    if not models or not chosen:
        raise InputError("nothing to export: name at least one model and one variant")
    companions.require_matches(chosen)
    dataset = as_dataset(data, in_pieces=True)
    own = None if calibration is None else as_dataset(calibration, in_pieces=True)
    check_writable(out)
    with new_folder(Path(out), overwrite=overwrite) as folder, start_converter() as converts:
        sources = [open_source(name, Path(path)) for name, path in models.items()]
        asked = [
            ask(
                source, dataset, calibration=own, seed=seed, task=task, input=input, accept_chance=accept_chance
            )
            for source in sources
        ]  # fmt: skip
        asked = clipped(standardized(asked), chosen)
        # Models that were opened to compare with, and what was asked on the way, wait in cycles.
        gc.collect()
        default = asked[-1]
        contract, question = common(asked)
        question = with_thresholds(question, default)
        embedded = Embedded(contract, question)
        artifacts: list[Artifact] = []
        withheld: list[Withheld] = []
        records: dict[str, dict[str, Any]] = {}
        converters = [
            Converter(model.source, model.calibration, model.held_back, embedded, chosen) for model in asked
        ]  # fmt: skip
        with converting([converter.conversions for converter in converters], by=converts):
            for model, converter in zip(asked, converters, strict=True):
                with Runs(folder, model.held_back) as runs:
                    made, failed = _convert(model.source, chosen, converter, floor, folder, runs)
                    answers = runs.answers()
                kept, refused = _check(made, answers, model, question, folder)
                artifacts += kept
                records[model.source.name] = _record(model) | converter.record
                withheld += failed + refused
        manifest = Manifest(
            name=name or Path(out).name,
            contract=contract,
            task=question,
            artifacts=tuple(artifacts),
            default_model=default.source.name,
            bounds=dict(bounds or {}),
            source={"models": records, "dataset": default.draw.record()},
            tools={"edgepress": __version__} | {tool: version(tool) for tool in _TOOLS},
        )
        matrix, vectors = None, _golden(default, contract)
        if artifacts:
            standards = {model.source.name: _standard(model, question) for model in asked}
            manifest, matrix = verify(folder, manifest, vectors, standards, chosen, golden=GOLDEN_SAMPLES)
            withheld += [Withheld(file, reason) for file, reason in matrix.refused.items()]
        manifest, failed_companions = companions.write(folder, manifest, vectors.first(GOLDEN_SAMPLES))
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


def _golden(asked: Asked, contract: Contract) -> Vectors:
    """Held-back examples for every backend: pixels where pictures go in, real numbers by input name otherwise."""
    part = asked.draw.golden
    labels = part.targets if asked.task.classifies else None
    if contract.picture is not None:
        return Vectors(np.asarray(part.x), labels)
    chosen = asked.held_back[asked.draw.golden_rows].inputs
    return Vectors(None, labels, inputs={name: np.asarray(values) for name, values in chosen.items()})


def _standard(asked: Asked, task: Task) -> Standard:
    rows = asked.draw.golden_rows
    return Standard({name: values[rows] for name, values in asked.reference.items()}, asked.held_back[rows], task)


def _record(asked: Asked) -> dict[str, Any]:
    """A model's entry in the manifest."""
    source = asked.source
    record: dict[str, Any] = {"file": source.path.name, "sha256": source.sha256}
    if asked.test:
        record["test"] = dict(asked.test)
    if source.standardized:
        record["standardized"] = dict(source.standardized)
    if source.clipped:
        record["clipped"] = {name: clip._asdict() for name, clip in source.clipped.items()}
    if source.ranges:
        record["ranges"] = "learned"
    if source.custom:
        record["custom"] = dict(source.custom)
    return record | ({"partly_quantized": "quantized after training"} if source.partly_quantized else {})


_Made = tuple[Variant, Artifact]
_EIGHT_BITS = ("int8", "uint8")


def _convert(
    source: Source,
    variants: Sequence[Variant],
    converter: Converter,
    floor: RuntimeFloor | None,
    folder: Path,
    runs: Runs,
) -> tuple[list[_Made], list[Withheld]]:
    made: list[_Made] = []
    failed: list[Withheld] = []
    waiting = converter.soonest_first(variants)
    for variant in each(f"export {source.name}", waiting, lambda variant: {"file": variant.file(source.name)}):
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
        runs.add(artifact)
    order = {variant.file(source.name): place for place, variant in enumerate(variants)}
    made.sort(key=lambda pair: order[pair[1].file])
    failed.sort(key=lambda withheld: order[withheld.file])
    return made, failed


def _check(
    made: Sequence[_Made], answers: Mapping[str, Outputs | str], asked: Asked, task: Task, folder: Path
) -> tuple[list[Artifact], list[Withheld]]:
    """Judge each artifact by its answers; what keeps its bound stays in the folder, with its metrics."""
    kept: list[Artifact] = []
    refused: list[Withheld] = []
    rounded = rounded_answers(asked)
    learned = [artifact for variant, artifact in made if rounded is not None and variant.learned_ranges]
    # As people run them: kernels without a delegate round twice.
    trained = run_artifacts(folder, learned, asked.held_back, delegate=True) if learned else {}
    for variant, artifact in made:
        answer = answers[artifact.file]
        metrics: dict[str, float] = {}
        failure: str | None
        if isinstance(answer, str):
            failure = answer
        else:
            metrics, failure = judge(variant, task, answer, asked.reference, asked.held_back)
            if rounded is not None and not isinstance(quick := trained.get(artifact.file, ""), str):
                metrics = metrics | from_training(artifact, task, quick, rounded)
            if failure and any(spec.dtype in _EIGHT_BITS for spec in artifact.inputs) and (cause := blamed(asked)):
                failure = f"{failure}; {cause}"
        if failure is None:
            kept.append(artifact._replace(metrics=metrics))
        else:
            logger.warning("withheld %s: %s", artifact.file, failure)
            refused.append(Withheld(artifact.file, failure))
            (folder / artifact.file).unlink()
    return kept, refused
