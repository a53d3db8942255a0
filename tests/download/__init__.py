"""Pulling models: real files, real archives, and a real server that misbehaves on request."""
