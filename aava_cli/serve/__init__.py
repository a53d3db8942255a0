"""The native daemon: one port, one process per model."""
