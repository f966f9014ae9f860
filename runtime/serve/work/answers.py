"""How answers are written: what each task gives, and the JSON around it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.responses import Response

from ...bundle.manifest import Artifact, TensorSpec
from ...tasks import Anomalies, LabelSets, Outputs, Task, Values
from .batching import Answer

__all__ = ["ANSWERS", "Columns", "TaskAnswer", "json_response", "server_timing"]

Columns = tuple[Any, ...]
"""Arrays or lists, with a row an example each."""


class TaskAnswer(NamedTuple):
    """How the answers of a task travel."""

    columns: Callable[[Any], Columns]
    """A prediction, as `Model.predict` gives it, in columns."""
    outputs: Callable[[Task, Artifact], tuple[TensorSpec, ...]]
    """Each column as a tensor of the Open Inference Protocol."""
    fields: Callable[[Task, Artifact, Columns], dict[str, Any]]
    """The columns as the JSON of `v1/predict`."""
    numbers: int = -1
    """Which column is answered as raw float32."""
    tensors: Callable[[Task, Columns], Sequence[NDArray[Any]]] = lambda task, columns: columns
    """The columns as arrays."""
    joins: bool = True
    """Whether examples of several requests may be asked about together."""


def _names(task: Task, count: int) -> tuple[str, ...]:
    return task.labels or tuple(f"value{i}" for i in range(count))


def _width(artifact: Artifact) -> int:
    sizes = artifact.outputs[0].shape[1:] if artifact.outputs else (-1,)
    return int(np.prod(sizes)) if min(sizes, default=1) >= 0 else -1


def _class_columns(prediction: Any) -> Columns:
    return prediction.labels, prediction.probabilities


def _class_outputs(task: Task, artifact: Artifact) -> tuple[TensorSpec, ...]:
    return TensorSpec("labels", (-1,), "bytes"), TensorSpec("probabilities", (-1, len(task.labels) or -1), "float32")


def _class_fields(task: Task, artifact: Artifact, columns: Columns) -> dict[str, Any]:
    labels, probabilities = columns
    return {"labels": labels.tolist(), "probabilities": probabilities}


def _set_columns(prediction: LabelSets) -> Columns:
    return prediction.labels, prediction.probabilities


def _set_outputs(task: Task, artifact: Artifact) -> tuple[TensorSpec, ...]:
    count = len(task.labels) or _width(artifact)
    return TensorSpec("chosen", (-1, count), "bool"), TensorSpec("probabilities", (-1, count), "float32")


def _set_tensors(task: Task, columns: Columns) -> Sequence[NDArray[Any]]:
    labels, probabilities = columns
    names = task.labels or tuple(map(str, range(probabilities.shape[1])))
    chosen = np.array([[name in each for name in names] for each in map(set, labels)], bool)
    return chosen.reshape(probabilities.shape), probabilities


def _set_fields(task: Task, artifact: Artifact, columns: Columns) -> dict[str, Any]:
    labels, probabilities = columns
    return {"labels": [list(each) for each in labels], "probabilities": np.ascontiguousarray(probabilities)}


def _value_columns(prediction: Values) -> Columns:
    return (prediction.values,)


def _value_outputs(task: Task, artifact: Artifact) -> tuple[TensorSpec, ...]:
    return (TensorSpec("values", (-1, len(task.labels) or _width(artifact)), "float32"),)


def _value_fields(task: Task, artifact: Artifact, columns: Columns) -> dict[str, Any]:
    (values,) = columns
    names = _names(task, values.shape[1])
    units = {"units": dict(zip(names, task.units, strict=True))} if task.units else {}
    return {"values": [dict(zip(names, row, strict=True)) for row in values.tolist()], **units}


def _score_columns(prediction: Anomalies) -> Columns:
    return prediction.scores, prediction.normal


def _score_outputs(task: Task, artifact: Artifact) -> tuple[TensorSpec, ...]:
    return TensorSpec("scores", (-1,), "float32"), TensorSpec("normal", (-1,), "bool")


def _score_fields(task: Task, artifact: Artifact, columns: Columns) -> dict[str, Any]:
    scores, normal = columns
    return {"scores": scores, "normal": normal.tolist(), "threshold": task.threshold}


def _raw_columns(prediction: Outputs) -> Columns:
    return tuple(prediction.outputs.values())


def _raw_outputs(task: Task, artifact: Artifact) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(spec.name, spec.shape, spec.dtype if spec.quantization is None else "float32")
        for spec in artifact.outputs
    )


def _raw_fields(task: Task, artifact: Artifact, columns: Columns) -> dict[str, Any]:
    names = (spec.name for spec in artifact.outputs)
    return {"outputs": {name: np.ascontiguousarray(each) for name, each in zip(names, columns, strict=True)}}


_CLASSES = TaskAnswer(_class_columns, _class_outputs, _class_fields)

ANSWERS: dict[str, TaskAnswer] = {
    "multiclass": _CLASSES,
    "binary": _CLASSES,
    "multilabel": TaskAnswer(_set_columns, _set_outputs, _set_fields, tensors=_set_tensors),
    "regression": TaskAnswer(_value_columns, _value_outputs, _value_fields),
    "anomaly": TaskAnswer(_score_columns, _score_outputs, _score_fields, numbers=0),
    # Outputs need not have a row an example.
    "raw": TaskAnswer(_raw_columns, _raw_outputs, _raw_fields, numbers=0, joins=False),
}
"""By the kind of task."""


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON; NumPy arrays are written as lists."""
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, headers, media_type="application/json")


def server_timing(answer: Answer[Any]) -> dict[str, str]:
    """The header that tells how long inference and the wait for it took, in milliseconds (W3C Server Timing)."""
    return {
        "server-timing": f"queue;dur={answer.queued_s * 1e3:.3f}, inference;dur={answer.inference_s * 1e3:.3f}",
    }
