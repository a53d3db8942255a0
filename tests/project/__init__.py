"""Tests of `aava_cli.project`."""
