"""Quantization-aware training through TensorFlow Model Optimization."""

from typing import Any

from edgepress.runtime.extras import require

__all__ = ["add_quantization"]


def add_quantization(model: Any) -> Any:
    """A quantization-aware copy of a tf-keras model: 8-bit weights and activations in training, zeros stay zero.

    The scheme is TFMOT's sparsity-preserving one (PQAT): each kernel is multiplied by the mask of the weights that are
    not zero now. A model without zeros trains as under the plain scheme.
    """
    tfmot = require("tensorflow_model_optimization", extra="toolkit")
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    return tfmot.quantization.keras.quantize_apply(annotated, scheme)
