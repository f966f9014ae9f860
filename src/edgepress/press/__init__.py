"""The whole pipeline: train, export, benchmark."""

from .budget import Budget, Candidate
from .crew import Needs
from .pipeline import PressResult, press
from .search import SearchResult, search

__all__ = ["Budget", "Candidate", "Needs", "PressResult", "SearchResult", "press", "search"]
