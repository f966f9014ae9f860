"""Data sets: found, checked, split. NumPy only; Pillow where the images are files."""

from .dataset import Dataset, Split
from .sources import load_dataset

__all__ = ["Dataset", "Split", "load_dataset"]
