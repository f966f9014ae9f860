"""What compression costs, beside TensorFlow Model Optimization and where that cannot go."""
