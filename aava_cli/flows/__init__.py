"""Verbs composed: the one package that may import several."""
