import json

import numpy as np
import pytest

from edgepress.runtime import TensorSpec
from edgepress.runtime.serve.api.v2_tensors import HEADER_LENGTH, infer_response, read_infer_request
from edgepress.runtime.serve.work.problems import Problem

INPUTS = (TensorSpec("a", (-1, 3), "int8"),)
OUTPUTS = (TensorSpec("b", (-1, 2), "float32"), TensorSpec("labels", (-1,), "bytes"))


def tensor(**changes):
    return {"name": "a", "shape": [2, 3], "datatype": "INT8", "data": [1, 2, 3, -128, 0, 127]} | changes


def read(message, binary=b"", header_length="yes", inputs=INPUTS):
    header = message if isinstance(message, bytes) else json.dumps(message).encode()
    length = (
        (str(len(header)) if header_length == "yes" else header_length) if binary or header_length != "yes" else None
    )
    return read_infer_request(header + binary, length, inputs, OUTPUTS)


@pytest.mark.parametrize("data", [[1, 2, 3, -128, 0, 127], [[1, 2, 3], [-128, 0, 127]]])
def test_json_data_may_be_flat_or_nested(data):
    request = read({"inputs": [tensor(data=data)], "id": "7"})
    assert request.id == "7"
    assert request.inputs[0].dtype == np.int8
    assert request.inputs[0].tolist() == [[1, 2, 3], [-128, 0, 127]]
    assert request.outputs == (("b", False), ("labels", False))


def test_binary_data_follows_the_json():
    values = np.array([[1, 2, 3], [-128, 0, 127]], np.int8)
    given = tensor(parameters={"binary_data_size": 6})
    del given["data"]
    wanted = [{"name": "b", "parameters": {"binary_data": True}}]
    request = read({"inputs": [given], "outputs": wanted}, values.tobytes())
    assert request.inputs[0].tolist() == values.tolist()
    assert request.outputs == (("b", True),)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "no JSON"),
        (b"[]", "JSON array"),
        ({}, "inputs is missing"),
        ({"inputs": 3}, "no list"),
        ({"inputs": [3]}, "no list of objects"),
        ({"inputs": []}, "a are missing"),
        ({"inputs": [tensor()], "id": 3}, "id is no string"),
        ({"inputs": [tensor()], "parameters": 3}, "parameters is no object"),
        ({"inputs": [tensor(name="x")]}, "each of a once"),
        ({"inputs": [tensor(name=["a"])]}, "each of a once"),
        ({"inputs": [tensor(), tensor()]}, "each of a once"),
        ({"inputs": [tensor(datatype="FP32")]}, "send INT8"),
        ({"inputs": [tensor(shape="x")]}, "the shape 'x'"),
        ({"inputs": [tensor(shape=[6])]}, "send [-1, 3]"),
        ({"inputs": [tensor(shape=[-1, 3])]}, "send [-1, 3]"),
        ({"inputs": [tensor(shape=[True, 3])]}, "send [-1, 3]"),
        ({"inputs": [tensor(shape=[0, 3], data=[])]}, "send [-1, 3]"),
        ({"inputs": [tensor(shape=[10**15, 3])]}, "flat list of"),
        ({"inputs": [tensor(data=[1])]}, "flat list of 6"),
        ({"inputs": [tensor(data=None)]}, "flat list of 6"),
        ({"inputs": [tensor(data=[1, 2, 3, 4, 5, 6.5])]}, "flat list of 6"),
        ({"inputs": [tensor(data=[1, 2, 3, 4, 5, "6"])]}, "flat list of 6"),
        ({"inputs": [tensor(data=[1, 2, 3, 4, 5, 128])]}, "send -128 to 127"),
        ({"inputs": [tensor(data=[[1, 2], [3]])]}, "ragged"),
        ({"inputs": [tensor(parameters={"binary_data_size": 6})]}, "0 came"),
        ({"inputs": [tensor(parameters={"binary_data_size": "6"})]}, "its shape needs 6"),
        ({"inputs": [tensor()], "outputs": [{"name": "c"}]}, "the model gives b, labels"),
        ({"inputs": [tensor()], "outputs": 3}, "outputs is missing"),
    ],
)
def test_wrong_requests_are_refused_with_what_to_mend(message, words):
    with pytest.raises(Problem) as refused:
        read(message)
    assert refused.value.status == 400
    assert words in refused.value.detail


@pytest.mark.parametrize(
    ("binary", "header_length", "words"),
    [(b"123456", "yes", "6 bytes follow"), (b"", "x", "send the bytes of the JSON"), (b"", "99999", "up to")],
)
def test_wrong_binary_parts_are_refused(binary, header_length, words):
    with pytest.raises(Problem, match=words):
        read({"inputs": [tensor()]}, binary, header_length)


def test_float_numbers_beyond_the_type_are_refused():
    spec = (TensorSpec("a", (1,), "float32"),)
    given = {"name": "a", "shape": [1], "datatype": "FP32", "data": [1e300]}
    with pytest.raises(Problem, match="finite"):
        read({"inputs": [given]}, inputs=spec)


def test_the_answer_holds_each_output_as_it_was_asked_for():
    outputs = [{"name": "labels", "parameters": {"binary_data": True}}, {"name": "b"}]
    request = read({"inputs": [tensor()], "outputs": outputs, "id": "x"})
    values = {"b": np.array([[0.5, 1]], np.float32), "labels": np.array(["é7"])}
    response = infer_response("m", request, values, {})
    length = int(response.headers[HEADER_LENGTH])
    message = json.loads(response.body[:length])
    assert message == {
        "model_name": "m",
        "id": "x",
        "outputs": [
            {"name": "labels", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 7}},
            {"name": "b", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1]},
        ],
    }
    assert response.body[length:] == b"\x03\0\0\0" + "é7".encode()
