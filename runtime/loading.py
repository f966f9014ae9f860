"""From a path to a loaded model: find the file, check it, hand it to a backend."""

from __future__ import annotations

import contextlib
import hashlib
import os

from edgepress.base.errors import ArtifactRefusedError, InputError

from .backends import Session, choose_backends, open_session
from .backends.limits import limited_memory
from .bundle.embedded import EMBEDDED_KEY, Embedded, packed_labels
from .bundle.manifest import Artifact, Manifest
from .bundle.source import Source, find_sources, read_source
from .class_names import output_classes
from .contract import Contract
from .formats.content import Content
from .formats.last_operator import last_operator
from .model import Model
from .tasks import NOTHING, Task
from .tasks.decode import told_by_operator

__all__ = ["load", "load_alone"]


def load(
    path: str | os.PathLike[str],
    variant: str = "int8",
    backend: str = "auto",
    threads: int = 1,
    delegate: bool = True,
    isolate: bool = False,
    trusted_key: str | os.PathLike[str] | None = None,
) -> Model:
    """Load a model.

    Args:
        path: A bundle folder, an artifact inside one, or a lone `.tflite`, `.tflite.xz` or `.onnx` file.
        variant: Which of a bundle's artifacts to take, such as int8 or float32; a file is its own variant.
        backend: A name from `BACKENDS` (litert, tflite-runtime, onnxruntime, openvino, numpy), or auto. `auto` takes
            the best one present that loads the file, says which in `model.backend`, and why not a better one in
            `model.fallback_reason` and the log; one asked for by name is delivered or refused.
        threads: How many threads the backend may use for one call.
        delegate: Whether a TFLite backend may use its default delegate (XNNPACK). Without it int8 results are equal bit
            for bit on every machine.
        isolate: Run the backend in a child process with limits on memory and time: half a second more to load, and a
            file that kills its parser raises ArtifactRefusedError instead. A lone file is isolated in any case where
            the structural check does not know its operators, or cannot see them (.onnx without the onnx package).
        trusted_key: A PEM file with the public key that must have signed the bundle. A file that is no part of a signed
            bundle is refused.

    Raises:
        InputError: Nothing there, an unknown variant or backend, or a file that the backend cannot load.
        ArtifactRefusedError: The file does not match its manifest's digest, nobody trusted signed that, or it cannot be
            run safely; `reason` says which.
        MissingExtraError: The backend is not installed; the message holds the pip command.
    """
    return _load(path, variant, backend, threads, delegate, isolate, trusted_key, alone=False)


def load_alone(path: str | os.PathLike[str], *, backend: str, threads: int, delegate: bool) -> Model:
    """As `load`, in a process that was started for this model and may die of it.

    A file that `load` would isolate is opened right here, where its time and memory can be measured, under an isolated
    process's limit on the memory that loading takes.
    """
    return _load(path, "", backend, threads, delegate, False, None, alone=True)


def _load(
    path: str | os.PathLike[str],
    variant: str,
    backend: str,
    threads: int,
    delegate: bool,
    isolate: bool,
    trusted_key: str | os.PathLike[str] | None,
    *,
    alone: bool,
) -> Model:
    if threads < 1:
        raise InputError(f"threads {threads}: at least 1 is allowed")
    sources = {source.format: source for source in find_sources(path, variant, trusted_key)}
    contents: dict[str, Content] = {}
    refusals: list[tuple[str, InputError]] = []
    for candidate in choose_backends(backend, tuple(sources)):
        for format in candidate.formats:
            if (source := sources.get(format)) is None:
                continue
            if format not in contents:
                contents[format] = read_source(source)
            content = contents[format]
            apart = isolate or (candidate.native and source.artifact is None and not content.vouched)
            limits = limited_memory(len(content.data)) if alone and apart else contextlib.nullcontext()
            try:
                with limits:
                    session = open_session(
                        candidate, content, threads=threads, delegate=delegate, isolate=apart and not alone
                    )
            except ArtifactRefusedError:
                raise
            except InputError as error:
                refusals.append((candidate.name, error))
                continue
            reason = _fallback(source.path, candidate.name, refusals)
            return _model(session, candidate.name, source, content, threads, delegate, reason)
    raise refusals[0][1]


def _fallback(path: str, chosen: str, refusals: list[tuple[str, InputError]]) -> str | None:
    """Why no better backend runs the file, in one line that is logged too; None where the best one does."""
    if not refusals:
        return None
    # Not at the top: most processes that load a model log nothing.
    import logging

    reason = "; ".join(str(error) for _, error in refusals)
    logging.getLogger("edgepress").warning("%s runs in %s: %s", path, chosen, reason)
    return reason


def _model(
    session: Session,
    backend: str,
    source: Source,
    content: Content,
    threads: int,
    delegate: bool,
    fallback_reason: str | None,
) -> Model:
    try:
        contract, task = (
            _stated(session, source.manifest, source.path) if source.manifest else _told(session, source, content)
        )
        name = os.path.basename(source.path)
        artifact = source.artifact or Artifact(
            file=name,
            model=name.split(".")[0],
            format=source.format,
            variant="",
            sha256=hashlib.sha256(content.data).hexdigest(),
            bytes=len(content.data),
            inputs=session.inputs,
            outputs=session.outputs,
        )
        return Model(
            session,
            backend=backend,
            artifact=artifact,
            contract=contract,
            task=task,
            threads=threads,
            delegate=delegate,
            fallback_reason=fallback_reason,
        )
    except BaseException:
        session.close()
        raise


_Known = tuple[Contract | None, Task | None]


def _stated(session: Session, manifest: Manifest, path: str) -> _Known:
    """What the manifest says about the file."""
    task, count = manifest.task, output_classes(session)
    # The outputs of what takes any targets, or none, have no names.
    named = task.traits.targets[0] != NOTHING and task.labels
    if named and count is not None and count not in task.traits.widths(len(task.labels)):
        raise InputError(
            f"{path} gives {count} numbers an example and its manifest names {len(task.labels)} labels: "
            "export the bundle again"
        )
    return manifest.contract, task


def _told(session: Session, source: Source, content: Content) -> _Known:
    """What a lone file says about itself; what its last operator says, where it says nothing."""
    if source.format == "onnx":
        text: str | bytes | None = getattr(session, "metadata", {}).get(EMBEDDED_KEY)
    else:
        text = content.tflite.metadata.get(EMBEDDED_KEY)
    embedded = Embedded.from_json(text) if text else None
    listed = source.format == "tflite" and not (embedded and embedded.task.labels)
    labels = packed_labels(content.data) if listed else None
    if embedded and labels:
        embedded = embedded._replace(task=embedded.task._replace(labels=labels))
    width = output_classes(session)
    known = embedded.task.labels if embedded else labels
    if known and width is not None and len(known) != width and not (len(known) == 2 and width == 1):
        import logging

        logging.getLogger("edgepress").warning(
            "%s has %d labels for %d outputs: they are not used", source.path, len(known), width
        )
        labels, embedded = None, embedded and embedded._replace(task=embedded.task._replace(labels=()))
    if embedded is not None:
        contract = embedded.contract
        if len(contract.inputs) == len(session.inputs):
            # Under the names that the file's inputs have in this format.
            inputs = dict(zip((spec.name for spec in session.inputs), contract.inputs.values(), strict=True))
            return contract._replace(inputs=inputs), embedded.task
        return None, embedded.task
    if not session.outputs:
        return None, None
    return None, told_by_operator(last_operator(content), width, len(session.outputs[0].shape), labels)
