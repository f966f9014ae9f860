"""What an export takes, and what its files cost and answer: accuracy, size, latency, seconds, memory."""
