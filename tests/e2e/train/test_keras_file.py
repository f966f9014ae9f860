"""Files that other people's Keras wrote: opened equal, or refused by name; nothing in them runs."""

import contextlib
import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from edgepress.runtime import InputError
from edgepress.train import open_keras, save_keras, strip_quantization
from edgepress.train.quantize import add_quantization

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
RNG = np.random.default_rng(0)


def shake(model):
    """Weights that are neither zeros nor ones, so that a mix-up shows."""
    model.set_weights([np.abs(RNG.normal(size=w.shape)).astype(np.float32) * 0.3 + 0.05 for w in model.get_weights()])
    return model


def residual(api):
    """Functional, two inputs, two outputs, a shared layer, a model inside the model, every common layer."""
    layers = api.layers
    image, extra = api.Input((8, 8, 3), name="image"), api.Input((4,), name="extra")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    skip = x = layers.ReLU(max_value=6)(layers.BatchNormalization()(x))
    x = layers.Add()([layers.SeparableConv2D(4, 3, padding="same")(x), skip])
    block = [layers.Input((8, 8, 4)), layers.DepthwiseConv2D(3), layers.BatchNormalization(), layers.LeakyReLU()]
    x = layers.MaxPooling2D(2)(api.Sequential(block, name="block")(x))
    x = layers.GlobalAveragePooling2D()(layers.ZeroPadding2D(1)(x))
    shared = layers.Dense(4, activation="tanh", name="shared")
    x = layers.Concatenate()([shared(x), shared(extra)])
    x = layers.Flatten()(layers.Reshape((2, 4))(layers.Dropout(0.2)(x)))
    outputs = [layers.Dense(3, activation="softmax", name="p")(x), layers.Dense(2, name="q")(x)]
    return shake(api.Model([image, extra], outputs))


