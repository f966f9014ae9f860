"""ONNX Runtime's option for processors whose int8 products saturate."""

import pytest

from edgepress.runtime.backends.onnx_runtime import saturates
from edgepress.runtime.machine import describe_machine

_EXACT = ("avx512_vnni", "avx_vnni")


def test_a_processor_that_multiplies_exactly_is_not_slowed_down():
    """The option doubles the time of an int8 file on every processor; only those that saturate need it."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if not any(feature in str(describe_machine()) for feature in _EXACT):
        pytest.skip("this processor has no VNNI")
    assert not saturates(onnxruntime)
