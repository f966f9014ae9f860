"""Bundles of one dense layer for every task, written by hand: the schema's object API, no converter."""
