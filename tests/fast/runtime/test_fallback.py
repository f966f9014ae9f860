"""`auto` says where the best backend would not load a file, and why."""

import logging
import struct
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import InputError, load
from edgepress.runtime.formats.tflite_file import read_tflite

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def undelegated(tmp_path):
    """A file that LiteRT loads without its default delegate alone: XNNPACK cannot rescale to such steps."""
    content = (GOLDEN / "digits-int8.tflite").read_bytes()
    graph = read_tflite(content).main
    scale = struct.pack("<f", graph.tensors[graph.outputs[0]].scales[0])
    assert content.count(scale) == 1
    path = tmp_path / "small.tflite"
    path.write_bytes(content.replace(scale, struct.pack("<f", 1e-9)))
    return path


def test_the_next_backend_is_taken_and_said(undelegated, caplog):
    with pytest.raises(InputError, match="litert cannot load"):
        load(undelegated, backend="litert")
    with caplog.at_level(logging.WARNING, "edgepress"), load(undelegated) as model:
        assert model.backend != "litert"
        assert "litert cannot load" in model.fallback_reason
        assert model.run(np.zeros((1, 784), np.int8)).shape == (1, 10)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("edgepress", "WARNING")
    assert f"{undelegated} runs in {model.backend}: litert cannot load" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_nothing_is_said_where_the_best_one_loads_it(undelegated, caplog):
    with caplog.at_level(logging.WARNING, "edgepress"):
        for settings in ({"delegate": False}, {"backend": "numpy"}):
            with load(undelegated, **settings) as model:
                assert model.fallback_reason is None
    assert not caplog.records
