"""A new head takes the place of the old one; what was learned below it stays."""

import numpy as np
import pytest
import tf_keras

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.runtime.contract import Picture
from edgepress.runtime.tasks import Task
from edgepress.train import build_network, save_keras
from edgepress.train.transfer import BACKBONES, HEAD, freeze, open_backbone, thaw, with_new_head

layers = tf_keras.layers
TWO = Task("binary", "logits", ("no", "yes"))
FIVE = Task("multiclass", "logits", tuple("abcde"))


def colours(count=12, side=16, classes=2):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (count, side, side, 3)).astype(np.uint8)
    labels = np.arange(count) % classes
    return dataset_of_arrays("colours", (images, labels), (images, labels))


def names(model):
    return [layer.name for layer in model.layers if layer.weights]


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        ("cnn", [*(f"{what}{i}" for i in range(1, 6) for what in ("conv", "norm")), HEAD]),
        ("lenet-5", ["conv1", "conv2", "hidden1", "hidden2", HEAD]),
        ("mlp", ["hidden1", "hidden2", HEAD]),
    ],
)
def test_the_last_layer_is_new_and_the_others_keep_their_weights(model, kept):
    old = build_network(model, Picture(16, 16, order="rgb"), FIVE)
    new = with_new_head(old, 3)
    assert names(new) == kept
    assert new.output_shape == (None, 3)
    for name in kept[:-1]:
        for ours, theirs in zip(new.get_layer(name).get_weights(), old.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_all_that_follows_the_pooled_features_leaves():
    picture = layers.Input((16, 16, 3))
    features = layers.GlobalAveragePooling2D(name="pooled")(layers.Conv2D(4, 3, name="seen")(picture))
    hidden = layers.Dense(8, activation="relu", name="hidden")(features)
    old = tf_keras.Model(picture, layers.Softmax()(layers.Dense(5, name="classes")(hidden)))
    new = with_new_head(old, 2, dropout=0.5)
    assert names(new) == ["seen", HEAD]
    assert any(type(layer).__name__ == "Dropout" for layer in new.layers)


def test_a_convolution_at_the_end_is_a_head_too():
    """As MobileNet ends: 1 x 1, then flattened."""
    picture = layers.Input((8, 8, 3))
    seen = layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(4, 3, name="seen")(picture))
    old = tf_keras.Model(picture, layers.Flatten()(layers.Conv2D(5, 1, name="classes")(seen)))
    new = with_new_head(old, 2)
    assert names(new) == ["seen", HEAD]
    assert new.output_shape == (None, 2)


def test_the_head_alone_learns_and_then_all():
    model = with_new_head(build_network("cnn", Picture(16, 16, order="rgb"), FIVE), 3)
    every = [variable.name for variable in model.trainable_variables]
    freeze(model)
    assert [variable.name for variable in model.trainable_variables] == [f"{HEAD}/kernel:0", f"{HEAD}/bias:0"]
    thaw(model)
    assert [variable.name for variable in model.trainable_variables] == every


def test_a_model_without_a_head_is_refused():
    picture = layers.Input((8, 8, 3))
    joined = layers.Add()([layers.Dense(3)(picture), layers.Dense(3)(picture)])
    with pytest.raises(InputError, match="has no head to take off"):
        with_new_head(tf_keras.Model(picture, joined), 2)


def test_a_file_that_does_not_say_how_it_takes_pictures_is_asked_about(tmp_path):
    save_keras(build_network("cnn", Picture(16, 16, order="rgb"), FIVE), tmp_path / "own.keras")
    data = colours()
    with pytest.raises(InputError, match="does not say how it takes pictures: name it with --input"):
        open_backbone(tmp_path / "own.keras", data, TWO, fitted=data.train)
    model, contract = open_backbone(tmp_path / "own.keras", data, TWO, fitted=data.train, stated="pixels/127.5-1")
    assert model.output_shape == (None, 1)
    assert contract.only.mean == (127.5,)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (colours(side=16), "takes pictures in colour from 32 a side on"),
        (dataset_of_arrays("rows", (np.ones((9, 3)), np.arange(9) % 2)), "these are features of"),
    ],
)
def test_a_published_model_for_other_examples_is_refused(data, told):
    with pytest.raises(InputError, match=told):
        open_backbone("mobilenet-v2", data, TWO, fitted=data.train)


def test_published_weights_that_cannot_be_fetched_are_one_line(monkeypatch):
    def no_network(*_, **__):
        raise Exception("URL fetch failure: Temporary failure\nin name resolution")

    monkeypatch.setattr(tf_keras.applications, "MobileNetV2", no_network)
    data = colours(side=32)
    with pytest.raises(
        InputError, match=r"cannot be fetched .*Temporary failure in name.*a network is needed once"
    ) as told:
        open_backbone("mobilenet-v2", data, TWO, fitted=data.train)
    assert "\n" not in str(told.value)


def test_published_models_are_of_layers_that_can_be_rebuilt(monkeypatch):
    row = BACKBONES["mobilenet-v2-0.35"]
    make = getattr(tf_keras.applications, row.function)
    monkeypatch.setattr(tf_keras.applications, row.function, lambda **options: make(**{**options, "weights": None}))
    data = colours(side=32)
    model, contract = open_backbone("mobilenet-v2-0.35", data, TWO, fitted=data.train)
    assert model.output_shape == (None, 1)
    assert contract.only.std == (127.5,)


def test_an_unknown_backbone_is_refused_with_the_names_there_are():
    data = colours()
    with pytest.raises(InputError, match=r"no backbone 'mobilnet': allowed are mobilenet, .* or a Keras file"):
        open_backbone("mobilnet", data, TWO, fitted=data.train)
