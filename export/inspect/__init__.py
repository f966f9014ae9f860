"""What is really inside a model file."""
