"""Keras to TFLite."""
