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
from .contract import Contract, Picture
from .loading import load
from .model import Model
from .prediction import Prediction
from .tasks import Anomalies, LabelSets, Outputs, Task, Values

__all__ = [
    "EMBEDDED_KEY",
    "Anomalies",
    "Artifact",
    "ArtifactRefusedError",
    "CheckFailedError",
    "Contract",
    "EdgepressError",
    "Embedded",
    "InputError",
    "LabelSets",
    "Manifest",
    "MissingExtraError",
    "Model",
    "ModelClosedError",
    "Outputs",
    "Picture",
    "Prediction",
    "Quantization",
    "Refusal",
    "Task",
    "TensorSpec",
    "Values",
    "load",
]
