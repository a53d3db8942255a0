"""Model lifecycle manager for self-hosted voice agents."""

__version__ = "0.1.0"
