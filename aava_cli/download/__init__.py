"""Pull models: plan, fetch, verify, publish."""
