"""Weight clustering through TensorFlow Model Optimization: each kernel keeps a few distinct values, which pack well."""

from typing import Any

import numpy as np

from edgepress.base.extras import require

__all__ = ["add_clustering", "distinct_weights", "strip_clustering"]

_EXPERIMENTAL = "tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster"
_CLUSTERED = ("Conv2D", "Dense")
"""Layers whose clusters quantization-aware training can preserve."""


def add_clustering(model: Any, clusters: int) -> Any:
    """A copy of `model` in which each kernel is drawn to `clusters` values; zeros stay zero, as one of them.

    Args:
        model: tf-keras; its weights are the start.
        clusters: Distinct values in each kernel, at least 3. A kernel with fewer weights of one sign is left alone:
            TFMOT cannot place the clusters there.
    """
    clustering = require("tensorflow_model_optimization", extra="toolkit").clustering.keras
    # Sparsity is preserved by the experimental entry alone, which the public package does not show.
    experimental = require(_EXPERIMENTAL, extra="toolkit")
    clone_model = require("tf_keras", extra="toolkit").models.clone_model
    copy = clone_model(model)
    copy.set_weights(model.get_weights())
    options = {
        "number_of_clusters": clusters,
        "cluster_centroids_init": clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
        "preserve_sparsity": any(_has_zeros(layer) for layer in copy.layers),
    }

    def wrap(layer: Any) -> Any:
        if type(layer).__name__ not in _CLUSTERED or _signed_weights(layer) < clusters:
            return layer
        return experimental.cluster_weights(layer, **options)

    return clone_model(copy, clone_function=wrap)


def strip_clustering(model: Any) -> Any:
    """The plain model with the clustered weights."""
    return require("tensorflow_model_optimization", extra="toolkit").clustering.keras.strip_clustering(model)


def distinct_weights(model: Any) -> int:
    """The most distinct values that any kernel of a tf-keras model has."""
    return max(len(np.unique(v.numpy())) for v in model.trainable_variables if len(v.shape) > 1)


def _has_zeros(layer: Any) -> bool:
    return type(layer).__name__ in _CLUSTERED and bool((layer.kernel.numpy() == 0).any())


def _signed_weights(layer: Any) -> int:
    """Weights of the rarer sign."""
    kernel = layer.kernel.numpy()
    return int(min((kernel > 0).sum(), (kernel < 0).sum()))
