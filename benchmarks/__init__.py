"""Accuracy, latency and footprint of a bundle against the float model, and the report."""
