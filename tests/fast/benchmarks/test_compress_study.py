"""What the compression study says of its rows."""

import numpy as np
import pytest

from edgepress.benchmarks.studies.compress.sentences import sentences
from edgepress.train.engines import ENGINES


def result(pressed, **more):
    """A seed's figures: 100 examples, of which the float model names 90."""
    right = {"float": 90, "rounded": 88, "pressed": pressed}
    packed = {name: np.packbits(np.arange(100) < count).tobytes().hex() for name, count in right.items()}
    kept = {"bytes": 100, "zeros_in_file": [80, 80], "values_in_file": 16, "multiply_adds": None}
    return {"right": packed, "examples": 100, **kept, **more}


def test_engines_are_compared_where_both_have_a_row():
    found = {
        "mlp, int8, tfmot": [result(90)] * 3,
        "mlp, int8, own": [result(70)] * 2,
        "mlp, 2:4, int8, own": [result(1)],
    }
    times = {"mlp, int8, tfmot": {"epoch_seconds": 2.0}, "mlp, int8, own": {"epoch_seconds": 1.0}}
    told = sentences(found, times)
    assert told[0].startswith("Of 1 tasks that both engines pressed, our own is significantly worse")
    assert "in mlp, int8 (-20.00 points" in told[0]
    assert told[0].endswith("significantly better in none.")
    assert told[1].startswith("Our files are 1.000 x as large")
    assert told[2] == "An epoch of ours takes 0.50 to 0.50 x as long as one of theirs."


@pytest.mark.parametrize(
    ("right", "size", "better"), [(90, 104, "tfmot"), (90, 96, "own"), (70, 96, "tfmot"), (99, 104, "own")]
)
def test_the_better_engine_is_the_more_accurate_one_or_has_smaller_files(right, size, better):
    found = {"mlp, int8, tfmot": [result(90)] * 3, "mlp, int8, own": [result(right, bytes=size)] * 3}
    told = sentences(found, {})[1]
    assert told.startswith(f"Our files are {size / 100:.3f} x")
    assert f"{better} is the better engine; where both can press a model, {next(iter(ENGINES))} does." in told


def test_what_a_file_must_keep_is_counted():
    found = {"mlp, zeros 80 %, clusters 16, int8, own": [result(90, zeros_in_file=[80, 79], values_in_file=17)]}
    told = sentences(found, {})
    assert (
        "Zeros of the pressed model that its file does not have: in mlp, zeros 80 %, clusters 16, int8, own" in told[0]
    )
    assert told[1] == "Integers that a kernel in a file has at most, where 16 values were asked for: 17 with own."


def test_losses_are_told_row_by_row():
    found = {
        "gru, zeros 70 %, int8": [result(89)],
        "ds-cnn, 4 bits": [result(80)],
        "resnet8, int8, own": [result(90)],
        "resnet8, half the multiply-adds, int8": [result(87, multiply_adds=[100, 45])],
    }
    told = sentences(found, {"resnet8, half the multiply-adds, int8": {"latency": 0.6}})
    near, far = "gru, zeros 70 %, int8 (-1.00)", "ds-cnn, 4 bits (-10.00)"
    assert f"Within one point, or one example, of float: {near}; further off: {far}." in told
    assert any("45.0 % of the multiply-adds stay" in each and each.endswith("0.60 x its time.") for each in told)
    assert "resnet8, int8, own (2.00 points lost, 100 % of them won back)" in told[-1]
