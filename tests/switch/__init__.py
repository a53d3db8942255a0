"""Tests of `aava_cli.switch`."""
