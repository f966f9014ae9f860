"""Quantization-aware training through TensorFlow Model Optimization."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["UnknownLayersError", "add_quantization", "forgets_zeros", "release_clusters", "rounded_kernels"]


class UnknownLayersError(InputError):
    """Layers that TFMOT cannot train quantization-aware."""


def add_quantization(model: Any, *, clustered: bool = False, weight_bits: int = 8) -> Any:
    """A quantization-aware copy of a tf-keras model: 8-bit activations in training, zeros stay zero.

    TFMOT calls the schemes PQAT (sparse), CQAT (clustered) and PCQAT (both); a model without zeros or clusters trains
    as under the plain scheme, QAT.

    Args:
        model: Its weights are the start; those that are zero now are held there.
        clustered: Hold the weights of each kernel to the values that they share now. Call `release_clusters` on the
            model after training.
        weight_bits: 8, or fewer for Dense and Conv2D, one scale for each output; then not `clustered`.

    Raises:
        UnknownLayersError: TFMOT does not know a layer; the message names it.
    """
    tfmot = require("tensorflow_model_optimization", extra="toolkit")
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    schemes = tfmot.experimental.combine
    if clustered:
        scheme = schemes.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)
    elif weight_bits == 8:
        scheme = schemes.Default8BitPrunePreserveQuantizeScheme()
    else:
        scheme = _scheme_with(weight_bits)
    try:
        return tfmot.quantization.keras.quantize_apply(annotated, scheme)
    except (RuntimeError, ValueError) as error:
        # Which layers TFMOT takes depends on their neighbours too: it rewrites some pairs before it looks.
        layers = ", ".join(_unknown_layers(model, scheme)) or str(error).splitlines()[0]
        raise UnknownLayersError(f"TFMOT cannot train {layers} quantization-aware") from None


def _unknown_layers(model: Any, scheme: Any) -> list[str]:
    registry = scheme.get_quantize_registry()
    return [
        f"'{layer.name}' ({type(layer).__name__})"
        for layer in model.layers
        if type(layer).__name__ != "InputLayer" and not registry.supports(layer)
    ]


def forgets_zeros(model: Any) -> bool:
    """Whether there are zeros in kernels that a quantization-aware model trains as they are: TFMOT wraps a convolution
    in front of a ReLU layer without a quantizer for its weights, and so without what would keep their zeros."""
    free = [wrapper.layer for wrapper in model.layers if hasattr(wrapper, "layer") and not wrapper._weight_vars]
    weights = [variable.numpy() for layer in free for variable in layer.trainable_weights]
    return any(each.ndim > 1 and not each.all() for each in weights)


def release_clusters(model: Any) -> Any:
    """A model trained with `clustered`, its weights fixed where training left them, its ranges kept."""
    return require("tensorflow_model_optimization", extra="toolkit").experimental.combine.strip_clustering_cqat(model)


def rounded_kernels(model: Any) -> dict[str, NDArray[np.float32]]:
    """What the quantizers make of each kernel, by the layer's name: the largest weight of each output is the largest
    integer, so that a converter that takes its scales from there finds the same integers."""
    kernels = {}
    for wrapper in model.layers:
        for variable, quantizer, ranges in getattr(wrapper, "_weight_vars", ()):
            kernels[wrapper.layer.name] = quantizer(variable, training=True, weights=ranges).numpy()
    return kernels


def _scheme_with(weight_bits: int) -> Any:
    """The sparsity-preserving scheme with fewer bits for the weights of Dense and Conv2D."""
    layers = require("tf_keras", extra="toolkit").layers
    tfmot = require("tensorflow_model_optimization", extra="toolkit")
    package = "tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve"
    quantizers = require(f"{package}.prune_preserve_quantize_registry", extra="toolkit")
    base: Any = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme

    class Scheme(base):
        def get_quantize_registry(self) -> Any:
            registry = super().get_quantize_registry()
            with_8_bits = registry.get_quantize_config

            def get_quantize_config(layer: Any) -> Any:
                config = with_8_bits(layer)
                if type(layer) in (layers.Dense, layers.Conv2D):
                    config.weight_quantizer = quantizers.PrunePreserveDefaultWeightsQuantizer(
                        num_bits=weight_bits, per_axis=True, symmetric=True, narrow_range=True
                    )
                return config

            registry.get_quantize_config = get_quantize_config
            return registry

    return Scheme()
