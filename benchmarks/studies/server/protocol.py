"""A client of the Open Inference Protocol that knows nothing of bundles, beside what Python answers.

What to send is read from `GET /v2/models/NAME`: names, datatypes and shapes; -1 is any size, and two is sent. As JSON
and as binary tensors (the protocol's binary data extension).
"""

import http.client
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import Manifest, load
from edgepress.runtime.tasks.predictions import LabelSets, Outputs

from .mix import same
from .serving import served_variant

__all__ = ["ProtocolClient", "ask_by_protocol", "differences"]

Arrays = dict[str, NDArray[Any]]
_DATATYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_ANY = 2


class ProtocolClient:
    """Of one server; raises OSError with what it answered where that is no 200."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def metadata(self, model: str) -> dict[str, Any]:
        """Names, datatypes and shapes of a model's tensors."""
        answer: dict[str, Any] = json.loads(self._ask("GET", f"/v2/models/{model}")[0])
        return answer

    def examples(self, model: str, seed: int = 0) -> Arrays:
        """Random tensors that fit the metadata, by name: whole numbers from 0 to 1 or 255, fractions from 0 to 1."""
        rng, found = np.random.default_rng(seed), {}
        for spec in self.metadata(model)["inputs"]:
            dtype = np.dtype(_DATATYPES[spec["datatype"]])
            shape = [_ANY if size == -1 else size for size in spec["shape"]]
            whole = rng.integers(0, 256 if dtype == np.uint8 else 2, shape)
            found[spec["name"]] = (rng.uniform(0, 1, shape) if dtype.kind == "f" else whole).astype(dtype)
        return found

    def infer(self, model: str, tensors: Arrays, *, binary: bool) -> dict[str, list[Any]]:
        """The outputs' data by name, row after row, texts as texts."""
        names = {np.dtype(code): name for name, code in _DATATYPES.items()}
        inputs: list[dict[str, Any]] = []
        for name, array in tensors.items():
            spec: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": names[array.dtype]}
            size = {"parameters": {"binary_data_size": array.nbytes}}
            inputs.append(spec | (size if binary else {"data": array.ravel().tolist()}))
        message: dict[str, Any] = {"id": "1", "inputs": inputs}
        if binary:
            message["parameters"] = {"binary_data_output": True}
        header = json.dumps(message).encode()
        body = header + b"".join(array.tobytes() for array in tensors.values() if binary)
        headers = {"content-type": "application/octet-stream" if binary else "application/json"}
        if binary:
            headers["inference-header-content-length"] = str(len(header))
        content, length = self._ask("POST", f"/v2/models/{model}/infer", body, headers)
        answer, rest = json.loads(content[:length]), content[length:] if length else b""
        found: dict[str, list[Any]] = {}
        for spec in answer["outputs"]:
            if "data" in spec:
                found[spec["name"]] = spec["data"]
                continue
            size = spec["parameters"]["binary_data_size"]
            found[spec["name"]] = _values(rest[:size], spec["datatype"])
            rest = rest[size:]
        return found

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, int | None]:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise OSError(f"{method} {path}: {response.status} {content[:200]!r}")
        length = response.getheader("inference-header-content-length")
        return content, int(length) if length else None


def ask_by_protocol(bundle: str, port: int) -> dict[str, Any]:
    """Ask the bundle's server at that port, and `Model.predict` about the same numbers."""
    failures: list[str] = []
    manifest = Manifest.read(bundle)
    with load(bundle, served_variant(bundle)) as model:
        client, name = ProtocolClient(port), manifest.name
        tensors = client.examples(name)
        given = dict(zip(manifest.contract.inputs, tensors.values(), strict=True))
        prediction = model.predict(given if len(given) > 1 else next(iter(given.values())))
        for binary in (False, True):
            answer = client.infer(name, tensors, binary=binary)
            failures += [
                f"{'binary' if binary else 'JSON'}: {each}"
                for each in differences(answer, prediction, manifest.task.labels)
            ]
        client.close()
    return {"outputs": list(answer), "failures": failures}


def differences(answer: dict[str, list[Any]], prediction: Any, labels: tuple[str, ...]) -> list[str]:
    """Names of the outputs, each with its data row after row, that are not what the prediction holds."""
    rows = prediction.rows()
    if isinstance(prediction, Outputs):
        wanted = {name: np.ravel(array).tolist() for name, array in prediction.outputs.items()}
    else:
        wanted = {
            "labels": [row.get("label") for row in rows],
            "probabilities": [value for row in rows for value in row.get("probabilities", ())],
            "values": [value for row in rows for value in row.get("values", {}).values()],
            "scores": [row.get("score") for row in rows],
            "normal": [row.get("normal") for row in rows],
        }
    if isinstance(prediction, LabelSets):
        wanted["chosen"] = [name in row["labels"] for row in rows for name in labels]
    return [name for name, values in answer.items() if not same(values, wanted[name])]


def _values(data: bytes, datatype: str) -> list[Any]:
    if datatype != "BYTES":
        return np.frombuffer(data, _DATATYPES[datatype]).tolist()
    texts = []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        texts.append(data[4:end].decode())
        data = data[end:]
    return texts
