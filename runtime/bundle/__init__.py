"""The bundle on disk: its manifest, its signature, and where a model's bytes come from."""
