"""Each kind of compression does to the weights what it promises, alone and combined, through to the saved file."""

import dataclasses

import numpy as np
import pytest
import tf_keras
from fixtures.trained import pixels_of

from edgepress.runtime import InputError
from edgepress.train import open_keras, press_model, strip_quantization, train_baseline
from edgepress.train.fitting.feed import predictor


@pytest.fixture(scope="module")
def baseline(three_blobs, config, tmp_path_factory):
    return train_baseline(three_blobs, config, tmp_path_factory.mktemp("baseline") / "float.keras").path


@pytest.fixture(params=["own", "tfmot"])
def pressed_kernels(baseline, dataset, config, tmp_path, request):
    """Press with some changes to the config; give the kernels of the saved file by layer name."""
    # Layer by layer, as TensorFlow Model Optimization goes by itself.
    how = {"engine": request.param} | ({"scope": "layer"} if request.param == "own" else {})

    def press(**changes):
        changed = dataclasses.replace(config, **how, **changes)
        opened = open_keras(press_model(dataset, baseline, changed, tmp_path / "pressed.keras").path)
        outputs = predictor(opened.model, pixels_of(dataset))(dataset.x_test)
        assert (outputs.argmax(axis=1) == dataset.y_test).mean() > 0.9
        plain = strip_quantization(opened.model) if opened.quantized else opened.model
        return {layer.name: layer.kernel.numpy() for layer in plain.layers if hasattr(layer, "kernel")}

    return press


def zeros(kernel):
    return (kernel == 0).mean()


@pytest.mark.parametrize("pruning", ["polynomial", "constant"])
def test_magnitude_pruning(pressed_kernels, pruning):
    kernels = pressed_kernels(pruning=pruning, sparsity=0.7)
    assert zeros(kernels["hidden1"]) == pytest.approx(0.7, abs=0.001)
    assert zeros(kernels["hidden2"]) == pytest.approx(0.7, abs=0.005)


def test_single_layers_have_shares_of_their_own(pressed_kernels):
    kernels = pressed_kernels(sparsity=0.7, layer_sparsity={"hidden2": 0.25, "logits": 0.0})
    assert zeros(kernels["hidden1"]) == pytest.approx(0.7, abs=0.001)
    assert zeros(kernels["hidden2"]) == pytest.approx(0.25, abs=0.005)
    assert zeros(kernels["logits"]) == 0


def test_an_unknown_layer_is_refused(baseline, dataset, config, tmp_path):
    changed = dataclasses.replace(config, layer_sparsity={"hiden2": 0.5})
    with pytest.raises(InputError, match="layers are hidden1, hidden2, logits"):
        press_model(dataset, baseline, changed, tmp_path / "pressed.keras")
    assert not list(tmp_path.iterdir())


def test_two_of_four_neighbours_are_zero(pressed_kernels):
    kernel = pressed_kernels(pruning="2:4")["hidden1"]
    # Neighbours lie along the inputs of one unit.
    assert ((kernel.T.reshape(-1, 4) == 0).sum(axis=1) >= 2).all()
    assert zeros(kernel) == pytest.approx(0.5, abs=0.01)


def test_blocks_are_zero_together(pressed_kernels):
    kernel = pressed_kernels(block=(1, 4), sparsity=0.75)["hidden1"]
    in_block = (kernel.reshape(-1, 4) == 0).sum(axis=1)
    assert set(in_block) == {0, 4}
    assert zeros(kernel) == pytest.approx(0.75, abs=0.01)


def test_pruned_clustered_and_quantized(pressed_kernels):
    """PCQAT: both the zeros and the few values outlast quantization-aware training."""
    kernels = pressed_kernels(clusters=8, cluster_epochs=2, sparsity=0.6)
    # The last one has too few weights for eight clusters, and is left alone.
    for kernel in (kernels["hidden1"], kernels["hidden2"]):
        assert len(np.unique(kernel)) <= 8
        assert zeros(kernel) >= 0.55


def test_clustered_and_quantized(pressed_kernels):
    """CQAT."""
    kernels = pressed_kernels(clusters=6, cluster_epochs=2, prune_epochs=0)
    assert all(len(np.unique(kernel)) <= 6 for kernel in kernels.values())


def test_quantization_alone(pressed_kernels):
    assert zeros(pressed_kernels(prune_epochs=0)["hidden1"]) < 0.02


def test_pruning_alone(pressed_kernels):
    assert zeros(pressed_kernels(quantize_epochs=0, sparsity=0.7)["hidden1"]) == pytest.approx(0.7, abs=0.001)


def test_tfmot_quantizes_what_batch_norm_was_folded_into(dataset, config, tmp_path):
    changed = dataclasses.replace(config, engine="tfmot", batch_norm=True, sparsity=0.6)
    path = train_baseline(dataset, changed, tmp_path / "float.keras").path
    assert any("BatchNorm" in type(layer).__name__ for layer in open_keras(path).model.layers)
    opened = open_keras(press_model(dataset, path, changed, tmp_path / "pressed.keras").path)
    plain = strip_quantization(opened.model)
    assert [type(layer).__name__ for layer in plain.layers if layer.weights] == ["Dense"] * 3
    assert zeros(plain.get_layer("hidden1").kernel.numpy()) == pytest.approx(0.6, abs=0.001)
    assert (predictor(opened.model, pixels_of(dataset))(dataset.x_test).argmax(axis=1) == dataset.y_test).mean() > 0.9


def test_zeros_in_front_of_a_relu_layer_outlast_tfmot(dataset, config, tmp_path):
    """It trains the weights of such a convolution as they are, whatever scheme it is given."""
    layers = tf_keras.layers
    convolutions = [layers.Conv2D(4, 3), layers.ReLU(), layers.DepthwiseConv2D(3), layers.ReLU()]
    rest = [layers.Flatten(), layers.Dense(len(dataset.targets.names))]
    tf_keras.utils.set_random_seed(0)
    pixels = layers.Input((*dataset.x_train.shape[1:3], 1))
    tf_keras.Sequential([pixels, *convolutions, *rest]).save(tmp_path / "start.keras")
    changed = dataclasses.replace(config, engine="tfmot", sparsity=0.6)
    start = train_baseline(dataset, changed, tmp_path / "float.keras", model=tmp_path / "start.keras").path
    opened = open_keras(press_model(dataset, start, changed, tmp_path / "pressed.keras").path)
    kernels = [each for each in strip_quantization(opened.model).get_weights() if each.ndim > 1]
    assert min(map(zeros, kernels[::2])) >= 0.55


def test_four_bits_a_weight_stay_in_the_file_and_zeros_zero(pressed_kernels):
    for name, kernel in pressed_kernels(weight_bits=4, sparsity=0.5).items():
        steps = np.abs(kernel).max(axis=0) / 7
        used = steps > 0
        integers = kernel[:, used] / steps[used]
        np.testing.assert_allclose(integers, integers.round(), atol=1e-3, err_msg=name)
        assert zeros(kernel) >= 0.5, name
