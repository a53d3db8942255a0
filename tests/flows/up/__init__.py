"""Tests of `aava up`."""
