"""What a config may name, when Keras itself makes the model from it.

Keras imports what a config names and calls it. So everything that one names is held against Keras' own public classes
first; a class of somebody else's is refused, and so is one of Keras' own that runs code or reads files.
"""

from collections.abc import Mapping
from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .custom import Custom

__all__ = ["APPLIED", "REFUSED", "allowed_layers", "vetted"]

REFUSED: dict[str, str] = {
    "DenseFeatures": "its columns are objects of TensorFlow's",
    "FlaxLayer": "it runs code that the file brings along",
    "HashedCrossing": "it works on texts, which no runtime here takes",
    "Hashing": "it works on texts, which no runtime here takes",
    "IntegerLookup": "it reads a vocabulary from a file: look the numbers up before the model",
    "JaxLayer": "it runs code that the file brings along",
    "Lambda": "it runs code that the file brings along: write it as a layer of Keras' own, such as Rescaling",
    "Pipeline": "it is a step of a data set's, not of a model",
    "StringLookup": "it works on texts, which no runtime here takes",
    "TFSMLayer": "it loads another model from a path",
    "TextVectorization": "it works on texts, which no runtime here takes",
    "TorchModuleWrapper": "it runs code that the file brings along",
}
"""Public layers of Keras that are not opened, and why."""
APPLIED = {"CustomScaleLayer": "src.applications.inception_resnet_v2", "LayerScale": "src.applications.convnext"}
"""Layers that models of `keras.applications` are made of and that are not among Keras' public ones, with the module
that has each."""
_REGISTERED = "Custom>"
"""What tf-keras writes before the names of such layers, where it registers them."""
_MOST_SCALES = 65_536
"""Weights of such a layer, which makes them itself, however many the file holds."""
_ABSTRACT = frozenset({"AbstractRNNCell", "Input", "InputSpec", "Layer"})
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_VALUES = frozenset(
    {"TensorShape", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__", "__tuple__", "slice"}
)
"""Plain values that Keras writes as classes."""
_HELPERS = ("constraints", "initializers", "regularizers")
"""Modules of Keras whose classes layers are made with."""
_POLICIES = frozenset({"DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "Policy"})
_MODULES = ("keras", "tf_keras", "builtins")
_OPERATIONS = ("keras.src.ops.", "keras.ops")
"""Where Keras 3 keeps operations on tensors, such as the `+` of `a + b`."""
_FUNCTIONS = ("function", "fn")
_LAMBDAS = frozenset({"SlicingOpLambda", "TFOpLambda"})
"""How tf-keras writes such operations."""
_CALLED = frozenset(
    {"__operators__.add", "__operators__.getitem", "cast", "clip_by_value", "compat.v1.transpose", "concat"}
    | {"expand_dims", "math.abs", "math.add", "math.divide", "math.exp", "math.log", "math.maximum", "math.minimum"}
    | {"math.multiply", "math.negative", "math.pow", "math.reduce_max", "math.reduce_mean", "math.reduce_sum"}
    | {"math.rsqrt", "math.sigmoid", "math.sqrt", "math.square", "math.subtract", "math.tanh", "math.truediv"}
    | {"nn.elu", "nn.gelu", "nn.l2_normalize", "nn.relu", "nn.relu6", "nn.sigmoid", "nn.silu", "nn.softmax"}
    | {"nn.softplus", "nn.swish", "reshape", "split", "squeeze", "stack", "tile", "transpose", "linalg.matmul"}
)
"""Functions of TensorFlow's that tf-keras writes where tensors were computed with; none reads or writes anything."""
_HALF = {"mixed_float16": "float32", "mixed_bfloat16": "float32"}
"""Precisions in which training computes; the weights are float32, and so is what is exported."""
_OWN = "Keras' own {} are allowed, and others with the Python file that defines them (--custom layers.py)"


def allowed_layers(library: str) -> frozenset[str]:
    """Layers of `keras` or `tf_keras` that are opened: all public ones without those in `REFUSED`."""
    layers = require(f"{library}.layers", extra="toolkit")
    public = {name for name in dir(layers) if name[:1].isupper() and isinstance(getattr(layers, name), type)}
    return frozenset(public - REFUSED.keys() - _ABSTRACT | {"InputLayer"})


def vetted(config: Any, library: str, custom: Custom | None = None) -> Any:
    """The config with mixed precision taken out, once all that it names is known to be harmless.

    Args:
        config: A model's, from JSON.
        library: `keras` or `tf_keras`: which of them will make the model.
        custom: What the user's own file defines, which may be named too.

    Raises:
        InputError: Something else is named; the message says which layer, and the nearest way out.
    """
    return _Vet(library, custom).value(config, "the model")


class _Vet:
    def __init__(self, library: str, custom: Custom | None) -> None:
        self._library, self._custom = library, custom
        helpers = [require(f"{library}.{module}", extra="toolkit") for module in _HELPERS]
        applied = APPLIED.keys() | {_REGISTERED + name for name in APPLIED if library == "tf_keras"}
        self._known = allowed_layers(library) | applied | _MODELS | _VALUES | _POLICIES | _LAMBDAS
        self._known |= {name for module in helpers for name in dir(module) if not name.startswith("_")}
        # tf-keras takes names of TensorFlow's too, which are Keras 3's.
        activations = [require(f"{each}.activations", extra="toolkit") for each in ("keras", library)]
        self._functions = frozenset(name for module in activations for name in dir(module) if name[0].islower())
        self._called = _CALLED | self._functions

    def value(self, value: Any, where: str) -> Any:
        """A part of the config; `where` is what messages call its place."""
        if isinstance(value, list):
            return [self.value(each, where) for each in value]
        if not isinstance(value, dict):
            return _HALF.get(value, value) if isinstance(value, str) else value
        if own := self._own(value):
            if value["class_name"] == "function" and self._library == "tf_keras":
                # In `.h5` files it does not understand the objects that it writes for functions.
                return own
            value, where = self._renamed(value, own), _place(value, where)
        elif "class_name" in value:
            where = self._named(value, where)
        for key, each in value.items():
            if isinstance(each, str) and key in _FUNCTIONS and each not in self._called:
                raise InputError(f"{where} calls {each!r}: {_OWN.format('functions')}")
            if isinstance(each, str) and key.endswith("activation") and each not in self._functions:
                if own := self._own(each):
                    value = value | {key: own}
                    continue
                raise InputError(f"{where} has the activation {each!r}: {self._allowed('activations', each)}")
        return {
            key: self.value(each, where if key == "config" else f"{where}, {key}")
            for key, each in value.items()
            if key != "compile_config"
        }

    def _own(self, value: Any) -> str:
        return "" if self._custom is None else self._custom.find(value, self._library)

    def _renamed(self, value: dict[str, Any], own: str) -> dict[str, Any]:
        """An object under the name by which Keras is given the user's class or function, and no other."""
        named = "config" if value["class_name"] == "function" else "class_name"
        return value | {named: own} | {key: own for key in ("registered_name",) if key in value} | {"module": None}

    def _allowed(self, what: str, name: str) -> str:
        """The end of a refusal."""
        reason = "" if self._custom is None else f"; {self._custom.why_not(name.rpartition('>')[2], self._library)}"
        return _OWN.format(what) + reason

    def _named(self, value: Mapping[str, Any], where: str) -> str:
        """Check what an object is made from; what messages call it."""
        name, module, config = value["class_name"], value.get("module"), value.get("config")
        where = _place(value, where)
        if not isinstance(name, str):
            raise InputError(f"{where} is made from {name!r}: save the model again")
        if module is not None and str(module).split(".")[0] not in _MODULES:
            raise InputError(f"{where} is {module}.{name}: {self._allowed('layers', name)}")
        if name == "function":
            if config not in self._functions:
                raise InputError(f"{where} is {config!r}: {self._allowed('functions', str(config))}")
        elif "Quantized" in name or "Int4" in name or _is_quantized(config):
            raise InputError(f"{where} was quantized by Keras: give the float model, edgepress quantizes it itself")
        elif name in REFUSED:
            raise InputError(f"{where} is a {name}: {REFUSED[name]}")
        elif name == "LayerScale" and not _is_small(config):
            raise InputError(f"{where} scales more than {_MOST_SCALES:,} channels: no model of keras.applications does")
        elif not (name in self._known or (module or "").startswith(_OPERATIONS)):
            raise InputError(f"{where} is a {name}: {self._allowed('layers', name)}")
        elif value.get("registered_name") not in (None, name, _REGISTERED + name if name in APPLIED else name):
            raise InputError(f"{where} is {value['registered_name']}: {self._allowed('layers', name)}")
        return where


def _place(value: Mapping[str, Any], where: str) -> str:
    config = value.get("config")
    return f"layer {config['name']!r}" if isinstance(config, dict) and "name" in config else where


def _is_small(config: Any) -> bool:
    count = config.get("projection_dim") if isinstance(config, dict) else None
    return isinstance(count, int) and count <= _MOST_SCALES


def _is_quantized(config: Any) -> bool:
    return isinstance(config, dict) and bool(config.get("quantization_mode") or config.get("quantization_config"))
