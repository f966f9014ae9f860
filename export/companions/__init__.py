"""What is written beside the model files: packed copies, C headers, signatures."""
