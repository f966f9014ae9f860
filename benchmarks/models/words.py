"""What a report says of the models that were given, beside their rows."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgepress.data import Dataset
from edgepress.runtime import Artifact, InputError, Manifest

from ..values import Bundle
from .asked import Asked
from .given import Given
from .subjects import Subject

__all__ = ["artifacts_of", "as_json", "by_name", "described", "lone_models", "notes_of", "told_kind"]

_UNKNOWN = "it is not known what {what} fitted to: these test examples may have been among it"


def as_json(value: Any) -> Any:
    """As JSON holds it: tuples become lists."""
    return json.loads(json.dumps(value))


def told_kind(models: Sequence[Given]) -> str | None:
    """The kind of question that the first bundle states; None without one."""
    return next((model.manifest.task.kind for model in models if model.manifest is not None), None)


def by_name(stated: str | Mapping[str, str] | None, rows: Sequence[Subject]) -> dict[str, str]:
    """What is stated of inputs, by the rows' names; under an empty name of all others.

    Raises:
        InputError: A name that no lone file has.
    """
    known = {row.artifact for row in rows if row.given.manifest is None}
    paths = {str(row.given.path): row.artifact for row in rows}
    given = stated if isinstance(stated, Mapping) else {} if stated is None else {"": stated}
    found = {name and paths.get(name, name): text for name, text in given.items()}
    unknown = sorted(set(found) - known - {""})
    if unknown:
        raise InputError(f"input of {unknown[0]}: allowed are {', '.join(sorted(known)) or 'files outside bundles'}")
    return found


def artifacts_of(rows: Sequence[Subject]) -> dict[str, Artifact]:
    """What manifests say of rows, by the row's artifact."""
    return {
        row.artifact: row.given.manifest.artifact(row.path.name)
        for row in rows
        if row.given.manifest is not None and row.path.name in {each.file for each in row.given.manifest.artifacts}
    }


def described(models: Sequence[Given], first: Asked) -> Bundle:
    """What was measured, under one name."""
    if len(models) == 1 and models[0].manifest is not None:
        manifest = models[0].manifest
        return Bundle(manifest.name, tuple(manifest.labels), manifest.source)
    sources = {
        key: value
        for model in models
        if model.manifest is not None
        for key, value in model.manifest.source.get("models", {}).items()
    }
    labels = first.task.labels or (first.question.dataset.targets.names if first.question.dataset else ())
    return Bundle(", ".join(model.name for model in models), tuple(labels), {"models": sources} if sources else {})


def lone_models(rows: Sequence[Subject], asked: Sequence[Asked]) -> tuple[dict[str, Any], ...] | None:
    """How each file outside bundles is asked, once a file; None without any."""
    found = {
        row.artifact: {"artifact": row.artifact, "contract": each.contract.to_dict(), "task": each.task.to_dict()}
        for row, each in zip(rows, asked, strict=True)
        if row.given.manifest is None
    }
    return tuple(as_json(list(found.values()))) or None


def notes_of(rows: Sequence[Subject], asked: Sequence[Asked], dataset: Dataset | None) -> list[str]:
    """What is not known about the test, and how lone files are fed."""
    if dataset is None:
        return []
    found: list[str] = []
    unknown = []
    for row, each in zip(rows, asked, strict=True):
        found += each.notes
        if row.given.manifest is not None:
            found += _of_source(row.given.manifest, dataset)
        elif each.fitted != dataset.sha256:
            unknown.append(row.artifact)
    if unknown:
        names = list(dict.fromkeys(unknown))
        found.append(_UNKNOWN.format(what=f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"))
    return list(dict.fromkeys(found))


def _of_source(manifest: Manifest, dataset: Dataset) -> tuple[str, ...]:
    recorded = manifest.source.get("dataset", {})
    known = str(recorded.get("split", {}).get("origin", "")).startswith("recorded")
    if known and recorded.get("sha256") == dataset.sha256:
        return ()
    if known:
        return (
            f"the model was fitted to {recorded.get('name')}, not to {dataset.name}: it is not known whether that "
            "holds these test examples",
        )
    return (_UNKNOWN.format(what="the model was"),)
