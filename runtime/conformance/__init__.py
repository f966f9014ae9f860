"""Golden vectors, and whether every backend gives the answers that they hold."""
