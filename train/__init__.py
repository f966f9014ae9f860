"""Everything that changes weights: fit, prune, quantize-aware training; and opening Keras files safely."""

from .config import PRESETS, TrainConfig
from .keras_file import KerasFile, open_keras, save_keras, strip_quantization
from .models import MODELS, build_mlp, build_network, output_kind
from .pipeline import TrainResult, adopt_baseline, press_model, train, train_baseline
from .record.curves import draw_curves
from .record.history import History

__all__ = [
    "MODELS",
    "PRESETS",
    "History",
    "KerasFile",
    "TrainConfig",
    "TrainResult",
    "adopt_baseline",
    "build_mlp",
    "build_network",
    "draw_curves",
    "open_keras",
    "output_kind",
    "press_model",
    "save_keras",
    "strip_quantization",
    "train",
    "train_baseline",
]
