"""What a training run is told: one frozen value that checks itself, and the presets."""

import dataclasses
import tomllib
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgepress.data import Dataset, SplitRecipe, question_of
from edgepress.runtime import InputError

from .compress.engine.scheme import BITS, MEASURED, PATTERNS, SCOPES
from .fitting.rates import SCHEDULES
from .models import MODELS

__all__ = ["PRESETS", "SECTIONS", "TrainConfig", "base_of", "configure", "sections_of"]

PRESETS = ("quick", "default", "frontier")
_BASE = "base"
"""The key of a file that names the preset which it builds on."""
SECTIONS = ("features", "signal", "audio", "tensor", "colour", "regression", "anomaly", "backbone")
"""Tables that a preset may have: values for inputs of that kind, colour pictures, that task, or a new head on a trained
model. Later ones come before earlier ones."""


def sections_of(dataset: Dataset, task: str | None = None, *, backbone: bool = False) -> frozenset[str]:
    """The tables of a preset that are meant for such data and such a question."""
    named = {each.kind for each in dataset.inputs.values()} | {question_of(dataset, task)}
    if dataset.picture is not None and dataset.picture.channels > 1:
        named.add("colour")
    if backbone:
        named.add("backbone")
    return frozenset(named.intersection(SECTIONS))


@dataclass(frozen=True)
class TrainConfig:
    """Everything besides the data that decides the weights: the same config and data end with the same ones.

    Raises:
        InputError: A value outside its range.
    """

    backbone: str = ""
    """A trained Keras file, or a name in `BACKBONES`, that is given a new head; empty to begin with random weights."""
    head_epochs: int = 20
    """Longest fit of the new head alone, before the whole is fitted."""
    head_learning_rate: float = 2e-3
    model: str = ""
    """A name in `MODELS`; empty for the usual one for the data's inputs and the task."""
    widths: tuple[int, ...] = (128, 64)
    """Units of each hidden layer of `mlp`."""
    dropout: float = 0.05
    """Share of the hidden units that each training step leaves out."""
    batch_norm: bool = False
    """Normalise what each hidden layer of `mlp` gives (Ioffe and Szegedy 2015); folded away before quantization. `cnn`
    always does."""
    epochs: int = 30
    """Longest fit of the float baseline, in passes over the training images."""
    prune_epochs: int = 20
    cluster_epochs: int = 5
    quantize_epochs: int = 8
    patience: int = 10
    """Epochs without a better validation accuracy after which a fit stops; the best weights are kept."""
    batch_size: int = 128
    """Largest batch; few training images get smaller ones, so that an epoch still has steps enough."""
    learning_rate: float = 2e-3
    """Highest rate of the baseline fit (Adam)."""
    structured_learning_rate: float = 1e-3
    prune_learning_rate: float = 2e-3
    cluster_learning_rate: float = 5e-4
    quantize_learning_rate: float = 5e-4
    schedule: str = "cosine"
    """How the rate runs: `cosine`, `one-cycle` or `constant`."""
    weight_decay: float = 0.0
    """Share of each kernel, times the rate, that a step of the baseline fit takes away (Loshchilov and Hutter 2019)."""
    choose_from: float = 0.0
    """Part of the fits of the baseline, and of what channels have left, after which an epoch may be the best one. Among
    hundreds of epochs at a high rate one is right about more held-back images by luck alone, and is worse than the
    last."""
    label_smoothing: float = 0.0
    """Share of each target that is spread over all classes (Szegedy et al. 2016)."""
    shift: int = 1
    """Training images are moved by up to this many pixels each way, anew each epoch."""
    mirror: bool = False
    """Training images are mirrored at random, left and right: where a mirrored picture is of the same class."""
    shift_seconds: float = 0.0
    """Recordings begin up to so much sooner or later, anew each epoch."""
    gain_db: float = 0.0
    """Recordings are louder or quieter by up to this."""
    noise: float = 0.0
    """Recordings are covered with noise of up to this share of their own deviation; centred and scaled numbers of
    features and signals with noise of this deviation."""
    copies: int = 0
    """Distorted copies (affine, elastic) of each training image, made once before a fit; they take the place of
    `shift`. 0 for none."""
    strong_copies: int = 0
    """Further copies, distorted more."""
    teacher: str = ""
    """Who teaches the float model: a model's name, which is fitted first, or a Keras file of the user's. Empty for
    labels alone."""
    teacher_epochs: int = 40
    distill: float = 0.5
    """Share of the teacher's answers in the targets, the rest is the label (Hinton et al. 2015, temperature 1). In
    pressing the float model is the teacher."""
    pixel_loss: float = 0.0
    """Share of the variance that reaches the first layer which border rows and columns of the picture may take with
    them: they leave the model before pruning. Of models that begin with a Dense layer; 0 keeps the picture whole."""
    unit_loss: float = 0.0
    """Share of the variance that reaches the layer after it which each hidden layer's weakest units may take with them;
    they leave before pruning. 0 keeps all."""
    structured: float = 1.0
    """Share of the multiply-adds that stays when whole channels and units leave, before all else that pressing does:
    the file is smaller and quicker on any runtime. 1 keeps all."""
    structured_epochs: int = 10
    """Of the fit after that, in which the others learn to do without them."""
    pruning: str = "polynomial"
    """`polynomial`, `constant` or `2:4`."""
    sparsity: float = 0.82
    """Share of the weights of kernels that pruning sets to zero (`scope`); 0 leaves pruning out."""
    layer_sparsity: dict[str, float] = field(default_factory=dict)
    """Shares of single layers by name, in place of `sparsity`; 0 leaves a layer alone."""
    block: tuple[int, int] = (1, 1)
    """Height and width of the blocks of a Dense kernel that are pruned together."""
    clusters: int = 0
    """Distinct values that each kernel keeps, from 3; 0 leaves clustering out."""
    weight_bits: float = 8
    """Of kernels in quantization-aware training: 8, 4 for files with int4 weights, or 2: zero and one magnitude. A
    number between is what a weight has at most in the mean: layers get 8 or 4, below 4 also 2, by what that does to the
    outputs on training examples."""
    layer_bits: dict[str, int] = field(default_factory=dict)
    """Bits of single layers by name, in place of `weight_bits`."""
    scope: str = ""
    """Whether each `layer` loses that share of its kernel, the whole `model` its least weights, or each layer what is
    `measured` to do least to the outputs on training examples; empty for what the engine does: TensorFlow Model
    Optimization goes layer by layer, our own takes the model as a whole."""
    engine: str = ""
    """What presses: `own`, which takes every layer, or `tfmot`, TensorFlow Model Optimization; empty for the first that
    can."""
    ranges: str = ""
    """Of activations in 8-bit files: `learned` while kernels are trained to few bits, or `measured` by export; empty
    for what the engine can. TensorFlow Model Optimization learns them always."""
    validation_share: float = 1 / 12
    """Share of the training images held back for every choice."""
    seed: int = 0

    def __post_init__(self) -> None:
        # TOML and JSON have lists only.
        for name in ("widths", "block"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, choices in (
            ("model", ("", *MODELS)),
            ("schedule", SCHEDULES),
            ("pruning", PATTERNS),
            ("scope", (*SCOPES, MEASURED)),
            ("engine", ("", "tfmot", "own")),
            ("ranges", ("", "learned", "measured")),
        ):
            self._require(name, getattr(self, name) in choices, "one of " + ", ".join(choices))
        self._require("widths", all(type(w) is int and w >= 1 for w in self.widths), "whole numbers from 1")
        self._require("block", len(self.block) == 2 and all(type(b) is int and b >= 1 for b in self.block), "two sizes")
        for name in ("epochs", "structured_epochs", "teacher_epochs", "patience", "batch_size"):
            self._require(name, type(getattr(self, name)) is int and getattr(self, name) >= 1, "a whole number from 1")
        for name in (
            "head_epochs", "prune_epochs", "cluster_epochs", "quantize_epochs", "shift", "copies", "strong_copies",
            "seed", "clusters",
        ):  # fmt: skip
            self._require(name, type(getattr(self, name)) is int and getattr(self, name) >= 0, "a whole number from 0")
        for name in (
            "learning_rate", "head_learning_rate", "prune_learning_rate", "cluster_learning_rate",
            "quantize_learning_rate", "structured_learning_rate",
        ):  # fmt: skip
            self._require(name, 0 < getattr(self, name) < 1, "above 0 and below 1")
        for name in (
            "dropout", "choose_from", "label_smoothing", "pixel_loss", "unit_loss", "sparsity",
        ):  # fmt: skip
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for name in ("weight_decay", "shift_seconds", "gain_db", "noise"):
            self._require(name, 0 <= getattr(self, name) < 100, "from 0 to below 100")
        self._require("mirror", type(self.mirror) is bool, "true or false")
        self._require("layer_sparsity", all(0 <= s < 1 for s in self.layer_sparsity.values()), "from 0 to below 1")
        self._require("clusters", self.clusters not in (1, 2), "0, or from 3")
        self._require("weight_bits", min(BITS) <= self.weight_bits <= max(BITS), "8, 4, 2, or between")
        self._require("weight_bits", self.weight_bits == 8 or not self.clusters, "8 where weights are clustered")
        self._require("layer_bits", {*self.layer_bits.values()} <= {*BITS}, "8, 4 or 2 for each layer")
        self._require("layer_bits", not (self.layer_bits and self.clusters), "none where weights are clustered")
        self._require("scope", self.scope != MEASURED or self.pruning != "2:4", "layer or model where pruning is 2:4")
        self._require("structured", 0 < self.structured <= 1, "above 0, and 1 at most")
        self._require("distill", 0 <= self.distill <= 1, "from 0 to 1")
        self._require("validation_share", 0 < self.validation_share < 1, "above 0 and below 1")

    def _require(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise InputError(f"training {name} {getattr(self, name)!r}: allowed is {allowed}")

    @property
    def prunes(self) -> bool:
        """Whether zeros are asked for."""
        asked = self.sparsity or any(self.layer_sparsity.values()) or self.pruning == "2:4"
        return bool(self.prune_epochs and asked)

    @property
    def clustered(self) -> bool:
        """Whether values are shared."""
        return bool(self.clusters and self.cluster_epochs)

    @property
    def split(self) -> SplitRecipe:
        """How the training examples are parted."""
        return SplitRecipe(self.seed, self.validation_share)

    def to_dict(self) -> dict[str, Any]:
        """As history files and presets hold it."""
        return asdict(self) | {"widths": list(self.widths), "block": list(self.block)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "TrainConfig":
        """The inverse of `to_dict`; absent keys take their defaults, unknown ones are refused by name."""
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(data) - known)
        if unknown:
            raise InputError(f"training config has unknown keys {unknown}: allowed are {', '.join(sorted(known))}")
        try:
            return cls(**data)
        except (TypeError, AttributeError) as error:
            raise InputError(f"training config: {error}: numbers where numbers belong are allowed") from None

    @classmethod
    def preset(cls, name: str, sections: Collection[str] = (), **changes: Any) -> "TrainConfig":
        """A preset by name (`quick`, `default`), or the path of a TOML file, with single values changed.

        A file may build on a preset: with `base = "quick"` what it does not say is that preset's.

        Args:
            name: One of `PRESETS`, or a path.
            sections: Which of its tables hold besides (`sections_of`).
            changes: Single values, in place of the preset's.

        Raises:
            InputError: No such preset or file, or not TOML.
        """
        try:
            values = _values_of(name)
            if (base := values.pop(_BASE, None)) is not None:
                if base not in PRESETS:
                    raise InputError(f"preset {name}: base {base!r}: allowed are {', '.join(PRESETS)}")
                # What the file says comes before the tables of what it builds on.
                values = {**_held(_values_of(base), sections), **values}
            tables = {section: values.pop(section, {}) for section in SECTIONS}
            for table in tables.values():
                # A table that does not hold here is looked at all the same: its mistakes are told at once.
                cls.from_dict({**values, **table})
            return dataclasses.replace(cls.from_dict(_held({**values, **tables}, sections)), **changes)
        except FileNotFoundError:
            raise InputError(
                f"no preset {name!r}: allowed are {', '.join(PRESETS)} or the path of a TOML file"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"preset {name}: {error}: a readable TOML file is allowed") from None


def _values_of(preset: str) -> dict[str, Any]:
    """What stands in a preset of ours, or in a file."""
    place = files(__package__) / "presets" / f"{preset}.toml" if preset in PRESETS else Path(preset)
    return tomllib.loads(place.read_text())


def _held(values: dict[str, Any], sections: Collection[str]) -> dict[str, Any]:
    """Without tables: the values of those that hold have taken the place of the others."""
    tables = [values.get(section, {}) for section in SECTIONS if section in sections]
    held = {key: value for key, value in values.items() if key not in SECTIONS}
    for table in tables:
        held |= table
    return held


def base_of(preset: str) -> str:
    """The preset of ours that this one is, or builds on; empty for a file that builds on none.

    Raises:
        InputError: No such preset or file, or not TOML.
    """
    TrainConfig.preset(preset)
    return preset if preset in PRESETS else str(_values_of(preset).get(_BASE, ""))


def configure(
    dataset: Dataset,
    preset: str | TrainConfig = "default",
    *,
    task: str | None = None,
    model: Any = None,
    teacher: str | None = None,
    backbone: str | None = None,
    seed: int = 0,
) -> tuple[TrainConfig, Any]:
    """What a run is told, from what its caller chose.

    Args:
        dataset: What it is fitted to.
        preset: A preset's name or file, of which the tables meant for such data hold; or a config, whose seed counts.
        task: The question, where the data ask several.
        model: A name in `MODELS`, or a Keras model or file of the caller's own.
        teacher: In place of the preset's.
        backbone: In place of a model.
        seed: Of a preset.

    Returns:
        The config, and the caller's own model; None in its place where the model is made here.

    Raises:
        InputError: A model and a backbone, an unknown preset, or a value outside its range.
    """
    if model is not None and backbone is not None:
        raise InputError("--backbone is a model already: name a --model to make or to press, or a backbone, not both")
    if isinstance(preset, TrainConfig):
        config = preset
    else:
        config = TrainConfig.preset(preset, sections_of(dataset, task, backbone=backbone is not None), seed=seed)
    named = isinstance(model, str) and model in MODELS
    if backbone is not None:
        config = dataclasses.replace(config, model="", backbone=backbone)
    elif named:
        config = dataclasses.replace(config, model=model)
    return dataclasses.replace(config, teacher=teacher or config.teacher), None if named else model
