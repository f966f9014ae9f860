"""The float models that every peer is given, and their examples as arrays."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.data import Dataset, load_dataset
from edgepress.runtime import InputError

from ..tasks.rows import ROWS as TASKS

__all__ = ["MODELS", "FloatModel", "Given", "given", "prepare"]

_MOST_EXAMPLES = 5_000
"""Of the training part that are drawn for a peer: the first of them calibrate and fine-tune."""


@dataclass(frozen=True)
class FloatModel:
    """One float Keras classifier, and the data that it is judged on."""

    title: str
    data: str
    """A data set's name or its file, in the folder with the data or, of `make_data`, in that with the tables."""
    label: str | None = None
    file: str | None = None
    """The model, in the folder with the data; None where it is fitted here with the preset quick."""
    input: str | None = None
    """How that file takes its input."""
    make_data: Callable[[Path], None] | None = None


MODELS = {
    "wine": FloatModel(
        "MLP 13-32-16-3, wine", "wine.csv", label="cultivar", make_data=TASKS["wine"].prepare
    ),
    "basic-motions": FloatModel("Conv1D, BasicMotions", "basic-motions.npz"),
    "resnet8": FloatModel(
        "MLPerf Tiny's ResNet8, CIFAR-10", "cifar10-jpeg.zip", file="models/resnet8.h5", input="pixels"
    ),
    "spoken-digits": FloatModel("DS-CNN on waveforms, spoken digits", "spoken-digits.zip"),
    "mnist": FloatModel("MLP, MNIST", "mnist"),
}  # fmt: skip
"""By name, the quickest first."""


@dataclass(frozen=True)
class Given:
    """What a peer finds in a model's folder. Its arrays are what the model takes: reading and scaling is done."""

    folder: Path
    data: Path | str
    """As edgepress reads it, with `label`."""
    label: str | None
    input: str | None

    @property
    def keras(self) -> Path:
        """The float model, of tf-keras."""
        return next(path for path in (self.folder / "float.keras", self.folder / "float.h5") if path.exists())

    @property
    def keras3(self) -> Path:
        """The same model in a file that Keras 3 reads."""
        return self.folder / "keras3.h5"

    @property
    def x(self) -> NDArray[np.float32]:
        """Training examples, (n, ...)."""
        return np.load(self.folder / "x.npy")

    @property
    def y(self) -> NDArray[Any]:
        """Their classes, (n,)."""
        return np.load(self.folder / "y.npy")

    @property
    def gives_logits(self) -> bool:
        """Whether the model ends without a softmax."""
        return bool(self._told["logits"])

    @property
    def stated(self) -> str:
        """How files that say nothing of it take their input, as `benchmark` takes it."""
        return str(self.folder / "input.toml")

    @property
    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "told.json").read_text())
        return told

    def dataset(self) -> Dataset:
        """The data, read for the model."""
        told = self._told
        return load_dataset(
            self.data, label=self.label, input_shape=told["picture"] and tuple(told["picture"]),
            seconds=told["seconds"],
        )  # fmt: skip


def _place(model: FloatModel, tables: Path) -> Path | str:
    data = Path(os.environ.get("EDGEPRESS_DATA_DIR", "."))
    if not Path(model.data).suffix:
        return model.data
    return (tables if model.make_data else data) / model.data


def given(name: str, work: Path) -> Given:
    """What peers are given of a model that `prepare` has made."""
    model = MODELS[name]
    return Given(work / name, _place(model, work / "tables"), model.label, model.input)


def prepare(name: str, work: Path) -> Given:
    """Fit or copy the float model and write its examples, once.

    Raises:
        InputError: Its files are not in EDGEPRESS_DATA_DIR.
    """
    model, found = MODELS[name], given(name, work)
    if (found.folder / "told.json").exists():
        return found
    folder, tables = found.folder, work / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    if model.make_data is not None:
        tables.mkdir(parents=True, exist_ok=True)
        model.make_data(tables)
    source = None if model.file is None else Path(os.environ.get("EDGEPRESS_DATA_DIR", "."), model.file)
    for path in (source, found.data):
        if isinstance(path, Path) and not path.exists():
            raise InputError(f"no {path.name} in EDGEPRESS_DATA_DIR")
    _prepare(found, source)
    return found


def _prepare(found: Given, source: Path | None) -> None:
    from edgepress.runtime.contract import Audio, Contract, Picture
    from edgepress.train import configure, open_keras, own_contract, stated_inputs, train

    folder, dataset = found.folder, load_dataset(found.data, label=found.label)
    if source is None:
        config, _ = configure(dataset, "quick", seed=0)
        trained = train(dataset, config, folder / "float.keras", baseline_only=True, overwrite=True)
        recorded = trained.history.contract
        contract = Contract.from_dict(recorded) if recorded else own_contract(dataset, dataset.train)
    else:
        shutil.copy(source, folder / f"float{source.suffix}")
        contract = Contract(stated_inputs(found.input or "", dataset))
    ((_, only),) = contract.inputs.items()
    picture = [only.height, only.width, only.channels] if isinstance(only, Picture) else None
    seconds = only.seconds if isinstance(only, Audio) else None
    read = load_dataset(found.data, label=found.label, input_shape=tuple(picture) if picture else None, seconds=seconds)
    keras_model = open_keras(found.keras).model
    places = np.sort(np.random.default_rng(0).permutation(len(read.train))[:_MOST_EXAMPLES])
    drawn = np.random.default_rng(1).permutation(places)
    examples = np.asarray(only.normalize(read.x_train[drawn]), np.float32)
    np.save(folder / "x.npy", examples.reshape(len(drawn), *keras_model.input_shape[1:]))
    np.save(folder / "y.npy", read.y_train[drawn])
    _save_for_keras3(found.keras, folder)
    lines = [f"{key} = {json.dumps(list(getattr(only, key)))}" for key in ("mean", "std") if getattr(only, key, ())]
    write_file(folder / "input.toml", "\n".join([f'kind = "{only.kind}"', *lines]) + "\n")
    told = {"logits": _ends_in_logits(keras_model, examples), "picture": picture, "seconds": seconds}
    write_file(folder / "told.json", json.dumps(told, indent=2) + "\n")


def _ends_in_logits(model: Any, examples: NDArray[np.float32]) -> bool:
    said = model.predict(examples[:64].reshape(-1, *model.input_shape[1:]), verbose=0)
    return bool(said.min() < 0 or abs(said.sum(axis=1) - 1).max() > 1e-3)


def _save_for_keras3(model: Path, folder: Path) -> None:
    """Write the model as Keras 3 reads it: without settings of Dropout and DepthwiseConv2D that it does not have."""
    tf_keras, h5py = require("tf_keras", extra="toolkit"), require("h5py", extra="toolkit")
    file = folder / "keras3.h5"
    tf_keras.models.load_model(model, compile=False).save(file, save_format="h5")
    with h5py.File(file, "r+") as opened:
        config = json.loads(opened.attrs["model_config"])
        opened.attrs["model_config"] = json.dumps(_for_keras3(config))


def _for_keras3(config: Any) -> Any:
    if isinstance(config, dict):
        # One group is what every convolution has that says nothing of it.
        kept = {key: value for key, value in config.items() if key != "rng_type" and (key, value) != ("groups", 1)}
        return {key: _for_keras3(value) for key, value in kept.items()}
    return [_for_keras3(value) for value in config] if isinstance(config, list) else config
