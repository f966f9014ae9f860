"""Models that cannot be rebuilt layer by layer: their own Keras makes them, from a vetted copy of the file.

What comes out is called like every opened model, and trained like one. TensorFlow Model Optimization knows few layers;
our own engine compresses the others.
"""

import io
import json
import math
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .archive import most_weights
from .custom import Custom, active_custom
from .stored import RawModel
from .vet import APPLIED, vetted

__all__ = [
    "as_tf_keras",
    "copied",
    "input_name",
    "inside",
    "library_of",
    "native",
    "remade",
    "without_budget",
]

_NEEDED = ("module", "class_name", "config", "registered_name", "build_config")
_BUDGET = "EdgepressBudget"
_REPEATED = 4
"""How often Keras may make a layer's weights while it builds a model: a wrapper's copies, and trials of shapes."""
_INSIDE = "edgepress_inside"
"""Attribute under which a tf-keras model keeps the Keras 3 model that it calls."""


def native(raw: RawModel) -> Any:
    """The model that a file holds, as its own Keras makes it, behind the interface of tf-keras.

    Raises:
        InputError: The config names something that is not allowed, or Keras cannot load the file.
    """
    library, custom = library_of(raw), active_custom()
    config = vetted({key: raw.config[key] for key in _NEEDED if key in raw.config}, library, custom)
    return as_tf_keras(_loaded(raw, config, library, custom))


def library_of(raw: RawModel) -> str:
    """Which Keras wrote a file, and makes its model."""
    return "keras" if raw.keras_version.startswith("3.") else "tf_keras"


def copied(model: Any) -> Any:
    """An opened model once more, with weights of its own."""
    original = inside(model)
    return as_tf_keras(_made(original, original.get_config()))


