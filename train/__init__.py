"""Everything that changes weights: fit, prune, quantize-aware training; and opening Keras files safely."""
