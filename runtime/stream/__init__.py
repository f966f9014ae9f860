"""Signals and sound that do not end: windows that overlap, answers that are smoothed, events with their time."""

from .event import Event
from .settings import Settings
from .stream import Stream

__all__ = ["Event", "Settings", "Stream"]
