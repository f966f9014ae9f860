"""The whole pipeline: train, export, benchmark."""
