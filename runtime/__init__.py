"""Load a bundle or a model file, and predict. Needs numpy and one backend; never TensorFlow."""

from edgepress.base.errors import (
    ArtifactRefusedError,
    CheckFailedError,
    EdgepressError,
    InputError,
    MissingExtraError,
    ModelClosedError,
    Refusal,
)

from .bundle.embedded import EMBEDDED_KEY, Embedded
from .bundle.manifest import Artifact, Manifest, TensorSpec
from .bundle.quantization import Quantization
from .contract.picture import Preprocessing
from .loading import load
from .model import Model
from .prediction import Prediction

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
    "Refusal",
    "TensorSpec",
    "load",
]
