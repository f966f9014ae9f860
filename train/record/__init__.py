"""What is kept of a run: history, curves, environment."""
