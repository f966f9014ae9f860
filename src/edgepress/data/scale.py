"""Pictures in arrays, brought to another size."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Picture
from edgepress.runtime.preprocess.fit import bilinear_resize

from .convention import picture_of
from .dataset import Dataset, Part
from .options import Options

__all__ = ["brought_to_size"]


def brought_to_size(dataset: Dataset, options: Options) -> Dataset:
    """The same data with pictures of `options.input_shape`, stretched as class folders' are; as they are without one.

    Raises:
        InputError: An input that is no picture, or other channels.
    """
    if options.picture_shape is None:
        return dataset
    height, width, channels = options.picture_shape
    (name, described), *others = dataset.inputs.items()
    if others or not isinstance(described, Picture):
        shapes = ", ".join(f"{each.kind} {each.shape}" for each in dataset.inputs.values())
        raise InputError(f"--input-shape is for pictures, and {dataset.name} has {shapes}: leave it out")
    if channels not in (None, described.channels):
        raise InputError(
            f"--input-shape {height}x{width}x{channels}: the pictures of {dataset.name} have {described.channels}"
        )
    if (height, width) == (described.height, described.width):
        return dataset

    def scaled(part: Part) -> Part:
        pixels = part.inputs[name]
        fresh: NDArray[np.uint8] = np.empty((len(pixels), height, width, *pixels.shape[3:]), np.uint8)
        for index, picture in enumerate(pixels):
            fresh[index] = bilinear_resize(picture, height, width)
        return replace(part, inputs={name: fresh})

    own = None if dataset.own_validation is None else scaled(dataset.own_validation)
    train, test = scaled(dataset.train), scaled(dataset.test)
    picture = picture_of(train.inputs[name], resampling="bilinear")
    return replace(dataset, train=train, test=test, inputs={name: picture}, own_validation=own)
