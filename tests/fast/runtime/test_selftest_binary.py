"""A self-test counts labels as the task decodes them."""

import numpy as np
from kinds import make_kind

from edgepress.runtime.conformance.golden import Vectors, reference_outputs
from edgepress.runtime.conformance.matrix import conformance


def test_one_output_stands_for_two_classes(tmp_path):
    """Its only number was always the largest: every answer was the first class, and agreed with any other."""
    folder = make_kind(tmp_path / "binary", "binary")
    inputs = {"x": np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)}
    outputs = reference_outputs(folder, inputs["x"])
    ((name, logits),) = outputs.items()
    labels = (np.ravel(logits) > 0).astype(np.int64)
    assert set(labels) == {0, 1}

    def cells(truth, expected):
        Vectors(None, truth, {name: expected}, inputs).write(folder / "selftest.npz")
        return [cell for cell in conformance(folder, backends=("onnxruntime",)).cells if cell.agreement is not None]

    for truth, accuracy in ((labels, 1.0), (1 - labels, 0.0)):
        found = cells(truth, logits)
        assert found
        assert {(cell.status, cell.agreement, cell.accuracy) for cell in found} == {("pass", 1.0, accuracy)}
    assert {(cell.status, cell.agreement) for cell in cells(labels, -logits)} == {("fail", 0.0)}
