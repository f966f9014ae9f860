"""Asks a server about models that it knows nothing of but what `GET /v2/models/NAME` says, through tritonclient:
python triton_kinds.py ADDRESS ANSWERS.npz MODEL... Arrays are kept as MODEL/input/NAME, MODEL/binary/NAME and
MODEL/json/NAME."""

import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import triton_to_np_dtype

ANY_SIZE = 3
address, file, *models = sys.argv[1:]
rng, kept = np.random.default_rng(0), {}
with InferenceServerClient(address) as client:
    for model in models:
        assert client.is_model_ready(model)
        metadata = client.get_model_metadata(model)
        inputs = {}
        for spec in metadata["inputs"]:
            shape = [ANY_SIZE if size == -1 else size for size in spec["shape"]]
            dtype = np.dtype(triton_to_np_dtype(spec["datatype"]))
            # Whole numbers, so that what stands for a category is one.
            inputs[spec["name"]] = rng.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
        kept |= {f"{model}/input/{name}": array for name, array in inputs.items()}
        for form in ("binary", "json"):
            given = []
            for spec in metadata["inputs"]:
                array = inputs[spec["name"]]
                given.append(InferInput(spec["name"], array.shape, spec["datatype"]))
                given[-1].set_data_from_numpy(array, binary_data=form == "binary")
            names = [spec["name"] for spec in metadata["outputs"]]
            wanted = [InferRequestedOutput(name, binary_data=form == "binary") for name in names]
            result = client.infer(model, given, outputs=wanted)
            for name in names:
                array = result.as_numpy(name)
                if array.dtype == object:
                    array = np.array([each.decode() if isinstance(each, bytes) else each for each in array.ravel()])
                kept[f"{model}/{form}/{name}"] = array
np.savez(file, **kept)
