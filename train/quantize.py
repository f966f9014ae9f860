"""Quantization-aware training through TensorFlow Model Optimization."""

from typing import Any

from edgepress.runtime.extras import require

__all__ = ["add_quantization", "release_clusters"]


def add_quantization(model: Any, *, clustered: bool = False) -> Any:
    """A quantization-aware copy of a tf-keras model: 8-bit weights and activations in training, zeros stay zero.

    TFMOT calls the schemes PQAT (sparse), CQAT (clustered) and PCQAT (both); a model without zeros or clusters trains
    as under the plain scheme, QAT.

    Args:
        model: Its weights are the start; those that are zero now are held there.
        clustered: Hold the weights of each kernel to the values that they share now. Call `release_clusters` on the
            model after training.
    """
    tfmot = require("tensorflow_model_optimization", extra="toolkit")
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    schemes = tfmot.experimental.combine
    if clustered:
        scheme = schemes.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)
    else:
        scheme = schemes.Default8BitPrunePreserveQuantizeScheme()
    return tfmot.quantization.keras.quantize_apply(annotated, scheme)


def release_clusters(model: Any) -> Any:
    """A model trained with `clustered`, its weights fixed where training left them, its ranges kept."""
    return require("tensorflow_model_optimization", extra="toolkit").experimental.combine.strip_clustering_cqat(model)
