"""Layers that `keras.applications` has for itself."""

import keras
import numpy as np
import pytest
import tf_keras
from keras.src.applications import convnext, inception_resnet_v2
from tf_keras.src.applications import convnext as tf_convnext
from tf_keras.src.applications import inception_resnet_v2 as tf_inception_resnet_v2

from edgepress.runtime import InputError
from edgepress.train import open_keras
from edgepress.train.keras_file.vet import vetted


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("library", "module"), [(keras, convnext), (tf_keras, tf_convnext)])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_scale_of_convnext_opens(library, module, suffix, tmp_path):
    start = library.Input((2, 2, 4))
    scaled = module.LayerScale(0.1, 4)(start)
    model = library.Model(start, scaled)
    model.set_weights([np.float32([1, 2, 3, 4])])
    model.save(tmp_path / f"model{suffix}")
    opened = open_keras(tmp_path / f"model{suffix}").model
    x = np.ones((1, 2, 2, 4), np.float32)
    np.testing.assert_allclose(opened.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("library", "module"), [(keras, inception_resnet_v2), (tf_keras, tf_inception_resnet_v2)])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_scale_of_inception_resnet_opens(library, module, suffix, tmp_path):
    start = library.Input((2,))
    twice = library.layers.Rescaling(2.0)(start)
    library.Model(start, module.CustomScaleLayer(0.5)([start, twice])).save(tmp_path / f"model{suffix}")
    opened = open_keras(tmp_path / f"model{suffix}").model
    x = np.float32([[1, 3]])
    np.testing.assert_allclose(opened(x), 2 * x)


def test_one_that_asks_for_memory_is_refused():
    config = {"class_name": "LayerScale", "config": {"name": "scale", "init_values": 0.1, "projection_dim": 10**12}}
    with pytest.raises(InputError, match="'scale' scales more than 65,536"):
        vetted(config, "keras")
