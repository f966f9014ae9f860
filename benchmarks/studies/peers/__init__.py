"""What a user would get from other tools, for the same float models and data."""
