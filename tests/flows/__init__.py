"""Verbs composed."""
