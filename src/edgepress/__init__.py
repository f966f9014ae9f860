"""edgepress: press a trained Keras classifier until it fits the edge, and prove what that cost."""

__version__ = "0.1.0"
