"""Tests of commands that are composed of several verbs."""
