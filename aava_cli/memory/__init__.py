"""How much memory models take and where they go: pure, from facts that others gather."""
