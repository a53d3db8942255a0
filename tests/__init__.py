"""The tests; the tree mirrors `aava_cli`."""
