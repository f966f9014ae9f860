"""The rows: every model that was given, each of its files in its backends."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgepress.base.files import file_sha256
from edgepress.runtime import EdgepressError, InputError, Manifest
from edgepress.runtime.backends import BACKENDS, choose_backends, present_backends
from edgepress.runtime.contract import Contract
from edgepress.runtime.contract.arrange import Arrangement
from edgepress.runtime.tasks import Task

from ..traits import BASELINE_MODEL, BASELINE_VARIANT, KERAS, MODULES
from ..values import Failure
from .given import Given

__all__ = ["Subject", "artifact_order", "asked_of", "list_subjects"]


@dataclass(frozen=True)
class Subject:
    """What is measured: a model file in a backend, or a Keras model."""

    path: Path
    order: dict[str, Any]
    """As `Worker` takes it."""
    model: str
    artifact: str
    format: str
    variant: str
    """Empty where nothing says it."""
    backend: str
    threads: int
    sparsity: float
    given: Given = field(repr=False)

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others: artifact, backend, threads."""
        return self.artifact, self.backend, self.threads


def asked_of(
    contract: Contract,
    task: Task,
    *,
    golden: Contract | None = None,
    arranged: dict[str, Arrangement] | None = None,
    output: str | None = None,
) -> dict[str, Any]:
    """How a model is fed and read, for the process that holds it.

    Args:
        contract: From what people have to the model's real numbers.
        task: What its output means.
        golden: How the numbers of golden vectors were made, where that is another contract.
        arranged: By input name; as the file states its input where it is not named.
        output: The one that answers; the first where None.
    """
    return {
        "contract": contract._replace(found={}).to_dict(),
        "task": task.to_dict(),
        "golden": None if golden is None else golden._replace(found={}).to_dict(),
        "arranged": {name: list(way) for name, way in (arranged or {}).items()},
        "output": output,
    }


def artifact_order(bundle: Path, manifest: Manifest, file: str, backend: str, threads: int = 1) -> dict[str, Any]:
    """What `Worker` is told of an artifact: its default delegate stays on."""
    asked = asked_of(manifest.contract, manifest.task)
    return _file_order(bundle / file, file, backend, threads) | {
        "bundle": str(bundle),
        "predicts": True,
        "asked": asked,
    }


def _file_order(path: Path, name: str, backend: str, threads: int) -> dict[str, Any]:
    module = BACKENDS[backend].module
    return {
        "kind": "file", "path": str(path), "file": name, "backend": backend, "module": MODULES.get(module, module),
        "threads": threads, "delegate": True, "predicts": False,
    }  # fmt: skip


def list_subjects(
    models: Sequence[Given], float_model: Given | None, backends: Sequence[str], threads: int
) -> tuple[list[Subject], list[Failure]]:
    """The baseline first, then what was given in its order, each file in its backends.

    Without a float model the baseline is the first that was given; of a bundle its float32 artifact.

    Returns:
        What to measure, and the files that no backend here runs, with the reason.

    Raises:
        InputError: No row at all, or a backend that does not exist.
        MissingExtraError: A backend that was asked for by name is not installed.
    """
    for name in backends:
        if name not in ("auto", "all"):
            choose_backends(name, tuple(format for backend in BACKENDS.values() for format in backend.formats))
    unrunnable: list[Failure] = []
    alone = sum(model.manifest is not None for model in models) < 2
    found = [_rows(model, backends, threads, alone, unrunnable) for model in models]
    rows = [row for group in found for row in group]
    if not rows and float_model is None:
        given = ", ".join(str(model.path) for model in models)
        raise InputError(f"{given}: no artifact runs in backend {', '.join(backends)}: name another with --backend")
    if float_model is not None:
        if float_model.is_keras:
            return [_keras(float_model, threads, _bundle_of(float_model, models)), *rows], unrunnable
        if float_model.path.is_dir():
            raise InputError(f"float model {float_model.path}: a model file is allowed, not a bundle: name one in it")
        base = _rows(float_model, backends, threads, alone, unrunnable)
        if not base:
            raise InputError(f"float model {float_model.path}: no backend here runs it: name another with --backend")
        first, *others = base
        return [first, *others, *rows], unrunnable
    of_first = found[0] if found[0] else rows
    first_row = min(range(len(of_first)), key=lambda i: (_strangeness(of_first[i]), i))
    base_row = of_first[first_row]
    return [base_row, *(row for row in rows if row is not base_row)], unrunnable


