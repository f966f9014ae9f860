import numpy as np

from edgepress.export.draw import Draw
from edgepress.export.samples import samples_of
from edgepress.runtime import Contract


def test_nothing_that_calibrates_checks(quadrants):
    draw = Draw(quadrants, None, seed=0)
    assert not set(draw.calibration_indices) & set(draw.held_back_indices)
    assert set(draw.calibration_indices) <= set(quadrants.split(*draw.recipe).fit)
    assert set(draw.held_back_indices) <= set(quadrants.split(*draw.recipe).validation)


def test_one_seed_draws_alike_and_another_does_not(quadrants):
    first, again, other = Draw(quadrants, None, 0), Draw(quadrants, None, 0), Draw(quadrants, None, 1)
    assert first.record() == again.record()
    assert first.record() != other.record()
    assert first.record()["calibration_indices"] == first.calibration_indices.tolist()


def test_pictures_become_the_models_input(quadrants, tiny):
    named = quadrants.named({"": "pixels"})
    samples = samples_of(tiny.model, Contract(dict(named.inputs)), Draw(named, None, 0).held_back)
    assert samples.inputs["pixels"].shape == (1200, 64)
    assert samples.inputs["pixels"].dtype == np.float32
    assert samples.inputs["pixels"].max() <= 1
