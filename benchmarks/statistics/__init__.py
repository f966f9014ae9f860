"""Metrics, intervals, robustness."""
