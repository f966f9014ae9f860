"""Good requests of every form that a bundle takes, and what each must be answered."""

import csv
import io
import json
import math
import wave
from typing import Any, NamedTuple

import numpy as np

from edgepress.runtime import Contract, Manifest, Picture, load
from edgepress.runtime.contract import Audio, Features, Input
from edgepress.runtime.tasks.predictions import Outputs

from .serving import post, served_variant

__all__ = ["MANY_BYTES", "Mix", "same"]

_JSON, _RAW = "application/json", "application/octet-stream"
MANY_BYTES = 200_000
"""Of a batch, as 256 digits have: what waits in memory stays small beside a leak."""
_MANY, _ROUNDS = 256, 16


class Mix(NamedTuple):
    """Requests and their answers, in one order."""

    requests: list[bytes]
    expected: list[dict[str, Any]]
    """The fields of each answer that the prediction gives."""

    def right(self, number: int, body: bytes) -> bool:
        """Whether an answer says what `Model.predict` says."""
        answer = json.loads(body)
        return all(same(answer[name], value) for name, value in self.expected[number].items())

    @classmethod
    def of(cls, bundle: str, many_bytes: int = MANY_BYTES) -> "Mix":
        """Raw batches and lone examples, JSON, and the files of the contract's kind, in rounds of other numbers.

        Args:
            bundle: The folder.
            many_bytes: A batch holds at most so many, and 256 examples.
        """
        mix, rng = cls([], []), np.random.default_rng(0)
        contract = Manifest.read(bundle).contract
        with load(bundle, served_variant(bundle)) as model:
            for _ in range(_ROUNDS):
                for body, content_type, given in _forms(contract, rng, many_bytes):
                    # Of files the runtime is asked for what it makes of them itself.
                    prediction = model.predict_files(given) if isinstance(given, bytes) else model.predict(given)
                    mix.requests.append(post("/v1/predict", body, content_type))
                    mix.expected.append(_fields(prediction))
        return mix


def same(answer: Any, wanted: Any) -> bool:
    """Equal texts and truths; floats within 1e-5, for a batch's size may change the order in which they are added."""
    if isinstance(wanted, dict):
        return answer.keys() == wanted.keys() and all(same(answer[name], value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(answer) == len(wanted) and all(map(same, answer, wanted))
    if isinstance(wanted, float):
        return math.isclose(answer, wanted, rel_tol=1e-5, abs_tol=1e-5)
    return bool(answer == wanted)


def _fields(prediction: Any) -> dict[str, Any]:
    """The prediction's rows as the server's columns."""
    rows = prediction.rows()
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in ("units", "probability")}
    plural = {"label": "labels", "score": "scores"}
    found = {plural.get(name, name): values for name, values in columns.items()}
    return {"outputs": found} if isinstance(prediction, Outputs) else found


def _forms(contract: Contract, rng: np.random.Generator, many_bytes: int) -> list[tuple[bytes, str, Any]]:
    """Body, content type, and what the runtime is given."""
    only = contract.only
    if only is None:
        given = {name: _numbers(each, 3, rng) for name, each in contract.inputs.items()}
        body = {"inputs": {name: values.tolist() for name, values in given.items()}}
        return [(json.dumps(body).encode(), _JSON, given)]
    one = _numbers(only, 1, rng)
    many = _numbers(only, max(1, min(_MANY, many_bytes // one.nbytes)), rng)
    key = "images" if isinstance(only, Picture) else "inputs"
    forms: list[tuple[bytes, str, Any]] = [
        (many.tobytes(), _RAW, many),
        (one.tobytes(), _RAW, one),
        (json.dumps({key: one.tolist()}).encode(), _JSON, one),
    ]
    if isinstance(only, Picture):
        file = _png(np.kron(one[0], np.ones((3, 3, *[1] * (one[0].ndim - 2)), np.uint8)))
        forms.append((file, "image/png", file))
    elif isinstance(only, Features):
        rows = [_row(only, rng) for _ in range(8)]
        forms += [(json.dumps({"rows": rows}).encode(), _JSON, rows), (_table(rows), "text/csv", rows)]
    elif isinstance(only, Audio):
        file = _wav(one[0], only.rate)
        forms.append((file, "audio/wav", file))
    return forms


def _numbers(each: Input, count: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    if isinstance(each, Picture):
        return rng.integers(0, 256, (count, *each.shape), np.uint8)
    return rng.uniform(-1, 1, (count, *each.shape)).astype(each.dtype)


def _row(features: Features, rng: np.random.Generator) -> dict[str, Any]:
    """By column name; every third value that may be missing is."""
    row: dict[str, Any] = {}
    for column in features.columns:
        number = round(float(rng.normal(0, 10)), 3)
        row[column] = str(rng.choice(features.categories[column])) if column in features.categories else number
        if column in features.missing and rng.random() < 1 / 3:
            row[column] = None
    return row


def _table(rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _wav(samples: np.ndarray[Any, Any], rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()
