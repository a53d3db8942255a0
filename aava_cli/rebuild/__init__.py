"""Backends compiled into the daemon's image, and taken out of it."""
