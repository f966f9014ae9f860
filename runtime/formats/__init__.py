"""Model files as they are laid out: reading them, and checking their structure before a native parser does."""
