"""The bundle's manifest: what is in the folder, and what it promises.

`manifest.json` is read into named tuples, which a process makes quicker than dataclasses, and written from them;
`manifest.schema.json` beside this module is the
published schema. A reader accepts every older schema that it knows and refuses a newer one by name.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from edgepress.base.errors import InputError

from ..contract import Contract, Picture, Tensor
from ..tasks.task import Task
from .quantization import Quantization

__all__ = ["MANIFEST_NAME", "SCHEMA", "Artifact", "Manifest", "TensorSpec", "read_manifest"]

MANIFEST_NAME = "manifest.json"
SCHEMA = 2
_RAW = "raw"


_WITH_CONTRACT = 2
"""The first schema that states contract and task; before, every model took pictures or raw numbers."""


def _known(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """What this reader knows: a later writer of the same schema may state more."""
    return {key: value for key, value in data.items() if key in kind._fields}


def read_manifest(folder: str | os.PathLike[str]) -> bytes:
    """A bundle's manifest as it stands on disk.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    try:
        with open(os.path.join(folder, MANIFEST_NAME), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{folder} holds no {MANIFEST_NAME}: name a bundle that `edgepress export` wrote") from None
    except OSError as error:
        raise InputError(f"{os.path.join(folder, MANIFEST_NAME)} cannot be read: {error.strerror}") from None


class TensorSpec(NamedTuple):
    """One input or output of an artifact."""

    name: str
    shape: tuple[int, ...]
    """-1 stands for the free batch dimension."""
    dtype: str
    """NumPy name: float32, int8, ..."""
    scale: float | None = None
    zero_point: int | None = None

    @property
    def quantization(self) -> Quantization | None:
        """How the tensor's integers stand for real numbers; None for a float tensor."""
        if self.scale is None or self.zero_point is None:
            return None
        return Quantization(self.scale, self.zero_point, self.dtype)

    @classmethod
    def of(cls, name: str, shape: Iterable[Any], dtype: str, scales: Any, zero_points: Any) -> "TensorSpec":
        """From what a file or an interpreter says: arrays of scales and zero points, of which one alone is kept."""
        single = len(scales) == 1
        return cls(
            name=name,
            shape=tuple(map(int, shape)),
            dtype=dtype,
            scale=float(scales[0]) if single else None,
            zero_point=int(zero_points[0]) if single else None,
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TensorSpec":
        """The inverse of `to_dict`, after JSON made the tuple a list."""
        return cls(**_known(cls, {**data, "shape": tuple(data["shape"])}))

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return self._asdict()


class Artifact(NamedTuple):
    """One model file of the bundle."""

    file: str
    """Name inside the bundle folder: `<model>-<variant>.<tflite|onnx>`."""
    model: str
    """Which model it was made from, such as `float` or `pressed`."""
    format: str
    """`tflite` or `onnx`."""
    variant: str
    """float32, float16, dynamic-int8, int8, int16x8, dynamic-int4, int4, ..."""
    sha256: str
    bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: Mapping[str, float] = {}
    """Share of the weights stored as each type; sums to 1."""
    sparsity: float = 0.0
    """Share of the weights that are exactly zero."""
    operators: Mapping[str, int] = {}
    """Highest version of each operator in the file."""
    oldest_runtime: Mapping[str, str] = {}
    """Oldest release of each runtime that loads the file, such as {"tflite-runtime": "2.3"}."""
    metrics: Mapping[str, float] = {}
    """What export measured on held-back data, such as accuracy and difference_points."""
    tolerance: Mapping[str, float] = {}
    """Largest difference from the self-test's outputs that counts as conforming, in quanta for integer outputs and
    absolute for float ones, per backend and delegate setting: {"litert": 0, "litert+delegate": 1, ...}; for each of
    several outputs under its name: {"litert/kind": 0, ...}."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Artifact":
        """The inverse of `to_dict`."""
        tensors = {key: tuple(map(TensorSpec.from_dict, data[key])) for key in ("inputs", "outputs")}
        return cls(**_known(cls, {**data, **tensors}))

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        tensors = {key: [spec.to_dict() for spec in getattr(self, key)] for key in ("inputs", "outputs")}
        return self._asdict() | tensors


class Manifest(NamedTuple):
    """Everything a reader needs besides the model files themselves."""

    name: str
    contract: Contract
    """What goes in."""
    task: Task
    """What comes out."""
    artifacts: tuple[Artifact, ...]
    default_model: str
    """Which model's artifacts `load(bundle)` takes."""
    bounds: Mapping[str, float] = {}
    """Bounds that the user set in place of the variants' own, by variant; in the unit that the report names."""
    source: Mapping[str, Any] = {}
    """Models, data set and seed with their digests."""
    tools: Mapping[str, str] = {}
    """Versions of the packages that made the bundle."""
    selftest: str | None = None
    """Name of the file with the golden vectors."""
    files: Mapping[str, str] = {}
    """SHA-256 of every other file that export wrote, by its name: golden vectors, packed artifacts, C headers, ..."""
    schema: int = SCHEMA

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, the labels or the numbers, in the order of the outputs."""
        return self.task.labels

    @property
    def preprocessing(self) -> Picture | None:
        """How pictures become the one input; None where that is no picture."""
        return self.contract.picture

    @property
    def output(self) -> str:
        """What a classifier of pictures gives, `logits` or `probabilities`; `raw` for every other model."""
        return self.task.meaning if self.task.classifies and self.preprocessing is not None else _RAW

    @property
    def keras_contract(self) -> Contract:
        """How the Keras files take their input. It is the bundle's contract, but for inputs that export centred and
        scaled: the artifacts have that change in their first layers, and the Keras files do not."""
        inputs: dict[str, Any] = dict(self.contract.inputs)
        for model in self.source.get("models", {}).values():
            for name, way in model.get("standardized", {}).items():
                if name in inputs:
                    inputs[name] = inputs[name]._replace(mean=tuple(way["mean"]), std=tuple(way["std"]))
        return self.contract._replace(inputs=inputs)

    @property
    def unknown_threshold(self) -> float | None:
        """Below this highest probability an input counts as unknown, where the caller asks for it."""
        return self.task.unknown_threshold

    def artifact(self, file: str) -> Artifact:
        """The artifact with that file name."""
        for artifact in self.artifacts:
            if artifact.file == file:
                return artifact
        raise InputError(f"no artifact {file!r}: the bundle has {', '.join(a.file for a in self.artifacts)}")

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that the manifest answers for, by its name."""
        return {artifact.file: artifact.sha256 for artifact in self.artifacts} | dict(self.files)

    def to_json(self) -> str:
        """As it stands in `manifest.json`: sorted keys, so that equal manifests are equal files."""
        self._check()
        data = self._asdict() | {
            "contract": self.contract.to_dict(),
            "task": self.task.to_dict(),
            "artifacts": [artifact.to_dict() for artifact in self.artifacts],
        }
        return json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Parse and check.

        Raises:
            InputError: Not JSON, not a manifest, or written by a newer edgepress.
        """
        try:
            data = json.loads(text)
            schema = data["schema"]
            if not isinstance(schema, int) or schema > SCHEMA:
                raise InputError(f"manifest schema {schema!r}: this edgepress reads up to {SCHEMA}; update edgepress")
            artifacts = tuple(map(Artifact.from_dict, data["artifacts"]))
            if schema < _WITH_CONTRACT:
                contract, task = _of_schema_1(data, artifacts)
            else:
                contract, task = Contract.from_dict(data["contract"]), Task.from_dict(data["task"])
            fields = {**data, "contract": contract, "task": task, "artifacts": artifacts, "schema": SCHEMA}
            manifest = cls(**_known(cls, fields))
            manifest._check()
            return manifest
        except InputError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise InputError(f"not an edgepress manifest ({error!r}): export the bundle again") from None

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> "Manifest":
        """Read the manifest of a bundle folder.

        Raises:
            InputError: There is none, it cannot be read, or it is none of ours.
        """
        return cls.from_json(read_manifest(folder))

    def _check(self) -> None:
        self.task.check()
        for name in self.digests:
            # A name with a path in it could reach outside the bundle.
            if not name or os.path.basename(name) != name:
                raise InputError(f"manifest names the file {name!r}: a plain file name is allowed")


def _of_schema_1(data: Mapping[str, Any], artifacts: tuple[Artifact, ...]) -> tuple[Contract, Task]:
    """What `preprocessing`, `output`, `labels` and `unknown_threshold` said."""
    labels, specs = tuple(map(str, data["labels"])), artifacts[0].inputs if artifacts else ()
    if data["output"] == _RAW:
        inputs = {spec.name: Tensor(spec.shape[1:], "float32" if spec.scale else spec.dtype) for spec in specs}
        return Contract(inputs), Task(_RAW, _RAW, labels)
    name = specs[0].name if specs else ""
    task = Task("multiclass", str(data["output"]), labels, unknown_threshold=data.get("unknown_threshold"))
    return Contract({name: Picture.from_dict(data["preprocessing"])}), task
