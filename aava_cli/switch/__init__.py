"""Change the selected models, all or nothing."""
