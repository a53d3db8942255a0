"""Tests of the checks and of what they look at."""
