"""Everything that changes weights: fit, prune, quantize-aware training; and opening Keras files safely."""

from .compress.engine.grid import is_whole
from .compress.narrow import Clip, labels_by, narrowed
from .config import PRESETS, TrainConfig, base_of, configure, sections_of
from .contract import (
    NoBetterThanChanceError,
    Tried,
    candidates,
    find_contract,
    own_contract,
    stated_inputs,
    suited,
    takes_raw_numbers,
)
from .keras_file import (
    KerasFile,
    active_custom,
    custom_layers,
    has_loops,
    open_keras,
    save_keras,
    strip_quantization,
    unrolled,
)
from .keras_file.in_memory import is_keras_model, model_file, model_identity, model_name
from .meaning import last_activations, meaning_of, task_of
from .models import MODELS, build_mlp, build_network, usual_model
from .pipeline import TrainResult, adopt_baseline, own_task, press_model, train, train_baseline
from .record.curves import draw_curves
from .record.history import History
from .record.learned import learned_ranges, on_one_scale, rounding
from .rescale import CannotFoldError, Change, fold_change, own_change
from .sizes import sized
from .transfer import BACKBONES, backbone_help
from .trying import choose, some

__all__ = [
    "Clip",
    "BACKBONES",
    "MODELS",
    "PRESETS",
    "CannotFoldError",
    "Change",
    "History",
    "KerasFile",
    "NoBetterThanChanceError",
    "TrainConfig",
    "TrainResult",
    "Tried",
    "active_custom",
    "adopt_baseline",
    "backbone_help",
    "base_of",
    "build_mlp",
    "build_network",
    "candidates",
    "choose",
    "configure",
    "custom_layers",
    "draw_curves",
    "find_contract",
    "fold_change",
    "has_loops",
    "is_whole",
    "learned_ranges",
    "rounding",
    "is_keras_model",
    "labels_by",
    "last_activations",
    "meaning_of",
    "model_file",
    "model_identity",
    "model_name",
    "narrowed",
    "on_one_scale",
    "open_keras",
    "own_change",
    "own_contract",
    "own_task",
    "press_model",
    "save_keras",
    "sections_of",
    "sized",
    "some",
    "stated_inputs",
    "strip_quantization",
    "suited",
    "takes_raw_numbers",
    "task_of",
    "train",
    "train_baseline",
    "unrolled",
    "usual_model",
]
