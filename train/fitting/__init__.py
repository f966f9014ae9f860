"""Fitting a model: epochs, distortion, distillation, checkpoints."""
