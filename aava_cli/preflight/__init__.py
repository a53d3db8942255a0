"""The truth about a host: facts, then checks."""
