"""The probes: each finds out one fact, and changes nothing."""
