"""The whole pipeline: train, export, benchmark."""

from .budget import Budget, Candidate
from .pipeline import PressResult, press
from .search import SearchResult, search

__all__ = ["Budget", "Candidate", "PressResult", "SearchResult", "press", "search"]
