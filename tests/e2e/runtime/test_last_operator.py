"""Lone files without metadata are decoded by their last operator, or refused with a pointer to `run`."""

import warnings

import numpy as np
import pytest

from edgepress.runtime import InputError, load

tf = pytest.importorskip("tensorflow", reason="needs the toolkit extra")
K = pytest.importorskip("tf_keras")


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    K.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("lone")

    def write(*layers, integers=False):
        model = K.Sequential([K.layers.Input((4, 4, 3)), *layers])
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if integers:
            rng = np.random.default_rng(0)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([rng.random((1, 4, 4, 3), np.float32)] for _ in range(30))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        path = folder / f"{len(list(folder.iterdir()))}.tflite"
        with warnings.catch_warnings():
            # It misses statistics that it takes from the representative data.
            warnings.simplefilter("ignore", UserWarning)
            path.write_bytes(converter.convert())
        x = np.random.default_rng(1).random((3, 4, 4, 3), np.float32)
        return path, x, model.predict(x, verbose=0)

    return write


flat, dense = K.layers.Flatten, K.layers.Dense


@pytest.mark.parametrize("integers", [False, True])
def test_one_sigmoid_is_binary(lite, integers):
    path, x, wanted = lite(flat(), dense(1, "sigmoid"), integers=integers)
    with load(path) as model:
        found = model.predict(x)
    assert model.task.kind == "binary"
    np.testing.assert_allclose(found.probabilities[:, 1:], wanted, atol=0.02 if integers else 1e-5)


def test_several_sigmoids_are_labels(lite):
    path, x, wanted = lite(flat(), dense(5, "sigmoid"))
    with load(path) as model:
        found = model.predict(x)
    assert model.task.kind == "multilabel"
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-5)


@pytest.mark.parametrize("integers", [False, True])
def test_probabilities_are_not_squashed_again(lite, integers):
    """A softmax over so many that each is near 0 in 8 bits."""
    path, x, wanted = lite(flat(), dense(300, kernel_initializer=K.initializers.RandomNormal(0, 1)), K.layers.Softmax(),
                           integers=integers)  # fmt: skip
    with load(path) as model:
        found = model.predict(x)
    assert model.task.meaning == "probabilities"
    np.testing.assert_allclose(found.probabilities, wanted, atol=0.1 if integers else 1e-5)


@pytest.mark.parametrize(
    "layers",
    [
        [flat(), dense(1)],
        [flat(), dense(5)],
        [K.layers.Conv2D(4, 3, padding="same", activation="softmax")],
        [flat(), dense(5, "tanh")],
    ],
    ids=["regressor", "logits or numbers", "segmentation", "tanh"],
)
def test_what_cannot_be_told_is_not_guessed(lite, layers):
    path, x, wanted = lite(*layers)
    with load(path) as model:
        assert model.task is None
        with pytest.raises(InputError, match="does not say what its outputs mean: use run"):
            model.predict(x)
        np.testing.assert_allclose(model.run(x), wanted, atol=1e-5)
