"""Killing export and press at random moments."""
