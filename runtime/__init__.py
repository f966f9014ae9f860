"""Load a bundle or a model file, and predict. Needs numpy and one backend; never TensorFlow."""

from .contract import Preprocessing
from .embedded import EMBEDDED_KEY, Embedded
from .errors import (
    ArtifactRefusedError,
    CheckFailedError,
    EdgepressError,
    InputError,
    MissingExtraError,
    ModelClosedError,
)
from .manifest import Artifact, Manifest, TensorSpec
from .model import Model, Prediction, load
from .quantization import Quantization

__all__ = [
    "EMBEDDED_KEY",
    "Artifact",
    "ArtifactRefusedError",
    "CheckFailedError",
    "EdgepressError",
    "Embedded",
    "InputError",
    "Manifest",
    "MissingExtraError",
    "Model",
    "ModelClosedError",
    "Prediction",
    "Preprocessing",
    "Quantization",
    "TensorSpec",
    "load",
]
