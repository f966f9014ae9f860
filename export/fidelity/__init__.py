"""Is an artifact still its Keras model? What it loses, and whether it may be published."""
