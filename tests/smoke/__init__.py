"""Tests of `aava_cli.smoke`."""