def without_budget(config: Any) -> Any:
    """A config of a model that was loaded here, with the initializers that its file names."""
    if isinstance(config, list):
        return [without_budget(each) for each in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == _BUDGET:
        return config["config"]["original"]
    return {key: without_budget(each) for key, each in config.items()}


def _made(original: Any, config: Any) -> Any:
    """A model with that config and another's weights."""
    return remade(original, config, original.get_weights())


def remade(original: Any, config: Any, weights: Sequence[Any]) -> Any:
    """A model of the same kind with another config and its weights.

    Args:
        original: Of either Keras.
        config: As its `get_config` gives it, changed.
        weights: In the order of the original's.
    """
    names = [each.__module__.split(".")[0] for each in type(original).__mro__]
    library = "tf_keras" if "tf_keras" in names else "keras"
    # A model that was loaded names the initializer that it was loaded with.
    own = {_BUDGET: _budget(library, math.inf), **_objects(active_custom(), library)}
    with require(library, extra="toolkit").utils.custom_object_scope(own):
        made = type(original).from_config(config)
    made.set_weights(weights)
    return made


def inside(model: Any) -> Any:
    """The Keras 3 model that a tf-keras one calls; the model itself where there is none."""
    return getattr(model, _INSIDE, model)


def as_tf_keras(model: Any, shapes: Mapping[str, Sequence[int | None]] | None = None) -> Any:
    """A functional tf-keras model that calls another model of either Keras, with the same names at both ends.

    Args:
        model: Of Keras 3 or tf-keras.
        shapes: Input name to the shape, without the batch, in place of the model's own.
    """
    tf_keras = require("tf_keras", extra="toolkit")
    model = inside(model)
    foreign = not isinstance(model, tf_keras.Model)
    if foreign and (running := require("keras", extra="toolkit").backend.backend()) != "tensorflow":
        raise InputError(
            f"{model.name} is a Keras 3 model, and Keras runs on {running} here: save it, and give the file to the "
            "edgepress command, or set KERAS_BACKEND=tensorflow"
        )
    if not foreign and not shapes and type(model).__name__ == "Functional":
        return model
    names = [input_name(tensor) for tensor in model.inputs]
    inputs = [
        tf_keras.Input((shapes or {}).get(name, tuple(tensor.shape[1:])), dtype=_dtype(tensor), name=name)
        for name, tensor in zip(names, model.inputs, strict=True)
    ]

    base: Any = tf_keras.layers.Layer
    unconverted = require("tensorflow", extra="toolkit").autograph.experimental.do_not_convert

    class Call(base):
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            if foreign:
                # What training changes and checkpoints keep; tf-keras does not see it by itself.
                self._trainable_weights = [variable.value for variable in model.trainable_weights]
                self._non_trainable_weights = [variable.value for variable in model.non_trainable_weights]

        # Keras 3 is written for tensors as it is.
        @unconverted
        def call(self, tensors: Any, training: bool = False) -> Any:
            given = model(tensors[0] if len(names) == 1 else tensors, training=training)
            return _flat(given)

    outputs = Call(name="inside")(inputs)
    named = [
        tf_keras.layers.Activation("linear", name=name)(tensor)
        for name, tensor in zip(_output_names(model), outputs, strict=True)
    ]
    called = tf_keras.Model(inputs, named if len(named) > 1 else named[0], name=str(model.name))
    setattr(called, _INSIDE, model) if not foreign else object.__setattr__(called, _INSIDE, model)
    return called


def _flat(given: Any) -> list[Any]:
    """The outputs in the order of `model.outputs`, whatever structure they come in."""
    return list(require("tensorflow", extra="toolkit").nest.flatten(given))


def input_name(tensor: Any) -> str:
    """Name of the layer that gives a tensor of a model of either Keras: of an input, the one that Keras feeds it by."""
    history = tensor._keras_history
    return str(getattr(history, "operation", getattr(history, "layer", tensor)).name)


def _output_names(model: Any) -> list[str]:
    """Names of the layers that give the outputs, each once, as tf-keras names them."""
    names: list[str] = []
    for tensor in model.outputs:
        name = input_name(tensor)
        count = sum(each == name or each.startswith(f"{name}_") for each in names)
        names.append(f"{name}_{count}" if count else name)
    return names


def _dtype(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _objects(custom: Custom | None, library: str) -> Mapping[str, Any]:
    """What Keras does not find by its name alone."""
    applied = {name: getattr(require(f"{library}.{module}", extra="toolkit"), name) for name, module in APPLIED.items()}
    return applied if custom is None else {**applied, **custom.objects(library)}


def _budgeted(config: Any, own: Mapping[str, Any]) -> Any:
    """The config with every initializer replaced by one that makes no more weights than the file holds.

    Not in layers of the user's own: they may do anything.
    """
    if isinstance(config, list):
        return [_budgeted(each, own) for each in config]
    if not isinstance(config, dict) or config.get("class_name") in own:
        return config
    return {
        key: _budget_for(each) if key.endswith("_initializer") and each is not None else _budgeted(each, own)
        for key, each in config.items()
    }


def _budget_for(original: Any) -> dict[str, Any]:
    own = {"original": original}
    return {"module": None, "class_name": _BUDGET, "config": own, "registered_name": _BUDGET}


def _budget(library: str, most: float) -> type:
    """An initializer of zeros: a config cannot claim memory that the file's own weights will not fill."""
    base: Any = require(library, extra="toolkit").initializers.Initializer
    left = [most]

    class Budget(base):
        def __init__(self, original: Any = None) -> None:
            self._original = original

        def get_config(self) -> dict[str, Any]:
            return {"original": self._original}

        def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
            left[0] -= math.prod(int(length) for length in shape)
            if left[0] < 0:
                raise InputError("the config asks for more weights than the file holds")
            return require("tensorflow", extra="toolkit").zeros(shape, dtype or "float32")

    # Wrappers copy their layer by its config, where the class's own name stands.
    Budget.__name__ = _BUDGET
    return Budget


def _loaded(raw: RawModel, config: Any, library: str, custom: Custom | None) -> Any:
    """Keras loads a copy that holds the vetted config and nothing that was not looked at."""
    keras, own = require(library, extra="toolkit"), _objects(custom, library)
    config = _budgeted(config, own)
    scope = {_BUDGET: _budget(library, _REPEATED * most_weights(raw)), **own}
    try:
        with tempfile.TemporaryDirectory(prefix="edgepress-") as folder, keras.utils.custom_object_scope(scope):
            if raw.format == "savedmodel":
                kinds = {"Sequential": keras.Sequential, **own}.get(config["class_name"], keras.Model)
                model = kinds.from_config(config["config"])
                model.load_weights(str(raw.path / "variables" / "variables")).expect_partial()
                return model
            path = Path(folder) / f"model.{raw.format}"
            path.write_bytes(_with_config(raw, config))
            model = keras.models.load_model(path, compile=False, safe_mode=True)
            return model if getattr(model, "inputs", None) else _functional(model, keras, raw.config)
    except InputError:
        raise
    except Exception as error:
        # Keras raises whatever comes up, and so does code of the user's own.
        reason = " ".join(str(error).split())[:200]
        # Some of what Keras 3 writes as HDF5 it cannot read itself: its attention, numbers among operations' arguments.
        again = "save the model again" + (", as .keras" if raw.format == "h5" else "")
        mend = again if custom is None else f"{again}, or mend {custom.path.name}"
        raise InputError(f"{raw.path}: Keras cannot load it ({reason}): {mend}") from None


def _functional(model: Any, keras: Any, config: Mapping[str, Any]) -> Any:
    """A model of a class of the user's own as one that knows its inputs: those that it was built for."""
    shape = (config.get("build_config") or {}).get("input_shape")
    shapes = [shape] if isinstance(shape, list) and not isinstance(shape[0], list) else shape
    if not shapes or isinstance(shapes, Mapping):
        raise InputError(f"model {model.name!r} is a {type(model).__name__} that does not say what it takes: call it "
                         "in a functional model, keras.Model(x, model(x)), and save that")  # fmt: skip
    inputs = [keras.Input(each[1:]) for each in shapes]
    return keras.Model(inputs, model(inputs if len(inputs) > 1 else inputs[0]), name=model.name)


def _with_config(raw: RawModel, config: Any) -> bytes:
    """The file with that config in place of its own."""
    made = io.BytesIO(raw.data)
    if raw.format == "h5":
        with require("h5py", extra="toolkit").File(made, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs.pop("training_config", None)
        return made.getvalue()
    with zipfile.ZipFile(io.BytesIO(raw.data)) as archive:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as copy:
            copy.writestr("config.json", json.dumps(config))
            # Assets would be files for layers that are not opened.
            for member in ("metadata.json", "model.weights.h5"):
                copy.writestr(member, archive.read(member))
    return made.getvalue()
