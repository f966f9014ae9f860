"""How long pruning goes on removing weights."""

__all__ = ["ramp_epochs"]

_RAMP_SHARE = 0.6
"""Part of the pruning epochs in which weights are removed; the rest mends what that cost."""


def ramp_epochs(epochs: int, pruning: str) -> int:
    """Epochs in which zeros come: one, where all come at once."""
    return max(1, round(epochs * _RAMP_SHARE)) if pruning == "polynomial" else 1
