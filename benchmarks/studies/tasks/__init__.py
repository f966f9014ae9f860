"""Other data and other questions, one command line a row."""
