"""What becomes of every model of `keras.applications`."""
