"""Fewer and simpler weights: pruning, clustering, folding, removal of units."""
