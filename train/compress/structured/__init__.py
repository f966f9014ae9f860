"""Structured pruning: channels and units leave through everything that they are coupled with."""
