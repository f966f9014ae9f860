"""The runtimes that execute a model file, behind one interface."""

from .base import Session
from .registry import BACKENDS, choose_backends, open_session, present_backends

__all__ = ["BACKENDS", "Session", "choose_backends", "open_session", "present_backends"]
