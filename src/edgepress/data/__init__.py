"""Data sets: found, read, checked, split. NumPy only; what a format needs besides is imported by its reader."""

from .arrays import Inputs, dataset_of_arrays
from .dataset import CLASSES, LABELS, NOTHING, NUMBERS, Dataset, Part, Split, SplitRecipe, Targets
from .question import question_of, with_normal
from .sources import load_dataset

__all__ = [
    "CLASSES",
    "LABELS",
    "NOTHING",
    "NUMBERS",
    "Dataset",
    "Inputs",
    "Part",
    "Split",
    "SplitRecipe",
    "Targets",
    "dataset_of_arrays",
    "load_dataset",
    "question_of",
    "with_normal",
]
