"""What happens to a request: read within limits, put into batches, answered."""
