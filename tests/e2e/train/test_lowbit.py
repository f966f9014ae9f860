"""Low-bit layers: what is stored is what was trained, and as sparse as asked for."""

import numpy as np
import pytest

from edgepress.benchmarks.studies.frontier.lowbit import LowBit, build_lowbit_mlp, lowbit_weights
from edgepress.runtime import InputError
from edgepress.runtime.contract import Picture
from edgepress.runtime.tasks import Task
from edgepress.train.fitting.distill import PoolEpochs
from edgepress.train.fitting.epochs import one_hot
from edgepress.train.fitting.feed import predictor
from edgepress.train.fitting.fit import FitPlan, Validation, fit
from edgepress.train.fitting.rates import rate_schedule

PIXELS, TASK = Picture(4, 4), Task("multiclass", "logits", ("a", "b"))
pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(scope="module")
def trained():
    """Two blobs of pixels that a tiny low-bit MLP tells apart, and the model."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2048)
    images = rng.integers(0, 60, (2048, 4, 4)).astype(np.uint8)
    images[labels == 1, :2] += 150
    how = [LowBit(1, density=0.25, neighbour=0.5), LowBit(7, density=0.9, neighbour=1.0, bias_step=0.0)]
    epochs = 20
    model = build_lowbit_mlp(16, 2, [32], how, (64, 320, 576))
    source = PoolEpochs(images[None], one_hot(labels, 2), seed=(0,))
    rate = rate_schedule("cosine", 5e-3)
    plan = FitPlan("low-bit", epochs, 64, rate, epochs, (0,), settle=epochs - 2, weight_decay=0.1)
    validation = Validation(images, labels, one_hot(labels, 2))
    fit(model, source, validation, plan, examples=len(source), contract=PIXELS, task=TASK)
    return model, images, labels


def test_stored_weights_compute_what_the_model_computes(trained):
    model, images, _ = trained
    x = images.reshape(len(images), -1).astype(np.float32) / 255
    for number, layer in enumerate(lowbit_weights(model)):
        x = x @ (layer.integers.T * np.float32(layer.scale)) + layer.bias
        x = np.maximum(x, 0) if number == 0 else x
    np.testing.assert_allclose(predictor(model, PIXELS)(images), x, atol=0.05 * np.abs(x).max())


def test_it_learns_and_keeps_to_levels_density_and_bias_steps(trained):
    model, images, labels = trained
    assert (predictor(model, PIXELS)(images).argmax(1) == labels).mean() > 0.97
    first, last = lowbit_weights(model)
    assert set(np.unique(first.integers)) <= {-1, 0, 1}
    assert np.abs(last.integers).max() <= 7
    assert np.mean(first.integers != 0) == pytest.approx(0.25, abs=0.06)
    assert (first.bias % 0.5 == 0).all()


def test_a_lower_threshold_beside_a_non_zero_gathers_non_zeros_in_bytes():
    def bytes_used(neighbour: float) -> float:
        model = build_lowbit_mlp(64, 4, [], [LowBit(1, 0.25, neighbour)], (0, 1, 200))
        for _ in range(4):
            model.layers[0].step.assign(100)
            model(np.zeros((1, 64), np.float32), training=True)
        (layer,) = lowbit_weights(model)
        return float((layer.integers.reshape(-1, 4) != 0).any(1).mean())

    assert bytes_used(0.3) < bytes_used(1.0)


@pytest.mark.parametrize("wrong", [{"levels": 0}, {"density": 0.0}, {"neighbour": 1.5}, {"bias_step": -1.0}])
def test_what_cannot_be_stored_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        LowBit(**wrong)


def test_inputs_that_do_not_fill_bytes_are_refused():
    with pytest.raises(InputError, match="do not fill bytes of 4"):
        build_lowbit_mlp(18, 2, [], [LowBit(1)], (0, 1, 2))
