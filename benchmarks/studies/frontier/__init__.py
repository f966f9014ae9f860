"""How small, and how accurate, a file for MNIST can be."""
