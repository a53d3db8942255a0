"""Where a model that goes by a name of the hub is loaded from."""