def _bundle_of(keras: Given, models: Sequence[Given]) -> Given | None:
    """The bundle that was made of a Keras file; one that stands alone is taken to be."""
    if len(models) == 1 and models[0].manifest is not None:
        return models[0]
    digest = file_sha256(keras.path) if keras.path.is_file() else ""
    for model in models:
        sources = {} if model.manifest is None else model.manifest.source.get("models", {})
        if digest and digest in {source.get("sha256") for source in sources.values()}:
            return model
    return None


def _keras(given: Given, threads: int, bundle: Given | None) -> Subject:
    order: dict[str, Any] = {"kind": "keras", "path": str(given.path), "file": given.name, "threads": threads}
    # A device that measures has no toolkit.
    from edgepress.train import active_custom

    if (custom := active_custom()) is not None:
        order["custom"] = str(custom.path.resolve())
    if bundle is not None and bundle.manifest is not None:
        manifest = bundle.manifest
        order["asked"] = asked_of(manifest.keras_contract, manifest.task, golden=manifest.contract)
    return Subject(
        given.path, order, BASELINE_MODEL, given.name, KERAS.format, BASELINE_VARIANT, KERAS.backend, threads, 0.0,
        bundle or given,
    )  # fmt: skip


def _rows(given: Given, backends: Sequence[str], threads: int, alone: bool, unrunnable: list[Failure]) -> list[Subject]:
    if given.is_keras:
        return [replace(_keras(given, threads, None), model=given.path.stem)]
    manifest = given.manifest
    if manifest is None:
        return [
            Subject(
                given.path, _file_order(given.path, given.name, backend, threads), given.path.name.split(".")[0],
                given.name, given.format, "", backend, threads, _sparsity(given.path), given,
            )
            for backend in _chosen(given.format, given.name, backends, threads, unrunnable)
        ]  # fmt: skip
    prefix = "" if alone else f"{given.bundle.resolve().name}/"
    rows = []
    for artifact in given.artifacts:
        name = prefix + artifact.file
        for backend in _chosen(artifact.format, name, backends, threads, unrunnable):
            order = artifact_order(given.bundle, manifest, artifact.file, backend, threads)
            rows.append(
                Subject(
                    given.bundle / artifact.file, order, prefix + artifact.model, name, artifact.format,
                    artifact.variant, backend, threads, artifact.sparsity, given,
                )
            )  # fmt: skip
    return rows


def _chosen(format: str, name: str, backends: Sequence[str], threads: int, unrunnable: list[Failure]) -> list[str]:
    present = present_backends(format)
    if not present:
        unrunnable.append(Failure(name, "", threads, f"no backend for .{format} is installed here"))
    return [
        backend
        for backend in present
        if "all" in backends or backend in backends or ("auto" in backends and backend == present[0])
    ]


def _sparsity(path: Path) -> float:
    """Share of a lone file's weights that are zero; 0 where the file cannot be looked into."""
    # A device has no export stage.
    if not find_spec("edgepress.export"):
        return 0.0
    from edgepress.export import describe

    try:
        return describe(path).sparsity
    except EdgepressError:
        return 0.0


def _strangeness(subject: Subject) -> tuple[bool, bool]:
    """Sorts the best stand-in for the float model first: its float32 artifact, else any float32 one."""
    of_bundle = subject.given.manifest is not None
    return of_bundle and subject.variant != BASELINE_VARIANT, of_bundle and subject.model != BASELINE_MODEL
