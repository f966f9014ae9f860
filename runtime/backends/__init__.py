"""The runtimes that execute a model file, behind one interface."""

from .base import Session
from .registry import BACKENDS, Backend, choose_backends, open_session, present_backends

__all__ = ["BACKENDS", "Backend", "Session", "choose_backends", "open_session", "present_backends"]
