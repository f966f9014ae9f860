"""Asks a server through tritonclient as it comes from the package index: python triton_client.py ADDRESS FILE.npy."""

import json
import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

address, file = sys.argv[1:]
images = np.load(file)
with InferenceServerClient(address) as client:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert not client.is_model_ready("nothing")
    answers = []
    for binary in (True, False):
        given = InferInput("images", images.shape, "UINT8")
        given.set_data_from_numpy(images, binary_data=binary)
        wanted = [InferRequestedOutput(name, binary_data=binary) for name in ("labels", "probabilities")]
        result = client.infer("digits", [given], outputs=wanted, request_id="abc")
        assert result.get_response()["id"] == "abc"
        labels = [label.decode() if binary else label for label in result.as_numpy("labels")]
        answers.append({"labels": labels, "probabilities": result.as_numpy("probabilities").tolist()})
    artifact = "digits-int8.tflite"
    metadata = client.get_model_metadata(artifact)
    tensor = metadata["inputs"][0]
    quantized = (images.astype(np.int16) - 128).astype(np.int8).reshape(len(images), *tensor["shape"][1:])
    given = InferInput(tensor["name"], quantized.shape, tensor["datatype"])
    given.set_data_from_numpy(quantized)
    raw = client.infer(artifact, [given]).as_numpy(metadata["outputs"][0]["name"])
    print(json.dumps({"server": client.get_server_metadata(), "answers": answers, "raw": raw.tolist()}))
