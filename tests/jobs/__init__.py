"""Commands in the background."""
