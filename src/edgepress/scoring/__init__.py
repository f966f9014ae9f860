"""Answers about any number of examples, written to one table: resumable, in order, in constant memory."""

from .bulk import Scored, score

__all__ = ["Scored", "score"]
