"""Tests of `aava rebuild`, on a real engine."""
