"""Speed, memory, energy and sizes, measured in fresh processes."""
