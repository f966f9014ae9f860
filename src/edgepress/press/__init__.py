"""The whole pipeline: train, export, benchmark."""

from .pipeline import PressResult, press

__all__ = ["PressResult", "press"]
