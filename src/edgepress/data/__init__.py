"""Data sets: found, read, checked, split. NumPy only; what a format needs besides is imported by its reader."""

from .arrays import Inputs, dataset_of_arrays
from .dataset import CLASSES, LABELS, NOTHING, NUMBERS, Dataset, Part, Split, SplitRecipe, Targets
from .options import Options
from .question import question_of, with_normal
from .sources import READERS, Reader, as_dataset, data_help, load_dataset

__all__ = [
    "CLASSES",
    "LABELS",
    "NOTHING",
    "NUMBERS",
    "READERS",
    "Dataset",
    "Inputs",
    "Options",
    "Part",
    "Reader",
    "Split",
    "SplitRecipe",
    "Targets",
    "as_dataset",
    "data_help",
    "dataset_of_arrays",
    "load_dataset",
    "question_of",
    "with_normal",
]
