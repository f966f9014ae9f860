"""The server under load, for a long time, and fed with nonsense."""
