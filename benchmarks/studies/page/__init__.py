"""Writes figures into pages."""