def autoencoder(api):
    layers = api.layers
    stack = [
        layers.Input((12,)),
        layers.Dense(6, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("elu"),
        layers.LayerNormalization(),
        layers.Dense(12, activation="sigmoid"),
        layers.Rescaling(2.0, offset=-1.0),
    ]
    return shake(api.Sequential(stack))


def inputs_of(model):
    return [RNG.random((5, *tensor.shape[1:]), np.float32) for tensor in model.inputs]


def assert_equal(opened, original):
    samples = inputs_of(original)
    feed = samples if len(samples) > 1 else samples[0]
    ours, theirs = opened(feed, training=False), original(feed, training=False)
    for our, their in zip(*((o if isinstance(o, list) else [o]) for o in (ours, theirs)), strict=True):
        np.testing.assert_allclose(np.asarray(our), np.asarray(their), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", [residual, autoencoder])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("api", [keras, tf_keras], ids=["keras3", "tf-keras"])
def test_a_model_comes_back_equal(api, build, suffix, tmp_path):
    original = build(api)
    path = tmp_path / f"model.{suffix}"
    original.save(path)
    opened = open_keras(path)
    assert isinstance(opened.model, tf_keras.Model)
    assert (opened.format, opened.quantized) == (suffix, False)
    assert opened.keras_version == api.__version__
    assert_equal(opened.model, original)


@pytest.mark.parametrize("build", [residual, autoencoder])
def test_a_saved_model_comes_back_equal(build, tmp_path):
    original = build(tf_keras)
    original.save(tmp_path / "saved", save_format="tf")
    opened = open_keras(tmp_path / "saved")
    assert opened.format == "savedmodel"
    assert_equal(opened.model, original)


def test_the_suffix_decides_nothing(tmp_path):
    original = autoencoder(tf_keras)
    original.save(tmp_path / "model.h5")
    (tmp_path / "model.h5").rename(tmp_path / "model.keras")
    assert open_keras(tmp_path / "model.keras").format == "h5"


def test_a_model_that_was_given_its_shape_by_build(tmp_path):
    original = tf_keras.Sequential([tf_keras.layers.Dense(3), tf_keras.layers.Dense(2)])
    original.build((None, 5))
    original.save(tmp_path / "model.keras")
    assert_equal(open_keras(tmp_path / "model.keras").model, original)


def test_a_frozen_layer_stays_frozen_and_equal(tmp_path):
    original = residual(tf_keras)
    original.get_layer("block").trainable = False
    original.save(tmp_path / "model.h5")
    opened = open_keras(tmp_path / "model.h5").model
    assert_equal(opened, original)
    assert len(opened.trainable_weights) == len(original.trainable_weights)


def quantized_model():
    layers = tf_keras.layers
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Dense(3)(layers.Dropout(0.1)(layers.Flatten()(layers.MaxPooling2D()(x))))
    plain = shake(tf_keras.Model(image, x))
    # Outputs within the ranges of -6 to 6 that quantization-aware training begins with.
    plain.set_weights([w / 8 if w.ndim > 1 else w for w in plain.get_weights()])
    model = add_quantization(plain)
    for _ in range(3):
        model(RNG.random((16, 8, 8, 3), np.float32), training=True)
    return model


def test_a_quantization_aware_model_comes_back_equal(tmp_path):
    original = quantized_model()
    save_keras(original, tmp_path / "model.keras")
    opened = open_keras(tmp_path / "model.keras")
    assert opened.quantized
    images = RNG.random((9, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(opened.model(images, training=False), original(images, training=False))


def test_stripping_gives_the_float_model_inside():
    original = quantized_model()
    plain = strip_quantization(original)
    assert not [layer for layer in plain.layers if "Quantize" in type(layer).__name__]
    images = RNG.random((9, 8, 8, 3), np.float32)
    outputs = original(images, training=False).numpy()
    np.testing.assert_allclose(plain(images, training=False), outputs, atol=0.05 * np.abs(outputs).max())


# What must be refused.


def saved(tmp_path, model, name="model.keras"):
    path = tmp_path / name
    model.save(path)
    return path


def rezip(path, member, content):
    """The same archive with one member replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def edit_config(path, change):
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    rezip(path, "config.json", json.dumps(config))


def edit_weights(path, change):
    with zipfile.ZipFile(path) as archive:
        buffer = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(buffer, "r+") as file:
        change(file)
    rezip(path, "model.weights.h5", buffer.getvalue())


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_lambda_is_named_and_does_not_run(tmp_path, suffix):
    evidence = tmp_path / "ran"
    layer = tf_keras.layers.Lambda(lambda x, to=str(evidence): (open(to, "w").close(), x)[1], name="trick")
    path = saved(tmp_path, tf_keras.Sequential([tf_keras.layers.Input((3,)), layer]), f"model.{suffix}")
    evidence.unlink(missing_ok=True)
    with pytest.raises(InputError, match="'trick' is a Lambda"):
        open_keras(path)
    assert not evidence.exists()


def test_a_class_from_another_module_is_not_imported(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    edit_config(path, lambda config: config["config"]["layers"][1].update(module="os.path"))
    with pytest.raises(InputError, match=r"is os\.path\.Dense"):
        open_keras(path)


def test_an_operation_on_tensors_is_keras_own(tmp_path):
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image) + 1.0)
    opened = open_keras(saved(tmp_path, model))
    rows = np.random.default_rng(0).random((3, 4), np.float32)
    np.testing.assert_allclose(opened.model(rows), model(rows), atol=1e-6)
    with pytest.raises(InputError, match="cannot be made smaller"):
        opened.require_rebuilt("made smaller")


def test_an_object_in_place_of_a_number_is_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    trick = {"class_name": "Lambda", "config": {"function": "x"}, "module": "keras.layers"}
    edit_config(path, lambda config: config["config"]["layers"][2]["config"].update(momentum=trick))
    with pytest.raises(InputError, match="momentum"):
        open_keras(path)


def test_an_unknown_activation_is_named(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    edit_config(path, lambda config: config["config"]["layers"][1]["config"].update(activation="os.system"))
    with pytest.raises(InputError, match=r"activation 'os\.system'"):
        open_keras(path)


def test_a_config_cannot_ask_for_more_memory_than_the_file_brings(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    edit_config(path, lambda config: config["config"]["layers"][1]["config"].update(units=10**10))
    with pytest.raises(InputError, match="more weights than the file holds"):
        open_keras(path)


def test_links_out_of_the_file_are_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    (tmp_path / "other.h5").write_bytes(b"")

    def link(file):
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/secret")

    edit_weights(path, link)
    with pytest.raises(InputError, match="link to elsewhere"):
        open_keras(path)


def test_external_storage_is_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 288)

    def point(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (12, 6), "f4", external=[(str(secret), 0, 288)])

    edit_weights(path, point)
    with pytest.raises(InputError, match="another file"):
        open_keras(path)


def test_a_virtual_data_set_is_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))

    def point(file):
        del file["layers/dense/vars/0"]
        layout = h5py.VirtualLayout((12, 6), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (12, 6))
        file.create_virtual_dataset("layers/dense/vars/0", layout)

    edit_weights(path, point)
    with pytest.raises(InputError, match="another file"):
        open_keras(path)


def test_an_array_that_declares_more_than_it_brings_is_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))

    def inflate(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (10**6, 10**4), "f4", chunks=(100, 100))

    edit_weights(path, inflate)
    with pytest.raises(InputError, match="does not hold"):
        open_keras(path)


def test_a_zip_bomb_is_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    rezip(path, "model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(50_000_000))
    with pytest.raises(InputError, match="inflates"):
        open_keras(path)


def test_weights_of_another_shape_are_refused(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    edit_config(path, lambda config: config["config"]["layers"][1]["config"].update(units=5))
    with pytest.raises(InputError, match="asks for"):
        open_keras(path)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_damaged_file_is_refused_whatever_is_damaged(tmp_path, suffix):
    path = saved(tmp_path, autoencoder(tf_keras), f"model.{suffix}")
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            open_keras(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"TFL3", b"\x80\x04."])
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(InputError, match="neither"):
        open_keras(tmp_path / "model.keras")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_keras(tmp_path / "model.keras")


def test_weights_alone_are_refused(tmp_path):
    autoencoder(tf_keras).save_weights(tmp_path / "weights.h5")
    with pytest.raises(InputError, match="weights without a model"):
        open_keras(tmp_path / "weights.h5")


def places(value, path=()):
    """Every place in a nested config."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(item, (*path, key))


def test_nonsense_in_a_config_is_refused_or_changes_nothing_that_matters(tmp_path):
    path = saved(tmp_path, autoencoder(tf_keras))
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    nonsense = [None, -1, 10**9, [], {}, "x", True, [[1]], 3.5]
    rng = np.random.default_rng(0)
    for number, index in enumerate(rng.choice(len(list(places(config))), 36, replace=False)):
        changed = json.loads(json.dumps(config))
        *outer, last = list(places(config))[index]
        inner = changed
        for key in outer:
            inner = inner[key]
        inner[last] = nonsense[number % len(nonsense)]
        rezip(path, "config.json", json.dumps(changed))
        with contextlib.suppress(InputError):
            open_keras(path)
