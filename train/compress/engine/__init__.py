"""Compression of any Keras model's kernels, in any training loop: zeros, shared values and few bits."""
