"""Tests of the daemon's client, its step and `aava status`."""
