"""Load a bundle or a model file, and predict. Needs numpy and one backend; never TensorFlow."""

from .contract import Preprocessing
from .errors import (
    ArtifactRefusedError,
    CheckFailedError,
    EdgepressError,
    InputError,
    MissingExtraError,
    ModelClosedError,
)
from .manifest import Artifact, Manifest, TensorSpec
from .quantization import Quantization

__all__ = [
    "Artifact",
    "ArtifactRefusedError",
    "CheckFailedError",
    "EdgepressError",
    "InputError",
    "Manifest",
    "MissingExtraError",
    "ModelClosedError",
    "Preprocessing",
    "Quantization",
    "TensorSpec",
]
