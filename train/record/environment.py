"""Make TensorFlow reproducible, and record what a result depends on besides config and data."""

import os
import platform
from importlib.metadata import version
from typing import Any

from edgepress.base.extras import require

__all__ = ["describe_environment", "make_deterministic"]

_PACKAGES = ("edgepress", "tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy")


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and choose deterministic kernels for the rest of the process.

    Dropout layers that are built afterwards draw from `tf.random.Generator`, whose state can be set: `fit` gives every
    epoch a state of its own, so that a run can go on at any epoch.
    """
    tensorflow = require("tensorflow", extra="toolkit")
    tf_keras = require("tf_keras", extra="toolkit")
    tf_keras.backend.experimental.enable_tf_random_generator()
    tf_keras.utils.set_random_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()


def describe_environment() -> dict[str, Any]:
    """Versions, machine and the switches that change weights (measured: oneDNN and op determinism both do)."""
    tensorflow = require("tensorflow", extra="toolkit")
    return {
        "packages": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "gpus": len(tensorflow.config.list_physical_devices("GPU")),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        "op_determinism": True,
    }
