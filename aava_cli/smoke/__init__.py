"""Prove with one sentence that the running models work."""
