"""Data sets: found, checked, split. NumPy only."""

from .dataset import Dataset

__all__ = ["Dataset"]
